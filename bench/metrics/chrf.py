"""chrF (Popović 2015): F2 of character n-grams up to length 6, over all rows, counted as by sacrebleu.

Here it ranges from 0 to 1; sacrebleu prints it from 0 to 100.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

TASKS = ("generation",)
SHARE = False
_BETA = 2


def statistics(gold: np.ndarray, predicted: np.ndarray, labels: Sequence[str]) -> np.ndarray:
    """Per row and n-gram length: the n-grams of the answer, of the gold text, and in both."""
    from sacrebleu.metrics import CHRF

    return np.array(
        CHRF()._extract_corpus_statistics(list(predicted), [list(gold)]), dtype=float
    )  # fmt: skip


def value(sums: np.ndarray) -> np.ndarray:
    """F2 of the mean precision and recall over the lengths that both sides have."""
    counts = sums.reshape(*sums.shape[:-1], -1, 3)
    said, gold, both = counts[..., 0], counts[..., 1], counts[..., 2]
    known = (said > 0) & (gold > 0)
    lengths = np.maximum(known.sum(axis=-1), 1)

    def mean(of: np.ndarray) -> np.ndarray:
        shares = np.divide(both, of, out=np.zeros_like(both), where=known)
        return shares.sum(axis=-1) / lengths

    precision, recall = mean(said), mean(gold)
    total = _BETA**2 * precision + recall
    return np.divide(
        (1 + _BETA**2) * precision * recall, total, out=np.zeros_like(total), where=total > 0
    )
