"""One trial in a process of its own: fit, serve, and leave answers and outcome as files.

A process of its own makes its memory figure true, and lets the other trials live if it dies.
Run as `python -m bench.trial.main RUN_FOLDER [--ready]`, with the trial's slug on standard input.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import partial
from importlib import import_module
from pathlib import Path
from statistics import median

from bench import registry
from bench.checks import forgetting
from bench.core.contender import Answer, Answerer, Failed, Ground, Skipped, answers_of
from bench.core.folder import CANNOT_WRITE, ROWS, rows_file, settings_of, sizes_left, trials_of
from bench.core.kept import Kept
from bench.core.meter import Meter, Usage, synchronise
from bench.core.progress import bar
from bench.rows import noise
from bench.trial.serving import Machine, _line, _read_journal, answer_all  # noqa: F401
from scenarios.cache import DISK_ERRORS, write_atomically
from scenarios.errors import UserError
from scenarios.rows import Example, Split, balanced_sample, kept_split
from scenarios.schema import Scenario

WARM_UP_REQUESTS = 3
WAYS_REQUESTS = 24
"""Requests by which each way of serving a tuned model is timed."""


def main(folder: Path, slug: str) -> None:
    """Go on with the trial `slug` of the plan in `folder`.

    Its outcome lands in `outcomes/<slug>.json`; where the contender serves in a fresh process,
    the first call ends after fitting, and the second serves; where it is asked what it forgot, that
    takes another. Steps that an earlier start
    finished are in `fitted/<slug>/` until the outcome is there, and aren't done again.
    """
    plan = json.loads((folder / "plan.json").read_text(encoding="utf-8"))
    trial = next(t for t in trials_of(plan) if t["slug"] == slug)
    try:
        figures = (_run_sizes if trial.get("sizes") else run_trial)(folder, plan, trial)
        if figures is None:
            return
        outcome = {"status": "done", **figures}
    except Skipped as reason:
        outcome = {"status": "skipped", "reason": str(reason)}
    except ImportError as error:
        outcome = {"status": "skipped", "reason": f"{error}; install it to run this contender"}
    except (Failed, UserError) as reason:
        outcome = {"status": "failed", "reason": str(reason)}
    except MemoryError:
        outcome = {"status": "failed", "reason": "out of memory"}
    except RuntimeError as error:
        if "out of memory" not in str(error) and "can't allocate memory" not in str(error):
            raise
        outcome = {"status": "failed", "reason": str(error).splitlines()[0]}
    write_atomically(folder / "outcomes" / f"{slug}.json", json.dumps(outcome, indent=1))
    shutil.rmtree(folder / "fitted" / slug, ignore_errors=True)
    (folder / "answers" / f"{slug}.jsonl.partial").unlink(missing_ok=True)


def _run_sizes(folder: Path, plan: dict, trial: dict) -> dict:
    """A learning curve's trial, through the sizes that its budget leaves."""
    from bench.trial.curve import run_sizes

    return run_sizes(
        folder, plan, trial, sizes_left(folder, trial["sizes"]), kept_split(folder / ROWS)
    )


