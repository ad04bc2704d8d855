"""Keywords of the API, checked: unknown names with the nearest real one, values with what to give."""

from __future__ import annotations

import os
from collections.abc import Iterable
from inspect import Parameter, signature
from pathlib import Path
from typing import Any

from advisor.profiles import given, plain, with_facts
from scenarios.errors import UserError, did_you_mean
from scenarios.schema import Profile, Scenario

_WANTED = {bool: "True or False", int: "a whole number", float: "a number", str: "text"}


def own_keywords(function: Any) -> list[str]:
    """The names that a function itself takes."""
    return [each.name for each in signature(function).parameters.values()
            if each.kind is not Parameter.VAR_KEYWORD]  # fmt: skip


def reject(function: Any, strangers: Iterable[str], others: Iterable[str] = ()) -> None:
    """Raise `UserError` for keywords that a function doesn't take, if there are any.

    `others` are names that it takes besides those of its signature.
    """
    known = [*own_keywords(function), *others]
    said = [f"'{name}'; {did_you_mean(name, known)}" for name in strangers]
    if said:
        raise UserError(f"{function.__name__} takes no keyword {', nor '.join(said)}")


def situation(function: Any, scenario: Any, facts: dict[str, object]) -> Scenario:
    """The scenario that was named, with the facts that were given as keywords."""
    known = list(Profile.model_fields)
    reject(function, (name for name in facts if name not in known), known)
    found = given(scenario)
    return found.model_copy(update={"profile": with_facts(found.profile, facts)})


def typed(name: str, value: object, kind: type, optional: bool = False) -> Any:
    """The value as `bool`, `int`, `float` or `str`. Raises `UserError` if it is of another type."""
    value = plain(value)
    if value is None and optional:
        return value
    fits = isinstance(value, (int, float) if kind is float else kind)
    if not fits or (isinstance(value, bool) and kind is not bool):
        or_none = ", or None" if optional else ""
        raise UserError(f"{name} is {value!r:.80}; give {_WANTED[kind]}{or_none}")
    return kind(value)


def path(name: str, value: object, of: str) -> Path | None:
    """The path of a file, or None if none was given. Raises `UserError` for anything else."""
    if value is None:
        return None
    if isinstance(value, str | os.PathLike):
        return Path(value)
    raise UserError(f"{name} is {value!r:.80}; give the path of {of}, or None")
