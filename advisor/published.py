"""What published experiments found: fine-tuned small models against prompted ones, 243 cases.

A case's id begins with its source; cases of one source share models, authors and habits, so
each source counts once, whatever the number of its cases.
"""

from __future__ import annotations

import csv
import math
from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from importlib import resources

SOURCE = "243 published head-to-heads, each source counted once (advisor/catalog/head_to_head.csv)"
_PRIOR_SOURCES = 2.0  # the overall share counts as much as two sources of the task's type


@dataclass(frozen=True)
class Share:
    """How often tuning won, 0 to 1, with a 95 % interval over `sources` sources."""

    value: float
    low: float
    high: float
    sources: int


@cache
def tuning_won(task_type: str | None) -> Share:
    """How often tuning beat prompting in quality, on tasks of a type or on all where None.

    A tie counts as half. The share of a type is drawn towards that of all cases, since most
    types have few sources; the interval is Wilson's with the sources as the number of draws.
    """
    everything = _by_source(None)
    overall = sum(everything) / len(everything)
    found = everything if task_type is None else _by_source(task_type)
    count = len(found) + (0 if task_type is None else _PRIOR_SOURCES)
    value = (sum(found) + (count - len(found)) * overall) / count
    z = 1.959964
    centre = (value + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * math.sqrt(value * (1 - value) / count + (z / count) ** 2 / 4)
    return Share(value, centre - half, centre + half, len(found))


def _by_source(task_type: str | None) -> list[float]:
    """The share that tuning won in each source that has cases of the type."""
    worth = {"fine_tune": 1.0, "tie": 0.5, "prompt": 0.0}
    cases: dict[str, list[float]] = defaultdict(list)
    file = resources.files("advisor") / "catalog" / "head_to_head.csv"
    with file.open(encoding="utf-8", newline="") as lines:
        for case in csv.DictReader(lines):
            if task_type in (None, case["task_type"]):
                cases[case["id"].split("-")[0]].append(worth[case["winner"]])
    return [sum(values) / len(values) for values in cases.values()]
