"""Prompting with the instruction alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from bench.contender import Ground, answers_of, quality


@dataclass(frozen=True)
class Contender:
    """Nothing is fitted; the validation rows only say how it compares with other prompts."""

    family: ClassVar = "prompt"
    uses_model: ClassVar = True
    seeded: ClassVar = False
    quick: ClassVar = {}

    def fit(self, ground: Ground, seed: int):
        """The instruction, and no demonstrations."""
        from bench.answering import answerer

        found = answerer(ground.model(), ground.task)

        def validate() -> float:
            answers = answers_of(found, ground.validation, progress="validation")
            return quality(answers, ground.validation, ground.task)

        found.notes["validation_score"] = ground.kept.once("validation", validate)
        return found

    def forecast(self, work) -> float:
        """Seconds of a trial."""
        return work.answers("validation") + work.serves()
