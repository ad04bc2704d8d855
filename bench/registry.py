"""Names are file names: listing imports nothing, loading imports only the named file.

A user's own contenders, metrics and models are known by name for as long as they are `added`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from importlib import import_module, resources
from typing import TYPE_CHECKING, Any

from scenarios.errors import unknown

if TYPE_CHECKING:
    from bench.core.contender import Contender

Added = Mapping[str, Mapping[str, Any]]
"""By folder (`contenders`) and name: what the module of that name would be."""

_ADDED: ContextVar[tuple[Added, ...]] = ContextVar("added", default=())


@contextmanager
def added(more: Added) -> Iterator[None]:
    """Knows some names in addition to the files', within the context."""
    token = _ADDED.set((more, *_ADDED.get()))
    try:
        yield
    finally:
        _ADDED.reset(token)


def shipped(folder: str) -> list[str]:
    """The names of the files in `bench/<folder>/` in kebab-case, sorted."""
    files = resources.files("bench").joinpath(folder).iterdir()
    stems = [f.name[:-3] for f in files if f.name.endswith(".py") and not f.name.startswith("_")]
    return sorted(stem.replace("_", "-") for stem in stems)


def names(folder: str) -> list[str]:
    """The names of the files, and of what was added."""
    return sorted(
        {*shipped(folder), *(name for one in _ADDED.get() for name in one.get(folder, {}))}
    )


def load(folder: str, name: str) -> Any:
    """The module of that name. Raises `UserError`, suggesting the nearest name, where there is none."""
    for own in (one.get(folder, {}) for one in _ADDED.get()):
        if name in own:
            return own[name]
    if name not in shipped(folder):
        raise unknown(folder.removesuffix("s"), name, names(folder))
    return import_module(f"bench.{folder}.{name.replace('-', '_')}")


def contender(name: str) -> type[Contender]:
    """The class of a contender, by its name (`few-shot`)."""
    return load("contenders", name).Contender
