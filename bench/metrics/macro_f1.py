"""Mean over the labels of F1 = 2 TP / (2 TP + FP + FN); a label in neither gold nor answers counts as 0."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

TASKS = ("classification",)
SHARE = False


def statistics(gold: np.ndarray, predicted: np.ndarray, labels: Sequence[str]) -> np.ndarray:
    """Per row and label: in both, in gold, in the answer; shape (rows, 3 x labels)."""
    names = np.array(labels, dtype=object)
    said = predicted[:, None] == names
    true = gold[:, None] == names
    return np.concatenate([said & true, true, said], axis=1).astype(float)


def value(sums: np.ndarray) -> np.ndarray:
    """The mean of each label's F1, 2 TP / (gold + answered)."""
    both, gold, said = np.split(sums, 3, axis=-1)
    total = gold + said
    f1 = np.divide(2 * both, total, out=np.zeros_like(both), where=total > 0)
    return f1.mean(axis=-1)
