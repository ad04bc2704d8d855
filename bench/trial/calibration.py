"""Forecasts of a plan's trials: a little of each one's own work, done here and extrapolated to all of it.

A machine's rate for one model and task is in no catalog. So a few rows are answered as each trial
would answer them, one update is trained as it would train, and the time and memory that this took
are extrapolated to the trial's own numbers of rows. Only the lengths of test rows are used, never an
answer. Run as `python -m bench.trial.calibration RUN_FOLDER`, with a line of `bench.trial.given` on standard input.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil

from bench import registry
from bench.core import progress
from bench.core.contender import Contender, Ground, answers_of
from bench.core.errors import TrialFailed, TrialSkipped
from bench.core.files import Forecast, Span
from bench.core.folder import RunFolder
from bench.core.kept import Unkept
from bench.core.meter import Usage
from bench.core.own import unpacked
from bench.core.plan import Plan, Trial
from bench.rows.subsets import Subset, subsets
from bench.trial import process
from bench.trial.given import read_given
from bench.trial.machine import contender_of
from bench.trial.work import ROWS, Loaded, Work
from scenarios.errors import UserError
from scenarios.rows import Split, balanced_sample

SPREAD = 0.25
"""Share by which a trial may take longer or shorter than forecast."""

MEMORY_GROWS = {
    "peak_resident_bytes": {"prompt": 1.15, "between": 1.15, "fine_tune": 1.3},
    "peak_gpu_bytes": {"prompt": 1.15, "between": 1.15, "fine_tune": 1.15},
}
"""How much more a whole trial may hold than a few seconds of it: a heap that many shapes of rows
have passed through has gaps, which torch's count of a GPU's memory leaves out."""

MEMORY_REPEATS = 0.03
"""Share by which the same work's peak, that of loading for example, may come out lower."""


def main(folder: RunFolder) -> None:
    """Forecast every trial of the plan in a folder."""
    plan = folder.plan()
    if plan.models():
        process.import_ahead()  # as the trials do: without what no trial may need
    fold = plan.all_trials[0].fold  # the others are about as large
    folder.keep_forecasts(forecasts(plan, folder.split(fold)))


def forecasts(plan: Plan, split: Split) -> list[Forecast]:
    """The forecast of each trial, in the plan's order."""
    imported = time.time() - psutil.Process().create_time()
    by_slug: dict[str, Forecast] = {}
    for weights in dict.fromkeys(map(_weights_of, plan.all_trials)):
        trials = [trial for trial in plan.all_trials if _weights_of(trial) == weights]
        loaded = Loaded(imported)
        # Prompting comes first: a process that has trained holds more memory.
        for trial in sorted(trials, key=lambda trial: trial.family == "fine_tune"):
            found = (forecast_of_curve if trial.sizes else _forecast)(trial, plan, split, loaded)
            by_slug[trial.slug] = {**found, "trial": trial.slug, "contender": trial.name}
    return [by_slug[trial.slug] for trial in plan.all_trials]


def _forecast(trial: Trial, plan: Plan, split: Split, loaded: Loaded) -> Forecast:
    if trial.model is None:
        return _none(trial, "it uses no model, and takes seconds")
    contender = contender_of(trial)
    train = tuple(balanced_sample(split.train, trial.n_train, plan.task.labels))
    own, requests = replace(split, train=train), plan.mode.latency_requests
    try:
        model = loaded.of(contender, trial.model)
        work = Work(model, plan.task, own, requests, loaded)
        seconds = loaded.start_seconds + contender.forecast(work)
        if plan.forgetting and contender.family == "fine_tune":
            seconds += work.forgets()
    except (TrialSkipped, TrialFailed, UserError) as error:
        return _none(trial, str(error))
    return _found(trial, seconds, loaded)


def _found(trial: Trial, seconds: float, loaded: Loaded) -> Forecast:
    return {
        "trial": trial.slug,
        "contender": trial.name,
        "seconds": {
            "value": seconds,
            "low": seconds / (1 + SPREAD),
            "high": seconds * (1 + SPREAD),
        },
        "peak_resident_bytes": _memory("peak_resident_bytes", loaded.usages, trial.family),
        "peak_gpu_bytes": _memory("peak_gpu_bytes", loaded.usages, trial.family),
        "reason": "from a few seconds of its own work on this machine",
    }


def _none(trial: Trial, reason: str) -> Forecast:
    return {
        "trial": trial.slug,
        "contender": trial.name,
        "seconds": None,
        "peak_resident_bytes": None,
        "peak_gpu_bytes": None,
        "reason": reason,
    }


