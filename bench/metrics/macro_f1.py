"""Mean over the labels of F1, 2 TP / (2 TP + FP + FN); a label never seen nor said counts as 0."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

TASKS = ("classification",)
SHARE = False


def statistics(gold: np.ndarray, predicted: np.ndarray, labels: Sequence[str]) -> np.ndarray:
    """Per row and label: gold and said, gold, said; shape (rows, 3 x labels)."""
    names = np.array(labels, dtype=object)
    said = predicted[:, None] == names
    true = gold[:, None] == names
    return np.concatenate([said & true, true, said], axis=1).astype(float)


def value(sums: np.ndarray) -> np.ndarray:
    """F1 of each label is 2 TP / (gold + said); their mean."""
    both, gold, said = np.split(sums, 3, axis=-1)
    total = gold + said
    f1 = np.divide(2 * both, total, out=np.zeros_like(both), where=total > 0)
    return f1.mean(axis=-1)
