"""A run: plan, rows, trials, record. What is finished is on disk before the next thing starts."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from bench.core.folder import (
    BUDGET,
    CANNOT_WRITE,
    FORECASTS,
    answers_in,
    point_file,
    point_name,
    read_forecasts,
    read_or_none,
    rows_file,
    sizes_left,
)
from bench.engine import models
from bench.planning.budget import Allotted, Budget, Ledger, allot, arms_left_out
from bench.planning.curve import Wanted, check_sizes, has_curve, make_curve
from bench.planning.make import (
    FEWEST_ROWS,
    FEWEST_VALIDATION_ROWS,  # noqa: F401
    FOLDS,
    Curve,
    Mode,
    Plan,
    Trial,
    check_changed,
    check_declared,
    contender_names,
    curve_plan,
    fewest_to_choose_on,
    make_plan,
)
from bench.planning.sweep import Sweep, widened
from bench.planning.targets import check_targets
from bench.record.make import make_record, read_record
from bench.rows import noise
from bench.running.executor import SPENT, Processes
from scenarios.cache import DISK_ERRORS, write_atomically
from scenarios.errors import UserError
from scenarios.rows import (
    Split,
    balanced_sample,
    cross_splits,
    keep_split,
    load_split,
    with_folds,
)
from scenarios.schema import Scenario, Task


class Interrupted(Exception):
    """Ctrl-C; the message says what is kept, and `folder` is where."""

    def __init__(self, message: str, folder: Path):
        super().__init__(message)
        self.folder = folder


@dataclass(frozen=True)
class Request:
    """What the user asked for. `usd_per_hour` is the price of this machine, if given.

    `curve` asks for a learning curve, alone or beside the run's trials. `forgetting` is the mode's own choice where it is None.
    """

    scenario: Scenario
    mode: Mode
    seed: int = 0
    model: str = models.DEFAULT_MODEL
    only: tuple[str, ...] = ()
    changed: Mapping[str, dict] = field(default_factory=dict)
    out: Path | None = None
    usd_per_hour: float | None = None
    seeds: tuple[int, ...] = ()
    look: int = 1
    folds: int = 0
    curve: Wanted | None = None
    budget: Budget | None = None
    label_noise: float = 0.0
    forgetting: bool | None = None
    sweep: Sweep | None = None


def run(request: Request) -> tuple[Path, dict]:
    """Do the whole run; returns its folder and its record.

    Trials that a former start of the same plan in the same folder finished aren't done again.
    Raises `UserError` before anything is trained where something that is needed is missing.
    """
    folder = request.out or Path("runs") / new_name(_what(request))
    processes = Processes(folder)
    if _has_rows(folder):  # an unfinished run goes on
        processes.make_ready()
    try:
        return folder, _record_of(request, folder, processes)
    finally:
        processes.end()


def _record_of(request: Request, folder: Path, processes: Processes) -> dict:
    """The run's record, after all that is left to do."""
    plan, splits = prepare(request)
    model_facts = {name: _model_facts(name) for name in _models_of(plan)}
    check_targets(plan.all_trials, {name: models.folder_of(name) for name in model_facts})
    if plan.choosing["folds"]:
        say(plan.choosing["sentence"])
    new = not folder.exists()
    with _held(folder, plan):
        try:
            splits = _keep_rows(folder, plan, splits)
            ledger = _ledger(folder, request.budget)
            _forecast(folder, processes)
            _do_all(folder, plan, processes, _allotted(folder, plan, ledger, new), ledger)
            record = make_record(folder, plan, splits, model_facts, request.usd_per_hour)
            text = json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False)
            write_atomically(folder / "record.json", _without_folders(text, plan))
            for trial in plan.all_trials:
                (folder / rows_file(trial.fold)).unlink(missing_ok=True)
        except KeyboardInterrupt:
            done = sum(_is_done(folder, trial) for trial in plan.all_trials)
            raise Interrupted(
                f"interrupted; {done} of {len(plan.all_trials)} trials are finished and kept"
                + _sizes_kept(folder, plan),
                folder,
            ) from None
        except OSError as error:
            if error.errno not in DISK_ERRORS:
                raise
            raise _cannot_write(folder, error.strerror) from error
    return read_record(folder)


def _without_folders(text: str, plan: Plan) -> str:
    """A record's text with folders' names for absolute paths of models, since it may be passed on."""
    for name in sorted(_models_of(plan), key=len, reverse=True):
        if Path(name).is_absolute() and len(Path(name).parts) > 1:
            text = text.replace(
                json.dumps(name, ensure_ascii=False)[1:-1], Path(name).resolve().name
            )
    return text


