"""All that will be done, before it is: trials, settings, rows, thresholds and the one comparison."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from itertools import product
from pathlib import Path
from types import MappingProxyType
from typing import get_origin, get_type_hints

from pydantic import TypeAdapter, ValidationError

from bench import registry
from bench.metrics import load_metric
from bench.statistics.intervals import FEWEST_SEEDS, error_of_look
from scenarios.errors import UserError, unknown
from scenarios.rows import Split
from scenarios.schema import Scenario, Task

SCHEMA_VERSION = 1
FLOORS = ("majority", "tf-idf")
_FIRST = ("zero-shot", "few-shot", "lora")  # of their families, since of equals the first is taken


FEWEST_VALIDATION_ROWS = 18
"""With so many the better of two candidates, 10 points apart and at odds on a quarter of the rows, is
ahead four times in five (the binomial of its share of those); with fewer, choices are made by
cross-validation."""
FEWEST_ROWS = 8
"""To choose on at all: the better of those two is ahead seven times in ten, and one row is 12 points."""
FOLDS = 5
"""Of cross-validation, as Breiman & Spector 1992 and Hastie, Tibshirani & Friedman 2009 (7.10) advise."""


@dataclass(frozen=True)
class Mode:
    """How much a run does: seeds of the trials that chance decides, training rows, requests timed,
    whether tuned models are also timed in other ways of serving, and whether one of each kind is
    trained on shuffled labels too."""

    name: str
    seeds: int
    train_rows: int | None
    latency_requests: int
    serving_ways: bool
    shuffled_canary: bool


MODES = {
    "quick": Mode("quick", 1, 384, 50, serving_ways=False, shuffled_canary=False),
    "default": Mode("default", 1, 1000, 100, serving_ways=True, shuffled_canary=False),
    "full": Mode("full", 5, None, 100, serving_ways=True, shuffled_canary=True),
}


@dataclass(frozen=True)
class Trial:
    """One contender with one seed, and one fold of the rows where they are cross-fitted.

    `name` is as people write it, `kind` the file's name; `label_noise` is the share of its training
    labels that are made wrong (`bench.rows.noise`). One of a learning curve goes through `sizes` (0: no
    labelled rows); the others have none.
    """

    slug: str
    name: str
    kind: str
    family: str
    model: str | None
    seed: int
    n_train: int
    settings: dict
    fold: int | None = None
    sizes: tuple[int, ...] = ()
    label_noise: float = 0.0


@dataclass(frozen=True)
class Curve:
    """A learning curve (`bench.planning.curve`): sizes in labelled rows, seeds of their draws, and trials.

    `choices` says by which rows the arms choose; `compared` which arms tuning must be ahead of, and
    which pair is the primary comparison at the largest size.
    """

    sizes: tuple[int, ...]
    seeds: tuple[int, ...]
    trials: tuple[Trial, ...]
    choices: str
    compared: dict


@dataclass(frozen=True)
class Plan:
    """What a run will do; written before it starts, and never changed after.

    `family` holds the exploratory comparisons, (baseline, challenger), among which p-values are
    adjusted. `look` is the number of this look at the test rows, of how many, and its error.
    `choosing` says by which rows and how everything is chosen: `folds` (0: by validation rows),
    `rows`, and a `sentence`. `asked` is what the user named beyond the mode: `only`, `settings`,
    `seeds`. `sweep` says which trial is which combination (`bench.planning.sweep`); `forgetting` whether tuned
    models are also asked what they forgot.
    """

    schema_version: int
    scenario: dict
    mode: dict
    seed: int
    model: str
    rows: dict
    trials: tuple[Trial, ...]
    primary: dict | None
    family: tuple[tuple[str, str], ...]
    look: dict
    choosing: dict
    asked: dict
    curve: Curve | None = None
    sweep: dict | None = None
    forgetting: bool = False

    def __post_init__(self) -> None:
        if any(trial.label_noise for trial in self.trials):
            check_judged_apart(self, "--label-noise")

    @property
    def all_trials(self) -> tuple[Trial, ...]:
        """The run's own and the curve's."""
        return self.trials + (self.curve.trials if self.curve else ())

    def to_json(self) -> dict:
        """Plain values; equal plans are equal here."""
        return {**asdict(self), "trials": [asdict(trial) for trial in self.trials]}


def make_plan(
    scenario: Scenario,
    splits: Split | Sequence[Split],
    mode: Mode,
    seed: int,
    model: str,
    only: Sequence[str] = (),
    changed: Mapping[str, dict] = MappingProxyType({}),
    seeds: Sequence[int] = (),
    look: int = 1,
) -> Plan:
    """The trials of a run in order: floors first, then prompting, what is between, and tuning.

    `changed` holds settings by the kind of contender, as `parse_settings` gives them; `seeds` are
    those of what chance decides, in place of the mode's. Several splits are the folds of
    cross-fitting, each contender's trials on each. Raises `UserError` for an unknown contender, for
    settings, seeds or looks that can't be, and for several arms of a side in cross-fitting.
    """
    check_declared(scenario, seeds, look)
    asked = {"only": list(only), "settings": dict(changed), "seeds": list(seeds)}
    seeds = tuple(seeds) or tuple(range(seed, seed + mode.seeds))
    splits = [splits] if isinstance(splits, Split) else list(splits)
    at_hand = min(len(split.train) for split in splits)
    n_train = min(mode.train_rows or at_hand, at_hand)
    if n_train < len(scenario.task.labels):
        raise UserError(
            f"{n_train} training rows are fewer than the {len(scenario.task.labels)} labels; raise "
            "--train-rows, or bring more rows"
        )
    names = contender_names(only, mode.name, scenario.task.type)
    check_changed(names, changed)
    shown = min(n_train, *(_fewest_shown(split, n_train) for split in splits))
    trials: list[Trial] = []
    for name in names:
        kind, _, own_model = name.partition("@")
        contender = registry.contender(kind)
        own = changed.get(kind, {})
        settings = settings_of(contender, mode.name == "quick", own)
        settings |= _shots_at_hand(kind, settings, "shots" in own, shown)
        folds = range(len(splits)) if len(splits) > 1 else (None,)
        for own_seed, fold in product(seeds if contender.seeded else (seed,), folds):
            part = "" if fold is None else f"-f{fold + 1}"
            trials.append(
                Trial(
                    slug=f"{len(trials) + 1:02d}-{slug_of(name)}-s{own_seed}{part}",
                    name=name,
                    kind=kind,
                    family=contender.family,
                    model=(own_model or model) if contender.uses_model else None,
                    seed=own_seed,
                    n_train=n_train,
                    settings=settings,
                    fold=fold,
                )
            )
    _check_arms(trials, len(splits))
    return _plan(
        scenario,
        splits,
        mode,
        seed,
        model,
        look,
        trials=tuple(trials),
        primary=_primary(trials, scenario.task.metrics[0], seeds, splits),
        family=tuple(_pairs(trials)),
        choosing=_choosing(splits, scenario.task),
        asked=asked,
    )


def check_judged_apart(plan: Plan, option: str) -> None:
    """Raises `UserError` where training rows choose by cross-validation, and so judge themselves.

    An option that changes the training rows would change the judges with them.
    """
    if not plan.choosing["folds"]:
        return
    if plan.rows["counts"].get("folds"):
        way = "leave out --cross-fit, or bring more rows"
    else:
        fewest = fewest_to_choose_on(Scenario.model_validate(plan.scenario).task)
        way = f"set validation_rows to {fewest} or more in [task], or bring more rows"
    raise UserError(
        f"{option} needs validation rows of its own, and here the training rows choose by "
        f"cross-validation; {way}"
    )


def curve_plan(
    scenario: Scenario, split: Split, mode: Mode, seed: int, model: str, look: int, curve: Curve
) -> Plan:
    """The plan of a learning curve alone; its comparison is that of the largest size."""
    metric = scenario.task.metrics[0]
    pair = curve.compared["baseline"], curve.compared["challenger"]
    primary = None
    if None not in pair:
        primary = {
            "metric": metric,
            "baseline": [pair[0]],
            "challenger": [pair[1]],
            "chosen_by": f"declaration, at the largest size of {curve.sizes[-1]} labelled rows",
            "scope": "this-method" if _of_methods(metric, curve.seeds) else "this-model",
        }
    return _plan(
        scenario, [split], mode, seed, model, look,
        trials=(), primary=primary, family=tuple(_pairs(curve.trials)), curve=curve,
        choosing={"folds": 0, "rows": 0, "sentence": curve.choices},
        asked={"only": [], "settings": {}, "seeds": []},
    )  # fmt: skip


def _plan(scenario, splits, mode: Mode, seed: int, model: str, look: int, **parts) -> Plan:
    return Plan(
        schema_version=SCHEMA_VERSION,
        scenario=_without_place(scenario).model_dump(mode="json"),
        mode=asdict(mode),
        seed=seed,
        model=model,
        rows=_rows(splits),
        look=_look(look, scenario.decision.looks),
        **parts,
    )


def _rows(splits: Sequence[Split]) -> dict:
    """What the rows are, and how many of them do what."""
    if len(splits) == 1:
        return {"digest": splits[0].digest, "counts": splits[0].counts}
    counts = dict(splits[0].counts)
    for key in ("test", "test groups"):
        counts[key] = sum(split.counts[key] for split in splits)
    for key in ("train", "validation"):
        counts[key] = min(split.counts[key] for split in splits)
    digest = hashlib.sha256("".join(split.digest for split in splits).encode()).hexdigest()
    return {"digest": digest, "counts": counts | {"folds": len(splits)}}


def _check_arms(trials: Sequence[Trial], folds: int) -> None:
    """In cross-fitting a row that chooses in one fold is tested in another, so arms can't be chosen."""
    for family, side in (("prompt", "prompting"), ("fine_tune", "tuning")):
        names = {trial.name for trial in trials if trial.family == family}
        if folds > 1 and len(names) > 1:
            raise UserError(
                f"--cross-fit chooses no arm by validation rows, since each is tested as well; name "
                f"one {side} arm, as in --only few-shot,lora (not {', '.join(sorted(names))})"
            )


