"""Keywords that a function of `import bench` doesn't take, rejected with the nearest one that it takes."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from inspect import signature
from typing import ParamSpec, TypeVar

from scenarios.errors import UserError, did_you_mean

P = ParamSpec("P")
T = TypeVar("T")


def known_keywords(function: Callable[P, T]) -> Callable[P, T]:
    """The function, which raises `UserError` rather than `TypeError` for an unknown keyword."""
    known = list(signature(function).parameters)

    @wraps(function)
    def called(*args: P.args, **kwargs: P.kwargs) -> T:
        said = [f"'{name}'; {did_you_mean(name, known)}" for name in kwargs if name not in known]
        if said:
            raise UserError(f"{function.__name__} takes no keyword {', nor '.join(said)}")
        return function(*args, **kwargs)

    return called
