"""Models by name: `KIND:NAME` for the kinds that have a file here, and local weights without one."""

from __future__ import annotations

from pathlib import Path

from bench import registry
from bench.core.model import Model
from scenarios.errors import unknown

LOCAL = "local"


def named(name: str) -> Model:
    """The model of that name; nothing of it is fetched or loaded.

    Raises `UserError` for a kind that there isn't, where the user brought kinds of their own.
    """
    kind, colon, _ = name.partition(":")
    kinds = [one for one in registry.names("models") if one != LOCAL]
    is_kind = colon and kind in kinds
    if colon and kinds and not is_kind and not Path(name).exists():
        raise unknown("kind of model", kind, kinds)
    return registry.load("models", kind if is_kind else LOCAL).Model(name)
