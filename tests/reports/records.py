"""A record made by the product itself, from trials whose answers are made up."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.core.contender import Answer
from bench.core.files import Point
from bench.core.folder import RunFolder, point_name
from bench.core.meter import Usage
from bench.core.outcome import CurveDone, Done, Skipped
from bench.core.plan import MODES, Trial
from bench.planning.curve import make_curve
from bench.planning.make import curve_plan, make_plan
from bench.planning.request import CurveRequest
from bench.record.make import make_record
from bench.record.types import ModelFacts, Record
from scenarios.rows import Example, Split
from scenarios.schema import parse

SCENARIO = """
title = "Small"
summary = "my summary"
[task]
instruction = "Good or bad?"
labels = ["good", "bad"]
[task.rows]
path = "my rows"
format = "csv"
label = "label"
provenance = "my rows"
"""
MODEL: ModelFacts = {"sha256": "0" * 64, "model_type": "llama"}
SHARES = {"majority": 0.5, "tf-idf": 0.55, "zero-shot": 0.5, "few-shot": 0.6, "lora": 0.65}


def finished(
    seeds: tuple[int, ...] = (),
    folds: int = 1,
    looks: int = 1,
    usd_per_hour: float | None = None,
) -> Record:
    """60 test rows in 20 groups; each contender is right on the share of rows in `SHARES`.

    Cross-fitted in several folds it has one arm of each side. It is the first of `looks` interim analyses.
    """
    rows = tuple(Example(f"r{i}", f"text {i}", "good", f"g{i % 20}") for i in range(60))
    others = [
        tuple(Example(f"{part}{i}", f"{part} {i * 7919}", "good", f"{part}{i}") for i in range(4))
        for part in ("train", "validation")
    ]
    counts = {"read": 70, "train": 4, "validation": 4, "test": 60 // folds, "test groups": 20}
    splits = [Split(*others, rows[i::folds], "d" * 64, counts) for i in range(folds)]
    only = ("few-shot", "lora") if folds > 1 else ()
    scenario = parse(SCENARIO, "small", "small.toml")
    decision = scenario.decision.model_copy(update={"looks": looks})
    scenario = scenario.model_copy(update={"decision": decision})
    plan = make_plan(scenario, splits, MODES["quick"], 0, "tiny", only, seeds=seeds)
    with tempfile.TemporaryDirectory() as name:
        folder = RunFolder(Path(name))
        folder.make_parts()
        for trial in plan.trials:
            _write(folder, trial, rows[(trial.fold or 0) :: folds])
        folder.keep_forecasts([_forecast(trial) for trial in plan.trials])
        return _plain(make_record(folder, plan, splits, {"tiny": MODEL}, usd_per_hour))


def _plain(record: Record) -> Record:
    """As it is read from disk."""
    return json.loads(json.dumps(record))


def _forecast(trial: Trial) -> Any:
    """Right for all trials but the last, whose model can't be forecast."""
    seconds = {"value": 5.0, "low": 4.0, "high": 6.25}
    memory = {"value": 4 * 10**8, "low": 3 * 10**8, "high": 6 * 10**8}
    known = trial.name != "lora"
    return {
        "trial": trial.slug, "contender": trial.name, "seconds": seconds if known else None,
        "peak_resident_bytes": memory if known else None, "peak_gpu_bytes": None, "reason": "an odd reason",
    }  # fmt: skip


def _keep_answers(folder: RunFolder, name: str, rows: Iterable[Example], right) -> None:
    answers = (
        Answer(row.id, "good" if hit else "bad", 20, 1, 0.01)
        for row, hit in zip(rows, right, strict=True)
    )
    lines = [json.dumps(asdict(answer)) + "\n" for answer in answers]
    folder.answers_file(name).write_text("".join(lines))