def _what(request: Request) -> str:
    """What the run's folder is named for."""
    alone = request.curve is not None and request.curve.alone
    return f"{request.scenario.name}-curve" if alone else request.scenario.name


def _sizes_kept(folder: Path, plan: Plan) -> str:
    """How far the curve's trials have come, for one who interrupts them."""
    if plan.curve is None:
        return ""
    places = [(trial, size) for trial in plan.curve.trials for size in trial.sizes]
    done = sum(point_file(folder, trial.slug, size).exists() for trial, size in places)
    return f", and {done} of the curve's {len(places)} points"


def _has_rows(folder: Path) -> bool:
    return any((folder / rows_file(fold)).exists() for fold in (None, 0))


def _keep_rows(folder: Path, plan: Plan, splits: Sequence[Split]) -> list[Split]:
    """Leave the rows where the trials find them; returns the splits as they are trained on."""
    kept = [_trained_on(split, plan) for split in splits]
    for fold, split in enumerate(kept):
        keep_split(split, folder / rows_file(fold if len(kept) > 1 else None))
    return kept


def prepare(request: Request) -> tuple[Plan, list[Split]]:
    """The run's plan and its rows (a split, or one a fold), which are fetched if they aren't there."""
    task = request.scenario.task
    if task is None:
        raise UserError(
            f"the scenario '{request.scenario.name}' has no [task], so there is nothing to run; "
            f"`advisor recommend --scenario {request.scenario.name}` advises on it"
        )
    check_declared(request.scenario, request.seeds, request.look)
    noise.check(request.label_noise, task)
    if request.curve:
        check_sizes(request.curve.sizes, len(task.labels))
    if request.curve and request.curve.alone:
        _check_curve_can(request)
        split = load_split(task, request.seed)
        curve = _curve(request, request.curve, split)
        plan = curve_plan(
            request.scenario, split, request.mode, request.seed, request.model, request.look, curve
        )
        return plan, [split]
    check_changed(contender_names(request.only, request.mode.name, task.type), request.changed)
    splits = _splits(request, task)
    plan = make_plan(
        request.scenario,
        splits,
        request.mode,
        request.seed,
        request.model,
        request.only,
        request.changed,
        request.seeds,
        request.look,
    )
    plan = _as_asked(plan, request, splits)
    if request.curve and request.folds:
        say("no learning curve in this run: cross-fitting takes all rows for the race")
    elif request.curve:
        try:
            _check_curve_can(request)
            curve = _curve(request, request.curve, splits[0], len(plan.trials) + 1)
            plan = replace(plan, curve=curve)
        except UserError as reason:  # the run was asked for, and the curve is a part of it
            say(f"no learning curve in this run: {reason}")
    return plan, splits


def _as_asked(plan: Plan, request: Request, splits: Sequence[Split]) -> Plan:
    """The plan with wrong labels, the sweep's combinations and the question of what is forgotten."""
    asked = request.forgetting
    plan = replace(
        plan,
        trials=tuple(replace(t, label_noise=request.label_noise) for t in plan.trials),
        forgetting=plan.mode["name"] == "full" if asked is None else asked,
    )
    return widened(plan, request.sweep, splits) if request.sweep else plan


def _check_curve_can(request: Request) -> None:
    """Raises `UserError` for what a run can do and a curve can't."""
    if request.label_noise:
        raise UserError("a curve takes the labels as they are; run `bench curve` without noise")
    kinds = (kind for kind, own in request.changed.items() if own.get("replay"))
    if replayed := next(kinds, None):
        raise UserError(
            f"a curve trains without replay; leave {replayed}.replay out of `bench curve`, "
            "and try it by `bench sweep --vary replay=0,0.2`"
        )


def _curve(request: Request, wanted: Wanted, split: Split, number: int = 1) -> Curve:
    only, changed = request.only, request.changed
    if not wanted.alone:  # what the race was asked for, as far as a curve has it
        only = [name for name in only if has_curve(name)]
        changed = {kind: own for kind, own in changed.items() if kind != "zero-shot"}
    return make_curve(
        wanted,
        request.scenario.task,
        split,
        request.mode.name,
        request.seed,
        request.model,
        only,
        changed,
        number,
    )


