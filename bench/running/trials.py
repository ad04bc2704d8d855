"""The trials of a plan, one after the other, by whatever executes them."""

from __future__ import annotations

import time
from dataclasses import replace

from bench.core.folder import RunFolder
from bench.core.outcome import CurveDone, Done, Failed
from bench.core.plan import Plan, Trial
from bench.core.progress import say
from bench.planning.budget import Allotted
from bench.running.allotting import stop, to_do
from bench.running.executor import Executor
from bench.running.ledger import Ledger


def do_all(
    folder: RunFolder,
    plan: Plan,
    executor: Executor,
    allotment: Allotted | None,
    ledger: Ledger | None,
) -> None:
    """Every trial, or those that a budget covers until it is spent."""
    started = time.time()
    trials = to_do(folder, plan, allotment)
    for number, trial in enumerate(trials, start=1):
        _do(folder, trial, f"[{number}/{len(trials)}]", executor, ledger)
    left_out = len(allotment.dropped) if allotment else 0
    left_out += len(ledger.stopped) if ledger else 0
    say(f"{_how_many(folder, plan, left_out)}, {time.time() - started:.0f} s after this start")


def _how_many(folder: RunFolder, plan: Plan, left_out: int) -> str:
    """How many of the trials are done, where a budget left out some."""
    if not left_out:
        return "all trials done"
    done = sum(folder.is_done(trial) for trial in plan.all_trials)
    return f"{done} of {len(plan.all_trials)} trials done, {left_out} left out by the budget"


def _do(
    folder: RunFolder, trial: Trial, place: str, executor: Executor, ledger: Ledger | None = None
) -> None:
    """One trial, unless it is done already; a failed one is tried again."""
    if folder.is_done(trial):
        say(f"{place} {trial.name}: already done")
        return
    begun = folder.has_begun(trial)
    if ledger is not None and ledger.left <= 0:
        what = "wasn't continued" if begun else "wasn't started"
        stop(folder, trial, place, ledger, what)
        return
    folder.outcome_file(trial).unlink(missing_ok=True)
    say(f"{place} {trial.name}" + (f" (seed {trial.seed})" if trial.seed else ""))
    folder.make_adapter_folder(trial)
    start = time.time()
    ended = executor.finish(trial, ledger)
    folder.drop_adapter_folder_if_empty(trial)
    match ended.how:
        case "spent":
            assert ledger is not None
            stop(folder, trial, place, ledger, "was stopped; what it had finished is kept")
            return
        case "no_room":
            raise folder.not_writable("the disk is full, or the folder is read-only")
        case "crashed":
            folder.keep_outcome(trial, Failed(ended.reason))
    seconds = time.time() - start
    outcome = folder.outcome(trial)
    if outcome is None:
        outcome = Failed("it left no outcome that can be read")
        folder.keep_outcome(trial, outcome)
    if isinstance(outcome, Done | CurveDone):
        if not begun:  # the time of a resumed trial isn't its own
            folder.keep_outcome(trial, replace(outcome, wall_seconds=seconds))
        say(f"{place} {trial.name}: {seconds:.0f} s")
    else:
        say(f"{place} {trial.name}: {seconds:.0f} s: {outcome.status}, {outcome.reason}")
