"""Choosing a prompt on the validation rows: each candidate once, its label calibrations for little.

A small model answers one label nearly always, whatever the text. Calibration takes off what it says
to no text at all (contextual: Zhao et al. 2021, arXiv:2102.09690), or on average over the validation
rows' texts (batch: Zhou et al. 2023, arXiv:2309.17249). No test row is ever read for it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from bench.contender import Answer, Failed, Ground, TooLong, answers_of, quality
from scenarios.rows import Example

if TYPE_CHECKING:
    import numpy as np

Calibration = Literal["none", "contextual", "batch"]
CONTENT_FREE = ("N/A", "", "[MASK]")
"""The inputs without content of Zhao et al. 2021, whose mean is taken."""


def tried(
    ground: Ground,
    name: str,
    what: dict,
    make: Callable[[], object],
    calibrations: Sequence[Calibration],
    progress: str,
) -> dict:
    """A candidate's score on the validation rows under each calibration; kept under its name.

    `what` describes it. `validation_score` is the best calibration's (of equals the first); None
    where the prompt is too long for the model.
    """

    def score() -> dict:
        try:
            found = make()
        except TooLong:
            return {"validation_score": None, "scores": {}, "calibration": "none", "bias": []}
        return _scored(ground, found, calibrations, progress)

    return what | ground.kept.once(name, score)


def best_of(candidates: Sequence[dict]) -> dict:
    """The candidate with the highest score; of equals the first. Raises `Failed` where none fits."""
    fitting = [candidate for candidate in candidates if candidate["validation_score"] is not None]
    if not fitting:
        raise Failed(
            "not even the shortest prompt fits the model's context; set fewer demonstrations "
            "(shots), or a lower most_text_tokens in [task]"
        )
    return max(fitting, key=lambda candidate: candidate["validation_score"])


def without_bias(candidates: Sequence[dict]) -> list[dict]:
    """Candidates as a record tells them."""
    return [{k: v for k, v in candidate.items() if k != "bias"} for candidate in candidates]


def _scored(ground: Ground, found, calibrations: Sequence[Calibration], progress: str) -> dict:
    answers = answers_of(found, ground.validation, progress=progress)
    if not ground.task.labels:
        reached = quality(answers, ground.validation, ground.task)
        return {"validation_score": reached, "scores": {}, "calibration": "none", "bias": []}
    scores, biases = {}, {}
    for calibration in calibrations:
        bias = _bias(calibration, found, answers)
        moved = [_less(answer, bias, ground.task.labels) for answer in answers]
        scores[calibration] = quality(moved, ground.validation, ground.task)
        biases[calibration] = [float(value) for value in bias]
    best = max(scores, key=scores.__getitem__)
    return {"validation_score": scores[best], "scores": scores, "calibration": best,
            "bias": biases[best]}  # fmt: skip


def _bias(calibration: Calibration, found, answers: Sequence[Answer]) -> np.ndarray:
    """The logarithm of each label's mean probability: over rows, or over inputs without content."""
    import numpy as np

    if calibration == "none":
        return np.zeros(len(answers[0].scores))
    if calibration == "contextual":
        free = [Example(f"content-free {i}", text, "", "") for i, text in enumerate(CONTENT_FREE)]
        answers = answers_of(found, free)
    values = np.array([answer.scores for answer in answers])
    shares = np.exp(values - values.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    return np.log(shares.mean(axis=0))


def _less(answer: Answer, bias: np.ndarray, labels: Sequence[str]) -> Answer:
    """The answer with the bias taken off its scores."""
    moved = [score - off for score, off in zip(answer.scores, bias, strict=True)]
    return replace(answer, text=labels[max(range(len(moved)), key=moved.__getitem__)])
