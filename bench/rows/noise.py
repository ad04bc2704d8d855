"""Deliberate label noise: a share of the training rows gets another label at random."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

from scenarios.errors import UserError
from scenarios.rows import Example
from scenarios.schema import Task


def check(share: float, task: Task, named: str = "--label-noise") -> None:
    """Raises `UserError` unless 0 <= share < 1, and for a task without labels."""
    if not 0 <= share < 1:
        raise UserError(
            f"{named} {share:g}: give a share of the training labels, at least 0 and below 1"
        )
    if share and task.type != "classification":
        raise UserError(
            f"{named} gives rows another label, but this task has free-text answers; leave it out"
        )


def noisy(rows: Sequence[Example], share: float, labels: Sequence[str], seed: int) -> list[Example]:
    """The rows, `round(share * len(rows))` of them with a wrong label, drawn uniformly.

    The rows that a lower share corrupts are among those of a higher one, with the same wrong labels.
    """
    if not share:
        return list(rows)
    rng = random.Random(f"label noise {seed}")
    order = rng.sample(range(len(rows)), len(rows))
    other = {
        place: rng.choice([label for label in labels if label != rows[place].gold])
        for place in order
    }
    wrong = set(order[: round(share * len(rows))])
    return [
        replace(row, gold=other[place]) if place in wrong else row for place, row in enumerate(rows)
    ]
