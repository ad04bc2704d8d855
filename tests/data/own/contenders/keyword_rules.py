"""A user's own contender: each label has its keywords, and the label with the most of them wins."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, ClassVar

from pydantic import Field

from bench.core import contender as base
from bench.core.contender import Answer, Ground, answers_of, quality
from scenarios.rows import Example


@dataclass(frozen=True)
class Contender(base.Contender):
    """`keywords` are the numbers of words a label that compete."""

    keywords: tuple[Annotated[int, Field(gt=0)], ...] = (1, 4, 16)
    family: ClassVar = "floor"
    tasks: ClassVar = ("classification",)
    usual: ClassVar = ()

    def fit(self, ground: Ground, seed: int) -> Rules:
        """The number that is right most often on the rows that judge; the first without such rows."""
        if not ground.judging:
            return Rules(ground, self.keywords[0])
        scores = [
            ground.kept.once(f"keywords-{number}", lambda number=number: _score(ground, number))
            for number in self.keywords
        ]
        best = self.keywords[scores.index(max(scores))]
        return Rules(ground, best, {"validation_score": max(scores)})

    def settled(self, notes: dict[str, Any]) -> Contender:
        """With the number that was chosen."""
        return replace(self, keywords=(notes["keywords"],))


def _score(ground: Ground, number: int) -> float:
    answers = [
        answer
        for part in ground.parts()
        for answer in answers_of(Rules(part, number), part.validation)
    ]
    return quality(answers, ground.judging, ground.task)


class Rules:
    """Answers with the label that has the most keywords in a text, the first of equals."""

    def __init__(self, ground: Ground, number: int, notes: dict[str, Any] | None = None):
        self._labels = ground.task.labels
        counts = {label: Counter[str]() for label in self._labels}
        for example in ground.train:
            counts[example.gold].update(set(example.text.split()))
        everywhere = sum(counts.values(), Counter())
        self._keywords = {
            label: [
                word
                for word, _ in sorted(
                    own.items(), key=lambda one: (everywhere[one[0]] - 2 * one[1], one[0])
                )[:number]
            ]
            for label, own in counts.items()
        }
        self.notes = {"keywords": number, "words": self._keywords, **(notes or {})}

    def answer(
        self, examples: Sequence[Example], done: Container[str] = ()
    ) -> Iterator[list[Answer]]:
        """One batch of all rows."""
        start = time.perf_counter()
        said = [self._said(example.text.split()) for example in examples]
        seconds = (time.perf_counter() - start) / len(examples)
        yield [
            Answer(example.id, label, None, None, seconds)
            for example, label in zip(examples, said, strict=True)
        ]

    def _said(self, words: Sequence[str]) -> str:
        return max(
            self._labels, key=lambda label: sum(word in words for word in self._keywords[label])
        )
