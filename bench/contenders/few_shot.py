"""Prompting with demonstrations: how many, which, their order, the wording and the labels' calibration
are chosen on validation rows."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from bench.contenders._choosing import Calibration, best_of, chosen, none_fits, tried, without_bias
from bench.core import contender as base
from bench.core.contender import Answerer, Ground
from bench.core.errors import PromptTooLong
from scenarios.rows import Example, balanced_sample

if TYPE_CHECKING:
    from bench.core.work import Work

Whole = Annotated[int, Field(gt=0)]


@dataclass(frozen=True)
class Contender(base.Contender):
    """`shots` are the numbers of demonstrations that compete, each in `draws` random draws and each
    draw in `orders` orders. The best `finalists` then compete with the task's other instructions."""

    shots: tuple[Whole, ...] = (3, 9, 18)
    draws: Whole = 4
    orders: Whole = 2
    finalists: Whole = 2
    instructions: Whole = 5
    calibrations: tuple[Calibration, ...] = ("none", "contextual", "batch")
    family: ClassVar = "prompt"
    uses_model: ClassVar = True
    seeded: ClassVar = True
    quick: ClassVar = {
        "shots": (9, 18),
        "draws": 2,
        "orders": 1,
        "instructions": 1,
        "calibrations": ("none",),
    }

    def fit(self, ground: Ground, seed: int) -> Answerer:
        """The prompt with the highest score on the validation rows, the shortest of equals.

        Without rows to choose on, the first draw with the most demonstrations that fit.
        """
        if not ground.judging:
            return self._unchosen(ground, seed)
        candidates = [
            self._try(ground, seed, shots, draw, order, 0)
            for shots in self.shots
            for draw in range(self.draws)
            for order in range(self.orders)
        ]
        best_of(candidates)  # fails if none of them fits the model
        fitting = [c for c in candidates if c["validation_score"] is not None]
        leading = sorted(fitting, key=lambda c: -c["validation_score"])[: self.finalists]
        wordings = min(self.instructions, len(ground.task.wordings))
        candidates += [
            self._try(ground, seed, c["shots"], c["draw"], c["order"], wording)
            for c in leading
            for wording in range(1, wordings)
        ]
        best = best_of(candidates)
        task = ground.task.worded(best["instruction"])
        demonstrations = _draw(ground, ground, best["shots"], seed, best["draw"], best["order"])
        notes = {
            "shots": best["shots"],
            "demonstrations": [example.id for example in demonstrations],
            "instruction": task.instruction,
            "calibration": best["calibration"],
            "validation_score": best["validation_score"],
            "tried": without_bias(candidates),
        }
        return chosen(
            ground,
            best,
            lambda notes, bias: ground.model().answerer(task, demonstrations, notes, bias),
            notes,
        )

    def _unchosen(self, ground: Ground, seed: int) -> Answerer:
        several = sorted({min(shots, len(ground.train)) for shots in self.shots}, reverse=True)
        for shots in several:
            demonstrations = _draw(ground, ground, shots, seed, 0, 0)
            notes = {"shots": shots, "demonstrations": [example.id for example in demonstrations],
                     "instruction": ground.task.instruction, "calibration": "none"}  # fmt: skip
            try:
                return ground.model().answerer(ground.task, demonstrations, notes)
            except PromptTooLong:
                continue
        raise none_fits()

    def forecast(self, work: Work) -> float:
        """Seconds of a trial in which the longest prompt wins."""
        swept = sum(work.answers("validation", shots) for shots in self.shots)
        others = min(self.instructions, work.wordings) - 1
        again = self.finalists * others * work.answers("validation", max(self.shots))
        return self.draws * self.orders * swept + again + work.serves(max(self.shots))

    def _try(
        self, ground: Ground, seed: int, shots: int, draw: int, order: int, wording: int
    ) -> dict:
        what = {"shots": shots, "draw": draw, "order": order, "instruction": wording}
        return tried(
            ground,
            "-".join(map(str, ("prompt", *what.values()))),
            what,
            lambda part: part.model().answerer(
                part.task.worded(wording),
                _draw(ground, part, shots, seed, draw, order),
            ),
            self.calibrations,
            f"validation, {shots}-shot, draw {draw + 1} of {self.draws}",
        )


def _draw(
    ground: Ground, part: Ground, shots: int, seed: int, draw: int, order: int
) -> Sequence[Example]:
    """Demonstrations, balanced over the labels if the task has any, in one of their orders.

    A draw is an order of all training rows, and a part shows the first of its own rows. So a draw
    chosen over folds is, except for the rows held out, the one that is then used.
    """
    rng = random.Random(f"{seed}-{draw}")
    own = {example.id for example in part.train}
    rows = [row for row in rng.sample(list(ground.train), len(ground.train)) if row.id in own]
    demonstrations = balanced_sample(rows, shots, ground.task.labels)
    for _ in range(order + 1):
        rng.shuffle(demonstrations)
    return demonstrations
