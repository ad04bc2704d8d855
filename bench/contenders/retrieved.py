"""Prompting with each request's own demonstrations: the training rows most similar to it.

Liu et al. 2022, What makes good in-context examples for GPT-3? The measure of similarity (words by
TF-IDF, or the model's own mean hidden states) and the number of rows shown are chosen on validation
rows. Each request has its own prompt and no prefix is shared, so it costs several times a fixed prompt.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from bench.contenders._choosing import Calibration, best_of, chosen, tried, without_bias
from bench.core import contender as base
from bench.core.contender import Answerer, Ground
from bench.core.errors import TrialFailed
from scenarios.rows import Example

if TYPE_CHECKING:
    import numpy as np

    from bench.core.work import Work


@dataclass(frozen=True)
class Contender(base.Contender):
    """`shots` and `encoders` compete; `depth` is the layer of the hidden states (1 is the last)."""

    shots: tuple[Annotated[int, Field(gt=0)], ...] = (4, 8)
    encoders: tuple[Literal["tf-idf", "hidden-states"], ...] = ("tf-idf", "hidden-states")
    depth: Annotated[float, Field(gt=0, le=1)] = 0.5
    calibrations: tuple[Calibration, ...] = ("none", "batch")
    family: ClassVar = "prompt"
    uses_model: ClassVar = True
    usual: ClassVar = ("default", "full")
    quick: ClassVar = {"shots": (4,), "encoders": ("tf-idf",), "calibrations": ("none",)}

    def fit(self, ground: Ground, seed: int) -> Answerer:
        """The best number of rows and encoder on the validation rows, the first of equals.

        Without rows to choose on, the first of each, uncalibrated.
        """
        nearest = _Nearests(ground, self.depth)
        encoders = self._available(ground)
        if not ground.judging:
            shots, encoder = min(self.shots[0], len(ground.train)), encoders[0]
            notes = {"shots": shots, "encoder": encoder, "calibration": "none"}
            return _answerer(ground, nearest.of(ground, encoder), shots, notes)
        candidates = [
            tried(
                ground,
                f"{encoder}-{shots}",
                {"shots": shots, "encoder": encoder},
                partial(_by_nearest, nearest, encoder, shots),
                self.calibrations,
                f"validation, {shots} rows by {encoder}",
            )
            for encoder in encoders
            for shots in self.shots
        ]
        best = best_of(candidates)
        notes = {
            "shots": best["shots"],
            "encoder": best["encoder"],
            "calibration": best["calibration"],
            "validation_score": best["validation_score"],
            "tried": without_bias(candidates),
        }
        near = nearest.of(ground, best["encoder"])
        return chosen(
            ground,
            best,
            lambda notes, bias: _answerer(ground, near, best["shots"], notes, bias),
            notes,
        )

    def _available(self, ground: Ground) -> list[str]:
        """The encoders that the model has. Raises `TrialFailed` where it has none of them."""
        can_embed = "embed" in ground.model().can
        found: list[str] = [
            encoder for encoder in self.encoders if can_embed or encoder == "tf-idf"
        ]
        if not found:
            raise TrialFailed(
                f"'{ground.model().name}' can't embed texts; use --set retrieved.encoders=tf-idf"
            )
        return found

    def settled(self, notes: dict) -> Contender | None:
        """With what was chosen; None with a calibration, which depends on the rows it was chosen on."""
        if notes["calibration"] != "none":
            return None
        return replace(
            self,
            shots=(notes["shots"],),
            encoders=(notes["encoder"],),
            calibrations=("none",),
        )

    def forecast(self, work: Work) -> float:
        """Seconds of a trial in which the longest prompt wins."""
        each = sum(work.answers_near("validation", shots) for shots in self.shots)
        reading = work.reads("train") if "hidden-states" in self.encoders else 0.0
        return reading + len(self.encoders) * each + work.serves_near(max(self.shots))


class _Nearests:
    """Finds similar rows among a part's training rows; each row's hidden states are computed once."""

    def __init__(self, ground: Ground, depth: float):
        self._ground, self._depth = ground, depth
        self._made: dict[tuple, Nearest] = {}
        self._read: dict[str, np.ndarray] = {}

    def of(self, part: Ground, encoder: str) -> Nearest:
        """A part's search, with one encoder."""
        key = (encoder, *(example.id for example in part.train))
        if key not in self._made:
            make = self._by_words if encoder == "tf-idf" else self._by_states
            self._made[key] = make(part)
        return self._made[key]

    def _by_words(self, part: Ground) -> Nearest:
        from bench.contenders.tf_idf import vectorizer

        words = vectorizer().fit([example.text for example in part.train])
        return Nearest(part.train, words.transform)

    def _by_states(self, part: Ground) -> Nearest:
        import numpy as np

        embedder = self._ground.model().embedder(self._ground.task, [self._depth])
        if not self._read:
            texts = [example.text for example in self._ground.train]
            self._read = dict(zip(texts, embedder.embed(texts)[0], strict=True))
        vectors = np.stack([self._read[example.text] for example in part.train])
        middle = vectors.mean(axis=0)  # what all texts share hides what distinguishes them

        def encode(asked: Sequence[str]) -> np.ndarray:
            known = all(text in self._read for text in asked)
            found = np.stack([self._read[t] for t in asked]) if known else embedder.embed(asked)[0]
            found = found - middle
            return found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-9)

        return Nearest(part.train, encode)


class Nearest:
    """Finds rows by the cosine of unit vectors, the most similar last, which is next to the request."""

    def __init__(self, rows: Sequence[Example], encode: Callable[[Sequence[str]], Any]):
        self.rows = list(rows)
        self._encode = encode
        self._vectors = encode([row.text for row in rows])

    def __call__(self, examples: Sequence[Example], shots: int) -> list[list[Example]]:
        """`shots` rows for each example."""
        import numpy as np

        likeness = self._encode([example.text for example in examples]) @ self._vectors.T
        if not isinstance(likeness, np.ndarray):
            likeness = likeness.toarray()
        order = np.argsort(-likeness, axis=1, kind="stable")[:, :shots]
        return [[self.rows[i] for i in reversed(found)] for found in order.tolist()]


def _by_nearest(nearest: _Nearests, encoder: str, shots: int, part: Ground) -> Answerer:
    return _answerer(part, nearest.of(part, encoder), shots)


def _answerer(
    ground: Ground,
    near: Nearest,
    shots: int,
    notes: dict | None = None,
    bias: Sequence[float] = (),
) -> Answerer:
    longest = sorted(near.rows, key=lambda row: len(row.text))[-shots:]
    return ground.model().answerer(
        ground.task,
        notes=notes,
        bias=bias,
        near=lambda examples: near(examples, shots),
        longest=longest,
    )