def _splits(request: Request, task: Task) -> list[Split]:
    """The split, or one a fold, with folds to choose by where the validation part would be too small."""
    fewest = fewest_to_choose_on(task)
    if request.folds:
        splits = cross_splits(task, request.seed, request.folds, fewest)
    elif task.validation_rows >= fewest:
        return [load_split(task, request.seed)]
    else:
        splits = [load_split(task.model_copy(update={"validation_rows": 0}), request.seed)]
    if splits[0].validation:
        return splits
    at_hand = min(len(split.train) for split in splits)
    n = min(request.mode.train_rows or at_hand, at_hand)
    least = max(FEWEST_ROWS, 2 * len(task.labels))
    if n < least:
        raise UserError(
            f"{n} rows that aren't tested are too few to choose prompts and settings on, and {least} are "
            "the fewest, by validation rows or by cross-validation; "
            + ("raise --train-rows" if n < at_hand else "bring more rows")
        )
    return [with_folds(split, task.labels, n, request.seed, FOLDS) for split in splits]


def forecast(request: Request) -> tuple[Plan, list[dict]]:
    """The run's plan, and what each of its trials will take, without doing it.

    Trials whose model isn't on this machine have no forecast, and nothing is fetched for one.
    """
    plan, splits = prepare(request)
    here = filter(models.at_hand, _models_of(plan))
    check_targets(plan.all_trials, {name: models.folder_of(name) for name in here})
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _keep_plan(folder / "plan.json", plan)
        _keep_rows(folder, plan, splits)
        _forecast(folder, Processes(folder))
        return plan, read_forecasts(folder)


def _forecast(folder: Path, processes: Processes) -> None:
    """Leave the trials' forecasts in the folder; without them the run goes on all the same."""
    if (folder / FORECASTS).exists():
        return
    say("forecasting each trial from a few seconds of its work")
    if processes.calibrate() != 0:
        say("no forecast: what it printed stands above; the run goes on without one")
        return
    known = [forecast["seconds"] for forecast in read_forecasts(folder) if forecast["seconds"]]
    if known:
        say(f"forecast: {total_duration(known)} in all")


def total_duration(forecasts: Sequence[dict]) -> str:
    """The sum of some forecasts of seconds, from lowest to highest."""
    low, high = (sum(seconds[end] for seconds in forecasts) for end in ("low", "high"))
    return f"{duration(low)} to {duration(high)}"


def duration(seconds: float) -> str:
    """Seconds, or minutes from a hundred of them on."""
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.1f} min"


def new_name(scenario: str) -> str:
    """A run's folder name: scenario, UTC time and four random hex digits."""
    return f"{scenario}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"


def say(text: str) -> None:
    """A line of progress on stderr."""
    print(text, file=sys.stderr, flush=True)


def _trained_on(split: Split, plan: Plan) -> Split:
    """The split with no more training rows than the plan's trials ask for."""
    if split.folds or plan.curve:  # dealt from just those; or whose seeds draw from all rows
        return split
    most = max(trial.n_train for trial in plan.trials)
    labels = plan.scenario["task"]["labels"]
    return replace(split, train=tuple(balanced_sample(split.train, most, labels)))


@contextmanager
def _held(folder: Path, plan: Plan) -> Iterator[None]:
    """The run's folder with its plan in it, locked against a second run."""
    from filelock import FileLock, Timeout

    if folder.exists() and not folder.is_dir():
        raise UserError(f"'{folder}' is a file; --out takes a folder")
    try:
        for part in (".", "answers", "outcomes", "fitted", "adapters", "points"):
            (folder / part).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"can't write to '{folder}': {error.strerror}; choose another --out"
        ) from error
    try:
        with FileLock(folder / ".lock", timeout=0):
            since = datetime.now().astimezone().strftime("%Y-%m-%d %H:%M:%S")
            write_atomically(folder / ".holder", f"process {os.getpid()}, since {since}")
            _keep_plan(folder / "plan.json", plan)
            yield
    except Timeout:
        holder = (folder / ".holder").read_text(encoding="utf-8")
        raise UserError(
            f"another run is at work in '{folder}' ({holder}); wait for it, or choose another --out"
        ) from None


def _keep_plan(file: Path, plan: Plan) -> None:
    """Write the plan, or check that the one that is there is the same."""
    text = json.dumps(plan.to_json(), indent=1, ensure_ascii=False)
    if not file.exists():
        write_atomically(file, text)
        return
    there, wanted = read_or_none(file), json.loads(text)
    if there is None:
        raise UserError(f"'{file}' is damaged; choose another --out, or remove that folder")
    differ = [key for key in wanted if there.get(key) != wanted[key]]
    if differ:
        raise UserError(
            f"'{file.parent}' holds a run with another plan ({', '.join(differ)} differ); "
            "choose another --out, or repeat that run's options"
        )


