"""How long the statistics of a large race take: 10 contenders, 3,000 rows, two metrics.

`python benchmarks/statistics_speed.py [--rows 3000] [--contenders 10]` simulates answers and times
`bench.record.estimates` of metrics and comparisons: for independent rows, in groups, and with five seeds.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from bench.core.plan import MODES
from bench.planning.make import make_plan
from bench.record.estimates import comparisons_of, estimates_of
from bench.record.results import HeldOut, Results
from bench.statistics import intervals as statistics
from scenarios.rows import Example, Split
from scenarios.schema import parse

SCENARIO = """
title = "Made up"
[task]
instruction = "Which?"
labels = ["a", "b", "c"]
[task.rows]
path = "x.csv"
format = "csv"
label = "label"
"""


def measured(rows: int, contenders: int, groups: int, seeds: int) -> float:
    """Seconds for all estimates and comparisons, including resampling."""
    statistics._weights.cache_clear()
    statistics._swaps.cache_clear()
    rng = np.random.default_rng(0)
    scenario = parse(SCENARIO, "made-up", "made-up.toml")
    labels = np.array(scenario.task.labels, dtype=object)
    examples = tuple(
        Example(str(i), str(i), str(labels[i % 3]), str(i % groups)) for i in range(rows)
    )
    names = [f"few-shot@{i}" if i % 2 else f"lora@{i}" for i in range(contenders)]
    split = Split(examples, examples, examples, "d", {"test": rows})
    test = HeldOut.of([split])
    plan = make_plan(scenario, split, MODES["default"], 0, "M", names, seeds=tuple(range(seeds)))
    results = {}
    for name in names:
        right = rng.random((seeds, rows)) < 0.8
        said = np.where(right, test.gold, labels[rng.integers(0, 3, (seeds, rows))])
        family = "prompt" if name.startswith("few-shot") else "fine_tune"
        results[name] = Results(name, family, name, said, 0.8)
    start = time.perf_counter()
    estimates_of(plan, results, test)
    found = comparisons_of(plan, results, test)
    seconds = time.perf_counter() - start
    assert len(found) == len(plan.family)
    return seconds


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=3000)
    parser.add_argument("--contenders", type=int, default=10)
    options = parser.parse_args()
    print("| rows | contenders | groups | seeds | seconds |\n|---|---|---|---|---|")
    for groups, seeds in ((options.rows, 1), (options.rows // 8, 1), (options.rows // 8, 5)):
        seconds = measured(options.rows, options.contenders, groups, seeds)
        print(f"| {options.rows} | {options.contenders} | {groups} | {seeds} | {seconds:.2f} |")
