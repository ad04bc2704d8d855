"""Training on a task's rows: the rows as tokens of a model, and their training and judging."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from bench.core.kept import Kept
from bench.engine.adapters import Adapter, Whole
from bench.engine.prompts import Renderer
from bench.engine.training import Row, TrainSettings, mean_log_likelihood, train
from scenarios.rows import Example
from scenarios.schema import Task

if TYPE_CHECKING:
    from bench.engine.models import LoadedModel


class Trainer:
    """A model, and how it reads a task's rows; `prefix` holds the tokens that all prompts begin with."""

    def __init__(self, model: LoadedModel, task: Task):
        self._model = model
        self._renderer = Renderer(model.tokenizer, task)
        self.prefix = self._renderer.prefix()

    def rows(self, examples: Sequence[Example]) -> list[Row]:
        """Rows as tokens, without the prefix."""
        render = self._renderer
        return [Row(render.row(example.text), render.answer(example.gold)) for example in examples]

    def train(
        self,
        rows: Sequence[Row],
        settings: TrainSettings,
        seed: int,
        validate: Callable[[], tuple[float | None, float]] | None = None,
        kept: Kept | None = None,
        progress: str = "training",
        stop_after: int | None = None,
        prefix: list[int] | None = None,
    ) -> tuple[Adapter | Whole, dict]:
        """See `bench.engine.training.train`; another `prefix` than the task's own is for mixed rows."""
        start = self.prefix if prefix is None else prefix
        return train(self._model, start, rows, settings, seed, validate, kept, progress, stop_after)

    def log_likelihood(self, rows: Sequence[Row]) -> float:
        """Mean log-likelihood of a token in the rows' answers, by the model in its current state."""
        return mean_log_likelihood(self._model.lm, self.prefix, rows)