def check_declared(scenario: Scenario, seeds: Sequence[int], look: int) -> None:
    """Raises `UserError` for metrics, seeds or looks that can't be, before any row is read."""
    _check_metrics(scenario.task)
    twice = next((s for i, s in enumerate(seeds) if s in seeds[:i]), None)
    if twice is not None:
        raise UserError(f"--seeds names {twice} twice; a repeated seed is no new draw, give others")
    looks = scenario.decision.looks
    if not 1 <= look <= looks:
        raise UserError(
            f"--look {look}, and looks = {looks} in [decision]: looks are declared before the first"
        )


def _look(look: int, looks: int) -> dict:
    """This look at the test rows, and the part of the error that it may spend."""
    return {"look": look, "looks": looks, "error": error_of_look(look, looks)}


def _pairs(trials: Sequence[Trial]) -> list[tuple[str, str]]:
    """Each prompting arm against each tuned one, and what is between against both sides."""
    sides = (("prompt", "fine_tune"), ("prompt", "between"), ("between", "fine_tune"))
    families = {trial.name: trial.family for trial in trials}
    return [
        (one, other)
        for baseline, challenger in sides
        for one in families
        for other in families
        if (families[one], families[other]) == (baseline, challenger)
    ]


def _without_place(scenario: Scenario) -> Scenario:
    """With the name of the rows' file alone: their digest tells them, and a record may be passed on."""
    task = scenario.task
    if task.rows.path is None:
        return scenario
    rows = task.rows.model_copy(update={"path": Path(task.rows.path).name})
    return scenario.model_copy(update={"task": task.model_copy(update={"rows": rows})})


