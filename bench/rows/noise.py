"""Wrong labels on purpose: a share of the training rows gets another label, by chance."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

from scenarios.errors import UserError
from scenarios.rows import Example
from scenarios.schema import Task


def check(share: float, task: Task, named: str = "--label-noise") -> None:
    """Raises `UserError` for a share outside 0 <= share < 1, and for a task without labels."""
    if not 0 <= share < 1:
        raise UserError(
            f"{named} is a share of the training labels, from 0 to below 1, not {share:g}"
        )
    if share and task.type != "classification":
        raise UserError(
            f"{named} gives rows another label, and this task's answers are free texts; leave it out"
        )


def noisy(rows: Sequence[Example], share: float, labels: Sequence[str], seed: int) -> list[Example]:
    """The rows, `round(share * len(rows))` of them with a label that isn't theirs, drawn evenly.

    The rows that a lower share corrupts are among those of a higher one, with the same labels.
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
