"""Whether 4-bit weights can be had here."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

from bench.core.contender import Skipped

if TYPE_CHECKING:
    from bench.engine.models import Device


def check_four_bit(device: Device) -> None:
    """Raises `Skipped` where 4-bit weights can't be trained on."""
    if importlib.util.find_spec("bitsandbytes") is None:
        raise Skipped(
            "bitsandbytes isn't installed; `pip install 'tune-or-prompt[qlora]'` brings it"
        )
    if device.kind == "mps":
        raise Skipped("4-bit training isn't supported on MPS here; use CUDA or a CPU")
