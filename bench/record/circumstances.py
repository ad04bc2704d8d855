"""What a verdict must take into account besides the comparisons: checks, earlier runs, the budget."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.checks.canaries import failed
from bench.core.files import Forecast
from bench.core.folder import RunFolder
from bench.core.outcome import Outcome, Skipped
from bench.core.plan import Plan
from bench.record.results import HeldOut, Results
from bench.record.types import Canary


@dataclass(frozen=True)
class Circumstances:
    """What qualifies a verdict.

    `failed` are canaries that failed, `earlier` runs that analysed other rows of the scenario,
    `left_out` arms of the primary comparison that the budget left out; the same run would have them in
    `enough` more seconds (None: there is no forecast).
    """

    test_rows: int
    groups: int
    failed: Sequence[Canary] = ()
    earlier: Sequence[str] = ()
    left_out: Sequence[str] = ()
    enough: float | None = None


def circumstances_of(
    folder: RunFolder,
    plan: Plan,
    test: HeldOut,
    outcomes: Mapping[str, Outcome],
    results: Mapping[str, Results],
    canaries: Sequence[Canary],
) -> Circumstances:
    """Those of a finished run."""
    left_out = _left_out(plan, outcomes, results)
    return Circumstances(
        test.count,
        test.group_count,
        failed(canaries),  # type: ignore[arg-type]
        earlier_looks(folder, plan),
        left_out,
        _seconds_of(left_out, plan, folder.forecasts()),
    )


def earlier_looks(folder: RunFolder, plan: Plan) -> list[str]:
    """Neighbouring runs that analysed another number of test rows of the same scenario."""
    found = []
    for name, record in folder.finished_neighbours():
        if record.get("scenario") != plan.scenario.name:
            continue
        try:
            seen = record["plan"]["rows"]["counts"]["test"]
        except (KeyError, TypeError):
            continue
        if seen != plan.rows.counts.get("test"):
            found.append(f"{name} ({seen} test rows)")
    return found


def _left_out(
    plan: Plan, outcomes: Mapping[str, Outcome], results: Mapping[str, Results]
) -> list[str]:
    """Arms of the primary comparison that have no finished trial since the budget left them out."""
    if plan.primary is None:
        return []
    found = []
    for name in plan.primary.baseline + plan.primary.challenger:
        own = [outcomes[trial.slug] for trial in plan.all_trials if trial.name == name]
        skipped = [outcome.reason for outcome in own if isinstance(outcome, Skipped)]
        if name not in results and any("budget" in reason for reason in skipped):
            found.append(name)
    return found


def _seconds_of(names: Sequence[str], plan: Plan, forecasts: Sequence[Forecast]) -> float | None:
    """What the trials of some contenders are forecast to take; None where one has no forecast."""
    wanted = {trial.slug for trial in plan.all_trials if trial.name in names}
    known = {f["trial"]: f["seconds"]["value"] for f in forecasts if f["seconds"]}
    return sum(known[slug] for slug in wanted) if wanted <= known.keys() else None
