"""Metrics: a row's sufficient statistics, and a formula over their sum.

Since a metric of any set of rows is the formula of the sum, intervals and paired tests by
resampling need no further code. One file a metric: a function `statistics(gold, predicted,
labels)` of shape (rows, k), and a function `value(sums)` over the last axis.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Metric:
    """`statistics`: gold and predicted codes to (rows, k); `value`: (..., k) to (...)."""

    name: str
    statistics: Callable[[np.ndarray, np.ndarray, int], np.ndarray]
    value: Callable[[np.ndarray], np.ndarray]


def load_metric(name: str) -> Metric | WholeMetric:
    """A metric of ours by name, or one of the `evaluate` library as `evaluate:NAME`."""
    from bench import registry

    if name.startswith("evaluate:"):
        import evaluate

        from scenarios.errors import UserError

        try:
            return WholeMetric(name, evaluate.load(name.removeprefix("evaluate:")))
        except (OSError, FileNotFoundError, ConnectionError) as error:
            raise UserError(
                f"can't load the metric '{name}': the evaluate library needs the Hugging Face "
                "hub for it, or the path of a metric script"
            ) from error
    module = registry.load("metrics", name)
    return Metric(name, module.statistics, module.value)


@dataclass(frozen=True)
class WholeMetric:
    """An `evaluate.Metric`, which sees all rows at once and so has no sums to resample."""

    name: str
    metric: object

    def compute(self, gold: Sequence[int], predicted: Sequence[int]) -> float:
        """Its first value on label codes."""
        found = self.metric.compute(references=list(gold), predictions=list(predicted))
        return float(next(iter(found.values())))


def as_evaluate(metric: Metric, labels: Sequence[str]):
    """A metric of ours as an `evaluate.Metric` over label texts, for use with that library."""
    import datasets
    import evaluate

    codes = {label: i for i, label in enumerate(labels)}

    class Adapted(evaluate.Metric):
        def _info(self):
            features = {
                "predictions": datasets.Value("string"),
                "references": datasets.Value("string"),
            }
            return evaluate.MetricInfo(
                description=metric.name, citation="", features=datasets.Features(features)
            )

        def _compute(self, predictions, references):
            gold = np.array([codes[label] for label in references])
            predicted = np.array([codes[label] for label in predictions])
            sums = metric.statistics(gold, predicted, len(codes)).sum(axis=0)
            return {metric.name: float(metric.value(sums))}

    return Adapted()
