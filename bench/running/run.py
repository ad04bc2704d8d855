"""A run: plan, rows, trials, record. What is finished is on disk before the next thing starts."""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from bench import models
from bench.core.errors import Interrupted
from bench.core.files import Forecast
from bench.core.folder import RunFolder
from bench.core.model import ModelFacts
from bench.core.plan import Plan
from bench.core.progress import say, total_duration
from bench.planning.prepare import prepare
from bench.planning.request import Request
from bench.planning.rows import trained_on
from bench.record.make import make_record
from bench.record.read import keep_record, read_record
from bench.record.types import Record
from bench.running.allotting import allotted, ledger_of
from bench.running.executor import Executor, StartsExecutor
from bench.running.local import LocalProcesses
from bench.running.trials import do_all
from scenarios.cache import DISK_ERRORS
from scenarios.rows import Split


def run(request: Request, start: StartsExecutor = LocalProcesses) -> tuple[Path, Record]:
    """Do the whole run; returns its folder and its record.

    Trials that an earlier start of the same plan in the same folder finished aren't done again.
    Raises `UserError` before anything is trained where something that is needed is missing.
    """
    folder = RunFolder(request.out or Path("runs") / new_name(_subject(request)))
    executor = start(folder)
    if folder.has_rows():  # an unfinished run is resumed
        executor.make_ready()
    try:
        return folder.path, _record_of(request, folder, executor)
    finally:
        executor.end()


def _record_of(request: Request, folder: RunFolder, executor: Executor) -> Record:
    """The run's record, after all that is left to do."""
    plan, splits = prepare(request)
    _check_models(plan)  # those that are here, before anything is fetched
    for name in plan.models():
        models.named(name).fetch()
    _check_models(plan)
    facts = {name: _facts(name) for name in plan.models()}
    if plan.choosing.folds:
        say(plan.choosing.sentence)
    new = not folder.path.exists()
    with folder.held(plan):
        try:
            splits = _keep_rows(folder, plan, splits)
            ledger = ledger_of(folder, request.budget)
            _forecast(folder, executor)
            do_all(folder, plan, executor, allotted(folder, plan, ledger, new), ledger)
            record = make_record(folder, plan, splits, facts, request.usd_per_hour)
            keep_record(folder, plan, record)
            folder.drop_splits(plan)
        except KeyboardInterrupt:
            raise Interrupted(_saved(folder, plan), folder.path) from None
        except OSError as error:
            if error.errno not in DISK_ERRORS:
                raise
            raise folder.not_writable(error.strerror or str(error)) from error
    return read_record(folder.path)


def _subject(request: Request) -> str:
    """What the run's folder is named for."""
    alone = request.curve is not None and request.curve.alone
    return f"{request.scenario.name}-curve" if alone else request.scenario.name


def new_name(subject: str) -> str:
    """A run's folder name: scenario, UTC time and four random hex digits."""
    return f"{subject}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"


def _saved(folder: RunFolder, plan: Plan) -> str:
    """How far the run has come, for one who interrupts it."""
    trials = plan.all_trials
    done = sum(folder.is_done(trial) for trial in trials)
    text = f"interrupted: {done} of {len(trials)} trials are finished and saved"
    if plan.curve is None:
        return text
    points = sum(len(trial.sizes) for trial in plan.curve.trials)
    done = sum(len(folder.sizes_done(trial)) for trial in plan.curve.trials)
    return f"{text}, and {done} of the curve's {points} points"


def _check_models(plan: Plan) -> None:
    """Raises `UserError` for settings that a trial's model, if it is ready, can't take."""
    ready = {name: models.named(name) for name in plan.models() if models.named(name).is_ready()}
    for trial in plan.all_trials:
        if trial.model in ready:
            ready[trial.model].check(trial.kind, trial.settings)


def _facts(name: str) -> ModelFacts:
    """What identifies a model, and what it costs where it is paid by the token."""
    model = models.named(name)
    price = model.price()
    return model.facts() if price is None else {**model.facts(), "price": price}


def _keep_rows(folder: RunFolder, plan: Plan, splits: Sequence[Split]) -> list[Split]:
    """Leave the rows where the trials find them; returns the splits as they are trained on."""
    kept = [trained_on(split, plan) for split in splits]
    for fold, split in enumerate(kept):
        folder.keep_split(split, fold if len(kept) > 1 else None)
    return kept


def forecast(
    request: Request, start: StartsExecutor = LocalProcesses
) -> tuple[Plan, list[Forecast]]:
    """The run's plan, and what each of its trials will take, without doing it.

    Trials whose model isn't on this machine have no forecast, and nothing is fetched for one.
    """
    plan, splits = prepare(request)
    _check_models(plan)
    with tempfile.TemporaryDirectory() as name:
        folder = RunFolder(Path(name))
        folder.keep_plan(plan)
        _keep_rows(folder, plan, splits)
        _forecast(folder, start(folder))
        return plan, folder.forecasts()


def _forecast(folder: RunFolder, executor: Executor) -> None:
    """Leave the trials' forecasts in the folder; without them the run continues all the same."""
    if folder.has_forecasts():
        return
    say("forecasting each trial from a few seconds of its work")
    if not executor.forecast():
        say("no forecast (see the message above); continuing without one")
        return
    known = [one["seconds"] for one in folder.forecasts() if one["seconds"]]
    if known:
        say(f"forecast: {total_duration(known)} in all")
