"""Share of answers equal to the gold text, ignoring differences in white space."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

TASKS = ("generation",)
SHARE = True


def statistics(gold: np.ndarray, predicted: np.ndarray, labels: Sequence[str]) -> np.ndarray:
    """Per row: 1 if it is right, and 1 for the row itself; shape (rows, 2)."""
    pairs = zip(gold, predicted, strict=True)
    return np.array([[one.split() == other.split(), 1] for one, other in pairs], dtype=float)


def value(sums: np.ndarray) -> np.ndarray:
    """Right answers divided by rows."""
    return sums[..., 0] / sums[..., 1]
