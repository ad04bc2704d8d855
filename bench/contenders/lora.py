"""Fine-tuning with low-rank adapters (Hu et al. 2022, LoRA), over weights of 16 bits or more."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from bench.contenders._tuned import Rate, Tuned, Whole
from bench.core.contender import Answerer, Ground, Way

if TYPE_CHECKING:
    from bench.engine.training import LoraSettings


@dataclass(frozen=True)
class Contender(Tuned):
    """See `bench.engine.training.LoraSettings`. `serve` is `merged` into the base, or `attached`."""

    learning_rates: tuple[Rate, ...] = (2e-4, 6e-4, 2e-3)
    rank: Whole = 16
    alpha: Whole = 32
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.05
    targets: Annotated[str, Field(min_length=1)] = "attention"
    serve: Literal["merged", "attached"] = "merged"
    variant: ClassVar = "lora"
    quick: ClassVar = {
        "rank": 8,
        "alpha": 16,
        "dropout": 0.0,
        "targets": "all-linear",
        "learning_rates": (1e-3,),
        "epochs": 3,
        "patience": 0,
        "batch_size": 16,
        "accumulation_steps": 1,
    }

    def restore(self, ground: Ground, notes: dict[str, Any]) -> Answerer:
        """The tuned model with its adapter from disk, merged or attached, in a fresh process.

        A process that has trained answers more slowly than a fresh one and uses several times the
        memory.
        """
        from bench.engine import adapters

        model = ground.model()
        if self.serve == "merged":
            model = adapters.merged(model, ground.folder)
        else:
            adapters.attached(model, ground.folder)
        return model.answerer(ground.task, notes=notes)

    def ways(self, ground: Ground) -> Iterable[Way]:
        """Attached, merged, and merged in 4 bit."""
        from bench.contenders._tuning import served_in_three_ways

        return served_in_three_ways(ground)

    @property
    def _serve(self) -> str:
        return self.serve

    def _settings(self, rate: float) -> LoraSettings:
        from bench.engine.training import LoraSettings

        return LoraSettings(
            **self._schedule(rate),
            rank=self.rank,
            alpha=self.alpha,
            dropout=self.dropout,
            targets=self.targets,
            variant=self.variant,
        )
