"""How long training takes: operations per token, a machine's rate, and the limits for small models.

The result is a range. If the machine is available, a few seconds of measurement on it give a narrower
one: `calibrated`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

from advisor.sizes.blocks import run_step
from advisor.sizes.models import Gpu
from advisor.sizes.shapes import Shape
from advisor.sizes.sizing import Settings, check, step_of

# Share of the dense peak, counting the arithmetic that checkpointing repeats: on an A100 0.33 to 0.70
# (fms-acceleration's 28 runs) and 0.55 without checkpointing (torchtune, packed and compiled); on an
# H100, which is harder to keep busy, 0.41 and 0.43 (NeMo AutoModel). Padding and short batches cost
# more, down to a quarter (peft's MetaMath runs on an L40S). Read 2026-11.
SHARE_LOW, SHARE_HIGH, SHARE_HIGH_HOPPER = 0.25, 0.70, 0.60
SHARE_SOURCE = "fms-acceleration, torchtune, NeMo AutoModel and peft, read 2026-11"
# QLoRA's time relative to LoRA's: it dequantises the weights in every pass (published: 1.05 to 2.5).
QLORA_SLOWER_LOW, QLORA_SLOWER_HIGH = 1.05, 2.5
# What launching an operation costs eager PyTorch: 4 microseconds on a fast host; 30 in Qwen's README
# on an A100 (Qwen-1.8B, batch 1: 0.125 s a step at lengths of 256 and 512 alike).
LAUNCH_LOW_S, LAUNCH_HIGH_S = 4e-6, 30e-6
_BANDWIDTH_SHARE = 0.8  # of the data sheet's value, for long reads


@dataclass(frozen=True)
class Rate:
    """What a machine can do: operations a second, lowest and highest, and the cost of reading memory.

    `flops_low` and `flops_high` are for LoRA and full tuning; QLoRA's penalty is added unless `measured`,
    in which case the rate is that of the method itself.
    """

    flops_low: float
    flops_high: float
    bandwidth_bytes_per_s: float
    launch_low_s: float
    launch_high_s: float
    source: str
    measured: bool = False


@dataclass(frozen=True)
class Pace:
    """Tokens a second, and seconds for a given number of tokens, each as a range."""

    tokens_per_s_low: float
    tokens_per_s_high: float
    seconds_low: float
    seconds_high: float
    flops_per_token: float
    bound_by: str
    source: str


def rate_of(gpu: Gpu) -> Rate:
    """The catalog's rate of a GPU."""
    high = SHARE_HIGH_HOPPER if gpu.hopper_or_later else SHARE_HIGH
    return Rate(
        flops_low=SHARE_LOW * gpu.peak_flops,
        flops_high=high * gpu.peak_flops,
        bandwidth_bytes_per_s=gpu.bandwidth_bytes_per_s * _BANDWIDTH_SHARE,
        launch_low_s=LAUNCH_LOW_S,
        launch_high_s=LAUNCH_HIGH_S,
        source=f"{gpu.name}: {SHARE_LOW:.0%} to {high:.0%} of its peak ({SHARE_SOURCE})",
    )


def calibrated(tokens_per_s: float, flops_per_token: float, spread: float = 0.15) -> Rate:
    """A rate measured on the machine itself, instead of the catalog's.

    `spread` is the share by which a run may differ from a measurement of a few seconds.
    """
    flops = tokens_per_s * flops_per_token
    return Rate(flops * (1 - spread), flops * (1 + spread), float("inf"), 0.0, 0.0,
                f"measured here: {tokens_per_s:.4g} tokens/s", measured=True)  # fmt: skip


def flops_per_token(shape: Shape, method: str, settings: Settings) -> float:
    """Operations per trained token: per weight 2 forward, 2 for the gradient that is passed on, 2 for
    the weight's own gradient in full tuning, 2 to rerun the block with checkpointing; plus attention.

    Attention's products take 4 x width x length per token forward, halved by causality, and twice as
    many backward (Kaplan et al. 2020, table 1; Dao 2023).
    """  # fmt: skip
    passes = (6 if method == "full" else 4) + (2 if settings.checkpointing else 0)
    adapters = 0 if method == "full" else shape.adapter_parameters(settings.rank, settings.targets)
    scores = 2 * shape.layers * shape.heads * shape.head_width * settings.seq_len
    return (
        passes * shape.active_parameters
        + 6 * adapters
        + scores * (3 + (1 if settings.checkpointing else 0))
    )


def training_time(shape: Shape, method: str, settings: Settings, rate: Rate, tokens: int) -> Pace:
    """The pace of training on this number of tokens. Raises `UserError` as `training_memory` does."""
    check(shape, method, settings)
    each = flops_per_token(shape, method, settings)
    batch = settings.batch * settings.seq_len
    slow, fast = rate.flops_low, rate.flops_high
    if method == "qlora" and not rate.measured:
        slow, fast = slow / QLORA_SLOWER_HIGH, fast / QLORA_SLOWER_LOW
    launches = _launches(shape, method, settings)
    weights = shape.total_parameters * (0.52 if method == "qlora" else 2)
    limits = {
        "launching operations": (launches * rate.launch_low_s, launches * rate.launch_high_s),
        "reading the weights": (2 * weights / rate.bandwidth_bytes_per_s,) * 2,
        "arithmetic": (each * batch / fast, each * batch / slow),
    }
    shortest = max(limit[0] for limit in limits.values())
    longest = max(limit[1] for limit in limits.values())
    bound_by = max(limits, key=lambda name: limits[name][0])
    return Pace(
        tokens_per_s_low=batch / longest,
        tokens_per_s_high=batch / shortest,
        seconds_low=tokens / batch * shortest,
        seconds_high=tokens / batch * longest,
        flops_per_token=each,
        bound_by=bound_by,
        source=rate.source,
    )


def _launches(shape: Shape, method: str, settings: Settings) -> int:
    """Operations that a step launches, whatever its number of tokens: each that makes a tensor."""
    return _launches_of(shape, method, replace(settings, batch=1, seq_len=128))


@lru_cache(maxsize=256)
def _launches_of(shape: Shape, method: str, settings: Settings) -> int:
    step = step_of(shape, method, settings)
    two, three = (run_step(shape, step, layers).made for layers in (2, 3))
    return two + (shape.layers - 2) * (three - two)
