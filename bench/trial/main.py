"""One trial in a process of its own: fit, serve, and leave answers and outcome as files.

A process of its own makes its memory figure true, and lets the other trials live if it dies.
Run as `python -m bench.trial.main RUN_FOLDER [--ready]`, with a line of `bench.trial.given` on standard input.
"""

from __future__ import annotations

import sys
import traceback
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from bench import registry
from bench.checks import forgetting
from bench.core import outcome as outcomes
from bench.core.contender import Answerer, Contender, Ground
from bench.core.errors import TrialFailed, TrialSkipped
from bench.core.folder import RunFolder
from bench.core.kept import Kept
from bench.core.meter import Meter, Usage
from bench.core.outcome import CurveDone, Done, Failed, Outcome, Skipped
from bench.core.own import unpacked
from bench.core.plan import Plan, Trial
from bench.rows import noise
from bench.trial import process
from bench.trial.checked import Checked
from bench.trial.given import read_given
from bench.trial.machine import contender_of, load, model_of
from bench.trial.serving import WAYS_REQUESTS, serve, time_ways
from scenarios.cache import DISK_ERRORS
from scenarios.errors import UserError
from scenarios.rows import balanced_sample


def main(folder: RunFolder, slug: str) -> None:
    """Work on the trial `slug` of the folder's plan, from where an earlier start left it.

    Where the contender serves in a fresh process, the first call ends after fitting and the second
    one serves; where it is asked what it forgot, that takes another. The outcome is written at the
    end; until then the finished steps are kept, and aren't done again.
    """
    plan = folder.plan()
    trial = plan.trial(slug)
    try:
        outcome = _outcome(folder, plan, trial)
    except (Exception, SystemExit) as error:
        if isinstance(error, OSError) and error.errno in DISK_ERRORS:
            raise
        folder.keep_outcome(trial, _fault(folder, trial, error))  # its steps are kept, for a fix
        return
    if outcome is not None:
        folder.keep_outcome(trial, outcome)
        folder.drop_steps(slug)
        folder.drop_error(trial)


def _outcome(folder: RunFolder, plan: Plan, trial: Trial) -> Outcome | None:
    """How the trial ended, or None where it takes another process."""
    try:
        return (_run_sizes if trial.sizes else run_trial)(folder, plan, trial)
    except TrialSkipped as reason:
        return Skipped(str(reason))
    except ImportError as error:
        return Skipped(f"{error}; install it to run this contender")
    except (TrialFailed, UserError) as reason:
        return Failed(str(reason))
    except MemoryError:
        return Failed("out of memory")
    except RuntimeError as error:
        if "out of memory" not in str(error) and "can't allocate memory" not in str(error):
            raise
        return Failed(str(error).splitlines()[0])


def _fault(folder: RunFolder, trial: Trial, error: BaseException) -> Failed:
    """A fault in code, ours or the user's: where it happened, and its traceback in a file and on stderr."""
    if isinstance(error, SystemExit):
        return Failed(f"its code called sys.exit({error.code!r})")
    traceback.print_exc()
    said = str(error).strip().splitlines()
    place = traceback.extract_tb(error.__traceback__)[-1]
    file = folder.keep_error(trial, traceback.format_exc())
    what = f"{type(error).__name__}: {said[0]}" if said else type(error).__name__
    where = f"{Path(place.filename).name}:{place.lineno}, in {place.name}"
    return Failed(f"{what} ({where}); its traceback is in {file.as_posix()}")


def _run_sizes(folder: RunFolder, plan: Plan, trial: Trial) -> CurveDone:
    from bench.trial.curve import run_sizes

    return run_sizes(folder, plan, trial)


