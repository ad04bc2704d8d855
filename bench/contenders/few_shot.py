"""Prompting with demonstrations: how many, and which, is chosen on validation rows."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import Field

from bench.contender import Ground, accuracy, answers_of
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
        for shots in self.shots:
            for draw in range(self.draws):
                reached = ground.kept.once(
                    f"{shots}-shot-{draw}", lambda s=shots, d=draw: self._try(ground, seed, s, d)
                )
                tried.append({"shots": shots, "draw": draw, "validation_accuracy": reached})
        best = max(tried, key=lambda prompt: prompt["validation_accuracy"])  # of equals the first
        demonstrations = _draw(ground, best["shots"], f"{seed}-{best['draw']}")
        notes = {
            "shots": best["shots"],
            "demonstrations": [example.id for example in demonstrations],
            "validation_accuracy": best["validation_accuracy"],
            "tried": tried,
        }
        return LabelAnswerer(ground.model(), ground.task, demonstrations, notes)

    def _try(self, ground: Ground, seed: int, shots: int, draw: int) -> float:
        """Validation accuracy of one draw."""
        from bench.answering import LabelAnswerer

        demonstrations = _draw(ground, shots, f"{seed}-{draw}")
        answerer = LabelAnswerer(ground.model(), ground.task, demonstrations)
        name = f"validation, {shots}-shot, draw {draw + 1} of {self.draws}"
        answers = answers_of(answerer, ground.validation, progress=name)
        return accuracy(answers, ground.validation)


def _draw(ground: Ground, shots: int, seed: str) -> Sequence[Example]:
    """Demonstrations balanced over the labels, in a random order."""
    rng = random.Random(seed)
    rows = rng.sample(list(ground.train), len(ground.train))
    demonstrations = balanced_sample(rows, shots, ground.task.labels)
    rng.shuffle(demonstrations)
    return demonstrations