def _write(folder: RunFolder, trial: Trial, rows: Sequence[Example]) -> None:
    share = SHARES[trial.name]
    moved = trial.seed * 11  # another seed is right on other rows
    right = [((7 * int(row.id[1:]) + moved) % 60) < share * 60 for row in rows]
    _keep_answers(folder, trial.slug, rows, right)
    usage = Usage(2.0, None, 5 * 10**8, None, None, None, None, None, 1200, 60)
    reached = share + trial.seed / 100  # on the validation rows
    notes: dict[str, Any] = {"validation_score": reached, "said": "an odd reason"}
    if trial.name == "few-shot":
        notes["tried"] = [
            {
                "shots": 9,
                "draw": 0,
                "order": 0,
                "instruction": 0,
                "calibration": "none",
                "scores": {"none": share},
                "validation_score": share,
            }
        ]
    if trial.name == "lora":
        epoch = {"epoch": 1, "loss": 0.5, "validation_score": share, "seconds": 3.0}
        notes |= {"epochs": [epoch], "best_epoch": 1, "trainable_share": 0.01,
                  "adapter_bytes": 10**7,
                  "canaries": [{"name": "adapter off", "passed": True, "sentence": "an odd reason"}],
                  "tried": [{"learning_rate": 2e-4, "rows": 128, "validation_score": share,
                             "validation_log_likelihood": -1.0, "loss": 0.5}]}  # fmt: skip
    device = {"kind": "cpu", "dtype": "float32", "reason": "an odd reason", "gpu": None,
              "threads": 2, "not_deterministic": []}  # fmt: skip
    way = {"status": "done", "latencies_ms": [20.0, 21.0, 25.0], "weight_bytes": 3 * 10**8,
           "alike": 1.0, "machine_gflops": 99.0}  # fmt: skip
    ways = [
        {"way": "attached", **way},
        {"way": "merged", **way},
        {"way": "4-bit", "status": "skipped", "reason": "an odd reason"},
    ]
    outcome = Done(
        notes=notes,
        loading=usage,
        setup=usage,
        serving=usage,
        rows=len(rows),
        machine_gflops=100.0,
        latencies_ms=[10.0, 12.0, 30.0],
        wall_seconds=4.0,
        device=device if trial.model else None,
        ways=ways if trial.name == "lora" else None,
    )
    folder.keep_outcome(trial, outcome)


CURVES = {"zero-shot": 0.5, "few-shot": 0.55, "tf-idf": 0.45, "lora": 0.35}
GAINS = {"zero-shot": 0.0, "few-shot": 0.01, "tf-idf": 0.06, "lora": 0.2}


def curved(seeds: int = 5, sizes: tuple[int, ...] = (4, 8, 16, 32), left_out: str = "") -> Record:
    """A learning curve's record: each doubling gains an arm its share of `GAINS`, up to 0.95.

    The trials of `left_out` were dropped by a budget.
    """
    rows = tuple(Example(f"r{i}", f"text {i}", "good", f"g{i % 20}") for i in range(60))
    train = tuple(
        Example(f"t{i}", f"train {i * 7919}", ("good", "bad")[i % 2], f"t{i}") for i in range(40)
    )
    counts = {"read": 110, "train": 40, "validation": 4, "test": 60, "test groups": 20}
    split = Split(train, (), rows, "d" * 64, counts)
    scenario = parse(SCENARIO, "small", "small.toml")
    assert scenario.task is not None
    wanted = CurveRequest(sizes, seeds)
    curve = make_curve(wanted, scenario.task, split, "quick", 0, "tiny")
    plan = curve_plan(scenario, split, MODES["quick"], 0, "tiny", 1, curve)
    with tempfile.TemporaryDirectory() as name:
        folder = RunFolder(Path(name))
        folder.make_parts()
        for trial in curve.trials:
            if trial.name == left_out:
                folder.keep_outcome(trial, Skipped("dropped by the budget: an odd reason"))
            else:
                _write_points(folder, trial, rows, sizes)
                done = CurveDone(sizes=trial.sizes, device=None, wall_seconds=4.0)
                folder.keep_outcome(trial, done)
        folder.keep_forecasts([_forecast(trial) for trial in curve.trials])
        return _plain(make_record(folder, plan, split, {"tiny": MODEL}, None))


def _write_points(
    folder: RunFolder, trial: Trial, rows: Sequence[Example], sizes: Sequence[int]
) -> None:
    for size in trial.sizes:
        doublings = sizes.index(size) if size else 0
        share = min(0.95, CURVES[trial.name] + doublings * GAINS[trial.name])
        right = [((7 * i + 11 * trial.seed) % 60) < share * 60 for i in range(len(rows))]
        _keep_answers(folder, point_name(trial, size), rows, right)
        point: Point = {
            "size": size, "learnt_from": size, "chosen_by": 0, "looked_through": 2 * size,
            "rows_sha256": "0" * 64, "notes": {}, "fit_seconds": 1.0, "answer_seconds": 1.0,
        }  # fmt: skip
        folder.keep_point(trial, size, point)
