"""What tuning and serving a model takes: parameters, memory and time, before anything is loaded."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import fields
from typing import get_args, get_type_hints

from advisor.api.keywords import reject, typed
from advisor.api.shown import Shown
from advisor.sizes import models, report
from advisor.sizes.sizing import METHODS, Settings
from advisor.text import size as said
from scenarios.errors import UserError, unknown

_SHORT_TYPES = {"bf16": "bfloat16", "fp16": "float16", "fp32": "float32"}
_KEYWORDS = {"checkpointing": "gradient_checkpointing"}  # where a setting has another name


class Sizes(Shown, report.Report):
    """A size report that can show itself; `print` gives the text of `advisor size`."""

    def __repr__(self) -> str:
        methods = ", ".join(self.methods) or "none"
        return (
            f"<Sizes of {self.model!r}: {self.total_parameters:,} parameters; methods: {methods}>"
        )

    def __str__(self) -> str:
        return said.text(self)

    def to_markdown(self) -> str:
        """The report as a Markdown document."""
        return said.markdown(self)


def size(
    model: str | os.PathLike[str],
    *,
    methods: str | Sequence[str] = "all",
    gpu: str | None = None,
    rank: int = 16,
    targets: str = "attention",
    batch: int = 4,
    seq_len: int = 512,
    accumulation: int = 1,
    optimizer: str = "adamw_torch",
    gradient_checkpointing: bool = True,
    dtype: str = "bfloat16",
    adapter_dtype: str = "float32",
    autocast: bool = True,
    attention: str = "sdpa",
    padded: bool = False,
    loss: str = "full",
    fused_kernels: bool | None = None,
    dropout: float = 0.05,
    train_embeddings: bool = False,
    kbit_upcast: bool = True,
    master_weights: bool = False,
    **strangers: object,
) -> Sizes:
    """Forecast parameters, memory and time for tuning a model, and memory for serving it, as `advisor size`.

    `model` is a name in the catalog, a `config.json` or its folder, or an id on the hub. `methods` is
    `full`, `lora`, `qlora`, a list of these, or `all`. With a `gpu`, the report also says whether it
    fits and how fast it trains. The other keywords are the command's options, whose help explains
    them. Raises `UserError`.
    """
    reject(size, strangers)
    settings = _checked(
        Settings(
            rank=rank,
            targets=targets,
            batch=batch,
            seq_len=seq_len,
            accumulation=accumulation,
            optimizer=optimizer,
            checkpointing=gradient_checkpointing,
            dtype=_SHORT_TYPES.get(str(dtype), dtype),
            adapter_dtype=_SHORT_TYPES.get(str(adapter_dtype), adapter_dtype),
            autocast=autocast,
            attention=attention,
            padded=padded,
            loss=loss,
            fused_kernels=fused_kernels,
            dropout=dropout,
            train_embeddings=train_embeddings,
            kbit_upcast=kbit_upcast,
            master_weights=master_weights,
        )
    )
    asked = _methods(methods)
    card = None if typed("gpu", gpu, str, optional=True) is None else models.gpu_named(str(gpu))
    shape = models.shape_of(_model(model))
    return Sizes.showing(report.report(shape, asked, settings, card))


def _checked(settings: Settings) -> Settings:
    """The settings, if each has the type that it is declared with; else `UserError`."""
    hints = get_type_hints(Settings)
    found = {}
    for field in fields(settings):
        kind, *others = get_args(hints[field.name]) or (hints[field.name],)
        name = _KEYWORDS.get(field.name, field.name)
        found[field.name] = typed(name, getattr(settings, field.name), kind, optional=bool(others))
    return Settings(**found)


def _methods(methods: object) -> tuple[str, ...]:
    """The methods to forecast. Raises `UserError` for an unknown one, and for anything but names."""
    if methods == "all":
        return METHODS
    asked = (methods,) if isinstance(methods, str) else methods
    if not isinstance(asked, Sequence) or not asked or not all(isinstance(m, str) for m in asked):
        raise UserError(f"methods is {methods!r:.80}; give 'all', or one or more of {METHODS}")
    for name in asked:
        if name not in METHODS:
            raise unknown("method", name, (*METHODS, "all"))
    return tuple(dict.fromkeys(asked))


def _model(model: object) -> str:
    if not isinstance(model, str | os.PathLike):
        raise UserError(f"model is {model!r:.80}; give a name in the catalog, or a config.json")
    return str(model)
