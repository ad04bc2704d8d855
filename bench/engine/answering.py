"""Answers by a language model: the label with the highest log-likelihood, or a text it writes."""

from __future__ import annotations

import time
from collections.abc import Container, Iterator, Sequence
from typing import TYPE_CHECKING

from bench.core.contender import Answer
from bench.core.model import Near
from bench.engine.prompts import Prompts, Renderer, check_context
from bench.engine.scoring import LabelScorer, Scored
from scenarios.rows import Example
from scenarios.schema import Task

if TYPE_CHECKING:
    from bench.engine.models import LoadedModel


def answerer(
    model: LoadedModel,
    task: Task,
    demonstrations: Sequence[Example] = (),
    notes: dict | None = None,
    bias: Sequence[float] = (),
    near: Near | None = None,
    longest: Sequence[Example] = (),
):
    """An answerer of a task's rows with this model, after a prompt with these demonstrations.

    `bias` is subtracted from the labels' log-likelihoods; `near` and `longest` are those of `Prompts`.
    Raises `PromptTooLong` where a prompt may not fit the model's context.
    """
    prompts = Prompts(Renderer(model.tokenizer, task), demonstrations, near, longest)
    if task.type == "generation":
        from bench.engine.generating import TextAnswerer

        return TextAnswerer(model, task, prompts, notes)
    return LabelAnswerer(model, task, prompts, notes, bias)


class LabelAnswerer:
    """Answers with the likeliest label after a prompt, after subtracting the labels' `bias`."""

    def __init__(
        self,
        model: LoadedModel,
        task: Task,
        prompts: Prompts,
        notes: dict | None = None,
        bias: Sequence[float] = (),
    ):
        self.notes = notes or {}
        self.prompts = prompts
        self._labels = task.labels
        self._bias = tuple(bias) or (0.0,) * len(task.labels)
        self._answers = prompts.renderer.scored_answers()
        check_context(model, task, prompts, max(map(len, self._answers)))
        self._scorer = LabelScorer(model.lm, prompts.start, self._answers)

    def answer(
        self, examples: Sequence[Example], done: Container[str] = ()
    ) -> Iterator[list[Answer]]:
        """Answers in batches, shortest texts first."""
        rows = self.prompts.rows(examples, self.notes)
        answered = {i for i, example in enumerate(examples) if example.id in done}
        start = time.perf_counter()
        for batch in self._scorer.score(rows, answered):
            seconds = (time.perf_counter() - start) / len(batch)
            yield [self._answer(examples[s.index].id, s, seconds) for s in batch]
            start = time.perf_counter()

    def _answer(self, example_id: str, scored: Scored, seconds: float) -> Answer:
        values = [v - b for v, b in zip(scored.log_likelihoods, self._bias, strict=True)]
        best = max(range(len(values)), key=values.__getitem__)
        return Answer(
            example_id=example_id,
            text=self._labels[best],
            tokens_in=scored.tokens_in,
            tokens_out=len(self._answers[best]),
            seconds=seconds,
            scores=tuple(values),
        )
