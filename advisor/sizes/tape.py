"""PyTorch's memory in one training step: what each operation allocates, keeps and frees, in bytes.

Tensors here have a size but no values. An operation that takes part in the gradient records a node
with the storages that PyTorch's derivative formulas keep for it (tools/autograd/derivatives.yaml). The
backward pass runs the nodes in reverse, allocates what those formulas allocate, and frees what is no
longer referenced, by Python's own reference counts. The ledger's peak is then that of the real step.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

BLOCK_BYTES = (
    512  # the allocator rounds up to this: kMinBlockSize, c10/cuda/CUDACachingAllocator.cpp
)


class Ledger:
    """Bytes in use by kind, and the peak of each moment of the step.

    `made` counts the tensors made, which is about the number of operations launched.
    """

    def __init__(self):
        self.total = 0
        self.made = 0
        self.by_kind: Counter[str] = Counter()
        self.peaks: dict[str, Counter[str]] = {}
        self._highest: dict[str, int] = {}
        self.moment = "forward"
        self.kind = "activations"

    def change(self, kind: str, amount: int) -> None:
        """Allocate `amount` bytes, or free them if it is negative."""
        self.total += amount
        self.by_kind[kind] += amount
        if amount > 0 and self.total > self._highest.get(self.moment, -1):
            self._highest[self.moment] = self.total
            self.peaks[self.moment] = self.by_kind.copy()

    @contextmanager
    def counting_as(self, kind: str) -> Iterator[None]:
        """Everything allocated inside counts as this kind."""
        before, self.kind = self.kind, kind
        yield
        self.kind = before


class Storage:
    """Memory that is freed when nothing references it any more."""

    __slots__ = ("kind", "ledger", "size")

    def __init__(self, ledger: Ledger, size: int):
        self.ledger = ledger
        ledger.made += 1
        self.size = -(-size // BLOCK_BYTES) * BLOCK_BYTES
        self.kind = ledger.kind
        ledger.change(self.kind, self.size)

    def __del__(self):
        self.ledger.change(self.kind, -self.size)


class Node:
    """An operation that waits for its gradient: what it kept, and where it passes its own gradients."""

    __slots__ = ("inputs", "kept", "run", "turn")

    def __init__(self, turn: int, inputs: list[Node | None], kept: tuple, run: Callable):
        self.turn = turn
        self.inputs = inputs
        self.kept = kept
        self.run = run

    def __lt__(self, other: Node) -> bool:
        return self.turn > other.turn


class Tensor:
    """`count` numbers of `width` bytes each; made by `node`, or None if no gradient is wanted."""

    __slots__ = ("count", "node", "storage", "width")

    def __init__(self, storage: Storage, count: float, width: int, node: Node | None = None):
        self.storage = storage
        self.count = count
        self.width = width
        self.node = node


class Tape:
    """Makes tensors, records nodes, and runs the backward pass."""

    def __init__(self, ledger: Ledger):
        self.ledger = ledger
        self._turn = 0
        self._replay: _Replay | None = None

    def make(self, count: float, width: int) -> Tensor:
        """A new tensor without a history."""
        return Tensor(Storage(self.ledger, int(count * width)), count, width)

    def leaf(self, count: int, width: int) -> Tensor:
        """A new tensor whose gradient is wanted; the node that accumulates it holds the tensor."""
        out = self.make(count, width)
        return self.record(out, (), (out,), lambda grad: ())

    def like(self, tensor: Tensor, width: int | None = None) -> Tensor:
        """A new tensor with the count of another."""
        return self.make(tensor.count, width or tensor.width)

    def record(self, out: Tensor | tuple[float, int], inputs: tuple, kept: tuple, run: Callable,
               *, trains: bool = False) -> Tensor:  # fmt: skip
        """Make `out` wait for its gradient, if an input or a weight of the operation wants one.

        `out` may be a count and a width: it is then allocated after its inputs are kept, as in matrix
        products. `run` takes the gradient of `out` and returns one for each input, or None if none is
        wanted.
        """
        wanted = not inputs or trains or any(tensor.node is not None for tensor in inputs)
        storages = self._kept(kept) if wanted else ()
        if isinstance(out, tuple):
            out = self.make(*out)
        if wanted:
            self._turn += 1
            out.node = Node(self._turn, [tensor.node for tensor in inputs], storages, run)
        return out

    def keep_gradient(self, count: int, width: int) -> None:
        """A weight's gradient, which is kept until the optimizer's step."""
        size = -(-int(count * width) // BLOCK_BYTES) * BLOCK_BYTES
        self.ledger.change("gradients", size)

    def backward(self, out: Tensor, grad: Tensor | None) -> None:
        """Run the nodes behind `out`, latest first, as the autograd engine does."""
        if out.node is None:
            return
        waiting = {out.node: grad}
        queue = [out.node]
        del grad
        while queue:
            node = heapq.heappop(queue)
            grad = waiting.pop(node)
            if isinstance(node.kept, _Later):
                node.kept, later = self._made_again(node.kept), node.kept
                later.replay.found[later.place] = ()
                del later
            results = node.run(grad)
            node.kept, node.run = (), _done
            del grad
            for source, result in zip(node.inputs, results, strict=True):
                if source is None:
                    continue
                if source not in waiting:  # a second gradient is added in place
                    waiting[source] = result
                    heapq.heappush(queue, source)
            result = results = None
            node.inputs = []

    # Elementwise operations.

    def cast(self, x: Tensor, width: int) -> Tensor:
        """`x.to(dtype)`: the same tensor if it already has that width."""
        if x.width == width:
            return x
        before = x.width
        return self.record(self.like(x, width), (x,), (), lambda grad: (self.like(grad, before),))

    def add(self, a: Tensor, b: Tensor) -> Tensor:
        """`a + b`, in the wider of the two."""
        out = self.like(a, max(a.width, b.width))
        widths = a.width, b.width
        return self.record(out, (a, b), (), lambda grad: tuple(
            grad if grad.width == width else self.like(grad, width) for width in widths))  # fmt: skip

    def scale(self, x: Tensor) -> Tensor:
        """`x` times a constant, or any similar operation that keeps nothing."""
        return self.record(self.like(x), (x,), (), lambda grad: (self.like(grad),))

    def multiply(self, a: Tensor, b: Tensor) -> Tensor:
        """`a * b`: each is kept for the other's gradient."""
        kept = ((a,) if b.node else ()) + ((b,) if a.node else ())
        return self.record(
            self.like(a), (a, b), kept, lambda grad: (self.like(grad), self.like(grad))
        )

    def keeping_input(self, x: Tensor) -> Tensor:
        """SiLU, GELU and similar: one kernel that keeps its input."""
        return self.record(self.like(x), (x,), (x,), lambda grad: (self.like(grad),))

    def keeping_output(self, x: Tensor) -> Tensor:
        """tanh and similar: one kernel that keeps its output."""
        out = self.like(x)
        return self.record(out, (x,), (out,), lambda grad: (self.like(grad),))

    def dropout(self, x: Tensor, share: float) -> Tensor:
        """Dropout keeps a mask of one byte per number; with a share of 0 it does nothing."""
        if not share:
            return x
        mask = self.make(x.count, 1)
        return self.record(self.like(x), (x,), (mask,), lambda grad: (self.like(grad),))

    def checkpoint(self, block: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
        """Gradient checkpointing: the block's input is kept, and what its nodes need is recomputed.

        Like the non-reentrant `torch.utils.checkpoint`: the block is rerun when the first of its nodes
        asks for what it should have kept, and only as far as the last tensor that is needed.
        """
        self._replay = _Replay(block, x)
        out = block(x)
        self._replay = None
        return out

    def _kept(self, tensors: tuple[Tensor, ...]) -> tuple[Storage, ...] | _Later:
        storages = tuple(tensor.storage for tensor in tensors)
        replay = self._replay
        if replay is None or not storages:
            return storages
        if not replay.running:
            replay.wanted += 1
            return _Later(replay, replay.wanted - 1)
        replay.found.append(storages)
        if len(replay.found) == replay.wanted:
            raise _Enough
        return ()

    def _made_again(self, later: _Later) -> tuple[Storage, ...]:
        replay = later.replay
        if not replay.running:
            replay.running = True
            self._replay = replay
            with suppress(_Enough):
                replay.block(replay.x)
            self._replay = None
        return replay.found[later.place]


class _Enough(Exception):
    """A replay has recomputed everything that is wanted of it."""


class _Replay:
    """A checkpointed block: how to rerun it, and what that recomputed."""

    __slots__ = ("block", "found", "running", "wanted", "x")

    def __init__(self, block: Callable[[Tensor], Tensor], x: Tensor):
        self.block = block
        self.x = x
        self.wanted = 0
        self.running = False
        self.found: list[tuple[Storage, ...]] = []


class _Later:
    """A position among the tensors that a replay will recompute."""

    __slots__ = ("place", "replay")

    def __init__(self, replay: _Replay, place: int):
        self.replay = replay
        self.place = place


def _done(grad: Tensor) -> tuple:
    raise AssertionError("a node ran twice")
