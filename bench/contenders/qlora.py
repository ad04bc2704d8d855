"""Fine-tuning by adapters over weights in 4 bit (Dettmers et al. 2023, QLoRA)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from bench.contender import Ground, Skipped
from bench.contenders import lora


@dataclass(frozen=True)
class Contender(lora.Contender):
    """LoRA's settings; NF4, double quantisation, bfloat16 compute. Adapters stay attached:
    merging them into 4-bit weights would round them away."""

    serve: Literal["attached"] = "attached"
    usual: ClassVar = False

    def fit(self, ground: Ground, seed: int):
        """As LoRA, over quantised weights."""
        answerer = super().fit(ground, seed)
        answerer.notes["quantisation"] = "NF4, double quantisation, bfloat16 compute"
        if ground.model(four_bit=True).device.kind == "cpu":
            answerer.notes["on_a_cpu"] = "shows that it works; its memory and speed are a GPU's"
        return answerer

    def _load(self, ground: Ground):
        try:
            model = ground.model(four_bit=True)
        except ImportError:
            raise Skipped(
                "bitsandbytes isn't installed; `pip install 'tune-or-prompt[qlora]'` brings it"
            ) from None
        if model.device.kind == "mps":
            raise Skipped("4-bit training isn't supported on MPS here; use CUDA or a CPU")
        return model
