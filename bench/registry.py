"""Names are file names: listing imports nothing, loading imports only the named file."""

from __future__ import annotations

from importlib import import_module, resources
from types import ModuleType
from typing import Any

from scenarios.errors import unknown


def names(folder: str) -> list[str]:
    """The names in `bench/<folder>/` in kebab-case, sorted."""
    files = resources.files("bench").joinpath(folder).iterdir()
    stems = [f.name[:-3] for f in files if f.name.endswith(".py") and not f.name.startswith("_")]
    return sorted(stem.replace("_", "-") for stem in stems)


def load(folder: str, name: str) -> ModuleType:
    """The module of that name. Raises `UserError`, suggesting the nearest name, where there is none."""
    if name not in names(folder):
        raise unknown(folder.removesuffix("s"), name, names(folder))
    return import_module(f"bench.{folder}.{name.replace('-', '_')}")


def contender(name: str) -> Any:
    """The class of a contender, by its name (`few-shot`)."""
    return load("contenders", name).Contender
