"""Between: logistic regression on the vectors that a language model, left as it is, makes of texts."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from bench.contender import Answer, Ground, quality_of
from scenarios.rows import Example

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Contender:
    """Vectors are mean hidden states (`bench.embedding`), the best of `depths` (1 is the last layer)
    and of `inverse_penalties` (C of scikit-learn) by validation rows. A model made for sentences
    would do better; `embeddings@MODEL` takes any that is a causal model."""

    depths: tuple[Annotated[float, Field(gt=0, le=1)], ...] = (0.5, 0.75, 1.0)
    inverse_penalties: tuple[Annotated[float, Field(gt=0, allow_inf_nan=False)], ...] = (
        0.01,
        0.1,
        1.0,
    )
    family: ClassVar = "between"
    uses_model: ClassVar = True
    seeded: ClassVar = False
    usual: ClassVar = ("default", "full")
    tasks: ClassVar = ("classification",)
    quick: ClassVar = {"depths": (0.5,)}

    def fit(self, ground: Ground, seed: int) -> VectorAnswerer:
        """The best layer and penalty; of equals the first."""
        return fitted(ground, self.depths, self.inverse_penalties)

    def forecast(self, work) -> float:
        """Seconds of a trial; the regression's own are few."""
        return work.reads("train") + work.reads("validation") + work.reads("test")


def fitted(ground: Ground, depths: Sequence[float], inverse_penalties) -> VectorAnswerer:
    """The regression on the training rows' vectors that does best on rows it wasn't fitted to."""
    embedder = Embedded(ground, depths)
    said = [predictions(embedder, part, depths, inverse_penalties) for part in ground.parts()]
    return best_of_predictions(ground, embedder, said, depths, inverse_penalties)


class Embedded:
    """The vectors of rows at some depths; each row is read once."""

    def __init__(self, ground: Ground, depths: Sequence[float]):
        from bench.embedding import Embedder

        self._embedder = Embedder(ground.model(), ground.task, depths)
        self._read: dict[str, np.ndarray] = {}

    def of(self, examples: Sequence[Example]) -> np.ndarray:
        """Shape (depths, rows, width)."""
        import numpy as np

        new = [example for example in examples if example.id not in self._read]
        if new:
            found = self._embedder.embed([example.text for example in new])
            self._read |= {example.id: found[:, i] for i, example in enumerate(new)}
        return np.stack([self._read[example.id] for example in examples], axis=1)


def predictions(embedded: Embedded, part: Ground, depths, inverse_penalties) -> list[dict]:
    """Of each depth and penalty, what its regression says to the rows that a part holds out."""
    train, held_out = embedded.of(part.train), embedded.of(part.validation)
    ids = [example.id for example in part.validation]
    return [
        dict(
            zip(
                ids,
                _regression(train[i], part.train, penalty).predict(held_out[i]).tolist(),
                strict=True,
            )
        )
        for i in range(len(depths))
        for penalty in inverse_penalties
    ]


def best_of_predictions(
    ground: Ground, embedded: Embedded, said: Sequence[list[dict]], depths, inverse_penalties
) -> VectorAnswerer:
    """The depth and penalty whose predictions, of all parts, are best; fitted to all training rows."""
    from bench.embedding import Embedder

    tried = [
        {"depth": depth, "inverse_penalty": penalty}
        for depth in depths
        for penalty in inverse_penalties
    ]
    for i, one in enumerate(tried):
        texts = {id_: text for part in said for id_, text in part[i].items()}
        one["validation_score"] = quality_of(texts, ground.judging, ground.task)
    best = max(tried, key=lambda one: one["validation_score"])
    vectors = embedded.of(ground.train)[list(depths).index(best["depth"])]
    pipeline = _regression(vectors, ground.train, best["inverse_penalty"])
    return VectorAnswerer(
        Embedder(ground.model(), ground.task, [best["depth"]]),
        pipeline,
        ground.task.labels,
        {**best, "tried": tried},
    )


def _regression(vectors: np.ndarray, rows: Sequence[Example], inverse_penalty: float):
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    pipeline = make_pipeline(StandardScaler(), LogisticRegression(C=inverse_penalty, max_iter=2000))
    return pipeline.fit(vectors, [example.gold for example in rows])


class VectorAnswerer:
    """Answers by a classifier on texts' vectors."""

    def __init__(self, embedder, pipeline, labels: Sequence[str], notes: dict):
        self.notes = notes
        self._embedder, self._pipeline, self._labels = embedder, pipeline, labels
        self._columns = [list(pipeline.classes_).index(label) for label in labels]

    def answer(self, examples: Sequence[Example], done=()) -> Iterator[list[Answer]]:
        """The likeliest label of each row; scores are probabilities."""
        start = time.perf_counter()
        texts = [example.text for example in examples]
        shares = self._pipeline.predict_proba(self._embedder.embed(texts)[0])
        seconds = (time.perf_counter() - start) / len(examples)
        yield [
            Answer(
                example.id,
                self._labels[max(range(len(row)), key=row.__getitem__)],
                len(self._embedder.tokens(example.text)),
                None,
                seconds,
                tuple(row),
            )
            for example, row in zip(examples, shares[:, self._columns].tolist(), strict=True)
        ]