def run_trial(folder: RunFolder, plan: Plan, trial: Trial) -> Done | None:
    """Fit, or restore what was fitted, and serve; None until it has been served."""
    kept = folder.kept(trial.slug)
    served = _served_before(kept)
    if served and any(folder.adapter(trial.slug).glob("*")):
        return replace(served, forgetting=_forgotten(folder, trial))
    split = folder.split(trial.fold)
    contender = contender_of(trial)
    with Meter() as loading:
        model = load(contender, trial.model)
    train = balanced_sample(split.train, trial.n_train, plan.task.labels)
    ground = Ground(
        task=plan.task,
        train=noise.noisy(train, trial.label_noise, plan.task.labels, trial.seed),
        validation=split.validation,
        model=partial(model_of, contender, model),
        folder=folder.adapter(trial.slug),
        kept=kept,
        shuffled_canary=plan.mode.shuffled_canary and trial.seed == plan.seed,
        folds=split.folds,
        shared=folder.general,
    )
    fitted = _fitted(contender, ground, trial.seed, kept)
    if fitted is None:
        return None
    requests = plan.mode.latency_requests
    found = serve(fitted.answerer, split.test, requests, folder, trial.slug, trial.name)
    ways = contender.ways(ground) if plan.mode.serving_ways else ()
    done = Done(
        notes=fitted.notes,
        setup=fitted.setup,
        restoring=fitted.restoring,
        loading=loading.usage,
        serving=found.usage,
        rows=found.rows,
        **asdict(found.timed),
        machine_gflops=found.machine_gflops,
        wrong_labels=round(trial.label_noise * len(train)),
        ways=time_ways(ways, split.test[:WAYS_REQUESTS]) or None,
        device=model.ran_on() if model else None,
    )
    if not (plan.forgetting and trial.family == "fine_tune"):
        return done
    if not any(folder.adapter(trial.slug).glob("*")):
        skipped = {"status": "skipped", "reason": "its fit left no tuned weights in its folder"}
        return replace(done, forgetting=skipped)
    kept.keep("served", outcomes.to_json(done))  # a fresh process has room for both models
    return None


def _served_before(kept: Kept) -> Done | None:
    """What an earlier start served; None where it didn't, or what it kept is damaged."""
    served = kept.value("served")
    try:
        done = outcomes.from_json({"status": "done"} | served) if served else None
    except (TypeError, ValueError):
        return None
    return done if isinstance(done, Done) else None


@dataclass(frozen=True)
class _Fitted:
    """What answers, its notes, and what fitting and restoring it took."""

    answerer: Answerer
    notes: dict[str, Any]
    setup: Usage
    restoring: Usage | None = None


def _fitted(contender: Contender, ground: Ground, seed: int, kept: Kept) -> _Fitted | None:
    """The contender fitted to the ground, or restored; None where a fresh process is to restore it."""
    restores = contender.restores
    before = kept.value("fitted")
    if restores and before and not any(ground.folder.glob("*")):  # what it made is gone
        before = None
    if restores and before:
        with Meter() as restoring:
            answerer: Answerer = Checked(contender.restore(ground, before["notes"]), ground.task)
        return _Fitted(answerer, before["notes"], Usage(**before["setup"]), restoring.usage)
    with Meter() as meter:
        answerer = Checked(contender.fit(ground, seed), ground.task)
    if before:
        return _Fitted(answerer, before["notes"], Usage(**before["setup"]))
    if "validation_score" in answerer.notes:
        answerer.notes |= ground.chosen_by()
    if restores and not any(ground.folder.glob("*")):
        raise TrialFailed("it declares restores, and its fit left nothing in ground.folder")
    setup = _since_before(meter.usage, kept)
    kept.keep("fitted", {"notes": answerer.notes, "setup": asdict(setup)})
    return None if restores else _Fitted(answerer, answerer.notes, setup)


def _forgotten(folder: RunFolder, trial: Trial) -> dict[str, Any]:
    """What the tuned model forgot, or why that can't be measured."""
    found: dict[str, Any] = {}
    with forgetting.recorded_as_skipped(found):
        base = load(contender_of(trial), trial.model)
        adapter = folder.adapter(trial.slug)
        found |= forgetting.measure(base, adapter, folder.general, trial.slug)
    return found


def _since_before(usage: Usage, kept: Kept) -> Usage:
    """With the seconds that earlier starts of the trial spent."""
    return replace(usage, seconds=usage.seconds + kept.seconds_before)


def _work() -> None:
    if "--ready" in sys.argv:
        process.import_ahead()
    given = read_given()
    process.end_with_parent()
    with registry.added(unpacked(given.own)):
        main(RunFolder(Path(sys.argv[1])), given.trial)


if __name__ == "__main__":
    process.quiet_libraries()
    process.leave_as_asked(_work)
