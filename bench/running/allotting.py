"""A budget in a run: what it covers, as lines for the user, and what it leaves out, as outcomes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bench.core.files import Forecast
from bench.core.folder import RunFolder
from bench.core.outcome import Skipped
from bench.core.plan import Plan, Trial
from bench.core.progress import duration, say
from bench.planning.budget import Allotted, allot, arms_left_out
from bench.planning.request import Budget
from bench.running.ledger import Ledger
from scenarios.errors import UserError


def ledger_of(folder: RunFolder, budget: Budget | None) -> Ledger | None:
    """The account of a budget, as an earlier start left it; a run without one forgets it."""
    if budget is None:
        folder.drop_account()
        return None
    return Ledger(folder, budget)


def allotted(folder: RunFolder, plan: Plan, ledger: Ledger | None, new: bool) -> Allotted | None:
    """What the budget covers, reported before anything of it is done; None without a budget.

    A folder that is `new` is removed where nothing fits the budget; any other stays as it was.
    """
    if ledger is None:
        return None
    found = ledger.planned_before()  # what the same budget had planned stays planned
    slugs = {trial.slug for trial in plan.all_trials}
    if found is None or not {*found.order, *(one["trial"] for one in found.dropped)} <= slugs:
        ledger.count()
        done = [trial.slug for trial in plan.all_trials if folder.was_done(trial)]
        points = {trial.slug: folder.sizes_done(trial) for trial in plan.all_trials}
        try:
            found = allot(plan, folder.forecasts(), done, ledger.left, points)
        except UserError:
            if new:
                folder.remove()
            raise
    ledger.take_in(found)
    for line in _lines(plan, ledger.budget, ledger.left, found):
        say(line)
    return found


def budget_lines(plan: Plan, budget: Budget, forecasts: Sequence[Forecast]) -> list[str]:
    """What a budget would cover, were nothing done yet and all of it left. Raises as `allot`."""
    found = allot(plan, forecasts, (), budget.seconds)
    return list(_lines(plan, budget, budget.seconds, found))


def _lines(plan: Plan, budget: Budget, left: float, found: Allotted) -> Iterator[str]:
    yield (
        f"budget {budget.said}: {len(found.order)} of {len(plan.all_trials)} trials fit, forecast to "
        f"take {duration(found.seconds)} of the {duration(max(left, 0.0))} left"
    )
    if found.dropped_sizes:
        yield f"  dropped sizes: {', '.join(map(str, found.dropped_sizes))}, so that one seed fits"
    for one in found.dropped:
        seed = plan.trial(one["trial"]).seed
        yield f"  dropped {one['contender']} (seed {seed}): {one['reason']}"
    if without := arms_left_out(plan, found):
        sides = "; ".join(without)
        yield f"  so there will be no verdict on prompting vs tuning: the budget leaves out {sides}"


def to_do(folder: RunFolder, plan: Plan, found: Allotted | None) -> tuple[Trial, ...]:
    """The trials that the budget covers, in their order; the others become skipped."""
    if found is None:
        return plan.all_trials
    for one in found.dropped:
        skip(folder, plan.trial(one["trial"]), f"dropped by the budget: {one['reason']}")
    return tuple(plan.trial(slug) for slug in found.order)


def stop(folder: RunFolder, trial: Trial, place: str, ledger: Ledger, what: str) -> None:
    """The budget is spent: the trial counts as stopped, and what it finished is kept."""
    ledger.stopped.append(trial.slug)
    ledger.tick()
    reason = f"the budget of {ledger.budget.said} was spent, so it {what}"
    skip(folder, trial, reason)
    say(f"{place} {trial.name}: {reason}")


def skip(folder: RunFolder, trial: Trial, reason: str) -> None:
    """Make a trial skipped, unless it was done before."""
    if not folder.was_done(trial):
        folder.keep_outcome(trial, Skipped(reason))
