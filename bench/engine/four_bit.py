"""Whether 4-bit weights are available on this machine."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

from bench.core.errors import TrialSkipped

if TYPE_CHECKING:
    from bench.engine.models import Device


def check_four_bit(device: Device) -> None:
    """Raises `TrialSkipped` where training over 4-bit weights isn't possible."""
    if importlib.util.find_spec("bitsandbytes") is None:
        raise TrialSkipped(
            "bitsandbytes isn't installed; install it with `pip install 'tune-or-prompt[qlora]'`"
        )
    if device.kind == "mps":
        raise TrialSkipped("4-bit training isn't supported on MPS; use CUDA or a CPU")
