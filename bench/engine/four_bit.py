"""Weights in 4 bit: whether this machine can, and a model quantised after it was tuned."""

from __future__ import annotations

import importlib.util
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from bench.core.errors import TrialSkipped

if TYPE_CHECKING:
    from bench.engine.models import Device, LoadedModel


def check_four_bit(device: Device) -> None:
    """Raises `TrialSkipped` where training over 4-bit weights isn't possible."""
    if importlib.util.find_spec("bitsandbytes") is None:
        raise TrialSkipped(
            "bitsandbytes isn't installed; install it with `pip install 'tune-or-prompt[qlora]'`"
        )
    if device.kind == "mps":
        raise TrialSkipped("4-bit training isn't supported on MPS; use CUDA or a CPU")


def in_four_bit(model: LoadedModel) -> LoadedModel:
    """The model's weights as they are now, in 4 bit. They are written first, since they are quantised as they are read."""
    from bench.engine import models

    with tempfile.TemporaryDirectory() as folder:
        model.lm.save_pretrained(folder)
        model.tokenizer.save_pretrained(folder)
        return models.load(model.name, Path(folder), model.device, four_bit=True)
