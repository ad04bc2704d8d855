"""Share of answers equal to the gold label."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

TASKS = ("classification",)
SHARE = True


def statistics(gold: np.ndarray, predicted: np.ndarray, labels: Sequence[str]) -> np.ndarray:
    """Per row: whether it is right, and one."""
    return np.stack([gold == predicted, np.ones(len(gold))], axis=1).astype(float)


def value(sums: np.ndarray) -> np.ndarray:
    """Right answers over rows."""
    return sums[..., 0] / sums[..., 1]
