"""Where a trial's model runs, how fast that machine is now, and the contender that runs there."""

from __future__ import annotations

import sys
import time
from dataclasses import asdict
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from bench import registry
from bench.core.meter import synchronise
from bench.core.plan import Trial


def contender_of(trial: Trial) -> Any:
    """The trial's contender with its settings."""
    return registry.contender(trial.kind)(**trial.settings)


class Machine:
    """Where the trial's model runs, how exactly it repeats itself there, and what it is."""

    def __init__(self) -> None:
        self.folder: Path | None = None  # of the model's files
        self._device: dict[str, Any] | None = None
        self._not_repeatable: set[str] = set()

    def load(self, contender: Any, name: str | None) -> Any:
        """The trial's model; None for a contender without one. Raises `TrialSkipped`."""
        if name is None:
            return None
        from bench.engine import models

        with models.no_search_for_garbage():
            device = models.best_device()
            if hasattr(contender, "check"):
                contender.check(device)
            self._not_repeatable = models.repeat_exactly(device)
            self._device = asdict(device) | _torch_facts()
            self.folder = models.folder_of(name)
            return models.load(name, self.folder, device, getattr(contender, "four_bit", False))

    def facts(self) -> dict[str, Any] | None:
        """Device, and the operations whose last bits may differ next time; None without a model."""
        if self._device is None:
            return None
        return self._device | {"not_deterministic": sorted(self._not_repeatable)}


def _torch_facts() -> dict[str, Any]:
    import torch

    gpu = torch.cuda.get_device_name(0) if torch.cuda.is_available() else None
    return {"gpu": gpu, "threads": torch.get_num_threads()}


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
