"""The learning curve's part of a plan: sizes, seeds, arms and what each may choose by.

What a size costs in labels is all that an arm used at that size: `bench.rows.subsets` gives each its rows,
and no validation row of the split is read. A tuned arm trains on all of them as declared; the others
choose on a third of them where that is enough rows to choose by.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from bench import registry
from bench.planning.make import Curve, Trial, contender_names, settings_of, slug_of
from scenarios.errors import UserError
from scenarios.rows import Split
from scenarios.schema import Task

ARMS = ("zero-shot", "few-shot", "tf-idf", "embeddings", "lora")
QUICK_ARMS = ("zero-shot", "few-shot", "tf-idf", "lora")
SIZES = {"quick": (32, 64, 128, 256), "default": (32, 64, 128, 256, 512),
         "full": (32, 64, 128, 256, 512, 1024)}  # fmt: skip
SEEDS = {"quick": 1, "default": 3, "full": 5}
CHOICES = (
    "At each size an arm uses the labelled rows of that size and no others: tuning trains on all of "
    "them with settings that are declared, to the last epoch; the others choose on about a third of "
    "them (64 at most) what is to be chosen, and take what is declared where that third would be "
    "fewer than 8 rows, or than two of each label. Classifiers and retrieval then take all of them. "
    "Zero-shot takes none."
)
_BASELINES = ("few-shot", "retrieved", "zero-shot")  # in this order the primary one is declared


@dataclass(frozen=True)
class Wanted:
    """What the user asks of a curve; without sizes or seeds those of the mode. `alone` is `bench curve`."""

    sizes: tuple[int, ...] = ()
    seeds: int | None = None
    alone: bool = True


def has_curve(name: str) -> bool:
    """Whether a contender, as people write it, can stand in a learning curve."""
    return getattr(registry.contender(name.strip().partition("@")[0]), "curve", {}) is not None


def check_sizes(sizes: Sequence[int], labels: int) -> None:
    """Raises `UserError` for sizes that can't be a curve's, before any row is read."""
    if not sizes:
        return
    twice = next((size for i, size in enumerate(sizes) if size in sizes[:i]), None)
    if twice is not None:
        raise UserError(f"--sizes names {twice} twice; give each size once")
    if list(sizes) != sorted(sizes):
        told = ",".join(map(str, sorted(sizes)))
        raise UserError(f"--sizes must rise, since each size contains the one before; give {told}")
    least = max(labels, 2)
    if sizes[0] < least:
        raise UserError(
            f"--sizes begins at {sizes[0]}, which is fewer than the {least} that are needed to have "
            "one row of each label; begin higher"
        )
    if len(sizes) < 2:
        raise UserError("--sizes names one size; a curve needs two, and four to be fitted")


def make_curve(
    wanted: Wanted,
    task: Task,
    split: Split,
    mode: str,
    seed: int,
    model: str,
    only: Sequence[str] = (),
    changed: Mapping[str, dict] = MappingProxyType({}),
    number: int = 1,
) -> Curve:
    """The sizes and trials: one a contender and seed, each through all sizes; numbered from `number`.

    Raises `UserError` for sizes beyond the rows there are, and for contenders that have no curve.
    """
    seeds = SEEDS[mode] if wanted.seeds is None else wanted.seeds
    if seeds < 1:
        raise UserError(f"--seeds {seeds}: a curve needs one seed at least")
    check_sizes(wanted.sizes, len(task.labels))
    sizes = wanted.sizes or _sizes(mode, len(split.train), len(task.labels))
    if sizes[-1] > len(split.train):
        raise UserError(
            f"--sizes goes to {sizes[-1]}, and {len(split.train)} training rows are there; end at "
            f"{len(split.train)}, or bring more rows"
        )
    trials: list[Trial] = []
    names = _names(only, mode, task)
    for own_seed in range(seed, seed + seeds):
        for name in names:
            kind, _, own_model = name.partition("@")
            contender = registry.contender(kind)
            needs_rows = getattr(contender, "needs_rows", True)
            if not needs_rows and own_seed != seed:
                continue
            settings = settings_of(
                contender, True, _of_curve(contender) | (changed.get(kind) or {})
            )
            _check_settled(kind, contender, settings)
            if not needs_rows and changed.get(kind):
                raise UserError(
                    f"{kind} takes no labelled rows in a curve, so none of its settings can be chosen; "
                    f"leave out --set {kind}.{next(iter(changed[kind]))}"
                )
            trials.append(
                Trial(
                    slug=f"{number + len(trials):02d}-curve-{slug_of(name)}-s{own_seed}",
                    name=name,
                    kind=kind,
                    family=contender.family,
                    model=(own_model or model) if contender.uses_model else None,
                    seed=own_seed,
                    n_train=sizes[-1] if needs_rows else 0,
                    settings=settings,
                    sizes=sizes if needs_rows else (0,),
                )
            )
    return Curve(
        sizes=sizes,
        seeds=tuple(range(seed, seed + seeds)),
        trials=tuple(trials),
        choices=CHOICES,
        compared=_compared(trials),
    )


def _of_curve(contender) -> dict:
    return getattr(contender, "curve", None) or {}


def _sizes(mode: str, at_hand: int, labels: int) -> tuple[int, ...]:
    """The mode's sizes as far as the rows reach, and then all rows there are."""
    found = [size for size in SIZES[mode] if max(labels, 2) <= size <= at_hand]
    if len(found) < len(SIZES[mode]) and at_hand not in found:
        found.append(at_hand)
    if len(found) < 2:
        raise UserError(
            f"{at_hand} training rows are too few for the usual sizes; give --sizes, such as "
            f"{max(labels, 2)},{at_hand}, or bring more rows"
        )
    return tuple(found)


def _names(only: Sequence[str], mode: str, task: Task) -> list[str]:
    """The named contenders and TF-IDF, or the usual ones, in the order of families."""
    usual = [name for name in (QUICK_ARMS if mode == "quick" else ARMS) if _suits(name, task)]
    for name in only:
        kind = name.strip().partition("@")[0]
        if kind == "majority":
            raise UserError("majority has no learning curve: it says one thing to everything")
        if not has_curve(name):
            raise UserError(f"'{name}' has no learning curve; leave it out of --only")
    found = contender_names(only or usual, mode, task.type)
    return [name for name in found if name != "majority"]


def _suits(name: str, task: Task) -> bool:
    return task.type in getattr(registry.contender(name), "tasks", (task.type,))


def _check_settled(kind: str, contender, settings: dict) -> None:
    """A tuned arm has no rows to search a rate by."""
    rates = settings.get("learning_rates", ())
    if hasattr(contender, "fit_once") and len(rates) > 1:
        raise UserError(
            f"a curve trains {kind} with one learning rate, since it counts every row that chooses; "
            f"give --set {kind}.learning_rates={rates[0]:g}"
        )


def _compared(trials: Sequence[Trial]) -> dict:
    """The tuned arms, all prompts that each must be ahead of, and the pair of the primary comparison."""

    def names(family: str) -> list[str]:
        return list(dict.fromkeys(t.name for t in trials if t.family == family))

    prompts, tuned = names("prompt"), names("fine_tune")

    def rank(name: str) -> int:
        kind = name.partition("@")[0]
        return _BASELINES.index(kind) if kind in _BASELINES else len(_BASELINES)

    return {
        "tuned": tuned,
        "prompts": prompts,
        "baseline": min(prompts, key=rank) if prompts else None,
        "challenger": tuned[0] if tuned else None,
    }
