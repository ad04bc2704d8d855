"""Which of a model's modules an adapter can be put on, checked before anything is trained."""

from __future__ import annotations

import json
import struct
from pathlib import Path

from scenarios.errors import UserError

NAMED = ("attention", "all-linear")
"""Targets that every model of the usual families has."""


def check_targets(kind: str, targets: str, model: str, folder: Path) -> None:
    """Raises `UserError` for a contender's targets that the model in a folder doesn't have.

    Names match the end of a module's name, as PEFT takes them.
    """
    if targets in NAMED:
        return
    modules = modules_of(folder)
    for target in (name.strip() for name in targets.split(",")):
        if not any(f".{module}".endswith(f".{target}") for module in modules):
            ends = sorted({module.rpartition(".")[2] for module in modules})
            raise UserError(
                f"{kind}.targets={targets}: {model} has no module '{target}' to put an adapter on; "
                f"use {', '.join(NAMED)}, or some of {', '.join(ends)}"
            )


def modules_of(folder: Path) -> set[str]:
    """Names of the modules with a matrix of weights, from the safetensors' headers; and the head's."""
    found = {"lm_head"}  # which has no tensor of its own where it is tied to the embeddings
    for file in folder.glob("*.safetensors"):
        for name, tensor in _header(file).items():
            if name.endswith(".weight") and len(tensor["shape"]) == 2:
                found.add(name.removesuffix(".weight"))
    return found


def _header(file: Path) -> dict:
    """What a safetensors file says of its tensors: eight bytes of length, then JSON."""
    try:
        with open(file, "rb") as opened:
            (length,) = struct.unpack("<Q", opened.read(8))
            if length > file.stat().st_size:
                raise ValueError("its header is longer than the file")
            header = json.loads(opened.read(length))
        return {name: value for name, value in header.items() if name != "__metadata__"}
    except (OSError, ValueError, struct.error) as error:
        raise UserError(f"'{file.name}' isn't a whole safetensors file: {error}") from None
