"""Memory of optimizers: the states they keep and the temporaries they make, by `optim` name."""

from __future__ import annotations

from dataclasses import dataclass

from scenarios.errors import UserError, unknown

_BLOCK = 256  # values per float32 scale of bitsandbytes' 8-bit states (2110.02861)


@dataclass(frozen=True)
class Optimizer:
    """Memory per trained parameter. States with `width` None are as wide as the parameter.

    `states` is the number of values kept; `temporaries`, of the parameter's width, are made for all
    parameters together in a step. A `paged` state is in CUDA's unified memory, outside PyTorch's
    allocator.
    """

    states: int
    width: float | None = None
    temporaries: int = 0
    paged: bool = False
    factored: bool = False

    def state_bytes_each(self, parameter_width: int) -> float:
        """Bytes per parameter between steps."""
        return self.states * (parameter_width if self.width is None else self.width)


_EIGHT_BITS = 1 + 4 / _BLOCK
_KNOWN = {
    # torch/optim/adam.py, _multi_tensor_adam: exp_avg, exp_avg_sq; torch._foreach_sqrt makes one more.
    "adamw_torch": Optimizer(2, temporaries=1),
    "adamw_torch_fused": Optimizer(2),
    # bitsandbytes/optim: float32 states, or 8 bits with a scale a block.
    "adamw_bnb_8bit": Optimizer(2, _EIGHT_BITS),
    "adamw_8bit": Optimizer(2, _EIGHT_BITS),
    "paged_adamw_32bit": Optimizer(2, 4, paged=True),
    "paged_adamw": Optimizer(2, 4, paged=True),
    "paged_adamw_8bit": Optimizer(2, _EIGHT_BITS, paged=True),
    "lion_32bit": Optimizer(1, 4),
    "lion": Optimizer(1, 4),
    "lion_8bit": Optimizer(1, _EIGHT_BITS),
    "paged_lion_32bit": Optimizer(1, 4, paged=True),
    "paged_lion_8bit": Optimizer(1, _EIGHT_BITS, paged=True),
    "ademamix": Optimizer(3, 4),
    "ademamix_8bit": Optimizer(3, _EIGHT_BITS),
    "paged_ademamix_32bit": Optimizer(3, 4, paged=True),
    "paged_ademamix_8bit": Optimizer(3, _EIGHT_BITS, paged=True),
    "rmsprop_bnb": Optimizer(1, 4),
    "rmsprop_bnb_32bit": Optimizer(1, 4),
    "rmsprop_bnb_8bit": Optimizer(1, _EIGHT_BITS),
    # torch/optim: square_avg, and its root for all parameters together.
    "rmsprop": Optimizer(1, temporaries=1),
    "adagrad": Optimizer(1, temporaries=1),
    "sgd": Optimizer(0),
    # transformers/optimization.py: a row and a column of float32 a matrix, one matrix at a time.
    "adafactor": Optimizer(0, factored=True),
}
_REFUSED = {
    "galore": "its state depends on the rank and refresh rate of a projection, which can't be given here",
    "apollo": "its state depends on the rank of a projection, which can't be given here",
    "lomo": "it updates weights inside the backward pass, gradient by gradient",
    "adalomo": "it updates weights inside the backward pass, gradient by gradient",
    "schedule_free": "the memory of its package isn't known",
    "grokadamw": "the memory of its package isn't known",
    "stable_adamw": "the memory of its package isn't known",
    "adamw_anyprecision": "the memory of its package isn't known",
    "adamw_torch_4bit": "torchao compiles its step, whose memory isn't known",
    "adamw_torch_8bit": "torchao compiles its step, whose memory isn't known",
    "adamw_torch_xla": "it runs on TPUs, whose memory isn't forecast",
    "adamw_torch_npu_fused": "it runs on NPUs, whose memory isn't forecast",
}
NAMES = tuple(_KNOWN)


def named(name: str) -> Optimizer:
    """The optimizer of that name. Raises `UserError` for one that is unknown or can't be forecast."""
    if name in _KNOWN:
        return _KNOWN[name]
    for start, reason in _REFUSED.items():
        if name.startswith(start):
            raise UserError(f"the memory of optimizer '{name}' can't be forecast: {reason}; "
                            "use adamw_torch_fused, adamw_8bit or adafactor")  # fmt: skip
    raise unknown("optimizer", name, _KNOWN)
