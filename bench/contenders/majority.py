"""Baseline: always the most frequent answer among the training rows."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from bench.core import contender as base
from bench.core.contender import Answer, Ground
from scenarios.rows import Example


@dataclass(frozen=True)
class Contender(base.Contender):
    """Ties go to the label that the task names first, or to the answer that occurs first."""

    family: ClassVar = "floor"
    curve: ClassVar = None

    def fit(self, ground: Ground, seed: int) -> Constant:
        """The most frequent answer."""
        counts = Counter(example.gold for example in ground.train)
        return Constant(max(ground.task.labels or counts, key=lambda answer: counts[answer]))


class Constant:
    """Gives the same answer to every row."""

    def __init__(self, said: str):
        self.said = said
        self.notes = {"answer": said}

    def answer(
        self, examples: Sequence[Example], done: Container[str] = ()
    ) -> Iterator[list[Answer]]:
        """The same answer for each row."""
        start = time.perf_counter()
        said = [(example.id, self.said) for example in examples]
        seconds = (time.perf_counter() - start) / len(said)
        yield [Answer(id_, text, None, None, seconds) for id_, text in said]
