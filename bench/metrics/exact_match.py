"""Share of answers equal to the gold text, whatever the spaces between words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

TASKS = ("generation",)
SHARE = True


def statistics(gold: np.ndarray, predicted: np.ndarray, labels: Sequence[str]) -> np.ndarray:
    """Per row: whether it is right, and one."""
    pairs = zip(gold, predicted, strict=True)
    return np.array([[one.split() == other.split(), 1] for one, other in pairs], dtype=float)


def value(sums: np.ndarray) -> np.ndarray:
    """Right answers over rows."""
    return sums[..., 0] / sums[..., 1]