def contender_names(
    only: Sequence[str], mode: str = "default", task_type: str = "classification"
) -> list[str]:
    """The floors and the named contenders (the mode's usual ones if none), in the order of families.

    A name is `few-shot` or `few-shot@MODEL`. Raises `UserError` for an unknown one, and for a
    model on a contender that uses none.
    """
    wanted = [name.strip() for name in only] or [
        name
        for name in registry.names("contenders")
        if mode in getattr(registry.contender(name), "usual", MODES)
        and task_type in _tasks_of(registry.contender(name))
    ]
    for name in wanted:
        kind, at, model = name.partition("@")
        if at and not registry.contender(kind).uses_model:
            raise UserError(f"'{name}': {kind} uses no model; write just '{kind}'")
        if at and not model:
            raise UserError(f"'{name}' names no model after '@'; write '{kind}' or '{kind}@MODEL'")
        if task_type not in _tasks_of(registry.contender(kind)):
            raise UserError(
                f"'{name}' answers with labels, and this task's answers are free texts; leave it out"
            )
    places = {"floor": 0, "prompt": 1, "between": 2, "fine_tune": 3}

    def place(name: str) -> tuple:
        kind = name.partition("@")[0]
        return places[registry.contender(kind).family], kind != "zero-shot", kind not in _FIRST

    return sorted(dict.fromkeys([*FLOORS, *wanted]), key=place)


def _tasks_of(contender) -> Sequence[str]:
    return getattr(contender, "tasks", ("classification", "generation"))


def settings_of(contender, quick: bool, changed: dict[str, object] | None = None) -> dict:
    """A contender's settings by name: its defaults, those of its quick runs, the user's own."""
    values = {field.name: field.default for field in fields(contender)}
    return values | (contender.quick if quick else {}) | (changed or {})


def check_changed(names: Sequence[str], changed: Mapping[str, dict]) -> None:
    """Raises `UserError` for a setting of a contender that the run doesn't have."""
    kinds = {name.partition("@")[0] for name in names}
    for kind, settings in changed.items():
        if kind not in kinds:
            raise UserError(
                f"--set {kind}.{next(iter(settings))}: {kind} isn't in this run, which has "
                f"{', '.join(names)}; name it in --only, or leave the setting out"
            )


