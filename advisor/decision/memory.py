"""Which ways of tuning or serving don't fit a GPU's memory, from forecasts kept in the catalog."""

from __future__ import annotations

import json
from functools import cache
from importlib import resources

METHODS = ("lora", "qlora", "full")


@cache
def _rows() -> list[dict]:
    text = (resources.files("advisor") / "catalog" / "memory_by_size.json").read_text("utf-8")
    return json.loads(text)["rows"]


@cache
def tuning_gib(method: str, billions: float) -> tuple[float, float]:
    """The least and the most GiB that tuning takes, with a batch of one row of 1,024 tokens.

    Interpolated by size between two models of the catalog; beyond them, proportional to the nearest.
    """
    rows = _rows()
    sizes = [row["billion_parameters"] for row in rows]
    above = next((i for i, size in enumerate(sizes) if size >= billions), len(sizes))
    if above in (0, len(sizes)):
        nearest = min(above, len(sizes) - 1)
        ratio = billions / sizes[nearest] if above else 1.0
        return tuple(ratio * number / 2**30 for number in rows[nearest][method])
    low, high = sizes[above - 1], sizes[above]
    share = (billions - low) / (high - low)
    pairs = zip(rows[above - 1][method], rows[above][method], strict=True)
    return tuple((a + (b - a) * share) / 2**30 for a, b in pairs)


SERVED_BYTES = 0.55  # per weight in 4 bits, including what isn't quantised
NO_GPU_NEEDED_BILLIONS = 2.0
"""Up to this size a CPU can serve a model too, slowly."""


def cannot_serve(memory_gib: float | None, billions: float | None) -> str | None:
    """Why not even the 4-bit weights fit; None if they do, or if memory or size isn't known."""
    if memory_gib is None or billions is None or billions <= NO_GPU_NEEDED_BILLIONS:
        return None
    needed = billions * 1e9 * SERVED_BYTES / 2**30
    if needed <= memory_gib:
        return None
    return f"{billions:g}B takes {needed:.1f} GiB in 4 bits; {memory_gib:g} GiB are available"


def too_large(memory_gib: float | None, billions: float | None) -> dict[str, str]:
    """The ways of tuning whose lowest forecast is above the memory, with the numbers; none if unknown."""
    if memory_gib is None or billions is None:
        return {}
    found = {}
    for method in METHODS:
        least, most = tuning_gib(method, billions)
        if least > memory_gib:
            name = {"lora": "LoRA", "qlora": "QLoRA", "full": "full tuning"}[method]
            found[method] = (
                f"{name} of {billions:g}B takes {least:.0f} to {most:.0f} GiB; "
                f"{memory_gib:g} GiB are available"
            )
    return found