def run_trial(folder: Path, plan: dict, trial: dict) -> dict | None:
    """Fit, or restore what was fitted, and serve; the outcome's figures, or None until served."""
    task = Scenario.model_validate(plan["scenario"]).task
    kept = Kept(folder / "fitted" / trial["slug"])
    adapter = folder / "adapters" / trial["slug"]
    if (served := kept.value("served")) and any(adapter.glob("*")):
        return served | {"forgetting": _forgotten(folder, trial)}
    split = kept_split(folder / rows_file(trial["fold"]))
    contender = registry.contender(trial["kind"])(**settings_of(trial))
    machine = Machine()
    with Meter() as loading:
        model = machine.load(contender, trial["model"])
    train = balanced_sample(split.train, trial["n_train"], task.labels)
    ground = Ground(
        task=task,
        train=noise.noisy(train, trial["label_noise"], task.labels, trial["seed"]),
        validation=split.validation,
        model=lambda: model,
        folder=adapter,
        kept=kept,
        shuffled_canary=plan["mode"]["shuffled_canary"] and trial["seed"] == plan["seed"],
        folds=split.folds,
        shared=folder / forgetting.FOLDER,
    )
    restores = hasattr(contender, "restore")
    fitted = kept.value("fitted")
    if restores and fitted and not any(ground.folder.glob("*")):  # what it made is gone
        fitted = None
    if restores and fitted:
        with Meter() as restoring:
            answerer = contender.restore(ground, fitted["notes"])
        fitted["restoring"] = asdict(restoring.usage)
    else:
        with Meter() as setup:
            answerer = contender.fit(ground, trial["seed"])
        if not fitted:
            if "validation_score" in answerer.notes:
                answerer.notes |= ground.chosen_by()
            fitted = {"notes": answerer.notes, "setup": asdict(_since_before(setup.usage, kept))}
            kept.keep("fitted", fitted)
        if restores:
            return None
    served = _serve(folder, plan, trial, split, answerer)
    served["wrong_labels"] = round(trial["label_noise"] * len(train))
    if plan["mode"]["serving_ways"] and getattr(contender, "ways", None):
        ways = contender.ways(ground, machine.folder)
        served["ways"] = _time_ways(ways, split.test[:WAYS_REQUESTS])
    figures = fitted | {"loading": asdict(loading.usage)} | served | machine.facts()
    if not (plan["forgetting"] and trial["family"] == "fine_tune"):
        return figures
    kept.keep("served", figures)  # a fresh process has room for both models
    return None


def _forgotten(folder: Path, trial: dict) -> dict:
    """What the tuned model forgot, or why it can't be told."""
    found: dict = {}
    contender = registry.contender(trial["kind"])(**settings_of(trial))
    with forgetting.told_as_skipped(found):
        base = Machine().load(contender, trial["model"])
        adapter = folder / "adapters" / trial["slug"]
        found |= forgetting.measure(base, adapter, folder / forgetting.FOLDER, trial["slug"])
    return found


def _since_before(usage: Usage, kept: Kept) -> Usage:
    """With the seconds that earlier starts of the trial spent."""
    return replace(usage, seconds=usage.seconds + kept.seconds_before)


def _serve(folder: Path, plan: dict, trial: dict, split: Split, answerer: Answerer) -> dict:
    """Answer every test row, then time single requests."""
    answers_of(answerer, split.test[:WARM_UP_REQUESTS])
    with Meter() as serving:
        answers = answer_all(answerer, split.test, folder / "answers", trial)
    speed = machine_speed()
    timed = _time_requests(answerer, split.test[: plan["mode"]["latency_requests"]])
    timed["machine_gflops"] = speed
    return {"serving": asdict(_of_answers(serving.usage, answers)), "rows": len(answers), **timed}


def machine_speed() -> float:
    """Billions of operations a second of a fixed matrix product here and now, the median of 15.

    Two trials whose figures differ were timed on a machine that did something else as well.
    """
    torch, seconds = sys.modules.get("torch"), []
    if torch is None:
        import numpy as np

        size = 1024
        one = np.ones((size, size), dtype=np.float32)
        multiply = partial(np.dot, one, one)
    else:
        on_gpu = torch.cuda.is_available()
        size = 8192 if on_gpu else 1024
        one = torch.ones(size, size, device="cuda" if on_gpu else "cpu")
        multiply = partial(torch.mm, one, one)
    multiply()
    for _ in range(15):
        synchronise()
        start = time.perf_counter()
        multiply()
        synchronise()
        seconds.append(time.perf_counter() - start)
    return 2 * size**3 / median(seconds) / 1e9


