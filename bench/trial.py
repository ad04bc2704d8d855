"""One trial in a process of its own: fit, serve, and leave answers and outcome as files.

A process of its own makes its memory figure true, and lets the other trials live if it dies.
Run as `python -m bench.trial RUN_FOLDER SLUG`.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path

from bench import registry
from bench.contender import Answer, Answerer, Ground
from bench.meter import Meter, Usage
from bench.progress import bar
from scenarios.cache import sync, write_atomically
from scenarios.errors import UserError
from scenarios.rows import Example, Split, balanced_sample, load_split
from scenarios.schema import Scenario

WARM_UP_REQUESTS = 3


def main(folder: Path, slug: str) -> None:
    """Go on with the trial `slug` of the plan in `folder`.

    Its outcome lands in `outcomes/<slug>.json`; where the contender serves in a fresh process,
    the first call ends after fitting and leaves `fitted/<slug>.json` for the second.
    """
    plan = json.loads((folder / "plan.json").read_text(encoding="utf-8"))
    trial = next(t for t in plan["trials"] if t["slug"] == slug)
    try:
        figures = run_trial(folder, plan, trial)
        if figures is None:
            return
        outcome = {"status": "done", **figures}
    except UserError as error:
        outcome = {"status": "failed", "reason": str(error)}
    except MemoryError:
        outcome = {"status": "failed", "reason": "out of memory"}
    except Exception as error:
        if type(error).__name__ not in ("TrainingFailed", "OutOfMemoryError"):
            raise
        outcome = {"status": "failed", "reason": str(error).splitlines()[0]}
    write_atomically(folder / "outcomes" / f"{slug}.json", json.dumps(outcome, indent=1))


def run_trial(folder: Path, plan: dict, trial: dict) -> dict | None:
    """Fit, or restore what was fitted, and serve; the outcome's figures, or None until served."""
    task = Scenario.model_validate(plan["scenario"]).task
    split = load_split(task, plan["seed"])
    if split.digest != plan["rows"]["digest"]:
        raise UserError("the rows aren't those of the plan any more; start a new run")
    machine = _Machine(trial["model"])
    settings = {k: tuple(v) if isinstance(v, list) else v for k, v in trial["settings"].items()}
    contender = registry.contender(trial["kind"])(**settings)
    ground = Ground(
        task=task,
        train=balanced_sample(split.train, trial["n_train"], task.labels),
        validation=split.validation,
        model=machine.model,
        folder=folder / "adapters" / trial["slug"],
    )
    fitted_file = folder / "fitted" / f"{trial['slug']}.json"
    restores = hasattr(contender, "restore")
    if restores and fitted_file.exists():
        fitted = json.loads(fitted_file.read_text(encoding="utf-8"))
        with Meter() as restoring:
            answerer = contender.restore(ground, fitted["notes"])
        fitted["restoring"] = asdict(restoring.usage)
    else:
        with Meter() as setup:
            answerer = contender.fit(ground, trial["seed"])
        fitted = {"notes": answerer.notes, "setup": asdict(setup.usage)}
        if restores:
            write_atomically(fitted_file, json.dumps(fitted, indent=1))
            return None
    return fitted | _serve(folder, plan, trial, split, answerer) | machine.facts()


def _serve(folder: Path, plan: dict, trial: dict, split: Split, answerer: Answerer) -> dict:
    """Answer every test row, then time single requests."""
    answers_file = folder / "answers" / f"{trial['slug']}.jsonl"
    list(answerer.answer(split.test[:WARM_UP_REQUESTS]))
    with Meter() as serving:
        answers = _answer_all(answerer, split.test, answers_file, trial["name"])
    latencies = _time_requests(answerer, split.test[: plan["mode"]["latency_requests"]])
    return {
        "serving": asdict(_with_tokens(serving.usage, answers)),
        "rows": len(answers),
        "latencies_ms": latencies,
    }


class _Machine:
    """Loads the trial's model once, when it is first asked for."""

    def __init__(self, name: str | None):
        self._name = name
        self._model = None
        self._device: dict | None = None

    def facts(self) -> dict:
        """How long loading took, and where the model ran; None where none was loaded."""
        loaded = self._model.load_seconds if self._model else None
        return {"load_seconds": loaded, "device": self._device}

    def model(self):
        if self._model is None:
            from bench import models

            device = models.best_device()
            self._model = models.load(self._name, models.folder_of(self._name), device)
            self._device = asdict(device) | _torch_facts()
        return self._model


def _torch_facts() -> dict:
    import torch

    gpu = torch.cuda.get_device_name(0) if torch.cuda.is_available() else None
    return {"gpu": gpu, "threads": torch.get_num_threads()}


def _answer_all(
    answerer: Answerer, examples: Sequence[Example], file: Path, name: str
) -> list[Answer]:
    """Every answer, on disk as it comes; the file gets its name when it is whole."""
    partial = file.with_name(file.name + ".partial")
    answers = []
    with open(partial, "w", encoding="utf-8", newline="\n") as out:
        for answer in _shown(answerer.answer(examples), len(examples), f"{name}, test rows"):
            answers.append(answer)
            out.write(json.dumps(asdict(answer), ensure_ascii=False) + "\n")
    sync(partial)
    partial.replace(file)
    return answers


def _shown(answers: Iterator[Answer], total: int, name: str) -> Iterator[Answer]:
    with bar(name, total, "row") as done:
        for answer in answers:
            yield answer
            done.update()


def _time_requests(answerer: Answerer, examples: Sequence[Example]) -> list[float]:
    """Milliseconds of single requests, one after the other, text in to answer out."""
    latencies = []
    with bar("single requests", len(examples), "request") as done:
        for example in examples:
            start = time.perf_counter()
            list(answerer.answer([example]))
            latencies.append((time.perf_counter() - start) * 1000)
            done.update()
    return latencies


def _with_tokens(usage: Usage, answers: Sequence[Answer]) -> Usage:
    def total(values) -> int | None:
        known = [value for value in values if value is not None]
        return sum(known) if known else None

    return replace(
        usage,
        tokens_in=total(answer.tokens_in for answer in answers),
        tokens_out=total(answer.tokens_out for answer in answers),
    )


def _end_with_parent() -> None:
    """Leave at once when standard input closes, as it does when the run's process is gone."""

    def wait() -> None:
        while os.read(0, 1):  # the descriptor itself: a buffered reader would hold a lock at exit
            pass
        os._exit(130)

    threading.Thread(target=wait, daemon=True).start()


if __name__ == "__main__":
    _end_with_parent()
    try:
        main(Path(sys.argv[1]), sys.argv[2])
    except KeyboardInterrupt:
        sys.exit(130)
