"""Fine-tuning with rank-stabilised adapters (Kalajdzievski 2023, arXiv:2312.03732, rsLoRA)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from bench.contenders import lora
from bench.contenders._tuned import Whole


@dataclass(frozen=True)
class Contender(lora.Contender):
    """LoRA's settings; the adapter is scaled by alpha / sqrt(rank), for ranks of 32 and more."""

    rank: Whole = 64
    alpha: Whole = 16
    usual: ClassVar = ()
    variant: ClassVar = "rslora"
