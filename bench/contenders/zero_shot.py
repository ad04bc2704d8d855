"""Prompting with the instruction only; its wording and calibration are chosen on validation rows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from bench.contenders._choosing import Calibration, best_of, chosen, tried, without_bias
from bench.core import contender as base
from bench.core.contender import Answerer, Ground

if TYPE_CHECKING:
    from bench.core.work import Work


@dataclass(frozen=True)
class Contender(base.Contender):
    """The task's first `instructions` wordings compete, each with the `calibrations`."""

    instructions: Annotated[int, Field(gt=0)] = 5
    calibrations: tuple[Calibration, ...] = ("none", "contextual", "batch")
    family: ClassVar = "prompt"
    uses_model: ClassVar = True
    needs_rows: ClassVar = False
    quick: ClassVar = {"instructions": 1, "calibrations": ("none",)}

    def fit(self, ground: Ground, seed: int) -> Answerer:
        """The best wording with its best calibration, and no demonstrations.

        Without rows to choose on, the first wording, uncalibrated.
        """
        if not ground.judging:
            notes: dict[str, Any] = {"instruction": ground.task.instruction, "calibration": "none"}
            return ground.model().answerer(ground.task, notes=notes)
        count = min(self.instructions, len(ground.task.wordings))
        candidates = [
            tried(
                ground,
                f"instruction-{i}",
                {"instruction": i},
                partial(self._worded, i),
                self.calibrations,
                f"validation, instruction {i + 1} of {count}",
            )
            for i in range(count)
        ]
        best = best_of(candidates)
        task = ground.task.worded(best["instruction"])
        notes = {
            "instruction": task.instruction,
            "calibration": best["calibration"],
            "validation_score": best["validation_score"],
            "tried": without_bias(candidates),
        }
        return chosen(
            ground,
            best,
            lambda notes, bias: ground.model().answerer(task, notes=notes, bias=bias),
            notes,
        )

    @staticmethod
    def _worded(wording: int, part: Ground) -> Answerer:
        return part.model().answerer(part.task.worded(wording))

    def forecast(self, work: Work) -> float:
        """Seconds of a trial."""
        wordings = min(self.instructions, work.wordings)
        return wordings * work.answers("validation") + work.serves()
