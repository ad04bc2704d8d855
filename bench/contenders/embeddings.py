"""Between: logistic regression on the vectors that an untuned language model computes from texts."""

from __future__ import annotations

import time
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from bench.core import contender as base
from bench.core.contender import Answer, Ground, quality_of
from scenarios.rows import Example

if TYPE_CHECKING:
    import numpy as np
    from sklearn.pipeline import Pipeline

    from bench.core.work import Work


@dataclass(frozen=True)
class Contender(base.Contender):
    """Vectors are mean hidden states (`bench.engine.embedding`). The best of `depths` (1 is the last layer)
    and of `inverse_penalties` (scikit-learn's C) is chosen on validation rows. A sentence encoder would do
    better; `embeddings@MODEL` takes any causal model."""

    depths: tuple[Annotated[float, Field(gt=0, le=1)], ...] = (0.5, 0.75, 1.0)
    inverse_penalties: tuple[Annotated[float, Field(gt=0, allow_inf_nan=False)], ...] = (
        0.01,
        0.1,
        1.0,
    )
    family: ClassVar = "between"
    uses_model: ClassVar = True
    needs: ClassVar = frozenset({"embed"})
    remembers: ClassVar = True
    usual: ClassVar = ("default", "full")
    tasks: ClassVar = ("classification",)
    quick: ClassVar = {"depths": (0.5,)}

    def fit(self, ground: Ground, seed: int) -> VectorAnswerer:
        """The best layer and penalty, the first of equals.

        Without rows to choose on, the first layer and the middle penalty.
        """
        if not ground.judging:
            middle = self.inverse_penalties[len(self.inverse_penalties) // 2]
            return fitted(ground, self.depths[:1], [middle])
        return fitted(ground, self.depths, self.inverse_penalties)

    def settled(self, notes: dict) -> Contender:
        """With the chosen layer and penalty."""
        return replace(
            self, depths=(notes["depth"],), inverse_penalties=(notes["inverse_penalty"],)
        )

    def forecast(self, work: Work) -> float:
        """Seconds of a trial; the regression itself takes few."""
        return work.reads("train") + work.reads("validation") + work.reads("test")


def fitted(
    ground: Ground, depths: Sequence[float], inverse_penalties: Sequence[float]
) -> VectorAnswerer:
    """The regression on the training rows' vectors that does best on rows it wasn't fitted on."""
    embedder = Embedded(ground, depths)
    said = []
    if ground.judging:
        said = [predictions(embedder, part, depths, inverse_penalties) for part in ground.parts()]
    return best_of_predictions(ground, embedder, said, depths, inverse_penalties)


class Embedded:
    """The vectors of rows at some depths; each row is read once."""

    def __init__(self, ground: Ground, depths: Sequence[float]):
        memory = {} if ground.memory is None else ground.memory
        self._embedder = Remembering(ground.model().embedder(ground.task, depths), memory)

    def of(self, examples: Sequence[Example]) -> np.ndarray:
        """Shape (depths, rows, hidden)."""
        return self._embedder.embed([example.text for example in examples])


def predictions(
    embedded: Embedded, part: Ground, depths: Sequence[float], inverse_penalties: Sequence[float]
) -> list[dict]:
    """For each depth and penalty, its regression's predictions for the rows that a part holds out."""
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
    ground: Ground,
    embedded: Embedded,
    said: Sequence[list[dict]],
    depths: Sequence[float],
    inverse_penalties: Sequence[float],
) -> VectorAnswerer:
    """The depth and penalty with the best predictions over all parts, fitted on all training rows."""
    tried: list[dict[str, Any]] = [
        {"depth": depth, "inverse_penalty": penalty}
        for depth in depths
        for penalty in inverse_penalties
    ]
    for i, one in enumerate(tried):
        texts = {id_: text for part in said for id_, text in part[i].items()}
        one["validation_score"] = quality_of(texts, ground.judging, ground.task) if said else None
    best = max(tried, key=lambda one: one["validation_score"] or 0.0)
    vectors = embedded.of(ground.train)[list(depths).index(best["depth"])]
    pipeline = _regression(vectors, ground.train, best["inverse_penalty"])
    return VectorAnswerer(
        Remembering(ground.model().embedder(ground.task, [best["depth"]]), ground.memory),
        pipeline,
        ground.task.labels,
        {**best, "tried": tried},
    )


def _regression(vectors: np.ndarray, rows: Sequence[Example], inverse_penalty: float) -> Pipeline:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    pipeline = make_pipeline(StandardScaler(), LogisticRegression(C=inverse_penalty, max_iter=2000))
    return pipeline.fit(vectors, [example.gold for example in rows])


class Remembering:
    """An embedder that reads each text only once, if there is a memory to keep its vectors in."""

    def __init__(self, embedder: Any, memory: dict | None):
        self.tokens = embedder.tokens
        self._embedder, self._memory = embedder, memory

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """Shape (depths, texts, hidden), float32."""
        if self._memory is None:
            return self._embedder.embed(texts)
        import numpy as np

        layers = tuple(self._embedder.layers)
        new = [t for t in dict.fromkeys(texts) if (layers, t) not in self._memory]
        for text, vectors in zip(new, np.moveaxis(self._embedder.embed(new), 1, 0), strict=True):
            self._memory[layers, text] = vectors
        known = [self._memory[layers, text] for text in texts]
        return np.stack(known, axis=1) if known else self._embedder.embed([])


class VectorAnswerer:
    """Answers with a classifier on the texts' vectors."""

    def __init__(self, embedder: Any, pipeline: Pipeline, labels: Sequence[str], notes: dict):
        self.notes = notes
        self._embedder, self._pipeline, self._labels = embedder, pipeline, labels
        self._columns = [list(pipeline.classes_).index(label) for label in labels]

    def answer(
        self, examples: Sequence[Example], done: Container[str] = ()
    ) -> Iterator[list[Answer]]:
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
