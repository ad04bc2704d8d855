"""Fine-tuning with adapters over 4-bit weights (Dettmers et al. 2023, QLoRA)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from bench.contenders import lora
from bench.core.contender import Answerer, Ground
from bench.engine.four_bit import check_four_bit

if TYPE_CHECKING:
    from bench.engine.models import Device


@dataclass(frozen=True)
class Contender(lora.Contender):
    """LoRA's settings; NF4, double quantisation, bfloat16 compute. Adapters stay attached, since
    merging them into 4-bit weights would lose them to rounding."""

    serve: Literal["attached"] = "attached"
    usual: ClassVar = ()
    four_bit: ClassVar = True

    def check(self, device: Device) -> None:
        """Raises `TrialSkipped` where training over 4-bit weights isn't possible."""
        check_four_bit(device)

    def ways(self, ground: Ground) -> tuple[()]:
        """None but its own: its weights are in 4 bit anyway."""
        return ()

    def fit(self, ground: Ground, seed: int) -> Answerer:
        """As LoRA, over quantised weights."""
        answerer = super().fit(ground, seed)
        answerer.notes["quantisation"] = "NF4, double quantisation, bfloat16 compute"
        if ground.model().device.kind == "cpu":
            answerer.notes["on_a_cpu"] = (
                "shows that it works; memory and speed would differ on a GPU"
            )
        return answerer
