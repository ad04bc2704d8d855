"""Fine-tuning of all weights, in float32, served in the model's own number format."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from bench.contenders._tuned import Rate, Tuned
from bench.core.contender import Answerer, Ground

if TYPE_CHECKING:
    from bench.engine.training import FullSettings


@dataclass(frozen=True)
class Contender(Tuned):
    """See `bench.engine.training.TrainSettings`. The learning rates are about a tenth of LoRA's. The whole
    model is saved, and each epoch keeps about twelve bytes per parameter on disk during the trial."""

    learning_rates: tuple[Rate, ...] = (1e-5, 3e-5, 1e-4)
    usual: ClassVar = ()
    quick: ClassVar = {"learning_rates": (3e-5,), "epochs": 3, "patience": 0}

    def restore(self, ground: Ground, notes: dict[str, Any]) -> Answerer:
        """The tuned model, loaded from its folder in a fresh process."""
        return ground.model().tuned_in(ground.folder).answerer(ground.task, notes=notes)

    @property
    def _serve(self) -> str:
        return "whole"

    def _settings(self, rate: float) -> FullSettings:
        from bench.engine.training import FullSettings

        return FullSettings(**self._schedule(rate))