def _models_of(plan: Plan) -> list[str]:
    return list(dict.fromkeys(trial.model for trial in plan.all_trials if trial.model))


def _model_facts(name: str) -> dict:
    """Fetches the model if it isn't there; its digest is what tells it from others."""
    folder = models.folder_of(name)
    config = read_or_none(folder / "config.json")
    if config is None:
        raise UserError(f"can't load the model '{name}': its config.json isn't JSON")
    return {"sha256": models.digest_of(folder), "model_type": config.get("model_type")}


def _ledger(folder: Path, budget: Budget | None) -> Ledger | None:
    """The account of a budget, as an earlier start left it; a run without one forgets it."""
    if budget is None:
        (folder / BUDGET).unlink(missing_ok=True)
        return None
    return Ledger(folder, budget)


def _allotted(folder: Path, plan: Plan, ledger: Ledger | None, new: bool) -> Allotted | None:
    """What the budget holds, told before anything of it is done; None without a budget.

    A folder that is `new` is removed where the budget holds nothing; of another one everything stays
    as it was.
    """
    if ledger is None:
        return None
    found = ledger.goes_on()  # what the same budget had planned stays planned
    if found is None:
        ledger.count()
        done = [trial.slug for trial in plan.all_trials if _stands(folder, trial)]
        points = {trial.slug: _sizes_done(folder, trial) for trial in plan.all_trials}
        try:
            found = allot(plan, read_forecasts(folder), done, ledger.left, points)
        except UserError:
            if new:
                shutil.rmtree(folder, ignore_errors=True)
            raise
    ledger.take_in(found)
    for line in _allotted_lines(plan, ledger.budget, ledger.left, found):
        say(line)
    return found


def budget_lines(plan: Plan, budget: Budget, forecasts: Sequence[dict]) -> list[str]:
    """What a budget would hold, were nothing done yet and all of it left. Raises as `allot`."""
    found = allot(plan, forecasts, (), budget.seconds)
    return list(_allotted_lines(plan, budget, budget.seconds, found))


def _allotted_lines(plan: Plan, budget: Budget, left: float, found: Allotted) -> Iterator[str]:
    names = {trial.slug: trial for trial in plan.all_trials}
    yield (
        f"budget {budget.said}: {len(found.order)} of {len(names)} trials fit, forecast to take "
        f"{duration(found.seconds)} of the {duration(max(left, 0.0))} that are left"
    )
    if found.dropped_sizes:
        yield f"  dropped sizes: {', '.join(map(str, found.dropped_sizes))}, so that one seed fits"
    for one in found.dropped:
        seed = names[one["trial"]].seed
        yield f"  dropped {one['contender']} (seed {seed}): {one['reason']}"
    if without := arms_left_out(plan, found):
        told = "; ".join(without)
        yield f"  so there will be no verdict on prompting against tuning: left out is {told}"


def _do_all(
    folder: Path,
    plan: Plan,
    processes: Processes,
    allotted: Allotted | None,
    ledger: Ledger | None,
) -> None:
    """Every trial, or those that a budget holds until it is spent."""
    started = time.time()
    trials = plan.all_trials
    if allotted is not None:
        by_slug = {trial.slug: trial for trial in trials}
        for one in allotted.dropped:
            trial, reason = by_slug[one["trial"]], one["reason"]
            if not _stands(folder, trial):
                _skip(folder, trial, f"dropped by the budget: {reason}")
        trials = tuple(by_slug[slug] for slug in allotted.order)
    for number, trial in enumerate(trials, start=1):
        _do(folder, trial, f"[{number}/{len(trials)}]", processes, ledger)
    left_out = [] if allotted is None else [one["trial"] for one in allotted.dropped]
    left_out += [] if ledger is None else ledger.stopped
    say(f"{_how_many(folder, plan, left_out)}, {time.time() - started:.0f} s after this start")


def _how_many(folder: Path, plan: Plan, left_out: Sequence[str]) -> str:
    """How many of the trials are done, where a budget left out some."""
    if not left_out:
        return "all trials done"
    trials = plan.all_trials
    done = sum(_is_done(folder, trial) for trial in trials)
    return f"{done} of {len(trials)} trials done, {len(left_out)} left out by the budget"


