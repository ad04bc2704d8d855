"""From a request and its rows to a plan: trials, thresholds, and the one comparison."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from types import MappingProxyType
from typing import Any

from bench import registry
from bench.core.plan import (
    SCHEMA_VERSION,
    Asked,
    Choosing,
    Curve,
    Look,
    Mode,
    Plan,
    Primary,
    Trial,
)
from bench.metrics import check_metric, load_metric
from bench.planning import rows
from bench.planning.settings import (
    check_changed,
    contender_names,
    model_of,
    settings_of,
    shots_available,
    slug_of,
)
from bench.statistics.intervals import FEWEST_SEEDS, error_of_look
from scenarios.errors import UserError
from scenarios.rows import Split
from scenarios.schema import Scenario, Task


def make_plan(
    scenario: Scenario,
    splits: Split | Sequence[Split],
    mode: Mode,
    seed: int,
    model: str,
    only: Sequence[str] = (),
    changed: Mapping[str, dict[str, Any]] = MappingProxyType({}),
    seeds: Sequence[int] = (),
    look: int = 1,
) -> Plan:
    """The trials of a run in order: baselines, prompting, classifiers between the two, tuning.

    `changed` holds settings by the kind of contender, as `parse_settings` gives them; `seeds` are
    those of what chance decides, in place of the mode's. Several splits are the folds of
    cross-fitting, each contender's trials on each. Raises `UserError` for an unknown contender, for
    impossible settings, seeds or interim analyses, and for several arms of a side in cross-fitting.
    """
    check_declared(scenario, seeds, look)
    task = scenario.task
    assert task is not None
    asked = Asked(list(only), dict(changed), list(seeds))
    seeds = tuple(seeds) or tuple(range(seed, seed + mode.seeds))
    splits = [splits] if isinstance(splits, Split) else list(splits)
    n_train = _training_rows(mode, splits, task)
    names = contender_names(only, mode.name, task.type)
    check_changed(names, changed)
    shown = min(n_train, *(rows.fewest_shown(split, n_train) for split in splits))
    trials: list[Trial] = []
    for name in names:
        kind = name.partition("@")[0]
        contender = registry.contender(kind)
        own = changed.get(kind, {})
        settings = settings_of(contender, mode.name == "quick", own)
        settings |= shots_available(kind, settings, "shots" in own, shown)
        folds = range(len(splits)) if len(splits) > 1 else (None,)
        for own_seed, fold in product(seeds if contender.seeded else (seed,), folds):
            part = "" if fold is None else f"-f{fold + 1}"
            trials.append(
                Trial(
                    slug=f"{len(trials) + 1:02d}-{slug_of(name)}-s{own_seed}{part}",
                    name=name,
                    kind=kind,
                    family=contender.family,
                    model=model_of(name, model),
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
        primary=_primary(trials, task.metrics[0], seeds, splits),
        family=tuple(_pairs(trials)),
        choosing=rows.choosing(splits, task),
        asked=asked,
    )


def _training_rows(mode: Mode, splits: Sequence[Split], task: Task) -> int:
    """How many rows each trial trains on. Raises `UserError` for fewer than one of each label."""
    available = min(len(split.train) for split in splits)
    found = min(mode.train_rows or available, available)
    if found < len(task.labels):
        raise UserError(
            f"{found} training rows are fewer than the {len(task.labels)} labels; raise --train-rows, or "
            "add rows"
        )
    return found


def curve_plan(
    scenario: Scenario, split: Split, mode: Mode, seed: int, model: str, look: int, curve: Curve
) -> Plan:
    """The plan of a learning curve alone; its comparison is that of the largest size."""
    assert scenario.task is not None
    metric = scenario.task.metrics[0]
    baseline, challenger = curve.compared.baseline, curve.compared.challenger
    primary = None
    if baseline is not None and challenger is not None:
        primary = Primary(
            metric,
            [baseline],
            [challenger],
            f"declaration, at the largest size of {curve.sizes[-1]} labelled rows",
            _scope(metric, curve.seeds),
        )
    return _plan(
        scenario, [split], mode, seed, model, look,
        trials=(), primary=primary, family=tuple(_pairs(curve.trials)), curve=curve,
        choosing=Choosing(0, 0, curve.choices), asked=Asked(),
    )  # fmt: skip


def _plan(
    scenario: Scenario,
    splits: Sequence[Split],
    mode: Mode,
    seed: int,
    model: str,
    look: int,
    **parts: Any,
) -> Plan:
    return Plan(
        schema_version=SCHEMA_VERSION,
        scenario=_without_place(scenario),
        mode=mode,
        seed=seed,
        model=model,
        rows=rows.facts_of(splits),
        look=_look(look, scenario.decision.looks),
        **parts,
    )


def _check_arms(trials: Sequence[Trial], folds: int) -> None:
    """In cross-fitting a row that chooses in one fold is tested in another, so arms can't be chosen."""
    for family, side in (("prompt", "prompting"), ("fine_tune", "tuning")):
        names = {trial.name for trial in trials if trial.family == family}
        if folds > 1 and len(names) > 1:
            raise UserError(
                f"--cross-fit can't choose between {side} arms, since each validation row is tested as "
                f"well; name one, as in --only few-shot,lora (not {', '.join(sorted(names))})"
            )


def check_declared(scenario: Scenario, seeds: Sequence[int], look: int) -> None:
    """Raises `UserError` for impossible metrics, seeds or interim analyses, before any row is read."""
    assert scenario.task is not None
    _check_metrics(scenario.task)
    twice = next((s for i, s in enumerate(seeds) if s in seeds[:i]), None)
    if twice is not None:
        raise UserError(f"--seeds lists {twice} twice; each seed must be different")
    looks = scenario.decision.looks
    if not 1 <= look <= looks:
        raise UserError(
            f"--look {look}, but [decision] declares looks = {looks}; declare all looks before the "
            "first run"
        )


def _look(look: int, looks: int) -> Look:
    """This interim analysis of the test rows, and the part of the error that it may spend."""
    return Look(look, looks, error_of_look(look, looks))


def _pairs(trials: Sequence[Trial]) -> list[tuple[str, str]]:
    """Each prompting arm against each tuned one, and the classifiers between against both sides."""
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
    """With only the name of the rows' file: their digest identifies them, and records are passed on."""
    task = scenario.task
    if task is None or task.rows.path is None:
        return scenario
    named = task.rows.model_copy(update={"path": Path(task.rows.path).name})
    return scenario.model_copy(update={"task": task.model_copy(update={"rows": named})})


def _check_metrics(task: Task) -> None:
    for name in task.metrics:
        check_metric(name, task.type, task.labels)


def _primary(
    trials: Sequence[Trial], metric: str, seeds: Sequence[int], splits: Sequence[Split]
) -> Primary | None:
    """The one comparison that the verdict is drawn from, declared before anything is measured."""
    arms = {
        family: list(dict.fromkeys(t.name for t in trials if t.family == family))
        for family in ("prompt", "fine_tune")
    }
    if not all(arms.values()):
        return None
    return Primary(
        metric,
        arms["prompt"],
        arms["fine_tune"],
        f"{metric} {rows.chosen_by(splits)}; ties go to the first",
        _scope(metric, seeds),
    )


def _scope(metric: str, seeds: Sequence[int]) -> str:
    """`this-method` where a comparison generalises beyond these prompts and weights."""
    of_methods = len(seeds) >= FEWEST_SEEDS and load_metric(metric).share
    return "this-method" if of_methods else "this-model"