def forecast_of_curve(trial: Trial, plan: Plan, split: Split, loaded: Loaded) -> Forecast:
    """As of any trial, and the seconds `by_size`, in addition to `start_seconds` once.

    What the trial of one seed takes holds for the other seeds, since their rows are about as long.
    """
    key = trial.name, trial.sizes
    if key not in loaded.curves:
        loaded.curves[key] = _curve_forecast(trial, plan, split, loaded)
    return loaded.curves[key]


def _curve_forecast(trial: Trial, plan: Plan, split: Split, loaded: Loaded) -> Forecast:
    contender = contender_of(trial)
    drawn = subsets(split.train, [n for n in trial.sizes if n], plan.task.labels, trial.seed)
    parts = {size: drawn.get(size, Subset((), (), 0)) for size in trial.sizes}
    if trial.model is None:
        seconds = _timed_without_model(contender, trial, plan, split, parts)
        start = loaded.start_seconds
    else:
        try:
            model = loaded.of(contender, trial.model)
            rows = parts[trial.sizes[-1]].rows or split.train[:ROWS]
            work = Work(model, plan.task, replace(split, train=rows), 0, loaded)
            seconds = _seconds_by_size(contender, work, parts)
        except (TrialSkipped, TrialFailed, UserError) as error:
            return _none(trial, str(error))
        start = loaded.start_seconds + work.import_seconds
    found = _found(trial, start + sum(seconds.values()), loaded)
    by_size = {str(size): value for size, value in seconds.items()}
    return {**found, "start_seconds": start, "by_size": by_size}


def _seconds_by_size(
    contender: Contender, work: Work, parts: Mapping[int, Subset]
) -> dict[int, float]:
    """Each size's fitting and answering, by the pieces of work that the contender names."""
    if contender.fits_once:
        return {n: contender.forecast_once(work.on(part.rows, ())) for n, part in parts.items()}
    if not contender.remembers:
        return {
            n: contender.forecast(work.on(part.learn, part.choose)) for n, part in parts.items()
        }
    found: dict[int, float] = {}
    known: set[str] = set()
    for size, part in parts.items():  # each text is read once
        new = [row for row in part.rows if row.id not in known]
        found[size] = contender.forecast(work.on(new, (), test=not known))
        known |= {row.id for row in new}
    return found


def _timed_without_model(
    contender: Contender, trial: Trial, plan: Plan, split: Split, parts: Mapping[int, Subset]
) -> dict[int, float]:
    """The smallest and the largest size are timed; the others are interpolated."""
    sizes = list(parts)

    def seconds(size: int) -> float:
        start = time.perf_counter()
        subset = parts[size]
        for train, choose in ((subset.learn, subset.choose), (subset.rows, ())):
            ground = Ground(plan.task, train, choose, _no_model, Path(), Unkept())
            found = contender.fit(ground, trial.seed)
        answers_of(found, split.test)
        return time.perf_counter() - start

    imported = seconds(sizes[0])
    low, high = seconds(sizes[0]), seconds(sizes[-1])
    width = max(sizes[-1] - sizes[0], 1)
    line = {n: low + max(0.0, high - low) * (n - sizes[0]) / width for n in sizes}
    return line | {sizes[0]: max(imported, low)}


def _no_model() -> Any:
    raise AssertionError("a contender without a model asks for none")


def _weights_of(trial: Trial) -> tuple[str | None, bool]:
    """Which weights a trial loads, and whether in 4 bit."""
    return trial.model, registry.contender(trial.kind).four_bit


def _memory(key: str, usages: Sequence[Usage], family: str) -> Span | None:
    """From the highest seen; None where there is no such memory here."""
    seen = max((getattr(usage, key) or 0 for usage in usages), default=0)
    if not seen:
        return None
    grows = MEMORY_GROWS[key][family]
    least = 1 - MEMORY_REPEATS
    return {
        "value": round(seen * (least * grows) ** 0.5),
        "low": round(seen * least),
        "high": round(seen * grows),
    }


def _work() -> None:
    try:
        with registry.added(unpacked(read_given().own)):
            process.end_with_parent()
            main(RunFolder(Path(sys.argv[1])))
    except OSError as error:
        progress.say(f"can't write the forecasts: {error.strerror or error}")
        raise


if __name__ == "__main__":
    process.quiet_libraries()
    progress.SILENT = True
    process.leave_as_asked(_work)
