"""Prompting with demonstrations: how many, and which, is chosen on validation rows."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import Field

from bench.contender import Failed, Ground, TooLong, answers_of, quality
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
        """The draw with the highest score on the validation rows; of equals the shortest prompt."""
        from bench.answering import answerer

        tried = []
        for shots in self.shots:
            for draw in range(self.draws):
                reached = ground.kept.once(
                    f"{shots}-shot-{draw}", lambda s=shots, d=draw: self._try(ground, seed, s, d)
                )
                tried.append({"shots": shots, "draw": draw, "validation_score": reached})
        fitting = [prompt for prompt in tried if prompt["validation_score"] is not None]
        if not fitting:
            raise Failed(
                f"not even {min(self.shots)} demonstrations fit the model's context; set fewer "
                "(few-shot.shots), or a lower most_text_tokens in [task]"
            )
        best = max(fitting, key=lambda prompt: prompt["validation_score"])  # of equals the first
        demonstrations = _draw(ground, best["shots"], f"{seed}-{best['draw']}")
        notes = {
            "shots": best["shots"],
            "demonstrations": [example.id for example in demonstrations],
            "validation_score": best["validation_score"],
            "tried": tried,
        }
        return answerer(ground.model(), ground.task, demonstrations, notes)

    def forecast(self, work) -> float:
        """Seconds of a trial in which the longest prompt wins."""
        tried = sum(work.answers("validation", shots) for shots in self.shots)
        return self.draws * tried + work.serves(max(self.shots))

    def _try(self, ground: Ground, seed: int, shots: int, draw: int) -> float | None:
        """Score of one draw on the validation rows; None where its prompt is too long for the model."""
        from bench.answering import answerer

        demonstrations = _draw(ground, shots, f"{seed}-{draw}")
        try:
            found = answerer(ground.model(), ground.task, demonstrations)
        except TooLong:
            return None
        name = f"validation, {shots}-shot, draw {draw + 1} of {self.draws}"
        answers = answers_of(found, ground.validation, progress=name)
        return quality(answers, ground.validation, ground.task)


def _draw(ground: Ground, shots: int, seed: str) -> Sequence[Example]:
    """Demonstrations in a random order, balanced over the labels where there are some."""
    rng = random.Random(seed)
    rows = rng.sample(list(ground.train), len(ground.train))
    demonstrations = balanced_sample(rows, shots, ground.task.labels)
    rng.shuffle(demonstrations)
    return demonstrations
