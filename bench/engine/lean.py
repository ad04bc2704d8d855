"""A decoder's forward pass over the model's own weights, without the overhead of its modules.

It computes what the library's modules compute (the Llama architecture: RMSNorm, rotary positions,
grouped-query attention, gated SiLU), in fewer and larger operations: queries, keys and values are one
product, and so are gate and up; adapters that share an input are one product; tokens are one flat
list; the last layer continues only with the tokens that are read. Gradients reach the adapters and the
shared prefix, never the frozen weights. A test compares each supported family with the library's pass.

On the CPU it scores and trains; on a CUDA device it trains, also over 4-bit weights, which are
dequantised for each product and not kept.

Shapes in comments: `tokens` is the flat list, `heads` the query heads, `key_heads` the heads of keys and
of values, `all_heads` = heads + 2 key_heads, `head_width` the width of one head, `group` = heads / key_heads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import torch
from torch.nn import functional
from torch.nn.attention.bias import causal_lower_right

from bench.engine.shared_prefix import shares_prefix

_has_fused = torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()
_fused = torch.ops.mkldnn._linear_pointwise if _has_fused else None
"""oneDNN's bfloat16 product fused with the pointwise operation that follows it."""

_flash = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu

_SCORES_AT_ONCE = 6_000_000
"""Attention scores held in memory at a time: one product over many rows is faster than many products."""

_ALIGNED = 32
"""Rows of scores are padded to a multiple of this: softmax over 511 takes half as long again as over 512."""

_TOKENS_ALIKE = 64
"""Passes are padded to a multiple of this many tokens, since each length compiles its own products."""

States = list[tuple[torch.Tensor, torch.Tensor] | None]
"""Each layer's keys and values of a prefix, (1, key_heads, tokens, head_width) each; None if it is empty."""


@dataclass(frozen=True)
class Layout:
    """How a flat list of tokens is read: `start` prefix tokens, then `rows` rows of `width` tokens each.

    A row attends to the prefix, or to `States` computed earlier, and to itself.
    """

    start: int
    rows: int = 0
    width: int = 0

    @property
    def end(self) -> int:
        """The number of tokens."""
        return self.start + self.rows * self.width


