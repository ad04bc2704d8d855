"""Answers by a language model: the label with the highest log-likelihood."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from bench.contender import Answer
from bench.models import LoadedModel
from bench.progress import bar
from bench.prompts import Renderer
from bench.scoring import LabelScorer
from scenarios.rows import Example
from scenarios.schema import Task


class LabelAnswerer:
    """Answers with the likeliest label after a prompt with these demonstrations."""

    def __init__(
        self,
        model: LoadedModel,
        task: Task,
        demonstrations: Sequence[Example] = (),
        notes: dict | None = None,
    ):
        self.notes = notes or {}
        self._labels = task.labels
        self._renderer = Renderer(model.tokenizer, task)
        self._answers = self._renderer.scored_answers()
        self._scorer = LabelScorer(model.lm, self._renderer.prefix(demonstrations), self._answers)

    def answer(self, examples: Sequence[Example], progress: str = "") -> Iterator[Answer]:
        """Answers in batches, shortest texts first; `progress` names a bar on stderr."""
        rows = [self._renderer.row(example.text) for example in examples]
        start = time.perf_counter()
        with bar(progress, len(rows), "row") as done:
            for batch in self._scorer.score(rows):
                now = time.perf_counter()
                for scored in batch:
                    values = scored.log_likelihoods
                    best = max(range(len(values)), key=values.__getitem__)
                    yield Answer(
                        example_id=examples[scored.index].id,
                        text=self._labels[best],
                        tokens_in=scored.tokens_in,
                        tokens_out=len(self._answers[best]),
                        seconds=(now - start) / len(batch),
                        scores=tuple(values),
                    )
                done.update(len(batch))
                start = time.perf_counter()
