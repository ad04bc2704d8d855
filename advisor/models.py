"""Models and GPUs by name: the catalog, a config.json, or the hub where it is reachable."""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from pathlib import Path

from advisor.shapes import Shape, read_shape
from scenarios.errors import UserError, unknown


@cache
def catalog(name: str) -> dict[str, dict]:
    """A catalog file's entries by name, each with its source and date."""
    file = resources.files("advisor") / "catalog" / f"{name}.json"
    return json.loads(file.read_text(encoding="utf-8"))


def shape_of(model: str) -> Shape:
    """A model's shape, by its name in the catalog or a config's path. Raises `UserError`."""
    found = _entry(model)
    return read_shape(found[1]["config"], found[0])


def _entry(model):
    known = catalog("models")
    if model in known:
        return model, known[model]
    raise unknown("model", model, known)
