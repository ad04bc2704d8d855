"""What an optimizer holds and makes, by Transformers' `optim` names."""

from __future__ import annotations

from dataclasses import dataclass

from scenarios.errors import UserError, unknown

_BLOCK = 256  # bitsandbytes 8-bit states carry one float32 scale for so many values (2110.02861)


@dataclass(frozen=True)
class Optimizer:
    """Bytes a trained parameter. States of `width` None are as wide as the parameter.

    `states` values are kept; `temporaries` of the parameter's width are made for all parameters at
    once in a step. A `paged` state lives in CUDA's unified memory, outside PyTorch's allocator.
    """

    states: int
    width: float | None = None
    temporaries: int = 0
    paged: bool = False
    factored: bool = False

    def state_bytes_each(self, parameter_width: int) -> float:
        """At rest, between steps."""
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
    # torch/optim: square_avg, and its root for all parameters at once.
    "rmsprop": Optimizer(1, temporaries=1),
    "adagrad": Optimizer(1, temporaries=1),
    "sgd": Optimizer(0),
    # transformers/optimization.py: a row and a column of float32 a matrix, one matrix at a time.
    "adafactor": Optimizer(0, factored=True),
}
_REFUSED = {
    "galore": "its state depends on a projection's rank and refresh that aren't given here",
    "apollo": "its state depends on a projection's rank that isn't given here",
    "lomo": "it updates weights inside the backward pass, gradient by gradient",
    "adalomo": "it updates weights inside the backward pass, gradient by gradient",
    "schedule_free": "the package that holds its state isn't known here",
    "grokadamw": "the package that holds its state isn't known here",
    "stable_adamw": "the package that holds its state isn't known here",
    "adamw_anyprecision": "the package that holds its state isn't known here",
    "adamw_torch_4bit": "torchao compiles its step, and what that makes isn't known",
    "adamw_torch_8bit": "torchao compiles its step, and what that makes isn't known",
    "adamw_torch_xla": "it runs on TPUs, whose memory isn't forecast",
    "adamw_torch_npu_fused": "it runs on NPUs, whose memory isn't forecast",
}
NAMES = tuple(_KNOWN)


def named(name: str) -> Optimizer:
    """The optimizer of that name. Raises `UserError` for one that isn't known or can't be counted."""
    if name in _KNOWN:
        return _KNOWN[name]
    for start, reason in _REFUSED.items():
        if name.startswith(start):
            raise UserError(f"the memory of optimizer '{name}' can't be forecast: {reason}; "
                            "take one of these: adamw_torch_fused, adamw_8bit, adafactor")  # fmt: skip
    raise unknown("optimizer", name, _KNOWN)
