"""What computing the shared prefix once gains: scoring and training, ours next to the plain way.

Both ways run in one process, in turns, over the same rows of `sentiment` with the default model; the
arithmetic floor is that of the tokens that aren't shared, at the matrix-product speed that the same
machine reaches. Ratios of medians, with the spread. Run it on a quiet machine:

    python benchmarks/shared_prefix.py --out docs/measurements/shared-prefix-cpu.json
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench.core.variables import VARIABLES

os.environ.update(VARIABLES | os.environ)  # as the command does

import torch

import scenarios
from bench.core.kept import Kept
from bench.engine import models, training
from bench.engine.prompts import Renderer
from bench.engine.scoring import LabelScorer
from bench.models import local
from bench.record.environment import processor
from benchmarks.floor import FORWARD_GFLOP_A_TOKEN, TRAIN_GFLOP_A_TOKEN, matrix_speed
from scenarios.rows import balanced_sample, load_split


def main() -> None:
    """Measure, print, and save the figures where --out says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--rows", type=int, default=100)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    task = scenarios.load("sentiment").task
    split = load_split(task, seed=0)
    device = models.best_device()
    model = models.load(local.DEFAULT_MODEL, local.folder_of(local.DEFAULT_MODEL), device)
    renderer = Renderer(model.tokenizer, task)
    rows = split.test[: options.rows]
    found = {
        "date": time.strftime("%Y-%m-%d"),
        "processor": processor(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "device": f"{device.kind} {device.dtype}",
        "peak_gflop_per_s": matrix_speed(model.lm),
        "rows": len(rows),
        "work": {},
    }
    demonstrations = balanced_sample(split.train, 9, task.labels)
    for name, shots in (("score, zero-shot", ()), ("score, 9-shot", demonstrations)):
        found["work"][name] = _compare(
            _scoring(model, renderer, rows, shots), options.repeats, found
        )
    found["work"]["train one epoch"] = _compare(
        _training(model, renderer, rows), options.repeats, found
    )
    text = json.dumps(found, indent=1)
    print(text)
    if options.out:
        options.out.write_text(text + "\n", encoding="utf-8")


def _scoring(model, renderer, rows, demonstrations):
    """A function that scores the rows in either way, and the arithmetic that can't be shared, in GFLOP."""
    prefix, answers = renderer.prefix(demonstrations), renderer.scored_answers()
    tokens = [renderer.row(row.text) for row in rows]

    def run(shared: bool) -> None:
        scorer = LabelScorer(model.lm, prefix, answers)
        scorer.fast = shared
        list(scorer.score(tokens))

    own = len(prefix) + sum(map(len, tokens))
    return run, own * FORWARD_GFLOP_A_TOKEN


def _training(model, renderer, rows):
    settings = training.LoraSettings(1e-3, 1, 16, 1, 0.1, 0, 8, 16, 0.0, "all-linear")
    prefix = renderer.prefix()
    tokens = [training.Row(renderer.row(r.text), renderer.answer(r.gold)) for r in rows]
    usual, lean = training.shares_prefix, training.Lean.of

    def run(shared: bool) -> None:
        training.shares_prefix = usual if shared else (lambda config: False)
        training.Lean.of = lean if shared else (lambda lm: None)
        try:
            with tempfile.TemporaryDirectory() as folder:
                kept = Kept(Path(folder))
                tuned, _ = training.train(
                    model, prefix, tokens, settings, 0, lambda: (1.0, 0.0), kept
                )
            tuned.remove()
        finally:
            training.shares_prefix, training.Lean.of = usual, lean

    own = len(prefix) + sum(len(row.tokens) + len(row.answer) for row in tokens)
    return run, own * TRAIN_GFLOP_A_TOKEN


def _compare(work, repeats: int, machine: dict) -> dict:
    run, gflop = work
    run(True)  # warm-up
    seconds: dict[bool, list[float]] = {True: [], False: []}
    for _ in range(repeats):
        for shared in (True, False):
            start = time.perf_counter()
            run(shared)
            seconds[shared].append(time.perf_counter() - start)
    ours, plain = (statistics.median(seconds[shared]) for shared in (True, False))
    ratios = [p / o for o, p in zip(seconds[True], seconds[False], strict=True)]
    floor = gflop / machine["peak_gflop_per_s"]
    return {
        "ours_seconds": ours,
        "plain_seconds": plain,
        "ratio": plain / ours,
        "ratio_low": min(ratios),
        "ratio_high": max(ratios),
        "floor_seconds": floor,
        "share_of_floor": floor / ours,
    }


if __name__ == "__main__":
    main()
