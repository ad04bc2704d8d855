"""A user's own metric: the mean over the labels of the share of its rows that are answered correctly."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

TASKS = ("classification",)
SHARE = False


def statistics(gold: np.ndarray, predicted: np.ndarray, labels: Sequence[str]) -> np.ndarray:
    """Per row and label: its row that is right, and its row; shape (rows, 2 x labels)."""
    true = gold[:, None] == np.array(labels, dtype=object)
    right = true & (gold == predicted)[:, None]
    return np.concatenate([right, true], axis=1).astype(float)


def value(sums: np.ndarray) -> np.ndarray:
    """The mean recall of the labels that have rows."""
    right, rows = np.split(sums, 2, axis=-1)
    recalls = np.divide(right, rows, out=np.zeros_like(right), where=rows > 0)
    return recalls.sum(axis=-1) / (rows > 0).sum(axis=-1)
