"""The record: everything that a reader needs to check a run, from its plan to its verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from bench.checks.canaries import of_split
from bench.core import outcome as outcome_json
from bench.core.folder import RunFolder
from bench.core.model import ModelFacts
from bench.core.outcome import Done, Outcome
from bench.core.plan import SCHEMA_VERSION, Plan, Trial
from bench.record.circumstances import circumstances_of
from bench.record.curve import arms_of, largest, make_curve_record, results_at
from bench.record.environment import environment
from bench.record.estimates import between_sides, comparisons_of, estimates_of
from bench.record.forecasts import graded
from bench.record.measured import contenders_of
from bench.record.results import HeldOut, outcomes_in, results_of
from bench.record.sweep import make_sweep_record, sweep_verdict
from bench.record.types import Canary, DataFacts, Record, TrialEntry
from bench.record.verdict import curve_verdict, make_verdict
from scenarios.rows import Split


def make_record(
    folder: RunFolder,
    plan: Plan,
    splits: Split | Sequence[Split],
    models: dict[str, ModelFacts],
    usd_per_hour: float | None,
) -> Record:
    """The record as plain JSON values, from the files that the trials left in `folder`.

    Several splits are the folds of cross-fitting: their test rows are the run's. Raises `UserError`
    where an outcome or answers are missing.
    """
    splits = [splits] if isinstance(splits, Split) else list(splits)
    test = HeldOut.of(splits)
    outcomes = outcomes_in(folder, plan)
    arms = arms_of(folder, plan, test.ids)
    alone = not plan.trials  # a curve without a run is judged at its largest size
    block = largest(plan, arms) if alone else None
    results = results_at(arms, block) if alone else results_of(folder, plan, test, outcomes)
    estimates = estimates_of(plan, results, test)
    contenders = contenders_of(plan, outcomes, estimates, usd_per_hour, models)
    comparisons = comparisons_of(plan, results, test)
    sides = [comparison for comparison in comparisons if between_sides(comparison)]
    canaries = _canaries(plan, splits, outcomes)
    around = circumstances_of(folder, plan, test, outcomes, results, canaries)
    swept = make_sweep_record(plan, contenders, comparisons, outcomes) if plan.sweep else None
    if alone:
        verdict = curve_verdict(plan, sides, around, block)
    elif swept:
        verdict = sweep_verdict(plan, swept, around)
    else:
        verdict = make_verdict(plan, contenders, sides, around, usd_per_hour)
    curve = None
    if plan.curve:
        curve = make_curve_record(plan, plan.curve, arms, test)
        curve["trials"] = _trials(plan.curve.trials, outcomes)
    return {
        "schema_version": SCHEMA_VERSION,
        "scenario": plan.scenario.name,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "plan": plan.to_json(),
        "environment": environment(outcomes.values()),
        "models": models,
        "data": _data(plan),
        "trials": _trials(plan.trials, outcomes),
        "contenders": contenders,
        "estimates": estimates,
        "comparisons": sides,
        "side_comparisons": [c for c in comparisons if c not in sides],
        "canaries": canaries,
        "earlier_looks": list(around.earlier),
        "verdict": verdict,
        "curve": curve,
        "budget": folder.account(),
        "sweep": swept,
        "forecasts": graded(folder.forecasts(), outcomes),
    }


def _trials(trials: Sequence[Trial], outcomes: Mapping[str, Outcome]) -> list[TrialEntry]:
    """Each trial as it was planned, with how it ended."""
    return [
        cast(TrialEntry, asdict(trial) | {"outcome": outcome_json.to_json(outcomes[trial.slug])})
        for trial in trials
    ]


def _canaries(plan: Plan, splits: Sequence[Split], outcomes: Mapping[str, Outcome]) -> list[Canary]:
    """Those of the rows, and those that the trials left, with whose they are."""
    found = [canary for split in splits for canary in of_split(split)]
    for trial in plan.trials:
        outcome = outcomes[trial.slug]
        own = outcome.notes.get("canaries", ()) if isinstance(outcome, Done) else ()
        found += [canary | {"trial": trial.slug} for canary in own]
    return cast(list[Canary], found)


def _data(plan: Plan) -> DataFacts:
    """Where the rows come from, by names that may be passed on."""
    rows = plan.task.rows
    return {
        "source": rows.filename or Path(rows.path or "").name,
        "digest": plan.rows.digest,
        "counts": plan.rows.counts,
        "licence": rows.licence,
        "provenance": rows.provenance,
    }
