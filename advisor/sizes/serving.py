"""Memory for serving: weights, and the keys and values of every token in flight."""

from __future__ import annotations

from advisor.sizes.shapes import Shape
from advisor.sizes.sizing import NF4_BYTES

# Bytes per weight in the blocks' linear layers; everything else stays in 16 bit.
WEIGHT_BYTES = {"bfloat16": 2.0, "int8": 1.0, "nf4": NF4_BYTES}
CONTEXTS = (1024, 4096, 16384, 65536, 131072)
CONCURRENCIES = (1, 8, 32)


def weight_bytes(shape: Shape, kind: str) -> int:
    """Bytes of the weights when served as `bfloat16`, `int8` or `nf4`."""
    quantised = shape.quantizable_parameters
    return round(quantised * WEIGHT_BYTES[kind] + 2 * (shape.total_parameters - quantised))


def cache_bytes(shape: Shape, context: int, concurrency: int, width: int = 2) -> int:
    """Bytes of keys and values: `concurrency` conversations of `context` tokens, `width` bytes a number.

    A block keeps them only for its key-value heads, and at most for its sliding window.
    """
    tokens = sum(min(context, window or context) for window in shape.windows)
    return 2 * shape.kv_heads * shape.head_width * width * tokens * concurrency


def serving(shape: Shape) -> dict:
    """Weights by type, and the cache by context and concurrency, in bytes."""
    contexts = [context for context in CONTEXTS if context <= shape.context] or [shape.context]
    return {
        "weight_bytes": {kind: weight_bytes(shape, kind) for kind in WEIGHT_BYTES},
        "cache_bytes_per_token": cache_bytes(shape, 1, 1),
        "cache": [
            {"context": context, "concurrency": concurrency,
             "cache_bytes": cache_bytes(shape, context, concurrency)}
            for context in contexts for concurrency in CONCURRENCIES
        ],
    }  # fmt: skip
