"""Prompting with demonstrations: how many, and which, is chosen on validation rows."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import Field

from bench.contender import Ground, accuracy
from scenarios.rows import Example, balanced_sample


@dataclass(frozen=True)
class Contender:
    """`shots` are the numbers of demonstrations that compete, each in `draws` random draws."""

    shots: tuple[Annotated[int, Field(gt=0)], ...] = (3, 9, 18)
    draws: Annotated[int, Field(gt=0)] = 4
    family: ClassVar = "prompt"
    uses_model: ClassVar = True
    seeded: ClassVar = True
    quick: ClassVar = {"shots": (9, 18), "draws": 2}

    def fit(self, ground: Ground, seed: int):
        """The draw with the highest validation accuracy; of equals the shortest prompt."""
        from bench.answering import LabelAnswerer

        tried = []
        best, best_accuracy = None, -1.0
        for shots in self.shots:
            for draw in range(self.draws):
                demonstrations = _draw(ground, shots, f"{seed}-{draw}")
                answerer = LabelAnswerer(ground.model(), ground.task, demonstrations)
                name = f"validation, {shots}-shot, draw {draw + 1} of {self.draws}"
                answers = list(answerer.answer(ground.validation, name))
                reached = accuracy(answers, ground.validation)
                tried.append({"shots": shots, "draw": draw, "validation_accuracy": reached})
                if reached > best_accuracy:
                    best, best_accuracy = answerer, reached
                    best.notes = {
                        "shots": shots,
                        "demonstrations": [example.id for example in demonstrations],
                        "validation_accuracy": reached,
                    }
        best.notes["tried"] = tried
        return best


def _draw(ground: Ground, shots: int, seed: str) -> Sequence[Example]:
    """Demonstrations balanced over the labels, in a random order."""
    rng = random.Random(seed)
    rows = rng.sample(list(ground.train), len(ground.train))
    demonstrations = balanced_sample(rows, shots, ground.task.labels)
    rng.shuffle(demonstrations)
    return demonstrations