def _time_ways(ways, examples: Sequence[Example]) -> list[dict]:
    """Single requests to the tuned model by each way of serving it, and what changed by it.

    `bytes` are of the weights; `alike` is the share of answers that are the first way's.
    """
    found, first = [], None
    for way, answerer, size in ways:
        if answerer is None:
            found.append({"way": way, "status": "skipped", "reason": size})
            continue
        answers_of(answerer, examples[:WARM_UP_REQUESTS])
        timed = _time_requests(answerer, examples)["latencies_ms"]
        said = {answer.example_id: answer.text for answer in answers_of(answerer, examples)}
        first = first or said
        alike = sum(said[key] == first[key] for key in said) / len(said)
        found.append(
            {"way": way, "status": "done", "latencies_ms": timed, "weight_bytes": size,
             "alike": alike, "machine_gflops": machine_speed()}
        )  # fmt: skip
    return found


def _time_requests(answerer: Answerer, examples: Sequence[Example]) -> dict[str, list[float]]:
    """Milliseconds of single requests, one after the other, text in to answer out.

    Where texts are generated also those to the first token, and of each token after it.
    """
    whole, first, after = [], [], []
    with bar("single requests", len(examples), "request") as done:
        for example in examples:
            start = time.perf_counter()
            [answer] = answers_of(answerer, [example])
            whole.append((time.perf_counter() - start) * 1000)
            if answer.first_token_seconds is not None:
                first.append(answer.first_token_seconds * 1000)
                if answer.tokens_out > 1:
                    rest = answer.seconds - answer.first_token_seconds
                    after.append(rest / (answer.tokens_out - 1) * 1000)
            done.update()
    return {"latencies_ms": whole, "first_token_ms": first, "per_token_ms": after}


def _of_answers(usage: Usage, answers: Sequence[Answer]) -> Usage:
    """With the answers' own seconds and tokens, whichever start of the trial gave them."""

    def total(values) -> int | None:
        known = [value for value in values if value is not None]
        return sum(known) if known else None

    return replace(
        usage,
        seconds=sum(answer.seconds for answer in answers),
        tokens_in=total(answer.tokens_in for answer in answers),
        tokens_out=total(answer.tokens_out for answer in answers),
    )


def quiet_libraries() -> None:
    """PEFT imports bitsandbytes wherever it is installed, and that speaks of a kernel it lacks."""
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)


def import_ahead() -> None:
    """What trials with models import: most of the time that such a process takes to start."""
    from bench.engine.models import no_search_for_garbage

    with no_search_for_garbage(), _without_four_bit():
        import peft
        import transformers
        from transformers.conversion_mapping import get_checkpoint_conversion_mapping

        from bench.engine import (
            answering,  # noqa: F401
            training,  # noqa: F401
        )

        _ = transformers.AutoModelForCausalLM, transformers.AutoTokenizer, peft.LoraConfig
        get_checkpoint_conversion_mapping("llama")  # hundreds of patterns, compiled once
        import_module("transformers.models.llama.modeling_llama")


@contextmanager
def _without_four_bit() -> Iterator[None]:
    """Meanwhile bitsandbytes seems not to be there: it would be imported, and a compiler with it, for nothing.

    PEFT imports it when an adapter is made, if it hasn't been by then.
    """
    import torch

    idle = "bitsandbytes" not in sys.modules and not torch.cuda.is_available()
    if idle:
        sys.modules["bitsandbytes"] = None
    try:
        yield
    finally:
        if idle:
            del sys.modules["bitsandbytes"]


def _told_trial() -> str:
    """The trial's name, from standard input."""
    said = b""
    while not said.endswith(b"\n"):
        more = os.read(0, 1)  # the descriptor itself: a buffered reader would hold a lock at exit
        if not more:
            sys.exit(130)
        said += more
    return said.decode().strip()


def end_with_parent() -> None:
    """Leave at once when standard input closes, as it does when the run's process is gone."""

    def wait() -> None:
        while os.read(0, 1):
            pass
        os._exit(130)

    threading.Thread(target=wait, daemon=True).start()


if __name__ == "__main__":
    quiet_libraries()
    try:
        if "--ready" in sys.argv:
            import_ahead()
        slug = _told_trial()
        end_with_parent()
        main(Path(sys.argv[1]), slug)
    except KeyboardInterrupt:
        sys.exit(130)
    except OSError as error:
        if error.errno not in DISK_ERRORS:
            raise
        sys.exit(CANNOT_WRITE)
