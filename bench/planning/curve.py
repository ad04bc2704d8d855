"""The learning curve's part of a plan: sizes, seeds, arms, and what each may choose on.

A size counts every label that an arm used at that size: `bench.rows.subsets` gives each its rows, and no
validation row of the split is read. A tuned arm trains on all of them with declared settings; the others
choose on a third of them where those are enough rows to choose on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from bench import registry
from bench.core.contender import Contender
from bench.core.plan import Compared, Curve, Trial
from bench.planning.request import CurveRequest
from bench.planning.settings import contender_names, model_of, settings_of, slug_of
from scenarios.errors import UserError
from scenarios.rows import Split
from scenarios.schema import Task

ARMS = ("zero-shot", "few-shot", "tf-idf", "embeddings", "lora")
QUICK_ARMS = ("zero-shot", "few-shot", "tf-idf", "lora")
SIZES = {"quick": (32, 64, 128, 256), "default": (32, 64, 128, 256, 512),
         "full": (32, 64, 128, 256, 512, 1024)}  # fmt: skip
SEEDS = {"quick": 1, "default": 3, "full": 5}
CHOICES = (
    "At each size an arm uses the labelled rows of that size and no others. Tuning trains on all of "
    "them, with declared settings and to the last epoch. The other arms choose on about a third of "
    "them (at most 64), or use declared settings where that third would be fewer than 8 rows or fewer "
    "than two of each label; classifiers and retrieval then use all of them. Zero-shot uses none."
)
_BASELINES = (
    "few-shot",
    "retrieved",
    "zero-shot",
)  # the first of them in a curve is the primary one


def has_curve(name: str) -> bool:
    """Whether a contender, as people write it, can have a learning curve."""
    return registry.contender(name.strip().partition("@")[0]).curve is not None


def check_sizes(sizes: Sequence[int], labels: int) -> None:
    """Raises `UserError` for sizes that can't be a curve's, before any row is read."""
    if not sizes:
        return
    twice = next((size for i, size in enumerate(sizes) if size in sizes[:i]), None)
    if twice is not None:
        raise UserError(f"--sizes lists {twice} twice; each size must be different")
    if list(sizes) != sorted(sizes):
        ascending = ",".join(map(str, sorted(sizes)))
        raise UserError(
            f"--sizes must be ascending, since each size includes the previous one: use {ascending}"
        )
    least = max(labels, 2)
    if sizes[0] < least:
        raise UserError(
            f"--sizes starts at {sizes[0]}, and at least {least} rows are needed for one of each label; "
            "start higher"
        )
    if len(sizes) < 2:
        raise UserError("--sizes lists one size; a curve needs two, and four for a fitted curve")


def make_curve(
    wanted: CurveRequest,
    task: Task,
    split: Split,
    mode: str,
    seed: int,
    model: str,
    only: Sequence[str] = (),
    changed: Mapping[str, dict[str, Any]] = MappingProxyType({}),
    number: int = 1,
) -> Curve:
    """The sizes and trials: one a contender and seed, each through all sizes, numbered from `number`.

    Raises `UserError` for sizes beyond the rows there are, and for contenders that have no curve.
    """
    seeds = SEEDS[mode] if wanted.seeds is None else wanted.seeds
    if seeds < 1:
        raise UserError(f"--seeds {seeds}: a curve needs at least one seed")
    check_sizes(wanted.sizes, len(task.labels))
    sizes = wanted.sizes or _sizes(mode, len(split.train), len(task.labels))
    if sizes[-1] > len(split.train):
        raise UserError(
            f"--sizes goes up to {sizes[-1]}, and there are {len(split.train)} training rows; stop at "
            f"{len(split.train)}, or add rows"
        )
    trials: list[Trial] = []
    names = _names(only, mode, task)
    for own_seed in range(seed, seed + seeds):
        for name in names:
            kind = name.partition("@")[0]
            contender = registry.contender(kind)
            if not contender.needs_rows and own_seed != seed:
                continue
            settings = _settings(kind, contender, changed.get(kind) or {})
            trials.append(
                Trial(
                    slug=f"{number + len(trials):02d}-curve-{slug_of(name)}-s{own_seed}",
                    name=name,
                    kind=kind,
                    family=contender.family,
                    model=model_of(name, model),
                    seed=own_seed,
                    n_train=sizes[-1] if contender.needs_rows else 0,
                    settings=settings,
                    sizes=sizes if contender.needs_rows else (0,),
                )
            )
    return Curve(
        sizes=sizes,
        seeds=tuple(range(seed, seed + seeds)),
        trials=tuple(trials),
        choices=CHOICES,
        compared=_compared(trials),
    )


def _settings(kind: str, contender: type[Contender], own: Mapping[str, Any]) -> dict[str, Any]:
    """A contender's settings in a curve. Raises `UserError` for those that it can't have there."""
    found = settings_of(contender, True, {**(contender.curve or {}), **own})
    _check_settled(kind, contender, found)
    if own and not contender.needs_rows:
        raise UserError(
            f"{kind} takes no labelled rows in a curve, so its settings can't be chosen; leave out "
            f"--set {kind}.{next(iter(own))}"
        )
    return found


def _sizes(mode: str, available: int, labels: int) -> tuple[int, ...]:
    """The mode's sizes as far as the rows reach, and then all rows there are."""
    found = [size for size in SIZES[mode] if max(labels, 2) <= size <= available]
    if len(found) < len(SIZES[mode]) and available not in found:
        found.append(available)
    if len(found) < 2:
        raise UserError(
            f"{available} training rows are too few for the default sizes; give --sizes, such as "
            f"{max(labels, 2)},{available}, or add rows"
        )
    return tuple(found)


def _names(only: Sequence[str], mode: str, task: Task) -> list[str]:
    """The named contenders and TF-IDF, or the usual ones, in the order of families."""
    usual = [name for name in (QUICK_ARMS if mode == "quick" else ARMS) if _suits(name, task)]
    for name in only:
        kind = name.strip().partition("@")[0]
        if kind == "majority":
            raise UserError(
                "majority has no learning curve, since it gives every row the same answer; leave it out of --only"
            )
        if not has_curve(name):
            raise UserError(f"'{name}' has no learning curve; leave it out of --only")
    found = contender_names(only or usual, mode, task.type)
    return [name for name in found if name != "majority"]


def _suits(name: str, task: Task) -> bool:
    return task.type in registry.contender(name).tasks


def _check_settled(kind: str, contender: type[Contender], settings: Mapping[str, Any]) -> None:
    """A tuned arm has no rows on which to search a learning rate."""
    rates = settings.get("learning_rates", ())
    if contender.fits_once and len(rates) > 1:
        raise UserError(
            f"a curve trains {kind} with one learning rate, since every row used to choose one would "
            f"count; give --set {kind}.learning_rates={rates[0]:g}"
        )


def _compared(trials: Sequence[Trial]) -> Compared:
    """The tuned arms, all prompts that each must beat, and the pair of the primary comparison."""

    def names(family: str) -> list[str]:
        return list(dict.fromkeys(t.name for t in trials if t.family == family))

    prompts, tuned = names("prompt"), names("fine_tune")

    def rank(name: str) -> int:
        kind = name.partition("@")[0]
        return _BASELINES.index(kind) if kind in _BASELINES else len(_BASELINES)

    return Compared(
        tuned,
        prompts,
        baseline=min(prompts, key=rank) if prompts else None,
        challenger=tuned[0] if tuned else None,
    )