class Lean:
    """A causal model's decoder. Build it with `of`, and again whenever adapters may have changed."""

    @classmethod
    def of(cls, lm: torch.nn.Module) -> Lean | None:
        """None where the library's own pass must be used: other devices, families or kinds of layer."""
        here = lm.device.type == "cpu" or (lm.device.type == "cuda" and torch.is_grad_enabled())
        if not here or not shares_prefix(lm.config):
            return None
        if (
            lm.config.hidden_act != "silu"
            or type(lm.get_input_embeddings()) is not torch.nn.Embedding
        ):
            return None
        with torch.inference_mode(False), torch.no_grad():
            layers = [_Layer.of(layer, lm.training) for layer in lm.get_decoder().layers]
        if None in layers or (torch.is_grad_enabled() and any(layer.learns for layer in layers)):
            return None
        return cls(lm, layers)

    def __init__(self, lm: torch.nn.Module, layers: list[_Layer]):
        self._embedding = lm.get_input_embeddings().weight
        self._decoder, self._layers = lm.get_decoder(), layers

    def prefix(self, tokens: Sequence[int]) -> States:
        """The states that rows following these tokens attend to."""
        if not tokens:
            return [None] * len(self._layers)
        ids = torch.tensor(list(tokens))  # (tokens,)
        states: States = []
        layout = Layout(len(ids))

        def attend(_, qkv, cos, sin, shape):
            rotated = _rotated(qkv, cos, sin, shape)  # (tokens, all_heads, head_width)
            _, key, value = shape.split(rotated)
            states.append((_as_one(key).contiguous(), _as_one(value).contiguous()))
            return _attended(rotated, shape, layout)

        self._pass(ids, torch.arange(len(ids)), attend, torch.zeros(1, dtype=torch.long))
        return states

    def behind(
        self,
        states: States,
        ids: torch.Tensor,
        positions: torch.Tensor,
        keep: torch.Tensor,
        mask: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Last hidden states at the flat places `keep` of `ids`, shape (kept, hidden).

        `ids` and `positions` have shape (rows, width). `mask`, (rows or 1, 1, width, width), is true
        where a token attends to a token of its row; without it attention is causal.
        """
        layout = Layout(0, *ids.shape)
        ids, positions = ids.flatten(), positions.flatten()  # (tokens,) = (rows x width,)
        dtype = self._embedding.dtype
        if states[0] is None:
            bias = None if mask is None else _bias(mask, layout.width, dtype)

            def attend(_, qkv, cos, sin, shape):
                return _attended(_rotated(qkv, cos, sin, shape), shape, layout, bias)

        else:
            ids, positions = _filled_up(ids, positions)
            length = states[0][0].shape[2]
            behind = _Behind(self._layers[0].shape, layout, length, mask, len(ids), dtype)

            def attend(index, qkv, cos, sin, shape):
                return behind(qkv, cos, sin, shape, states[index])

        return self._pass(ids, positions, attend, keep)

    def packed(
        self, prefix: Sequence[int], rows: Sequence[Sequence[int]], keep: torch.Tensor
    ) -> torch.Tensor:
        """As `bench.engine.shared_prefix.packed_hidden`, with gradients, at the places `keep`.

        `keep` counts places from the end of the prefix. Returns shape (kept, hidden).
        """
        width, start = max(map(len, rows)), len(prefix)
        ids = torch.zeros(len(rows), width, dtype=torch.long)  # (rows, width), padded on the right
        for i, row in enumerate(rows):
            ids[i, : len(row)] = torch.tensor(row)
        behind = start + torch.arange(width).repeat(len(rows))  # (rows x width,)
        layout = Layout(start, len(rows), width)

        attention = _Attention.apply if self._embedding.device.type == "cpu" else _in_blocks

        def attend(_, qkv, cos, sin, shape):
            return attention(qkv, cos, sin, shape, layout)

        # Both (tokens,) = (start + rows x width,), before padding.
        sequence = torch.cat([torch.tensor(list(prefix), dtype=torch.long), ids.flatten()])
        positions = torch.cat([torch.arange(start), behind])
        if self._embedding.device.type == "cpu":
            sequence, positions = _filled_up(sequence, positions)
        return self._pass(sequence, positions, attend, start + keep)

    def _pass(self, ids, positions, attend: Callable, keep: torch.Tensor) -> torch.Tensor:
        device = self._embedding.device
        with torch.autocast(device.type, enabled=False):
            return self._layered(ids.to(device), positions.to(device), attend, keep.to(device))

    def _layered(self, ids, positions, attend: Callable, keep: torch.Tensor) -> torch.Tensor:
        x = functional.embedding(ids, self._embedding)  # (tokens, hidden)
        cos, sin = self._decoder.rotary_emb(x[None], positions[None])  # (1, tokens, head_width)
        half = cos.shape[-1] // 2  # both halves are alike: keep one, (tokens, 1, head_width / 2)
        cos, sin = (angle[0, :, None, :half].contiguous() for angle in (cos, sin))
        for index, layer in enumerate(self._layers):
            last = index == len(self._layers) - 1
            x = layer(x, lambda qkv, i=index, s=layer.shape: attend(i, qkv, cos, sin, s),
                      keep if last else None)  # fmt: skip
        return _normed(x, self._decoder.norm)


def _filled_up(ids: torch.Tensor, positions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Flat tokens and positions, (tokens,), padded to a common length by tokens that nothing reads."""
    spare = -len(ids) % _TOKENS_ALIKE
    last = int(positions[-1])
    return functional.pad(ids, (0, spare)), functional.pad(positions, (0, spare), value=last)


@dataclass(frozen=True)
class _Shape:
    """A layer's attention: query heads, key heads, head width, the scores' scale, rotary or not."""

    heads: int
    key_heads: int
    width: int
    scale: float
    rotates: bool

    def split(self, states: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Queries (tokens, heads, head_width), keys and values (tokens, key_heads, head_width) of all."""
        return states.split([self.heads, self.key_heads, self.key_heads], dim=1)


class _Layer:
    """A decoder layer."""

    @classmethod
    def of(cls, layer, training: bool) -> _Layer | None:
        """None where the layer is of another kind, or recomputes its activations."""
        if training and getattr(layer, "gradient_checkpointing", False):
            return None
        attention, mlp = layer.self_attn, layer.mlp
        linears = [
            _Linears.of(modules, training)
            for modules in (
                [attention.q_proj, attention.k_proj, attention.v_proj],
                [attention.o_proj],
                [mlp.gate_proj, mlp.up_proj],
                [mlp.down_proj],
            )
        ]
        return None if None in linears else cls(layer, *linears)

    def __init__(self, layer, qkv: _Linears, out: _Linears, gate_up: _Linears, down: _Linears):
        self._qkv, self._out, self._gate_up, self._down = qkv, out, gate_up, down
        attention = layer.self_attn
        self._before, self._between = layer.input_layernorm, layer.post_attention_layernorm
        self._of_queries = getattr(attention, "q_norm", None)
        self._of_keys = getattr(attention, "k_norm", None)
        width = attention.head_dim
        queries, keys, _ = qkv.sizes
        rotates = bool(getattr(attention, "use_rope", True))
        self.shape = _Shape(queries // width, keys // width, width, attention.scaling, rotates)

    @property
    def learns(self) -> bool:
        """Whether the layer's own weights are trained, which this pass doesn't support."""
        return any(part.learns for part in (self._qkv, self._out, self._gate_up, self._down))

    def __call__(self, x: torch.Tensor, attend: Callable, keep: torch.Tensor | None):
        """The layer's output: (tokens, hidden) to (tokens, hidden), or to (kept, hidden) with `keep`."""
        # (tokens, all_heads, head_width)
        qkv = self._qkv(_normed(x, self._before)).view(len(x), -1, self.shape.width)
        if self._of_queries is not None:
            queries, keys, values = self.shape.split(qkv)
            queries, keys = _normed(queries, self._of_queries), _normed(keys, self._of_keys)
            qkv = torch.cat([queries, keys, values], dim=1)
        attended = attend(qkv).view(len(x), -1)  # (tokens, heads x head_width)
        if keep is not None:
            x, attended = x[keep], attended[keep]
        x = self._out(attended, onto=x)
        return self._down(self._gate_up.gated(_normed(x, self._between)), onto=x)


@dataclass(frozen=True)
class _Adapter:
    """LoRA's two factors on the outputs from `begin` to `end` of some linear layers."""

    begin: int
    end: int
    down: torch.nn.Parameter  # (rank, inputs)
    up: torch.nn.Parameter  # (end - begin, rank)
    scale: float


class _Linears:
    """Linear layers over one input as a single product; `sizes` are their numbers of outputs."""

    @classmethod
    def of(cls, modules: list, training: bool) -> _Linears | None:
        """None where a module isn't a linear layer, plain or with plain LoRA, or they differ in kind."""
        bases, adapters, begin, rates = [], [], 0, set()
        for module in modules:
            base = module
            if _is_switched_off(module):
                base = module.get_base_layer()
            elif type(module) is not torch.nn.Linear:
                if not _is_plain_lora(module):
                    return None
                base = module.get_base_layer()
                for name in filter(module.lora_A.__contains__, module.active_adapters):
                    dropout = module.lora_dropout[name]
                    rates.add(getattr(dropout, "p", 0.0) if training else 0.0)
                    adapters.append(
                        _Adapter(begin, begin + base.out_features, module.lora_A[name].weight,
                                 module.lora_B[name].weight, module.scaling[name])
                    )  # fmt: skip
            bases.append(base)
            begin += base.out_features
        alike = {(type(base), base.bias is None) for base in bases}
        if len(rates) > 1 or len(alike) > 1 or not _is_supported(bases[0]):
            return None
        return cls(bases, adapters, max(rates, default=0.0))

    def __init__(self, bases: list[torch.nn.Linear], adapters: list[_Adapter], dropout: float):
        self.sizes = [base.out_features for base in bases]
        self.learns = any(base.weight.requires_grad for base in bases)
        self._weight, self._dtype = _weight_of(bases)
        self._bias = None if bases[0].bias is None else torch.cat([base.bias for base in bases])
        self._adapters, self._dropout = adapters, dropout
        self._kept: tuple[torch.Tensor, torch.Tensor] | None = None

    def __call__(self, x: torch.Tensor, onto: torch.Tensor | None = None) -> torch.Tensor:
        """The outputs of all layers, (tokens, all outputs), added to `onto` of the same shape."""
        if onto is None:
            return self._of(x)
        if not self._fuses(x):
            return onto + self._of(x)
        return _fused.binary(x, onto, self._weight(), self._bias, "add")

    def gated(self, x: torch.Tensor) -> torch.Tensor:
        """silu(gate) x up, (tokens, intermediate), where these layers are gate and up."""
        if not self._fuses(x):
            return _Gated.apply(self._of(x))
        gate, up = self._weight().chunk(2)  # (intermediate, hidden) each
        of_gate, of_up = (None, None) if self._bias is None else self._bias.chunk(2)
        gated = _fused(x, gate, of_gate, "swish", [1.0], None)
        return _fused.binary(x, gated, up, of_up, "mul")

    def _fuses(self, x: torch.Tensor) -> bool:
        """Whether the operation after the product can be fused into it, which saves passes over the result."""
        plain = not self._adapters and not torch.is_grad_enabled()
        return plain and x.is_cpu and x.dtype == torch.bfloat16 and _fused is not None

    def _of(self, x: torch.Tensor) -> torch.Tensor:
        if not self._adapters and not torch.is_grad_enabled():
            return functional.linear(x, self._weight(), self._bias)
        if not self._adapters:
            return _Adapted.apply(x, None, self._weight, self._bias, None, None)
        dropped = functional.dropout(x, self._dropout) if self._dropout else None
        return _Adapted.apply(x, dropped, self._weight, self._bias, *self._factors())

    def _factors(self) -> tuple[torch.Tensor, torch.Tensor]:
        """All adapters' factors as one, scales included: (all ranks, inputs) and (all outputs, all ranks)."""
        if torch.is_grad_enabled():
            return self._joined()
        if self._kept is None:
            self._kept = self._joined()
        return self._kept

    def _joined(self) -> tuple[torch.Tensor, torch.Tensor]:
        down = torch.cat([adapter.down for adapter in self._adapters])  # (all ranks, inputs)
        up = down.new_zeros(sum(self.sizes), len(down))  # (all outputs, all ranks), block-diagonal
        first = 0
        for adapter in self._adapters:
            rank = len(adapter.down)
            up[adapter.begin : adapter.end, first : first + rank] = adapter.up * adapter.scale
            first += rank
        return down.to(self._dtype), up.to(self._dtype)


def _is_supported(base) -> bool:
    """Whether a linear layer's weight is a plain matrix, or 4-bit on a GPU, which dequantises it."""
    if type(base) is torch.nn.Linear:
        return True
    return base.weight.is_cuda and getattr(base.weight, "quant_state", None) is not None


def _weight_of(bases: list) -> tuple[Callable[[], torch.Tensor], torch.dtype]:
    """A function that gives the stacked weights, (all outputs, inputs), and their number format."""
    if type(bases[0]) is torch.nn.Linear:
        weight = _stacked(bases)
        return lambda: weight, weight.dtype
    from bitsandbytes.functional import dequantize_4bit

    packed = [base.weight for base in bases]

    def dequantised() -> torch.Tensor:
        return torch.cat([dequantize_4bit(weight.data, weight.quant_state) for weight in packed])

    return dequantised, packed[0].quant_state.dtype


def _is_switched_off(module) -> bool:
    """Whether a layer's PEFT adapters, of any kind, are switched off and unmerged."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    return isinstance(module, BaseTunerLayer) and module.disable_adapters and not module.merged


def _is_plain_lora(module) -> bool:
    """Whether a layer is PEFT's LoRA on a linear layer: unmerged, without a variant or a bias."""
    from peft.tuners.lora import LoraLayer

    known = isinstance(module, LoraLayer) and type(module).__name__ in ("Linear", "Linear4bit")
    return known and not (
        module.merged
        or getattr(module, "lora_variant", None)
        or any(getattr(module, "lora_bias", {}).values())
        or getattr(module, "fan_in_fan_out", False)
    )


def _stacked(bases: list[torch.nn.Linear]) -> torch.Tensor:
    """The weights stacked, (all outputs, inputs); from now on the layers share this memory."""
    weights = [base.weight for base in bases]
    if len(weights) == 1:
        return weights[0].detach()
    rows, columns = sum(map(len, weights)), weights[0].shape[1]
    joined = all(
        after.untyped_storage().data_ptr() == before.untyped_storage().data_ptr()
        and after.storage_offset() == before.storage_offset() + before.numel()
        and before.is_contiguous() and after.is_contiguous()
        for before, after in pairwise(weights)
    )  # fmt: skip
    if joined:
        return weights[0].detach().as_strided((rows, columns), (columns, 1))
    together = torch.cat([weight.detach() for weight in weights])  # (all outputs, inputs)
    for weight, part in zip(weights, together.split(list(map(len, weights))), strict=True):
        weight.data = part
    return together


class _Adapted(torch.autograd.Function):
    """x W' + b + d down' up', where d is x after dropout, if any; W and b are frozen.

    `weight` is called for W at each product; without `down` and `up` the adapters' term is left out.
    """

    @staticmethod
    def forward(ctx, x, dropped, weight, bias, down, up):
        ctx.weight, ctx.adapted, ctx.drops = weight, down is not None, dropped is not None
        if down is None:
            return functional.linear(x, weight(), bias)
        seen = x if dropped is None else dropped  # (tokens, inputs)
        inner = seen @ down.T  # (tokens, all ranks)
        ctx.save_for_backward(seen, inner, down, up)
        return functional.linear(x, weight(), bias).addmm_(inner, up.T)

    @staticmethod
    def backward(ctx, grad):
        if not ctx.adapted:
            return grad @ ctx.weight(), None, None, None, None, None
        seen, inner, down, up = ctx.saved_tensors
        of_inner = grad @ up  # (tokens, all ranks)
        of_x = of_dropped = None
        if ctx.needs_input_grad[0]:
            of_x = grad @ ctx.weight()  # (tokens, inputs)
            if not ctx.drops:
                of_x.addmm_(of_inner, down)
        if ctx.drops and ctx.needs_input_grad[1]:
            of_dropped = of_inner @ down  # (tokens, inputs)
        return of_x, of_dropped, None, None, of_inner.T @ seen, grad.T @ inner


def _normed(x: torch.Tensor, norm) -> torch.Tensor:
    """RMSNorm over the last dimension; same shape."""
    if x.is_cuda:  # one fused operation
        return functional.rms_norm(x, x.shape[-1:], norm.weight.detach(), norm.variance_epsilon)
    return _Norm.apply(x, norm.weight.detach(), norm.variance_epsilon)


class _Norm(torch.autograd.Function):
    """RMSNorm over the last dimension, in float32 as in the library; the weight is frozen."""

    @staticmethod
    def forward(ctx, x, weight, epsilon):
        wide = torch.promote_types(x.dtype, torch.float32)
        size = torch.linalg.vector_norm(x, dim=-1, dtype=wide)  # (tokens,) or (tokens, heads)
        variance = size.square_().div_(x.shape[-1])
        ctx.save_for_backward(x, weight, variance)
        ctx.epsilon = epsilon
        # Each token as a channel of mean 0: batch_norm reads x once, RMSNorm's own operations five times.
        rows = x.flatten(0, -2)[None]  # (1, channels, width)
        mean, variance = torch.zeros_like(variance).flatten(), variance.flatten()
        normed = functional.batch_norm(rows, mean, variance, eps=epsilon)
        return normed[0].view_as(x).mul_(weight)

    @staticmethod
    def backward(ctx, grad):
        x, weight, variance = ctx.saved_tensors
        scale = torch.rsqrt(variance + ctx.epsilon)[..., None]  # (..., 1)
        unit = x * scale  # as x, in float32 because of the scale
        of_unit = (grad * weight).float()  # as x
        along = (of_unit * unit).mean(-1, keepdim=True)  # (..., 1)
        return of_unit.sub_(unit.mul_(along)).mul_(scale).to(x.dtype), None, None


class _Gated(torch.autograd.Function):
    """silu(gate) x up: from (tokens, 2 x intermediate), the gate first, to (tokens, intermediate)."""

    @staticmethod
    def forward(ctx, gate_up):
        ctx.save_for_backward(gate_up)
        gate, up = gate_up.chunk(2, dim=-1)
        return functional.silu(gate).mul_(up)

    @staticmethod
    def backward(ctx, grad):
        (gate_up,) = ctx.saved_tensors
        gate, up = gate_up.chunk(2, dim=-1)
        found = torch.empty_like(gate_up)  # (tokens, 2 x intermediate)
        of_gate, of_up = found.chunk(2, dim=-1)
        torch.mul(functional.silu(gate), grad, out=of_up)
        of_gate.copy_(torch.ops.aten.silu_backward(grad * up, gate))
        return found


def _rotated(qkv: torch.Tensor, cos, sin, shape: _Shape, back: bool = False) -> torch.Tensor:
    """Queries and keys rotated to their positions, values unchanged; (tokens, all_heads, head_width).

    `cos` and `sin` have shape (tokens, 1, head_width / 2); `back` rotates the other way.
    """
    found = torch.empty_like(qkv)
    turned = shape.heads + shape.key_heads if shape.rotates else 0
    _turn(qkv[:, :turned], cos, -sin if back else sin, found[:, :turned])
    found[:, turned:] = qkv[:, turned:]
    return found


def _turn(states: torch.Tensor, cos, sin, into: torch.Tensor) -> None:
    """Write states, rotated by the angles of their positions, into memory of the same shape."""
    half = states.shape[-1] // 2  # one, other: (..., head_width / 2)
    one, other = states[..., :half], states[..., half:]
    torch.mul(one, cos, out=into[..., :half]).addcmul_(other, sin, value=-1)
    torch.mul(other, cos, out=into[..., half:]).addcmul_(one, sin)


def _as_one(states: torch.Tensor) -> torch.Tensor:
    """(tokens, heads, head_width) as attention over one row takes it: (1, heads, tokens, head_width)."""
    return states.transpose(0, 1)[None]


def _as_rows(states: torch.Tensor, layout: Layout) -> torch.Tensor:
    """(tokens, heads, head_width) as attention over rows takes it: (rows, heads, width, head_width)."""
    return states.unflatten(0, (layout.rows, layout.width)).transpose(1, 2)


def _flat(states: torch.Tensor) -> torch.Tensor:
    """(rows, heads, width, ...) as (tokens, heads, ...)."""
    return states.transpose(1, 2).flatten(0, 1)


def _attended(rotated, shape: _Shape, layout: Layout, bias=None) -> torch.Tensor:
    """Attention without gradients, (tokens, heads, head_width): within a prefix, or within each row."""
    arrange = _as_one if layout.start else lambda part: _as_rows(part, layout)
    query, key, value = map(arrange, shape.split(rotated))  # (rows or 1, heads, width, head_width)
    found = _flash(query, key, value, 0.0, bias is None, attn_mask=bias, scale=shape.scale)
    return _flat(found[0])


def _bias(mask: torch.Tensor | None, width: int, dtype) -> torch.Tensor:
    """What is added to scores, (rows or 1, 1, width, width): 0 where a key is seen, else -inf.

    Causal where there is no mask.
    """
    if mask is None:
        mask = torch.ones(1, 1, width, width, dtype=torch.bool).tril()
    return torch.zeros(mask.shape, dtype=dtype).masked_fill_(~mask, float("-inf"))


class _Behind:
    """Attention of rows to the keys and values of a shared prefix, and to themselves.

    One softmax covers both blocks of scores, next to each other, so no row copies the shared states
    and no results need merging. All layers write to the same memory.
    """

    def __init__(self, shape: _Shape, layout: Layout, length: int, mask, tokens: int, dtype):
        rows, own = layout.rows, layout.width
        group = shape.heads // shape.key_heads
        self._layout, self._length, self._first = layout, length, _aligned(length)
        # The prefix's scores and then the row's own, each padded.
        columns = self._first + _aligned(own)
        self._at_once = min(rows, max(1, _SCORES_AT_ONCE // (group * own * columns)))
        new = partial(torch.empty, dtype=dtype)
        # Scores and shares: (rows at once, group x width, columns).
        self._scores = new(self._at_once, group * own, columns).fill_(float("-inf"))
        self._shares = torch.empty_like(self._scores)
        # (key_heads, rows, group, width, head_width) and (key_heads, rows, width, head_width)
        self._queries = new(shape.key_heads, rows, group, own, shape.width)
        self._keys = new(shape.key_heads, rows, own, shape.width)
        # (tokens, heads, head_width)
        self._out = torch.zeros(tokens, shape.heads, shape.width, dtype=dtype)
        bias = _bias(mask, own, dtype)  # (rows or 1, 1, width, width)
        # (rows or 1, group x width, width)
        self._bias = bias.expand(-1, group, -1, -1).flatten(1, 2)

    def __call__(self, qkv, cos, sin, shape: _Shape, before: tuple) -> torch.Tensor:
        """Shape (tokens, heads, head_width), in memory that the next call overwrites."""
        # (rows, width, heads or key_heads, head_width); the angles (rows, width, 1, head_width / 2)
        query, key, value = map(self._by_row, shape.split(qkv))
        cos, sin = self._by_row(cos), self._by_row(sin)
        by_key = (shape.key_heads, shape.heads // shape.key_heads)
        # As `query` and `key`: (rows, width, key_heads, group, head_width), (rows, width, key_heads, ..)
        queries, keys = self._queries.permute(1, 3, 0, 2, 4), self._keys.permute(1, 2, 0, 3)
        if shape.rotates:
            _turn(query.unflatten(2, by_key), cos[:, :, None], sin[:, :, None], queries)
            _turn(key, cos, sin, keys)
        else:
            queries.copy_(query.unflatten(2, by_key))
            keys.copy_(key)
        value = value.permute(2, 0, 1, 3)  # (key_heads, rows, width, head_width)
        out = self._by_row(self._out).unflatten(2, by_key)
        for first in range(0, self._layout.rows, self._at_once):
            some = slice(first, min(first + self._at_once, self._layout.rows))
            for head in range(shape.key_heads):
                found = self._found(head, some, value[head, some], before, shape.scale)
                out[some, :, head] = found.transpose(1, 2)
        return self._out

    def _found(self, head: int, some: slice, value, before: tuple, scale: float) -> torch.Tensor:
        """For some rows and the queries of one key head: (rows, group, width, head_width)."""
        before_key, before_value = (states[0, head] for states in before)  # (prefix, head_width)
        queries = self._queries[head, some]  # (rows, group, width, head_width)
        asked = queries.flatten(1, 2)  # (rows, group x width, head_width)
        scores, shares = (kept[: len(asked)] for kept in (self._scores, self._shares))
        of_before = scores.flatten(0, 1)[:, : self._length]  # (rows x group x width, prefix)
        of_before.addmm_(asked.flatten(0, 1), before_key.T, beta=0, alpha=scale)
        own = slice(self._first, self._first + self._layout.width)
        bias = self._bias if len(self._bias) == 1 else self._bias[some]
        keys = self._keys[head, some].transpose(1, 2)  # (rows, head_width, width)
        torch.baddbmm(bias, asked, keys, alpha=scale, out=scores[:, :, own])
        torch.softmax(scores, -1, out=shares)
        # (rows x group x width, head_width)
        found = shares.flatten(0, 1)[:, : self._length] @ before_value
        return found.view_as(asked).baddbmm_(shares[:, :, own], value).view_as(queries)

    def _by_row(self, states: torch.Tensor) -> torch.Tensor:
        """(tokens, heads, ...) as (rows, width, heads, ...), without a copy."""
        return states[: self._layout.end].unflatten(0, (self._layout.rows, self._layout.width))


def _aligned(count: int) -> int:
    return -(-count // _ALIGNED) * _ALIGNED


class _Rotated(torch.autograd.Function):
    """`_rotated` with its gradient, which rotates back."""

    @staticmethod
    def forward(ctx, qkv, cos, sin, shape):
        ctx.save_for_backward(cos, sin)
        ctx.shape = shape
        return _rotated(qkv, cos, sin, shape)

    @staticmethod
    def backward(ctx, grad):
        return _rotated(grad, *ctx.saved_tensors, ctx.shape, back=True), None, None, None


def _in_blocks(qkv, cos, sin, shape: _Shape, layout: Layout) -> torch.Tensor:
    """As `_Attention`, with the library's kernels, which never hold all scores: for long sequences."""
    # (tokens, heads or key_heads, head_width)
    parts = shape.split(_Rotated.apply(qkv, cos, sin, shape))
    # (rows, heads or key_heads, width, head_width)
    queries, keys, values = (_as_rows(part[layout.start :], layout) for part in parts)
    attend = partial(
        functional.scaled_dot_product_attention, scale=shape.scale,
        enable_gqa=shape.heads != shape.key_heads,
    )  # fmt: skip
    if not layout.start:
        return _flat(attend(queries, keys, values, is_causal=True))
    # (1, heads or key_heads, start, head_width)
    query, key, value = (_as_one(part[: layout.start]) for part in parts)
    of_prefix = attend(query, key, value, is_causal=True)  # (1, heads, start, head_width)
    of_rows = attend(  # (rows, heads, width, head_width), keys of length start + width
        queries,
        torch.cat([key.expand(layout.rows, -1, -1, -1), keys], dim=2),
        torch.cat([value.expand(layout.rows, -1, -1, -1), values], dim=2),
        attn_mask=causal_lower_right(layout.width, layout.start + layout.width),
    )
    return torch.cat([_flat(of_prefix), _flat(of_rows)])


class _Attention(torch.autograd.Function):
    """Rotation and attention of a packed sequence, with the exact gradient.

    The sequences are short, so plain products over copied keys are much faster than the library's
    blocked gradient; the prefix's gradient is the sum over the rows.
    """

    @staticmethod
    def forward(ctx, qkv, cos, sin, shape, layout):
        rotated = _rotated(qkv, cos, sin, shape)  # (tokens, all_heads, head_width)
        # (tokens, heads, head_width)
        out = torch.zeros(len(qkv), shape.heads, shape.width, dtype=qkv.dtype)
        shares = [_attention_forward(rotated, out, shape, part) for part in _parts(layout)]
        ctx.save_for_backward(rotated, cos, sin, *shares)
        ctx.shape, ctx.layout = shape, layout
        return out

    @staticmethod
    def backward(ctx, grad):
        rotated, cos, sin, *shares = ctx.saved_tensors
        found = torch.zeros_like(rotated)  # (tokens, all_heads, head_width)
        for share, part in zip(shares, _parts(ctx.layout), strict=True):
            _attention_backward(grad, share, rotated, found, ctx.shape, part)
        return _rotated(found, cos, sin, ctx.shape, back=True), None, None, None, None


def _parts(layout: Layout) -> list[Layout]:
    """The prefix, if there is one, as a single row; then the rows that follow it."""
    return [Layout(0, 1, layout.start), layout] if layout.start else [layout]


def _attention_forward(rotated, out, shape: _Shape, layout: Layout) -> torch.Tensor:
    """Fill `out` with the rows' attention; returns each query's shares of the keys it sees.

    The shares have shape (rows x key_heads, group x width, start + width).
    """
    query, key, value = _query_key_value(rotated, shape, layout)
    # (rows x key_heads, group x width, start + width)
    scores = torch.bmm(query, key.transpose(1, 2)).float().mul_(shape.scale)
    # (width, start + width): the keys that come after each query
    later = torch.ones(layout.width, key.shape[1], dtype=torch.bool).triu(layout.start + 1)
    scores.view(len(query), -1, *later.shape).masked_fill_(later, float("-inf"))
    shares = scores.softmax(-1).to(value.dtype)
    _by_query(out, layout, shape).copy_(torch.bmm(shares, value).view(_grouped(layout, shape)))
    return shares


def _attention_backward(grad, shares, rotated, found, shape: _Shape, layout: Layout) -> None:
    """Add the gradient of `_attention_forward` to `found`, (tokens, all_heads, head_width)."""
    query, key, value = _query_key_value(rotated, shape, layout)
    # (rows x key_heads, group x width, head_width)
    upstream = _by_query(grad, layout, shape).reshape(query.shape)
    # (rows x key_heads, start + width, head_width)
    of_value = torch.bmm(shares.transpose(1, 2), upstream)
    # (rows x key_heads, group x width, start + width), and so are the scores'
    of_shares = torch.bmm(upstream, value.transpose(1, 2)).float()
    of_scores = of_shares.mul_(shares)
    of_scores.sub_(shares * of_scores.sum(-1, keepdim=True)).mul_(shape.scale)
    of_scores = of_scores.to(query.dtype)
    # As `query` and as `key`.
    of_query, of_key = torch.bmm(of_scores, key), torch.bmm(of_scores.transpose(1, 2), query)
    queries, keys, values = shape.split(found)
    _by_query(queries, layout, shape).copy_(of_query.view(_grouped(layout, shape)))
    for given, into in ((of_key, keys), (of_value, values)):
        # (rows, key_heads, start + width, head_width)
        given = given.view(layout.rows, shape.key_heads, -1, shape.width)
        into[: layout.start] += given[:, :, : layout.start].sum(0).transpose(0, 1)
        into[layout.start : layout.end] += _flat(given[:, :, layout.start :])


def _query_key_value(rotated, shape: _Shape, layout: Layout) -> list[torch.Tensor]:
    """Queries, (rows x key_heads, group x width, head_width), and keys and values with the prefix's.

    Keys and values have shape (rows x key_heads, start + width, head_width).
    """
    queries, *others = shape.split(rotated)
    found = [_by_query(queries, layout, shape).flatten(2, 3).flatten(0, 1)]
    for states in others:
        # (rows, key_heads, start, head_width) and (rows, key_heads, width, head_width)
        before = states[: layout.start].transpose(0, 1).expand(layout.rows, -1, -1, -1)
        own = _as_rows(states[layout.start : layout.end], layout)
        found.append(torch.cat([before, own], dim=2).flatten(0, 1))
    return found


def _by_query(states, layout: Layout, shape: _Shape) -> torch.Tensor:
    """The rows' part of (tokens, heads, head_width) in the shape of `_grouped`, without a copy."""
    rows = states[layout.start : layout.end].unflatten(0, (layout.rows, layout.width))
    return rows.unflatten(2, (shape.key_heads, -1)).permute(0, 2, 3, 1, 4)


def _grouped(layout: Layout, shape: _Shape) -> tuple[int, ...]:
    """(rows, key_heads, group, width, head_width)."""
    group = shape.heads // shape.key_heads
    return layout.rows, shape.key_heads, group, layout.width, shape.width
