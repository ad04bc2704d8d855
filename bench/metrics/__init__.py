"""Metrics: each row's sufficient statistics, and a formula over their sum.

Since a metric of any set of rows is the formula applied to the sum, confidence intervals and paired
tests by resampling need no further code. Each metric is a file with the `TASKS` that it suits, whether
it is a `SHARE` (the mean of a 0 or 1 per row), a function `statistics(gold, predicted, labels)` from
arrays of texts to shape (rows, k), and a function `value(sums)` over the last axis.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from bench import registry
from scenarios.errors import UserError

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
        return float(self.value_of(gold, predicted, labels))

    def value_of(self, gold: Sequence[str], predicted: Sequence[str], labels: Sequence[str]) -> Any:
        """The same as the metric gives it, which is an array's scalar if the metric is sound."""
        return self.value(self.statistics(texts(gold), texts(predicted), labels).sum(axis=0))


def texts(values: Sequence[str]) -> np.ndarray:
    """Texts of any length as an array of objects."""
    return np.array(values, dtype=object)


def load_metric(name: str) -> Metric | WholeMetric:
    """One of our metrics by name, one from the `evaluate` library as `evaluate:NAME`, or the user's own."""
    if name.startswith("evaluate:") and name not in registry.names("metrics"):
        return WholeMetric(name, _from_evaluate(name.removeprefix("evaluate:")))
    module = registry.load("metrics", name)
    if hasattr(module, "EVALUATE"):
        return WholeMetric(name, module.EVALUATE)
    statistics = module.statistics
    if name not in registry.shipped("metrics"):
        statistics = partial(_of_copies, statistics)
    return Metric(name, module.TASKS, module.SHARE, statistics, module.value)


def _of_copies(
    statistics: Callable[..., np.ndarray],
    gold: np.ndarray,
    predicted: np.ndarray,
    labels: Sequence[str],
) -> np.ndarray:
    """A metric of the user's own, which can't write into what all metrics read."""
    return statistics(gold.copy(), predicted.copy(), tuple(labels))


def _from_evaluate(name: str) -> Any:
    import evaluate

    try:
        return evaluate.load(name)
    except (OSError, FileNotFoundError, ConnectionError) as error:
        raise UserError(
            f"can't load the metric 'evaluate:{name}': the evaluate library fetches it from the Hugging "
            "Face hub; connect, or give the path of a metric script"
        ) from error


def check_metric(name: str, task_type: str, labels: Sequence[str]) -> None:
    """Raises `UserError` for a metric that doesn't suit a type of task, or whose value isn't a number.

    The value is tried on a row of each label, of which the last is answered wrongly.
    """
    metric = load_metric(name)
    if task_type not in metric.tasks:
        raise UserError(f"the metric '{name}' doesn't suit a {task_type}; change metrics in [task]")
    if name in registry.shipped("metrics"):
        return
    gold = list(labels) or ["one text", "another text"]
    said = [*gold[:-1], gold[0]]
    try:
        if isinstance(metric, Metric):
            _check_sums(metric, gold, said, labels)
        found: Any = metric.value_of(gold, said, labels)
    except UserError:
        raise
    except (Exception, SystemExit) as error:  # of the user's own code, or of a library's
        reason = str(error).strip().splitlines()
        raise UserError(
            f"the metric '{name}' fails on {len(gold)} rows ({type(error).__name__}: "
            f"{reason[0] if reason else 'no message'}); it must take texts, or the numbers of the labels"
        ) from error
    is_number = isinstance(found, int | float | np.number | np.ndarray) and np.ndim(found) == 0
    if isinstance(found, bool) or not (is_number and np.isfinite(found)):
        raise UserError(
            f"the metric '{name}' gives {found!r:.80} ({type(found).__name__}) on {len(gold)} rows, and a "
            "run compares numbers; return one finite number"
        )


def _check_sums(
    metric: Metric, gold: Sequence[str], said: Sequence[str], labels: Sequence[str]
) -> None:
    """Statistics are a row for each row, and the value is a formula over their last axis."""
    rows = metric.statistics(texts(gold), texts(said), labels)
    if np.ndim(rows) != 2 or len(rows) != len(gold):
        raise UserError(
            f"the statistics of the metric '{metric.name}' have the shape {np.shape(rows)} for "
            f"{len(gold)} rows; return an array of shape (rows, k)"
        )
    stacked = np.stack([rows] * 3)
    values = np.asarray(metric.value(stacked))
    if values.shape != (3, len(gold)):
        raise UserError(
            f"the value of the metric '{metric.name}' has the shape {values.shape} for sums of shape "
            f"{stacked.shape}; compute it over the last axis, as in sums[..., 0]"
        )
    if metric.share and not np.isin(values, (0, 1)).all():
        raise UserError(
            f"the metric '{metric.name}' declares SHARE, and a row's value is {values.max():g}; it must be "
            "0 or 1, or set SHARE = False"
        )


@dataclass(frozen=True)
class WholeMetric:
    """An `evaluate.Metric`, which needs all rows together and so has no sums to resample."""

    name: str
    metric: Any  # an `evaluate.Metric`, whose `compute` is untyped
    tasks: tuple[str, ...] = ("classification", "generation")
    share: bool = False

    def of(self, gold: Sequence[str], predicted: Sequence[str], labels: Sequence[str]) -> float:
        """Its first value, computed on texts if it takes texts or there are no labels, else on codes."""
        return float(self.value_of(gold, predicted, labels))

    def _takes_texts(self) -> bool:
        features = getattr(self.metric, "features", None)
        first = features[0] if isinstance(features, list) else features
        return first is not None and getattr(first.get("predictions"), "dtype", None) == "string"

    def value_of(self, gold: Sequence[str], predicted: Sequence[str], labels: Sequence[str]) -> Any:
        """The same as the metric gives it."""
        codes = {} if self._takes_texts() else {label: i for i, label in enumerate(labels)}
        found = self.metric.compute(
            references=[codes.get(text, text) for text in gold],
            predictions=[codes.get(text, text) for text in predicted],
        )
        return next(iter(found.values()))


def as_evaluate(metric: str | Metric, labels: Sequence[str] = ()) -> evaluate.Metric:
    """One of our metrics, by name, as an `evaluate.Metric` over texts, for use with that library.

    `labels` are all that there are; a metric by label, such as `macro-f1`, counts those that don't occur. Raises
    `UserError` for an unknown name.
    """
    import datasets
    import evaluate

    found = load_metric(metric) if isinstance(metric, str) else metric

    class Adapted(evaluate.Metric):
        def _info(self) -> evaluate.MetricInfo:
            features = {
                "predictions": datasets.Value("string"),
                "references": datasets.Value("string"),
            }
            return evaluate.MetricInfo(
                description=f"{found.name} of {', '.join(labels)}",
                citation="",
                features=datasets.Features(features),
            )

        def _compute(
            self, predictions: Sequence[str], references: Sequence[str]
        ) -> dict[str, float]:
            return {found.name: found.of(references, predictions, labels)}

    Adapted.__name__ = found.name.title().replace("-", "")  # from which the library makes its name
    return Adapted()
