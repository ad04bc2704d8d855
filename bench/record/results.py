"""A contender's answers to the test rows, ready to be counted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Results:
    """A contender's answers to the test rows, as texts of shape (seeds, rows)."""

    name: str
    family: str
    model: str | None
    predicted: np.ndarray
    validation_score: float | None
