"""Choosing a prompt on rows that it doesn't show: each candidate runs once, its calibrations cost little.

A small model gives nearly always the same label, whatever the text. Calibration subtracts what it says
to inputs without content (contextual: Zhao et al. 2021, arXiv:2102.09690), or on average over the
validation rows' texts (batch: Zhou et al. 2023, arXiv:2309.17249). It never reads a test row.

Where there are too few validation rows, a candidate is judged by cross-validation (Stone 1974; Kohavi
1995): made from all folds except one, it answers that one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from bench.core.contender import Answer, Answerer, Ground, answers_of, quality
from bench.core.errors import PromptTooLong, TrialFailed
from scenarios.rows import Example

if TYPE_CHECKING:
    import numpy as np

Calibration = Literal["none", "contextual", "batch"]
CONTENT_FREE = ("N/A", "", "[MASK]")
"""The content-free inputs of Zhao et al. 2021; their mean is taken."""


def tried(
    ground: Ground,
    name: str,
    what: dict,
    make: Callable[[Ground], Answerer],
    calibrations: Sequence[Calibration],
    progress: str,
) -> dict:
    """A candidate's score on the rows that judge, under each calibration; kept under its name.

    `make` makes its answerer from a part's training rows, `what` describes it. `validation_score` is
    that of the best calibration (the first of equals); None where a prompt is too long for the model.
    """

    def score() -> dict:
        try:
            if ground.folds:
                make(ground)  # the prompt that would be used, which may be the longest
            return _scored(ground, make, calibrations, progress)
        except PromptTooLong:
            return {"validation_score": None, "scores": {}, "calibration": "none", "bias": []}

    return what | ground.kept.once(name, score)


def best_of(candidates: Sequence[dict]) -> dict:
    """The candidate with the highest score, the first of equals. Raises `TrialFailed` where none fits."""
    fitting = [candidate for candidate in candidates if candidate["validation_score"] is not None]
    if not fitting:
        raise none_fits()
    return max(fitting, key=lambda candidate: candidate["validation_score"])


def none_fits() -> TrialFailed:
    """For a contender whose prompts are all too long for the model."""
    return TrialFailed(
        "not even the shortest prompt fits the model's context; use fewer demonstrations "
        "(shots), or a lower most_text_tokens in [task]"
    )


def without_bias(candidates: Sequence[dict]) -> list[dict]:
    """Candidates as they appear in a record."""
    return [{k: v for k, v in candidate.items() if k != "bias"} for candidate in candidates]


def chosen(ground: Ground, best: dict, make: Callable[..., Answerer], notes: dict) -> Answerer:
    """The best candidate made from all training rows; `make` takes its notes and the labels' bias.

    With folds the bias is that of the prompt that is used, not those of the folds.
    """
    if not ground.folds or best["calibration"] == "none":
        return make(notes, best["bias"])

    def bias() -> list[float]:
        found, answers = make({}, ()), []
        if best["calibration"] == "batch":
            answers = answers_of(found, ground.judging, progress="calibrating")
        return [float(value) for value in _bias(best["calibration"], found, answers)]

    return make(notes, ground.kept.once("calibration", bias))


def _scored(
    ground: Ground,
    make: Callable[[Ground], Answerer],
    calibrations: Sequence[Calibration],
    progress: str,
) -> dict:
    """Each part's rows are answered by a candidate made without them, and all are judged together."""
    by_part, free = [], []
    for part in ground.parts():
        found = make(part)
        by_part.append(answers_of(found, part.validation, progress=progress))
        if "contextual" in calibrations and _are_scored(by_part[-1]):
            free.append(_bias("contextual", found, ()))
    answers = [answer for own in by_part for answer in own]
    if not _are_scored(answers):  # nothing to calibrate
        reached = quality(answers, ground.judging, ground.task)
        return {"validation_score": reached, "scores": {}, "calibration": "none", "bias": []}
    scores, first = {}, {}
    for calibration in calibrations:
        biases = free
        if calibration != "contextual":
            biases = [_bias(calibration, None, answers)] * len(by_part)
        moved = [
            _less(answer, bias, ground.task.labels)
            for own, bias in zip(by_part, biases, strict=True)
            for answer in own
        ]
        scores[calibration] = quality(moved, ground.judging, ground.task)
        first[calibration] = [float(value) for value in biases[0]]
    best = max(scores, key=scores.__getitem__)
    return {"validation_score": scores[best], "scores": scores, "calibration": best,
            "bias": first[best]}  # fmt: skip


def _are_scored(answers: Sequence[Answer]) -> bool:
    """Whether each answer says how likely each label is: not of free texts, nor of a model that only writes."""
    return all(answer.scores for answer in answers)


def _bias(
    calibration: Calibration, found: Answerer | None, answers: Sequence[Answer]
) -> np.ndarray:
    """The logarithm of each label's mean probability, over rows or over content-free inputs."""
    import numpy as np

    if calibration == "none":
        return np.zeros(len(answers[0].scores))
    if calibration == "contextual":
        assert found is not None
        free = [Example(f"content-free {i}", text, "", "") for i, text in enumerate(CONTENT_FREE)]
        answers = answers_of(found, free)
    values = np.array([answer.scores for answer in answers])
    shares = np.exp(values - values.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    return np.log(shares.mean(axis=0))


def _less(answer: Answer, bias: np.ndarray, labels: Sequence[str]) -> Answer:
    """The answer with the bias subtracted from its scores."""
    moved = [score - off for score, off in zip(answer.scores, bias, strict=True)]
    return replace(answer, text=labels[max(range(len(moved)), key=moved.__getitem__)])
