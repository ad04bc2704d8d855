"""Fine-tuning of all weights, in float32, served in the model's own number format."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import Field

from bench.contenders.lora import Contender as Lora
from bench.contenders.lora import Rate, Whole
from bench.core.contender import Ground


@dataclass(frozen=True)
class Contender:
    """See `bench.engine.training.TrainSettings`. The learning rates are about a tenth of LoRA's. The whole
    model is saved, and each epoch keeps about twelve bytes per parameter on disk during the trial."""

    learning_rates: tuple[Rate, ...] = (1e-5, 3e-5, 1e-4)
    search_rows: Whole = 128
    epochs: Whole = 3
    patience: Annotated[int, Field(ge=0)] = 1
    batch_size: Whole = 4
    accumulation_steps: Whole = 4
    warmup_share: Annotated[float, Field(ge=0, le=1)] = 0.1
    replay: Annotated[float, Field(ge=0, le=10)] = 0.0
    serve: ClassVar = "whole"
    family: ClassVar = "fine_tune"
    uses_model: ClassVar = True
    seeded: ClassVar = True
    usual: ClassVar = ()
    quick: ClassVar = {"learning_rates": (3e-5,), "epochs": 3, "patience": 0}

    fit = Lora.fit
    forecast = Lora.forecast
    fit_once = Lora.fit_once
    forecast_once = Lora.forecast_once
    _settings_once = Lora._settings_once
    _rungs = Lora._rungs
    _searched = Lora._searched
    _shuffled = Lora._shuffled

    def restore(self, ground: Ground, notes: dict):
        """The tuned model, loaded from its folder in a fresh process."""
        from bench.engine import models
        from bench.engine.answering import answerer

        base = ground.model()
        tuned = models.load(base.name, ground.folder, base.device)
        return answerer(tuned, ground.task, notes=notes)

    def _settings(self, rate: float):
        from bench.engine.training import FullSettings

        names = set(FullSettings.__dataclass_fields__) - {"learning_rate"}
        given = {name: getattr(self, name) for name in names}
        return FullSettings(**given, learning_rate=rate)
