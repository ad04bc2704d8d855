"""A training step of a decoder, operation by operation, as Transformers 5 and PEFT implement it.

Each function mirrors a module's `forward` (transformers/models/*/modeling_*.py, peft/tuners/lora,
bitsandbytes/autograd): the order of its lines and the lifetimes of its variables are those of that code,
because they decide what is in memory at the same time.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from advisor.sizes.shapes import Linear, Shape
from advisor.sizes.tape import Ledger, Tape, Tensor

HALF, FLOAT = 2, 4  # bytes of a number in bfloat16 or float16, and in float32
_QK_ROUND = 128  # flash attention's backward pass rounds the sequence up to this


@dataclass(frozen=True)
class Step:
    """How a step is run, as far as it affects the tensors.

    `weight_width`, `loose_width`, `adapter_width` and `stream_width` are bytes per number: of the
    blocks' weights, of embedding and output layer, of the adapters, and of the residual stream.
    `padded`: rows are padded, so attention takes a mask. `repeated`: gradients of an earlier
    micro-batch exist. `logit_tokens`: the number of tokens per row that logits are computed for.
    `loss` is one of `LOSSES`.
    """

    batch: int
    length: int
    adapted: tuple[Linear, ...]
    adapts_experts: bool
    rank: int
    full: bool
    quantised: bool
    weight_width: int
    loose_width: int
    adapter_width: int
    stream_width: int
    autocast: bool
    checkpointing: bool
    attention: str
    padded: bool
    dropout: float
    residual_dropout: float
    loss: str
    logit_tokens: int
    fused_kernels: bool
    trains_embeddings: bool
    repeated: bool


LOSSES = ("full", "full-4.48", "full-4.45", "fused-ce", "fused-ce-5", "fused-linear")


@lru_cache(maxsize=32)  # the memory and the time of one method use the same runs
def run_step(shape: Shape, step: Step, layers: int) -> Ledger:
    """The ledger of a forward and backward pass through a model with this number of blocks."""
    return _Run(shape, step).run(layers)


class _Run:
    def __init__(self, shape: Shape, step: Step):
        self.shape = shape
        self.step = step
        self.ledger = Ledger()
        self.tape = Tape(self.ledger)
        self.tokens = step.batch * step.length
        self.logit_tokens = step.batch * step.logit_tokens
        self.head_gradient: Tensor | None = None  # of a table shared with the embedding
        # The type of products: 16 bit under autocast and for 4-bit weights, else that of the weights.
        self.width = HALF if step.autocast or step.quantised else step.weight_width

    def run(self, layers: int) -> Ledger:
        tape, ledger = self.tape, self.ledger
        ids = self._ids()
        ledger.moment = "forward"
        hidden = self.embedding()
        held = self._mask(), self._positions()
        for number in range(layers):
            if self.step.checkpointing:
                hidden = tape.checkpoint(self.block, hidden)
            else:
                hidden = self.block(hidden)
            place = {0: "first block", layers - 1: "last block"}
            self._announce(hidden, place.get(number, "blocks"))
        hidden = self.norm(hidden)
        ledger.moment = "loss"
        with ledger.counting_as("logits_and_loss"):
            loss = self.head_and_loss(hidden)
        del hidden, held
        tape.backward(loss, None)
        del loss, ids
        return ledger

    def _ids(self) -> Tensor:
        """Input ids, labels and attention mask, each of 8 bytes per token."""
        return self.tape.make(3 * self.tokens, 8)

    def _mask(self) -> Tensor | None:
        """Which token sees which, one byte each, if rows are padded."""
        if not self.step.padded or self.step.attention == "flash":
            return None
        return self.tape.make(self.tokens * self.step.length, 1)

    def _positions(self) -> Tensor | None:
        """Cosines and sines of the positions."""
        if not self.shape.rotary:
            return None
        return self.tape.make(2 * self.step.length * self.shape.head_width, self.step.stream_width)

    def _announce(self, out: Tensor, moment: str) -> None:
        """Make the backward pass of what made `out` count as a moment of its own."""
        if out.node is None:
            return
        held_run = out.node.run

        def run(grad: Tensor) -> tuple:
            self.ledger.moment = moment
            return held_run(grad)

        out.node.run = run

    # Modules, in the order of a forward pass.

    def embedding(self) -> Tensor:
        """The token vectors (and those of positions if they are learned)."""
        step, tape, shape = self.step, self.tape, self.shape
        count = self.tokens * shape.hidden
        wanted = step.full or step.trains_embeddings
        if not wanted:
            # Checkpointing with frozen weights needs an input that wants a gradient
            # (`enable_input_require_grads`).
            out = tape.leaf if step.checkpointing else tape.make
            return self._scaled_embedding(out(count, step.loose_width))

        def backward(grad: Tensor) -> tuple:
            self._embedding_gradient()
            return ()

        out = tape.record(tape.make(count, step.loose_width), (), (), backward)
        out = tape.dropout(out, step.residual_dropout) if shape.family == "gpt2" else out
        return self._scaled_embedding(out)

    def _embedding_gradient(self) -> None:
        """The table's gradient; for a shared table it is added to the output layer's in a third tensor."""
        shape = self.shape
        if shape.positions:
            self._weight_gradient(shape.positions * shape.hidden)
        if self.head_gradient is None:
            self._weight_gradient(shape.vocabulary * shape.hidden)
            return
        with self.ledger.counting_as("gradients"):
            ours = self.tape.make(shape.vocabulary * shape.hidden, self.step.weight_width)
        self._place(shape.vocabulary * shape.hidden, self.step.weight_width)
        del ours
        self.head_gradient = None

    def _scaled_embedding(self, x: Tensor) -> Tensor:
        """Granite's vectors are multiplied by a constant, outside the embedding."""
        return self.tape.scale(x) if self.shape.scaled_embedding else x

    def block(self, x: Tensor) -> Tensor:
        """One decoder block: attention and MLP, each on a normalised stream."""
        if self.shape.parallel:
            return self._parallel_block(x)
        residual = x
        x = self.norm(x)
        x = self.attention(x)
        if self.shape.norms == 4:
            x = self.norm(x)
        if self.shape.logit_steps == 1:  # Granite scales what it adds
            x = self.tape.scale(x)
        x = self.tape.add(residual, x)
        residual = x
        x = self.norm(x)
        x = self.mlp(x)
        if self.shape.norms == 4:
            x = self.norm(x)
        if self.shape.logit_steps == 1:
            x = self.tape.scale(x)
        return self.tape.add(residual, x)

    def _parallel_block(self, x: Tensor) -> Tensor:
        normed = self.norm(x)
        attended = self.attention(normed)
        if self.shape.norms == 2:
            normed = self.norm(x)
        fed = self.mlp(normed)
        del normed
        return self.tape.add(self.tape.add(attended, fed), x)

    def norm(self, x: Tensor, width: int | None = None) -> Tensor:
        """A normalisation over the whole width, or over each head where `width` is a head's."""
        count = width or self.shape.hidden
        trains = self.step.full
        if self.step.fused_kernels:
            out = self.tape.record(self.tape.like(x), (x,), (x,),
                                   lambda grad: (self.tape.like(grad),), trains=trains)  # fmt: skip
        elif self.shape.norm == "layer" and width is None:
            if self.step.autocast:  # layer_norm is on autocast's list of float32 operations
                x = self.tape.cast(x, FLOAT)
            out = self._one_kernel_norm(x, count)
        else:
            out = self._written_out_norm(x, count)
        return out

    def _one_kernel_norm(self, x: Tensor, count: int) -> Tensor:
        def backward(grad: Tensor) -> tuple:
            if self.step.full:
                self._weight_gradient(2 * count)
            return (self.tape.like(grad),)

        return self.tape.record(self.tape.like(x), (x,), (x,), backward, trains=self.step.full)

    def _written_out_norm(self, x: Tensor, count: int) -> Tensor:
        """`LlamaRMSNorm.forward`: a float32 copy, its mean square, and two products."""
        tape = self.tape
        given = x
        x = tape.cast(x, FLOAT)

        def of_product(grad: Tensor) -> tuple:
            towards_x, towards_root = tape.like(grad), tape.like(grad)
            return towards_x, tape.make(towards_root.count / count, FLOAT)

        x = tape.record(tape.like(x), (x, self._root_mean_square(x, count)), (x,), of_product)
        if self.shape.norm == "rms-float":
            return tape.cast(self._times_weight(x, count), given.width)
        return self._times_weight(tape.cast(x, given.width), count)

    def _root_mean_square(self, x: Tensor, count: int) -> Tensor:
        tape = self.tape
        size = x.count, x.width
        tape.make(*size)  # the squares

        def backward(grad: Tensor) -> tuple:
            spread = tape.make(*size)  # the mean's gradient, for every number
            power = tape.make(*size)
            doubled = tape.make(*size)
            del power
            onwards = tape.make(*size)
            del spread, doubled
            return (onwards,)

        return tape.record(tape.make(x.count / count, FLOAT), (x,), (x,), backward)

    def _times_weight(self, x: Tensor, count: int) -> Tensor:
        tape, trains = self.tape, self.step.full

        def backward(grad: Tensor) -> tuple:
            onwards = tape.like(grad, x_width)
            if trains:
                tape.like(grad)
                self._weight_gradient(count)
            return (onwards,)

        x_width = x.width
        out = tape.like(x, max(x.width, self.step.stream_width))
        return tape.record(out, (x,), (x,) if trains else (), backward, trains=trains)

    def attention(self, x: Tensor) -> Tensor:
        """Queries, keys and values, rotated, attended and projected."""
        shape = self.shape
        *inputs, out_linear = [linear for linear in shape.linears if linear.part == "attention"]
        if len(inputs) == 1:
            fused = self.linear(x, inputs[0])
            query, key, value = self._split_qkv(fused)
            del fused
        else:
            query, key, value = (self.linear(x, linear) for linear in inputs)
        if shape.qk_norm:
            query = self.norm(query, shape.head_width)
            key = self.norm(key, shape.head_width)
        if shape.rotary:
            query, key = self.rotate(query), self.rotate(key)
        out = self.attend(query, key, value)
        del query, key, value
        if shape.joined_rotary:  # the heads come out separately and are copied into one tensor
            out = self.tape.scale(out)
        return self._dropped(self.linear(out, out_linear))

    def _split_qkv(self, fused: Tensor) -> list[Tensor]:
        """Queries, keys and values as views into the fused product."""
        heads, kv_heads = self.shape.heads, self.shape.kv_heads
        total = heads + 2 * kv_heads
        return self._views(fused, heads / total, kv_heads / total, kv_heads / total)

    def _views(self, x: Tensor, *shares: float) -> list[Tensor]:
        """Parts of a tensor that share its storage; their gradients are assembled in a new one."""
        tape = self.tape
        size = x.count, x.width
        whole = Tensor(x.storage, *size)
        tape.record(whole, (x,), (), lambda grad: (tape.make(*size),))
        parts = [Tensor(x.storage, x.count * share, x.width) for share in shares]
        return [tape.record(part, (whole,), (), lambda grad: (grad,)) for part in parts]

    def rotate(self, x: Tensor) -> Tensor:
        """`x * cos + rotate_half(x) * sin`, or one in-place kernel if kernels are fused."""
        tape = self.tape
        if self.step.fused_kernels:
            return x
        turned = self._turned(x)

        def halves(grad: Tensor) -> tuple:
            first, second = tape.like(grad), tape.like(grad)
            del second
            return (first,)

        half = tape.make(x.count / 2, x.width)
        other = tape.record(tape.like(x), (x,), (), halves)
        del half
        other = self._turned(other)
        out = tape.add(turned, other)
        return tape.scale(out) if self.shape.joined_rotary else out

    def _turned(self, x: Tensor) -> Tensor:
        """Multiplied by the cosines or sines, which have the width of the residual stream."""
        width = x.width
        out = self.tape.like(x, max(width, self.step.stream_width))
        return self.tape.record(out, (x,), (), lambda grad: (self.tape.like(grad, width),))

    def attend(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Attention itself: a kernel that keeps no scores, or the scores written out."""
        kernel = self.step.attention
        if kernel == "sdpa" and self.shape.attention_softcap:
            kernel = (
                "eager"  # no kernel of PyTorch caps the scores (Gemma 2: _supports_sdpa = False)
            )
        if kernel == "sdpa" and self.shape.family == "falcon" and self.shape.kv_heads == 1:
            return self._broadcast_attention(query, key, value)
        if self.step.autocast or kernel == "flash":
            query, key, value = (self.tape.cast(x, HALF) for x in (query, key, value))
        if kernel == "eager":
            return self._written_out_attention(query, key, value)
        return self._attention_kernel(
            query, key, value, masked=kernel == "sdpa" and self.step.padded
        )

    def _attention_kernel(self, query: Tensor, key: Tensor, value: Tensor, masked: bool) -> Tensor:
        """FlashAttention's (or, with a mask, the memory-efficient) kernel: keeps its log-sum-exps.

        Its backward pass accumulates the queries' gradient in float32 and, with grouped queries, those
        of keys and values for every head separately (flash_api.cpp: dq_accum, dk_expanded).
        """
        tape, step, shape = self.tape, self.step, self.shape
        grouped = shape.kv_heads < shape.heads
        bias = None
        if masked:
            bias = tape.make(self.tokens * step.length, query.width)
            if grouped:
                key, value = self._repeated(key), self._repeated(value)
                grouped = False
        sums = tape.make(self.tokens * shape.heads, FLOAT)
        out = tape.make(query.count, query.width)
        counts = query.count, key.count, value.count
        width = query.width
        rounded = -(-step.length // _QK_ROUND) * _QK_ROUND / step.length

        def backward(grad: Tensor) -> tuple:
            towards = [tape.make(count, width) for count in counts]
            tape.make(self.tokens * shape.heads * rounded, FLOAT)
            accumulated = tape.make(counts[0] * rounded, FLOAT)
            if grouped:
                expanded = tape.make(counts[0], width), tape.make(counts[0], width)
                del expanded
            del accumulated
            return tuple(towards)

        kept = (query, key, value, out, sums) + ((bias,) if bias else ())
        return tape.record(out, (query, key, value), kept, backward)

    def _repeated(self, x: Tensor) -> Tensor:
        """`repeat_kv`: keys or values copied for every head of their group."""
        groups = self.shape.heads // self.shape.kv_heads
        count, width = x.count, x.width
        return self.tape.record(self.tape.make(x.count * groups, x.width), (x,), (),
                                lambda grad: (self.tape.make(count, width),))  # fmt: skip

    def _written_out_attention(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """`eager_attention_forward`: all scores, their softmax in float32 and a copy of it."""
        tape, shape = self.tape, self.shape
        if shape.kv_heads < shape.heads:
            key, value = self._repeated(key), self._repeated(value)
        scores = self._product(query, key, self.tokens * self.step.length * shape.heads)
        scores = tape.scale(scores)
        if shape.attention_softcap:
            scores = tape.scale(scores)
            scores = tape.keeping_output(scores)
            scores = tape.scale(scores)
        scores = tape.scale(scores)  # the causal mask is added
        scores = tape.cast(scores, FLOAT)
        scores = tape.keeping_output(scores)
        scores = tape.cast(scores, value.width)
        return self._product(scores, value, query.count)

    def _broadcast_attention(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Falcon's one key for all heads: no kernel supports that, so PyTorch computes it in float32
        (aten/src/ATen/native/transformers/attention.cpp, _scaled_dot_product_attention_math).
        """  # fmt: skip
        tape, width = self.tape, query.width
        query, key, value = (tape.cast(x, FLOAT) for x in (query, key, value))
        key, value = self._repeated(key), self._repeated(value)
        scores = self._product(query, key, self.tokens * self.step.length * self.shape.heads)
        scores = tape.keeping_output(scores)
        return tape.cast(self._product(scores, value, query.count), width)

    def _product(self, a: Tensor, b: Tensor, count: int) -> Tensor:
        tape = self.tape
        sizes = (a.count, a.width), (b.count, b.width)
        return tape.record(tape.make(count, a.width), (a, b), (a, b),
                           lambda grad: tuple(tape.make(*size) for size in sizes))  # fmt: skip

    def mlp(self, x: Tensor) -> Tensor:
        """The feed-forward part: gated or plain, dense or of experts."""
        shape, tape = self.shape, self.tape
        if shape.experts:
            return self._experts(x)
        linears = [linear for linear in shape.linears if linear.part == "mlp"]
        if not shape.gated:
            up, down = linears
            return self._dropped(self.linear(self.activate(self.linear(x, up)), down))
        if len(linears) == 2:
            fused, down = linears
            both = self.linear(x, fused)
            gate, value = self._views(both, 1 / 2, 1 / 2)
            del both
            return self.linear(tape.multiply(self.activate(gate), value), down)
        gate, up, down = linears
        return self.linear(
            tape.multiply(self.activate(self.linear(x, gate)), self.linear(x, up)), down
        )

    def activate(self, x: Tensor) -> Tensor:
        """The activation: one kernel, or GPT-2's formula written out (`NewGELUActivation`)."""
        tape = self.tape
        if self.shape.activation != "gelu-new":
            return tape.keeping_input(x)
        halved = tape.scale(x)
        inner = tape.add(x, tape.scale(tape.keeping_input(x)))
        inner = tape.keeping_output(tape.scale(inner))
        return tape.multiply(halved, tape.scale(inner))

    def _experts(self, x: Tensor) -> Tensor:
        """Every token passes through some experts; the rows of all experts are processed together."""
        tape, shape = self.tape, self.shape
        rows = self.tokens * shape.experts_used
        hidden, inner = shape.hidden, shape.expert_width
        count, width = x.count, x.width
        routed = tape.record(tape.make(rows * hidden, width), (x,), (),
                             lambda grad: (tape.make(count, width),))  # fmt: skip
        both = self._product_with_experts(
            routed, rows * 2 * inner, shape.experts * 2 * hidden * inner
        )
        del routed
        gate, value = self._views(both, 1 / 2, 1 / 2)
        del both
        fed = tape.multiply(self.activate(gate), value)
        del gate, value
        fed = self._product_with_experts(fed, rows * hidden, shape.experts * hidden * inner)
        fed = self._in_the_tokens_order(self._shared_out(fed))
        summed = tape.record(tape.make(count, FLOAT), (fed,), (),
                             lambda grad: (tape.make(rows * hidden, FLOAT),))  # fmt: skip
        del fed
        return tape.cast(summed, width)

    def _shared_out(self, x: Tensor) -> Tensor:
        """Multiplied by the router's shares, in float32; their gradient needs a product too."""
        tape = self.tape
        count, width = x.count, x.width

        def backward(grad: Tensor) -> tuple:
            onwards, of_shares = tape.make(count, FLOAT), tape.make(count, FLOAT)
            del of_shares
            narrow = tape.make(count, width)
            del onwards
            return (narrow,)

        return tape.record((count, FLOAT), (x,), (x,), backward)

    def _in_the_tokens_order(self, x: Tensor) -> Tensor:
        """Rows gathered by index; the gradient is scattered by index into zeros."""
        tape = self.tape
        size = x.count, x.width

        def backward(grad: Tensor) -> tuple:
            zeros, onwards = tape.make(*size), tape.make(*size)
            del zeros
            return (onwards,)

        return tape.record(size, (x,), (), backward)

    def _product_with_experts(self, x: Tensor, count: float, matrix: int) -> Tensor:
        """Adapted experts use a copy of the stacked weights with the adapters' product added."""
        if not self.step.adapts_experts:
            return self._product_with_weights(x, count, matrix)
        tape, width = self.tape, self.width
        with self.ledger.counting_as("workspace"):
            merged = tape.make(matrix, width)
        size = x.count, x.width

        def backward(grad: Tensor) -> tuple:
            with self.ledger.counting_as("workspace"):
                of_merged = tape.make(matrix, width)
            onwards = tape.make(*size)
            del of_merged
            return (onwards,)

        return tape.record((count, width), (x,), (x, merged), backward, trains=True)

    def linear(self, x: Tensor, linear: Linear) -> Tensor:
        """A linear layer with its adapter, if it has one (peft: lora/layer.py, lora/bnb.py)."""
        tape, step = self.tape, self.step
        given = x  # the caller of a module holds its input until the module returns
        out = self._product_with_weights(
            x, self.tokens * linear.outputs, linear.inputs * linear.outputs, quantised=step.quantised,
            weights=linear.parameters,
        )  # fmt: skip
        if step.quantised:
            out = tape.cast(out, given.width)
        if linear not in step.adapted:
            return out
        width = out.width
        if step.quantised:
            out = tape.scale(out)  # peft clones it
        if not (step.quantised and step.autocast):
            x = tape.cast(x, step.adapter_width)
        adapted = self._adapter(x, linear)
        if step.quantised and not step.autocast:
            adapted = tape.cast(adapted, width)
        out = tape.add(out, adapted)
        del adapted
        return tape.cast(out, width)

    def _adapter(self, x: Tensor, linear: Linear) -> Tensor:
        """`lora_B(lora_A(dropout(x))) * scaling`."""
        tape, step = self.tape, self.step
        small = self._adapter_matrix(tape.dropout(x, step.dropout), linear.inputs, step.rank)
        return tape.scale(self._adapter_matrix(small, step.rank, linear.outputs))

    def _adapter_matrix(self, x: Tensor, inputs: int, outputs: int) -> Tensor:
        tape, step = self.tape, self.step
        width = HALF if step.autocast else step.adapter_width
        x = tape.cast(x, width)
        kept = [x]
        if width != step.adapter_width:
            kept.append(tape.make(inputs * outputs, width))
        count = x.count

        def backward(grad: Tensor) -> tuple:
            self._keep_gradient(inputs * outputs, step.adapter_width)
            return (tape.make(count, width),)

        return tape.record(
            (count / inputs * outputs, width), (x,), tuple(kept), backward, trains=True
        )

    def _product_with_weights(self, x: Tensor, count: float, matrix: int, *,
                              weights: int | None = None, quantised: bool = False,
                              trains: bool | None = None, stored: int | None = None,
                              shared: bool = False) -> Tensor:  # fmt: skip
        """`F.linear` with a matrix of `matrix` numbers (`weights` with its bias), `stored` bytes each."""
        tape, step = self.tape, self.step
        trains = step.full if trains is None else trains
        stored = stored or step.weight_width
        width = self.width if step.autocast or quantised else stored
        x = tape.cast(x, width)
        kept = [x] if trains else []
        # A 4-bit matrix is dequantised for the product, and again in the backward pass.
        unpacked = self._dequantised(matrix) if quantised else None
        if not quantised and stored != width:
            with self.ledger.counting_as("workspace"):  # autocast's copy of the weights
                kept.append(tape.make(matrix, width))
        size = x.count, x.width
        wanted = x.node is not None

        def backward(grad: Tensor) -> tuple:
            unpacked = self._dequantised(matrix)[0] if quantised else None
            onwards = tape.make(*size) if wanted else None
            del unpacked
            if trains and shared:
                self._hold_head_gradient(matrix)
            elif trains:
                self._weight_gradient(weights or matrix)
            return (onwards,)

        out = tape.record((count, width), (x,), tuple(kept), backward, trains=trains)
        del unpacked
        return out

    def _dequantised(self, matrix: int) -> tuple[Tensor, Tensor]:
        """The matrix in 16 bit, and its scales in float32 (bitsandbytes: _dequant_linear_fallback)."""
        with self.ledger.counting_as("workspace"):
            scales = self.tape.make(matrix / 64, FLOAT)
            return self.tape.make(matrix, self.width), scales

    def _weight_gradient(self, count: int) -> None:
        """A trained weight's gradient: it is kept, or added to that of an earlier micro-batch."""
        width = self.step.weight_width
        narrow = None
        if width != self.width:  # autocast's product gives a 16-bit gradient, which is then widened
            with self.ledger.counting_as("gradients"):
                narrow = self.tape.make(count, self.width)
        self._place(count, width)
        del narrow

    def _hold_head_gradient(self, count: int) -> None:
        """A shared table's gradient waits for the embedding's."""
        with self.ledger.counting_as("gradients"):
            self.head_gradient = self.tape.make(count, self.step.weight_width)

    def _place(self, count: int, width: int) -> None:
        if self.step.repeated:
            with self.ledger.counting_as("gradients"):
                self.tape.make(count, width)
        else:
            self.tape.keep_gradient(count, width)

    def _keep_gradient(self, count: int, width: int) -> None:
        if not self.step.repeated:
            self.tape.keep_gradient(count, width)

    def _dropped(self, x: Tensor) -> Tensor:
        return self.tape.dropout(x, self.step.residual_dropout)

    # Logits and loss.

    def head_and_loss(self, hidden: Tensor) -> Tensor:
        """The output layer and the cross-entropy, depending on how the loss is computed."""
        if self.step.logit_tokens < self.step.length:
            hidden = self._last_tokens(hidden)
        if self.step.loss == "fused-linear":
            return self._fused_linear_loss(hidden)
        logits = self._logits(hidden)
        if self.step.loss == "fused-ce":  # FOAK's and similar: over shifted logits in float32
            logits = self.tape.cast(logits, FLOAT)
            return self._loss_in_place(self.tape.scale(logits))
        if self.step.loss == "fused-ce-5":  # Transformers 5 shifts the labels instead
            loss = self._loss_in_place(self.tape.cast(logits, FLOAT))
            if self.step.autocast:  # accelerate's convert_outputs_to_fp32 copies the logits
                self.tape.cast(logits, FLOAT)
            return loss
        if self.step.loss == "full-4.45":  # float32 replaces the logits, and is shifted
            logits = self.tape.cast(logits, FLOAT)
            return self._loss(self.tape.scale(logits))
        if self.step.loss == "full-4.48":  # the same, while the logits are kept
            wide = self.tape.cast(logits, FLOAT)
            return self._loss(self.tape.scale(wide))
        return self._loss(self.tape.cast(logits, FLOAT))

    def _last_tokens(self, hidden: Tensor) -> Tensor:
        """The tokens of each row that the loss is computed on (`logits_to_keep`)."""
        count, width = hidden.count, hidden.width
        kept = self.logit_tokens * self.shape.hidden
        return self.tape.record(
            (kept, width), (hidden,), (), lambda grad: (self.tape.make(count, width),)
        )

    def _logits(self, hidden: Tensor) -> Tensor:
        shape, tape = self.shape, self.tape
        matrix = shape.vocabulary * shape.hidden
        trains = self.step.full or self.step.trains_embeddings
        logits = self._product_with_weights(hidden, self.logit_tokens * shape.vocabulary, matrix,
                                            trains=trains, stored=self.step.loose_width,
                                            shared=shape.tied)  # fmt: skip
        if shape.logit_steps:
            logits = tape.scale(logits)
        if shape.logit_steps == 3:  # Gemma 2 caps them: / cap, tanh, * cap
            logits = tape.keeping_output(logits)
            logits = tape.scale(logits)
        return logits

    def _loss(self, logits: Tensor) -> Tensor:
        """`F.cross_entropy`: keeps the log-softmax; its gradient and that of the logits follow."""
        tape = self.tape
        logp = tape.like(logits)
        count, width = logits.count, logits.width

        def backward(grad) -> tuple:
            with self.ledger.counting_as("logits_and_loss"):
                of_nll = tape.make(count, width)
                towards = tape.make(count, width)
            del of_nll
            return (towards,)

        return tape.record(tape.make(1, FLOAT), (logits,), (logp,), backward)

    def _loss_in_place(self, logits: Tensor) -> Tensor:
        """A fused cross-entropy writes the gradient over the logits."""
        size = logits.count, logits.width
        held = [logits.storage]
        return self.tape.record(self.tape.make(1, FLOAT), (logits,), (logits,),
                                lambda grad: (Tensor(held.pop(), *size),))  # fmt: skip

    def _fused_linear_loss(self, hidden: Tensor) -> Tensor:
        """Liger's fused linear cross-entropy: logits for one slice of tokens at a time.

        The number of slices is the vocabulary over the model's width, with the rows of a slice rounded
        to a power of two (liger_kernel/ops/fused_linear_cross_entropy.py).
        """
        shape, tape, step = self.shape, self.tape, self.step
        slices = -(-shape.vocabulary // shape.hidden)
        rows = 1 << (-(-self.logit_tokens // slices) - 1).bit_length()
        rows = min(self.logit_tokens, rows)
        towards = tape.like(hidden)
        if step.full or step.trains_embeddings:
            matrix = shape.vocabulary * shape.hidden
            hold = self._hold_head_gradient if shape.tied else self._weight_gradient
            hold(matrix)
        tape.make(rows * shape.vocabulary, self.width)
        held = [towards.storage]
        size = towards.count, towards.width
        del towards
        return tape.record(
            tape.make(1, FLOAT), (hidden,), (), lambda grad: (Tensor(held.pop(), *size),)
        )
