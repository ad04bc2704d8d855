"""Where a trial's model runs, how fast that machine is now, and the contender that runs there."""

from __future__ import annotations

import sys
import time
from functools import partial
from statistics import median
from typing import Any

from bench import models, registry
from bench.core.contender import Contender
from bench.core.errors import TrialFailed
from bench.core.meter import synchronise
from bench.core.plan import Trial


def contender_of(trial: Trial) -> Contender:
    """The trial's contender with its settings."""
    return registry.contender(trial.kind)(**trial.settings)


def load(contender: Contender, name: str | None) -> Any:
    """The trial's model, ready to answer; None for a contender without one. Raises `TrialSkipped`."""
    if name is None:
        return None
    return models.named(name).load(contender.four_bit, contender.check)


def model_of(contender: Contender, model: Any) -> Any:
    """The model that was loaded for a contender. Raises `TrialFailed` for one that declared that it needs none."""
    if model is None:
        raise TrialFailed("it asks for a model; declare uses_model = True, so that one is loaded")
    return model


def machine_speed() -> float:
    """Billions of operations a second of a fixed matrix product here and now, the median of 15.

    Where it differs between two trials, the machine was doing other work during one of them.
    """
    torch = sys.modules.get("torch")
    seconds: list[float] = []
    one: Any
    if torch is None:
        import numpy as np

        size = 1024
        one = np.ones((size, size), dtype=np.float32)
        multiply = partial(np.dot, one, one)
    else:
        on_gpu = torch.cuda.is_available()
        size = 8192 if on_gpu else 1024
        one = torch.ones(size, size, device="cuda" if on_gpu else "cpu")
        multiply = partial(torch.mm, one, one)
    multiply()
    for _ in range(15):
        synchronise()
        start = time.perf_counter()
        multiply()
        synchronise()
        seconds.append(time.perf_counter() - start)
    return 2 * size**3 / median(seconds) / 1e9
