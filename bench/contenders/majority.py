"""Floor: always the commonest label of the training rows."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from bench.contender import Answer, Ground
from scenarios.rows import Example


@dataclass(frozen=True)
class Contender:
    """Ties go to the label that the task names first."""

    family: ClassVar = "floor"
    uses_model: ClassVar = False
    seeded: ClassVar = False
    quick: ClassVar = {}

    def fit(self, ground: Ground, seed: int) -> Constant:
        """The commonest label."""
        counts = Counter(example.gold for example in ground.train)
        return Constant(max(ground.task.labels, key=lambda label: counts[label]))


class Constant:
    """Says one label to everything."""

    def __init__(self, label: str):
        self.label = label
        self.notes = {"label": label}

    def answer(self, examples: Sequence[Example], done=()) -> Iterator[list[Answer]]:
        """The same label for each row."""
        start = time.perf_counter()
        said = [(example.id, self.label) for example in examples]
        seconds = (time.perf_counter() - start) / len(said)
        yield [Answer(id_, label, None, None, seconds) for id_, label in said]