def _skip(folder: Path, trial: Trial, reason: str) -> None:
    outcome = {"status": "skipped", "reason": reason}
    write_atomically(folder / "outcomes" / f"{trial.slug}.json", json.dumps(outcome))


def _do(
    folder: Path, trial: Trial, place: str, processes: Processes, ledger: Ledger | None = None
) -> None:
    """One trial in a process of its own, unless it is done already; a failed one is tried again."""
    file = folder / "outcomes" / f"{trial.slug}.json"
    if _is_done(folder, trial):
        say(f"{place} {trial.name}: was done already")
        return
    if ledger is not None and ledger.left <= 0:
        begun = "didn't go on" if _has_begun(folder, trial) else "didn't begin"
        _stop(folder, trial, place, ledger, begun)
        return
    file.unlink(missing_ok=True)
    say(f"{place} {trial.name}" + (f" (seed {trial.seed})" if trial.seed else ""))
    (folder / "adapters" / trial.slug).mkdir(exist_ok=True)
    whole = not _has_begun(folder, trial)
    start = time.time()
    code = processes.do(trial.slug, trial.model is not None, ledger)
    for _ in range(2):  # fitted, and to be served by a fresh process; then asked what it forgot
        if code == 0 and not file.exists():
            code = processes.do(trial.slug, True, ledger)
    _remove_if_empty(folder / "adapters" / trial.slug)
    if code == SPENT and not file.exists():
        _stop(folder, trial, place, ledger, "was stopped; what it had finished is kept")
        return
    if code == CANNOT_WRITE:
        raise _cannot_write(folder, "the disk is full, or the folder may not be written to")
    if not file.exists():
        reason = (
            "ended by the system, most likely out of memory"
            if code == -9
            else f"its process ended with code {code}; what it printed stands above"
        )
        outcome = {"status": "failed", "reason": reason}
        write_atomically(file, json.dumps(outcome))
    outcome = json.loads(file.read_text(encoding="utf-8"))
    if outcome["status"] == "done" and whole:
        write_atomically(
            file, json.dumps(outcome | {"wall_seconds": time.time() - start}, indent=1)
        )
    ending = f": {outcome['status']}, {outcome['reason']}" if "reason" in outcome else ""
    say(f"{place} {trial.name}: {time.time() - start:.0f} s{ending}")


def _stop(folder: Path, trial: Trial, place: str, ledger: Ledger, so: str) -> None:
    """The budget is spent: the trial counts as stopped, and what it finished is kept."""
    ledger.stopped.append(trial.slug)
    ledger.tick()
    reason = f"the budget of {ledger.budget.said} was spent, so it {so}"
    if not _stands(folder, trial):
        _skip(folder, trial, reason)
    say(f"{place} {trial.name}: {reason}")


def _has_begun(folder: Path, trial: Trial) -> bool:
    """Whether an earlier start left steps of a trial."""
    if (folder / "fitted" / trial.slug).exists():
        return True
    names = [point_name(trial.slug, size) for size in trial.sizes]
    return any(
        (folder / "points" / f"{name}.json").exists() or (folder / "fitted" / name).exists()
        for name in names
    )


def _is_done(folder: Path, trial: Trial) -> bool:
    """Whether a trial's outcome and all of its answers are there, whole, at each size that is left."""
    left = sizes_left(folder, trial.sizes)
    return _stands(folder, trial) and set(left) <= set(_sizes_done(folder, trial))


def _sizes_done(folder: Path, trial: Trial) -> list[int]:
    """The finished sizes of a curve's trial; none of another."""
    return [size for size in trial.sizes if point_file(folder, trial.slug, size).exists()]


def _stands(folder: Path, trial: Trial) -> bool:
    """Whether a trial was done, whole, be it at fewer sizes of a curve than are left now."""
    outcome = read_or_none(folder / "outcomes" / f"{trial.slug}.json")
    if outcome is None or outcome.get("status") != "done":
        return False
    if trial.sizes:
        return set(outcome.get("sizes", trial.sizes)) <= set(_sizes_done(folder, trial))
    whole = {"notes", "setup", "serving", "rows", "latencies_ms", "device"} <= outcome.keys()
    return whole and len(answers_in(folder / "answers" / f"{trial.slug}.jsonl")) == outcome["rows"]


def _cannot_write(folder: Path, reason: str) -> UserError:
    return UserError(
        f"can't write to '{folder}': {reason}; make room, then the same command with "
        f"--out {folder} goes on: what was finished is kept"
    )


def _remove_if_empty(folder: Path) -> None:
    if not any(folder.iterdir()):
        folder.rmdir()
