"""Fine-tuning with weight-decomposed adapters (Liu et al. 2024, arXiv:2402.09353, DoRA)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from bench.contenders import lora


@dataclass(frozen=True)
class Contender(lora.Contender):
    """LoRA's settings; the weights' magnitudes are learnt separately from their directions."""

    usual: ClassVar = ()
    variant: ClassVar = "dora"