def _fewest_shown(split: Split, n_train: int) -> int:
    """Training rows at hand while the largest fold is held out, or all."""
    return min(
        (n_train - len(fold.held_out) - len(fold.copies) for fold in split.folds), default=n_train
    )


def _shots_at_hand(kind: str, settings: dict, own: bool, rows: int) -> dict:
    """Numbers of demonstrations that there are rows for; raises `UserError` for the user's others."""
    shots = settings.get("shots", ())
    fitting = tuple(number for number in shots if number <= rows)
    if fitting == shots:
        return {}
    if own:
        raise UserError(
            f"{kind}.shots={max(shots)} asks for more demonstrations than the {rows} rows that there "
            f"are to show; set {rows} at most, or bring more training rows"
        )
    return {"shots": fitting or (rows,)}


def parse_settings(texts: Sequence[str]) -> dict[str, dict[str, object]]:
    """`lora.rank=32` and the like, by contender and setting; values are checked by their types.

    Raises `UserError` for an unknown contender or setting, or a value that doesn't fit.
    """
    found: dict[str, dict[str, object]] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        kind, dot, setting = name.strip().partition(".")
        if not (equals and dot):
            raise UserError(f"--set takes CONTENDER.SETTING=VALUE, not '{text}'")
        types = get_type_hints(registry.contender(kind), include_extras=True)
        known = [field.name for field in fields(registry.contender(kind))]
        if setting not in known:
            raise unknown(f"setting of {kind}", setting, known)
        several = get_origin(types[setting]) is tuple
        given = tuple(value.split(",")) if several else value.strip()
        try:
            checked = TypeAdapter(types[setting]).validate_python(given)
        except ValidationError as error:
            why = error.errors()[0]["msg"]
            raise UserError(f"{name}: {why[0].lower()}{why[1:]}, not '{value}'") from None
        if several:
            twice = next((v for i, v in enumerate(checked) if v in checked[:i]), None)
            if twice is not None:
                raise UserError(
                    f"{name} names {twice} twice; a repeated value is no other candidate, give others"
                )
        found.setdefault(kind, {})[setting] = checked
    return found


def _check_metrics(task: Task) -> None:
    for name in task.metrics:
        if task.type not in load_metric(name).tasks:
            raise UserError(
                f"the metric '{name}' doesn't suit a {task.type}; change metrics in [task]"
            )


def _choosing(splits: Sequence[Split], task: Task) -> dict:
    """How everything is chosen, and on how many rows (of cross-fitting the fewest of a fold)."""
    folds = len(splits[0].folds)
    if not folds:
        rows = min(len(split.validation) for split in splits)
        return {"folds": 0, "rows": rows, "sentence": f"choices are made on {rows} validation rows"}
    rows = min(len(split.train) for split in splits)
    few = "too few validation rows to choose on"
    if len(splits) == 1:
        few += f" ({task.validation_rows})"
    return {
        "folds": folds,
        "rows": rows,
        "sentence": f"{few}: choices are made by {folds}-fold cross-validation within the {rows} rows "
        f"that aren't test, and what is chosen is then fitted on all of them",
    }


def _primary(
    trials: Sequence[Trial], metric: str, seeds: Sequence[int], splits: Sequence[Split]
) -> dict | None:
    """The one comparison that the verdict is drawn from, declared before anything is measured."""
    arms = {
        family: list(dict.fromkeys(t.name for t in trials if t.family == family))
        for family in ("prompt", "fine_tune")
    }
    if not all(arms.values()):
        return None
    return {
        "metric": metric,
        "baseline": arms["prompt"],
        "challenger": arms["fine_tune"],
        "chosen_by": f"{metric} {_judged(splits)}; of equals the first",
        "scope": "this-method" if _of_methods(metric, seeds) else "this-model",
    }


def _judged(splits: Sequence[Split]) -> str:
    folds = len(splits[0].folds)
    if folds:
        return f"by {folds}-fold cross-validation within the rows that aren't test"
    return "on the validation rows"


def _of_methods(metric: str, seeds: Sequence[int]) -> bool:
    """Whether a comparison can speak of the methods, and not of these prompts and weights alone."""
    return len(seeds) >= FEWEST_SEEDS and load_metric(metric).share


def slug_of(name: str) -> str:
    """A name in `[a-z0-9-]`, for files."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:60]


def fewest_to_choose_on(task: Task) -> int:
    """Validation rows with which candidates are told apart, two of each label at least."""
    return max(FEWEST_VALIDATION_ROWS, 2 * len(task.labels))
