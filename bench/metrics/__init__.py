"""Metrics: each row's sufficient statistics, and a formula over their sum.

Since a metric of any set of rows is the formula applied to the sum, confidence intervals and paired
tests by resampling need no further code. Each metric is a file with the `TASKS` that it suits, whether
it is a `SHARE` (the mean of a 0 or 1 per row), a function `statistics(gold, predicted, labels)` from
arrays of texts to shape (rows, k), and a function `value(sums)` over the last axis.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import evaluate


@dataclass(frozen=True)
class Metric:
    """`statistics`: gold and predicted texts to (rows, k); `value`: (..., k) to (...)."""

    name: str
    tasks: tuple[str, ...]
    share: bool
    statistics: Callable[[np.ndarray, np.ndarray, Sequence[str]], np.ndarray]
    value: Callable[[np.ndarray], np.ndarray]

    def of(self, gold: Sequence[str], predicted: Sequence[str], labels: Sequence[str]) -> float:
        """Its value over some rows."""
        return float(self.value(self.statistics(texts(gold), texts(predicted), labels).sum(axis=0)))


def texts(values: Sequence[str]) -> np.ndarray:
    """Texts of any length as an array of objects."""
    return np.array(values, dtype=object)


def load_metric(name: str) -> Metric | WholeMetric:
    """One of our metrics by name, or one from the `evaluate` library as `evaluate:NAME`."""
    from bench import registry

    if name.startswith("evaluate:"):
        import evaluate

        from scenarios.errors import UserError

        try:
            return WholeMetric(name, evaluate.load(name.removeprefix("evaluate:")))
        except (OSError, FileNotFoundError, ConnectionError) as error:
            raise UserError(
                f"can't load the metric '{name}': the evaluate library fetches it from the Hugging Face "
                "hub; connect, or give the path of a metric script"
            ) from error
    module = registry.load("metrics", name)
    return Metric(name, module.TASKS, module.SHARE, module.statistics, module.value)


@dataclass(frozen=True)
class WholeMetric:
    """An `evaluate.Metric`, which needs all rows together and so has no sums to resample."""

    name: str
    metric: Any  # an `evaluate.Metric`, whose `compute` is untyped
    tasks: tuple[str, ...] = ("classification", "generation")
    share: bool = False

    def of(self, gold: Sequence[str], predicted: Sequence[str], labels: Sequence[str]) -> float:
        """Its first value, computed on the labels' codes, or on texts if there are no labels."""
        codes = {label: i for i, label in enumerate(labels)}
        found = self.metric.compute(
            references=[codes.get(text, text) for text in gold],
            predictions=[codes.get(text, text) for text in predicted],
        )
        return float(next(iter(found.values())))


def as_evaluate(metric: Metric, labels: Sequence[str] = ()) -> evaluate.Metric:
    """One of our metrics as an `evaluate.Metric` over texts, for use with that library."""
    import datasets
    import evaluate

    class Adapted(evaluate.Metric):
        def _info(self) -> evaluate.MetricInfo:
            features = {
                "predictions": datasets.Value("string"),
                "references": datasets.Value("string"),
            }
            return evaluate.MetricInfo(
                description=metric.name, citation="", features=datasets.Features(features)
            )

        def _compute(
            self, predictions: Sequence[str], references: Sequence[str]
        ) -> dict[str, float]:
            return {metric.name: metric.of(references, predictions, labels)}

    return Adapted()
