"""Baseline: TF-IDF with logistic regression; for free texts, the answer of the most similar row."""

from __future__ import annotations

import time
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from bench.core import contender as base
from bench.core.contender import Answer, Ground, answers_of, quality
from scenarios.rows import Example
from scenarios.schema import Task

if TYPE_CHECKING:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import Pipeline


@dataclass(frozen=True)
class Contender(base.Contender):
    """Words and pairs of words; `inverse_penalties` are the values of scikit-learn's C that compete.

    Free texts have no classes: there the baseline gives the nearest training row's answer (by cosine).
    """

    inverse_penalties: tuple[Annotated[float, Field(gt=0, allow_inf_nan=False)], ...] = (
        0.3,
        1.0,
        3.0,
        10.0,
        30.0,
    )
    family: ClassVar = "floor"

    def fit(self, ground: Ground, seed: int) -> LinearAnswerer | NearestAnswerer:
        """The best penalty, the strongest regularisation of equals.

        Without rows to choose on, the middle one.
        """
        if ground.task.type == "generation":
            found = NearestAnswerer(ground)
            if not ground.judging:
                return found
            parts = [found] if not ground.folds else map(NearestAnswerer, ground.parts())
            answers = [
                answer
                for part, near in zip(ground.parts(), parts, strict=True)
                for answer in answers_of(near, part.validation)
            ]
            found.notes["validation_score"] = quality(answers, ground.judging, ground.task)
            return found
        if not ground.judging:
            middle = self.inverse_penalties[len(self.inverse_penalties) // 2]
            return _linear(ground, middle, {"inverse_penalty": middle})
        tried = [
            {"inverse_penalty": penalty, "validation_score": self._tried(ground, penalty)}
            for penalty in self.inverse_penalties
        ]
        best = max(tried, key=lambda one: one["validation_score"])
        return _linear(ground, best["inverse_penalty"], dict(best))

    @staticmethod
    def _tried(ground: Ground, penalty: float) -> float:
        answers = [
            answer
            for part in ground.parts()
            for answer in answers_of(_linear(part, penalty, {}), part.validation)
        ]
        return quality(answers, ground.judging, ground.task)

    def settled(self, notes: dict) -> Contender:
        """With the chosen penalty."""
        chosen = notes.get("inverse_penalty")
        return replace(self, inverse_penalties=(chosen,)) if chosen else self


def _linear(ground: Ground, inverse_penalty: float, notes: dict) -> LinearAnswerer:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    pipeline = make_pipeline(vectorizer(), LogisticRegression(C=inverse_penalty, max_iter=1000))
    pipeline.fit([e.text for e in ground.train], [e.gold for e in ground.train])
    return LinearAnswerer(pipeline, ground.task, notes)


def vectorizer() -> TfidfVectorizer:
    """Words and pairs of words, as unit vectors."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    return TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"(?u)\w+|[!?]")


class LinearAnswerer:
    """Answers with a fitted scikit-learn pipeline."""

    def __init__(self, pipeline: Pipeline, task: Task, notes: dict):
        self.notes = notes
        self._pipeline = pipeline
        self._columns = [list(pipeline.classes_).index(label) for label in task.labels]
        self._labels = task.labels

    def answer(
        self, examples: Sequence[Example], done: Container[str] = ()
    ) -> Iterator[list[Answer]]:
        """The likeliest label of each row; scores are probabilities."""
        start = time.perf_counter()
        shares = self._pipeline.predict_proba([example.text for example in examples])
        seconds = (time.perf_counter() - start) / len(examples)
        rows = shares[:, self._columns].tolist()
        said = [self._labels[max(range(len(row)), key=row.__getitem__)] for row in rows]
        yield [
            Answer(example.id, label, None, None, seconds, tuple(row))
            for example, label, row in zip(examples, said, rows, strict=True)
        ]


class NearestAnswerer:
    """Gives the answer of the training row with the most similar text."""

    def __init__(self, ground: Ground):
        self._answers = [example.gold for example in ground.train]
        self._vectorizer = vectorizer()
        self._rows = self._vectorizer.fit_transform([example.text for example in ground.train])
        self.notes: dict = {}

    def answer(
        self, examples: Sequence[Example], done: Container[str] = ()
    ) -> Iterator[list[Answer]]:
        """The nearest row's answer for each row, the first of equals."""
        start = time.perf_counter()
        shares = self._vectorizer.transform([e.text for e in examples]) @ self._rows.T
        nearest = shares.toarray().argmax(axis=1).tolist()
        seconds = (time.perf_counter() - start) / len(examples)
        yield [
            Answer(example.id, self._answers[place], None, None, seconds)
            for example, place in zip(examples, nearest, strict=True)
        ]
