"""Training rows after one copy of the prefix that they share, with gradients through both.

All rows of a task begin with the same tokens, so their keys and values are the same in each row:
they are computed once, each row attends to them and to itself, and the prefix's gradient is the
sum over the rows, exactly as if each row had its own copy.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from transformers import AttentionInterface

SHARED_PREFIX_MODELS = frozenset({"llama", "mistral", "qwen2", "qwen3", "smollm3"})
"""Model types whose attention and head are simple enough to share a prefix; a test compares each with
a pass over the whole prompt. All others take that plain pass, which is correct for every causal model."""

_NAME = "tune_or_prompt_packed"


def shares_prefix(config) -> bool:
    """Whether a model of this configuration may compute a shared prefix once."""
    return config.model_type in SHARED_PREFIX_MODELS and not _slides(config)


def packed_hidden(
    lm: torch.nn.Module, prefix: Sequence[int], rows: Sequence[Sequence[int]]
) -> torch.Tensor:
    """Last hidden states of the rows' own tokens, shape (rows, longest row, width).

    The sequence is the prefix and then the rows, padded on the right to equal lengths; a row's
    positions continue the prefix's.
    """
    width, start = max(map(len, rows)), len(prefix)
    ids = torch.zeros(len(rows), width, dtype=torch.long)
    for i, row in enumerate(rows):
        ids[i, : len(row)] = torch.tensor(row)
    positions = torch.cat([torch.arange(start), start + torch.arange(width).repeat(len(rows))])
    sequence = torch.cat([torch.tensor(list(prefix), dtype=torch.long), ids.flatten()])
    before = lm.config._attn_implementation
    lm.set_attn_implementation(_NAME)
    try:
        hidden = lm.get_decoder()(
            input_ids=sequence[None].to(lm.device),
            position_ids=positions[None].to(lm.device),
            use_cache=False,
            packed_as=(start, len(rows), width),
        ).last_hidden_state
    finally:
        lm.set_attn_implementation(before)
    return hidden[0, start:].view(len(rows), width, -1)


def _packed_attention(module, query, key, value, attention_mask, scaling, packed_as, **_):
    """Causal attention within the prefix, and from each row to the prefix and itself.

    Shapes (1, heads, prefix + rows x width, head_width); keys and values may have fewer heads.
    """
    start, rows, width = packed_as
    groups = query.shape[1] // key.shape[1]
    key, value = key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1)

    def split(states: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        own = states[0, :, start:].view(states.shape[1], rows, width, -1).transpose(0, 1)
        return states[:, :, :start], own

    (prefix_query, own_query), (prefix_key, own_key), (prefix_value, own_value) = map(
        split, (query, key, value)
    )
    attend = torch.nn.functional.scaled_dot_product_attention
    of_prefix = attend(prefix_query, prefix_key, prefix_value, is_causal=True, scale=scaling)
    sees = torch.ones(width, start + width, dtype=torch.bool, device=query.device).tril(start)
    of_rows = attend(
        own_query,
        torch.cat([prefix_key.expand(rows, -1, -1, -1), own_key], dim=2),
        torch.cat([prefix_value.expand(rows, -1, -1, -1), own_value], dim=2),
        attn_mask=sees,
        scale=scaling,
    )
    flat = of_rows.transpose(0, 1).reshape(1, query.shape[1], rows * width, -1)
    return torch.cat([of_prefix, flat], dim=2).transpose(1, 2), None


def _slides(config) -> bool:
    """Whether some layer attends only to a sliding window."""
    kinds = getattr(config, "layer_types", None) or []
    window = getattr(config, "sliding_window", None) and getattr(config, "use_sliding_window", True)
    return bool(window) or any(kind != "full_attention" for kind in kinds)


AttentionInterface.register(_NAME, _packed_attention)
