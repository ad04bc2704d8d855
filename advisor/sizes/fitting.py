"""What to change if a run doesn't fit: cheapest first, each change with its saving and its price."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from advisor.sizes.shapes import Shape
from advisor.sizes.sizing import Settings, training_memory, unsupported

_WORTH_BYTES = 50 * 10**6  # a smaller saving isn't worth listing
_SHORTEST = 128


@dataclass(frozen=True)
class Change:
    """One change on top of the previous ones: what it saves of the peak, what it costs, what remains."""

    change: str
    saving_bytes: int
    price: str
    peak_allocated_bytes: int
    fits: str


def ways_to_fit(shape: Shape, method: str, settings: Settings, usable_bytes: int) -> list[Change]:
    """Changes, each on top of the last, until the run fits; all of them if it never does."""
    now = training_memory(shape, method, settings)
    changes: list[Change] = []
    for change, price, changed_method, changed in _candidates(method, settings):
        if now.fits(usable_bytes) == "yes":
            break
        if unsupported(changed_method, changed):
            continue
        then = training_memory(shape, changed_method, changed)
        saving = now.peak_allocated_bytes - then.peak_allocated_bytes
        fits = then.fits(usable_bytes)
        now = then
        if saving >= _WORTH_BYTES:  # the others are kept as well: they cost as little as they save
            changes.append(Change(change, saving, price, then.peak_allocated_bytes, fits))
    return changes


def _candidates(method: str, settings: Settings) -> Iterator[tuple[str, str, str, Settings]]:
    """Changes from cheap to expensive, each on top of the last."""
    if settings.loss == "full":
        settings = replace(settings, loss="fused-linear")
        yield ("fuse the output layer with the loss (Liger's kernels)",
               "another package; not slower", method, settings)  # fmt: skip
    if not settings.checkpointing:
        settings = replace(settings, checkpointing=True)
        more = "a third" if method == "full" else "half"
        yield ("checkpoint gradients", f"about {more} more arithmetic", method, settings)
    if settings.attention == "eager":
        settings = replace(settings, attention="sdpa")
        yield "use a fused attention kernel (sdpa)", "none", method, settings
    while settings.batch > 1:
        batch = settings.batch // 2
        settings = replace(settings, batch=batch,
                           accumulation=settings.accumulation * -(-settings.batch // batch))  # fmt: skip
        yield (f"use micro-batches of {batch}, accumulated over {settings.accumulation}",
               "smaller products, which use the GPU less efficiently", method, settings)  # fmt: skip
    if settings.optimizer in ("adamw_torch", "adamw_torch_fused"):
        settings = replace(settings, optimizer="adamw_8bit")
        yield ("use 8-bit Adam states (adamw_8bit)", "bitsandbytes; equal quality in its paper "
               "(Dettmers et al. 2022)", method, settings)  # fmt: skip
    if method == "full":
        method = "lora"
        yield ("use LoRA instead of full tuning", "may fall behind on tasks far from the base "
               "(Biderman et al. 2024)", method, settings)  # fmt: skip
    if method == "lora":
        method = "qlora"
        yield ("use QLoRA instead of LoRA", "1.05 to 2.5 times slower", method, settings)
    while settings.seq_len > _SHORTEST:
        settings = replace(settings, seq_len=max(_SHORTEST, settings.seq_len // 2))
        yield (
            f"use sequences of {settings.seq_len}",
            "longer rows are truncated",
            method,
            settings,
        )
