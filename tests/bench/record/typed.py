"""Whether a JSON value fits a TypedDict: every key named and of its type, none missing."""

from collections.abc import Iterator
from types import NoneType, UnionType
from typing import (
    Any,
    Literal,
    NotRequired,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)


def misfits(value: Any, expected: Any, at: str = "record") -> Iterator[str]:
    """What doesn't fit, by its place."""
    if expected is Any:
        return
    if is_typeddict(expected):
        yield from _of_dict(value, expected, at)
    elif get_origin(expected) in (Union, UnionType):
        found = [list(misfits(value, one, at)) for one in get_args(expected)]
        yield from min(found, key=len)
    elif get_origin(expected) is Literal:
        if value not in get_args(expected):
            yield f"{at} is {value!r}"
    elif get_origin(expected) is list:
        if not isinstance(value, list):
            yield f"{at} is a {type(value).__name__}"
            return
        for i, one in enumerate(value):
            yield from misfits(one, get_args(expected)[0], f"{at}[{i}]")
    elif get_origin(expected) is dict:
        if not isinstance(value, dict):
            yield f"{at} is a {type(value).__name__}"
            return
        for key, one in value.items():
            yield from misfits(one, get_args(expected)[1], f"{at}.{key}")
    else:
        kinds = (int, float) if expected is float else (expected or NoneType,)
        if not isinstance(value, kinds) or (isinstance(value, bool) and expected is not bool):
            yield f"{at} is a {type(value).__name__}"


def _of_dict(value: Any, expected: Any, at: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{at} is a {type(value).__name__}"
        return
    hints = get_type_hints(expected, include_extras=True)
    optional = {key for key, hint in hints.items() if get_origin(hint) is NotRequired}
    yield from (f"{at}.{key} is missing" for key in hints.keys() - optional - value.keys())
    yield from (f"{at}.{key} is unnamed" for key in value.keys() - hints.keys())
    for key in hints.keys() & value.keys():
        hint = get_args(hints[key])[0] if key in optional else hints[key]
        yield from misfits(value[key], hint, f"{at}.{key}")
