"""A user's own model, which can only write: it repeats the answer of the most similar demonstration."""

from __future__ import annotations

import time
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from bench.core.contender import Answer
from bench.core.errors import TrialFailed
from bench.core.model import Ability, ModelFacts, Near, Price
from scenarios.rows import Example
from scenarios.schema import Task

CAN: frozenset[Ability] = frozenset({"write"})


class Model:
    """`parrot:NAME`; somebody else's, so that its tokens have a price and its weights no digest."""

    can: ClassVar[frozenset[Ability]] = CAN

    def __init__(self, name: str):
        self.name = name

    def is_ready(self) -> bool:
        """There is nothing to fetch."""
        return True

    def fetch(self) -> None:
        """There is nothing to fetch."""

    def check(self, kind: str, settings: Mapping[str, Any]) -> None:
        """It takes all settings."""

    def facts(self) -> ModelFacts:
        """Nothing but its name identifies it."""
        return {"sha256": None, "model_type": None}

    def price(self) -> Price:
        """In US dollars per million words."""
        return {
            "input_usd_per_mtok": 1.0,
            "output_usd_per_mtok": 2.0,
            "source": "made up",
            "date": "2026-11-28",
        }

    def load(self, four_bit: bool, check: Callable[[Any], None]) -> Parrot:
        """It runs elsewhere, so there is no device to check."""
        return Parrot(self.name)


@dataclass(frozen=True)
class Parrot:
    """Tokens are words."""

    name: str
    can: ClassVar[frozenset[Ability]] = CAN

    def answerer(
        self,
        task: Task,
        demonstrations: Sequence[Example] = (),
        notes: dict[str, Any] | None = None,
        bias: Sequence[float] = (),
        near: Near | None = None,
        longest: Sequence[Example] = (),
    ) -> Repeats:
        """Repeats demonstrations; it has no scores from which to subtract the bias."""
        return Repeats(task, demonstrations, near, notes or {})

    def embedder(self, task: Task, depths: Sequence[float]) -> Any:
        """It can't."""
        raise TrialFailed(f"'{self.name}' can't embed texts")

    def trainer(self, task: Task) -> Any:
        """It can't."""
        raise TrialFailed(f"'{self.name}' can't be trained")

    def ran_on(self) -> None:
        """It isn't here."""


class Repeats:
    """Answers one row after the other, as one request each."""

    def __init__(
        self,
        task: Task,
        demonstrations: Sequence[Example],
        near: Near | None,
        notes: dict[str, Any],
    ):
        self.notes = notes
        self._task, self._demonstrations, self._near = task, demonstrations, near

    def answer(
        self, examples: Sequence[Example], done: Container[str] = ()
    ) -> Iterator[list[Answer]]:
        """A batch a row."""
        for example in examples:
            if example.id not in done:
                yield [self._answer(example)]

    def _answer(self, example: Example) -> Answer:
        start = time.perf_counter()
        shown = self._near([example])[0] if self._near else self._demonstrations
        words = set(example.text.split())
        nearest = max(shown, key=lambda one: len(words & set(one.text.split())), default=None)
        text = nearest.gold if nearest else (*self._task.labels, example.text)[0]
        prompt = " ".join([self._task.instruction, *(one.text for one in shown), example.text])
        seconds = time.perf_counter() - start
        return Answer(
            example_id=example.id,
            text=text,
            tokens_in=len(prompt.split()),
            tokens_out=len(text.split()),
            seconds=seconds,
        )
