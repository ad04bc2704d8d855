"""How many requests a second a model serves: bound by arithmetic for prompts, bandwidth for answers."""

from __future__ import annotations

from advisor.money.ranges import larger, smaller
from advisor.sizes.models import Gpu
from advisor.sizes.serving import cache_bytes, weight_bytes
from advisor.sizes.shapes import Shape

USABLE_SHARE = 0.9  # of a GPU's memory, as vLLM's gpu_memory_utilization is by default
MOST_GPUS = 8  # in one machine


def gpus_needed(shape: Shape, gpu: Gpu, tokens: float) -> int | None:
    """The fewest GPUs (1, 2, 4 or 8) that hold the weights and one request; None if 8 aren't enough."""
    bytes_needed = weight_bytes(shape, "bfloat16") + cache_bytes(shape, round(tokens), 1)
    for count in (1, 2, 4, MOST_GPUS):
        if bytes_needed <= count * gpu.usable_bytes * USABLE_SHARE:
            return count
    return None


def rows_per_second(shape: Shape, gpu: Gpu, gpus: int, *, prompt_tokens, cached_tokens,
                    completion_tokens, concurrency, prefill_share, decode_share, step_overhead_ms):  # fmt: skip
    """Requests a second of one busy replica on this number of GPUs; numbers or arrays.

    Reading a prompt takes 2 operations per weight and token, and 2 x width x length for attention
    (Kaplan et al. 2020), except for `cached_tokens`, whose keys and values the server keeps. Answers
    are written one token at a time for all requests together: each step reads the weights and every
    request's keys and values, or is bound by arithmetic. Scheduling a step takes extra time, which is
    what limits small models. Several GPUs add up, as with data parallelism.
    """
    prompt_tokens = larger(1.0, prompt_tokens)  # an empty request still takes a slot
    tokens = prompt_tokens + completion_tokens
    kept = cache_bytes(shape, 1, 1)
    room = gpus * gpu.usable_bytes * USABLE_SHARE - weight_bytes(shape, "bfloat16")
    batch = larger(1.0, smaller(concurrency, room / (kept * tokens)))
    flops = gpus * gpu.peak_flops * prefill_share
    bandwidth = gpus * gpu.bandwidth_bytes_per_s * decode_share
    scores = 2 * shape.layers * shape.heads * shape.head_width * prompt_tokens
    prefill_s = (prompt_tokens - cached_tokens) * (2 * shape.active_parameters + scores) / flops
    read = weight_bytes(shape, "bfloat16") + batch * kept * (prompt_tokens + completion_tokens / 2)
    step_s = larger(read / bandwidth, batch * 2 * shape.active_parameters / flops)
    overhead_s = (completion_tokens + 1) * step_overhead_ms / 1000
    return batch / (batch * prefill_s + completion_tokens * step_s + overhead_s)
