"""Models by name: `KIND:NAME` for the kinds that have a file here, and local weights without one."""

from __future__ import annotations

from bench import registry
from bench.core.model import Model

LOCAL = "local"


def named(name: str) -> Model:
    """The model of that name; nothing of it is fetched or loaded."""
    kind, colon, _ = name.partition(":")
    is_kind = colon and kind != LOCAL and kind in registry.names("models")
    return registry.load("models", kind if is_kind else LOCAL).Model(name)
