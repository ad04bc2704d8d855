"""Between: a model tuned to place texts of one label close together, and logistic regression on that.

Tunstall et al. 2022, Efficient few-shot learning without prompts (arXiv:2209.11055, SetFit): pairs of
texts are pulled to a cosine of 1 if they share a label, and to 0 if they don't. The paper trains all
weights of a sentence encoder; here a LoRA adapter tunes any causal model's mean hidden states.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from bench.contenders.embeddings import (
    Embedded,
    VectorAnswerer,
    best_of_predictions,
    predictions,
)
from bench.core import contender as base
from bench.core.contender import Ground
from bench.core.errors import TrialFailed
from scenarios.cache import disk_errors_as_os_errors
from scenarios.rows import Example

if TYPE_CHECKING:
    from bench.core.work import Work
    from bench.engine.adapters import Adapter

Whole = Annotated[int, Field(gt=0)]


@dataclass(frozen=True)
class Contender(base.Contender):
    """`steps` updates of `pairs` pairs each, half of which share a label; `depth` is the layer (1 is the
    last) whose mean states are the vectors."""

    steps: Whole = 120
    pairs: Whole = 8
    learning_rate: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1e-3
    rank: Whole = 8
    depth: Annotated[float, Field(gt=0, le=1)] = 1.0
    inverse_penalties: tuple[Annotated[float, Field(gt=0, allow_inf_nan=False)], ...] = (
        0.01,
        0.1,
        1.0,
    )
    family: ClassVar = "between"
    uses_model: ClassVar = True
    needs: ClassVar = frozenset({"embed", "train"})
    seeded: ClassVar = True
    usual: ClassVar = ()
    tasks: ClassVar = ("classification",)
    quick: ClassVar = {"steps": 60}
    curve: ClassVar = None

    def fit(self, ground: Ground, seed: int) -> VectorAnswerer:
        """Tune on pairs, then choose the penalty on rows that weren't tuned on; the adapter is saved.

        Without rows to choose on, the middle penalty.
        """
        said = [
            ground.kept.once(f"part-{i}", partial(self._predicted, part, seed))
            for i, part in enumerate(ground.parts() if ground.folds else ())
        ]
        tuned, losses = self._tuned(ground, seed)
        embedded = Embedded(ground, [self.depth])
        penalties = self.inverse_penalties
        if not ground.judging:
            penalties = (penalties[len(penalties) // 2],)
        choice = [self.depth], penalties
        if ground.judging and not said:
            said = [predictions(embedded, ground, *choice)]
        found = best_of_predictions(ground, embedded, said, *choice)
        with disk_errors_as_os_errors():
            tuned.save(ground.folder)
        found.notes |= {"first_loss": losses[0], "last_loss": losses[-1]}
        return found

    def forecast(self, work: Work) -> float:
        """Seconds of a trial, from the time of two steps."""
        few = replace(self, steps=2)
        step = work.timed(lambda ground: few._tuned(ground, 0)[0].remove()) / 2
        fitted = work.fittings * (self.steps * step + work.reads("train"))
        return fitted + work.reads("validation") + work.reads("test")

    def _predicted(self, part: Ground, seed: int) -> list[dict]:
        """Each penalty's predictions for a part's held-out rows, by a model tuned without them."""
        tuned, _ = self._tuned(part, seed)
        said = predictions(Embedded(part, [self.depth]), part, [self.depth], self.inverse_penalties)
        tuned.remove()
        return said

    def _tuned(self, ground: Ground, seed: int) -> tuple[Adapter, list[float]]:
        """The model with an adapter tuned on the training rows' pairs, and its losses."""
        import torch

        from bench.engine import adapters

        torch.manual_seed(seed)  # the adapter's initial weights are drawn, too
        model = ground.model()
        embedder = model.embedder(ground.task, [self.depth])
        tuned = adapters.fresh(model, rank=self.rank, alpha=2 * self.rank, targets="all-linear")
        return tuned, self._tune(embedder, tuned.network, ground, seed)

    def _tune(self, embedder: Any, network: Any, ground: Ground, seed: int) -> list[float]:
        """Mean losses over the first and the last tenth of the steps."""
        import torch

        from bench.core.progress import bar

        rng = random.Random(seed)
        trainable = [p for p in network.parameters() if p.requires_grad]
        optimizer = torch.optim.AdamW(trainable, lr=self.learning_rate, weight_decay=0.0)
        network.train()
        losses = []
        with bar("tuning on pairs", self.steps, "step") as done:
            for _ in range(self.steps):
                ones, others, alike = _pairs(ground.train, self.pairs, rng)
                rows = [embedder.tokens(text) for text in ones + others]
                vectors = embedder.pooled(rows)[0].float()
                cosines = torch.cosine_similarity(vectors[: len(ones)], vectors[len(ones) :])
                loss = ((cosines - torch.tensor(alike, device=cosines.device)) ** 2).mean()
                loss.backward()
                torch.nn.utils.clip_grad_norm_(trainable, 1.0)
                optimizer.step()
                optimizer.zero_grad()
                losses.append(loss.item())
                done.update()
        network.eval()
        tenth = max(1, self.steps // 10)
        return [sum(part) / tenth for part in (losses[:tenth], losses[-tenth:])]


def _pairs(
    rows: Sequence[Example], count: int, rng: random.Random
) -> tuple[list[str], list[str], list[float]]:
    """Texts, their partners, and 1.0 where the two share a label, which about half do."""
    if max(Counter(row.gold for row in rows).values()) < 2:
        raise TrialFailed(
            "no two training rows share a label, so there are no pairs to learn from; add rows"
        )
    ones: list[str] = []
    others: list[str] = []
    alike: list[float] = []
    while len(ones) < count:
        wanted = len(ones) % 2 == 0
        one, other = rng.sample(list(rows), 2)
        if (one.gold == other.gold) == wanted:
            ones.append(one.text)
            others.append(other.text)
            alike.append(float(wanted))
    return ones, others, alike
