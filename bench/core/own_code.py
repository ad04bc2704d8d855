"""SHA-256 of a user's own code: of a class or a file, with all of the user's code and values that it uses.

A file counts as it is written. A class counts as it runs, so no comment and no place in memory changes its digest.
What libraries and this project hold counts by its name.
"""

from __future__ import annotations

import ast
import builtins
import hashlib
import pickle
import sys
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

_OURS = ("advisor", "bench", "reports", "scenarios")
_LONG = 1000
"""Elements of a list beyond which it counts by its pickle."""
_NOT_CODE = ("__module__", "__doc__", "__dict__", "__weakref__", "__firstlineno__", "__annotations__",
             "__static_attributes__", "__qualname__")  # fmt: skip


def digest_of_file(path: Path) -> str:
    """Of a file and of those next to it that it imports, and so on."""
    found: dict[Path, bytes] = {}
    _gather(path, path.parent, found)
    parts = [f"{p.relative_to(path.parent)}\n".encode() + found[p] for p in sorted(found)]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def digest_of(thing: Any) -> str:
    """Of a class, a module, or an object: its class and what it holds. Raises `RecursionError` for a value too deep."""
    said = _Reader().said(thing)
    return hashlib.sha256(said.encode("utf-8", "backslashreplace")).hexdigest()


def _gather(path: Path, folder: Path, found: dict[Path, bytes]) -> None:
    if path in found:
        return
    found[path] = path.read_bytes()
    for name in _imported_by(found[path]):
        for near in (folder / f"{name}.py", *sorted((folder / name).glob("**/*.py"))):
            if near.is_file():
                _gather(near, folder, found)


def _imported_by(source: bytes) -> Iterator[str]:
    """First parts of the names that a file imports; none if it isn't Python."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module.partition(".")[0]
        elif isinstance(node, ast.ImportFrom):  # from . import x
            yield from (alias.name for alias in node.names)


class _Reader:
    """Says what a value is; one that was said before by its number."""

    def __init__(self) -> None:
        self._seen: dict[
            int, tuple[int, Any]
        ] = {}  # which keeps them alive, so that an id stays theirs

    def said(self, value: Any) -> str:
        """Text that is equal for equal code and values."""
        if value is None or isinstance(value, str | bytes | int | float | complex):
            return repr(value)
        if id(value) in self._seen:
            return f"<{self._seen[id(value)][0]}>"
        self._seen[id(value)] = len(self._seen), value
        if isinstance(value, list | tuple) and len(value) > _LONG:
            return self._object(value)
        if isinstance(value, list | tuple):
            return f"{type(value).__name__}{[self.said(one) for one in value]}"
        if isinstance(value, set | frozenset):
            return f"set{sorted(_Reader().said(one) for one in value)}"
        if isinstance(value, dict):
            return f"dict{[(self.said(k), self.said(v)) for k, v in value.items()]}"
        if isinstance(value, property):
            return f"property{[self.said(one) for one in (value.fget, value.fset)]}"
        if isinstance(value, staticmethod | classmethod | MethodType):
            return self.said(value.__func__)
        if isinstance(value, cached_property):
            return self.said(value.func)
        if isinstance(value, FunctionType):
            return self._function(value)
        if not isinstance(value, type) and hasattr(value, "__wrapped__"):  # as of `lru_cache`
            return self.said(value.__wrapped__)
        if isinstance(value, ModuleType):
            return self._module(value)
        return self._class(value) if isinstance(value, type) else self._object(value)

    def _function(self, function: FunctionType) -> str:
        if not _is_theirs(function):
            return f"{function.__module__}.{function.__qualname__}"
        cells = [_content(cell) for cell in function.__closure__ or ()]
        uses = {
            name: function.__globals__[name]
            for name in sorted(_names_in(function.__code__))
            if name in function.__globals__
        }
        return "function" + self.said(
            [
                _operations(function.__code__),
                function.__defaults__,
                function.__kwdefaults__,
                cells,
                uses,
            ]
        )

    def _class(self, kind: type) -> str:
        if not _is_theirs(kind):
            return f"{kind.__module__}.{kind.__qualname__}"
        own = {key: value for key, value in sorted(vars(kind).items()) if key not in _NOT_CODE}
        return f"class {kind.__name__}" + self.said([list(kind.__bases__), own])

    def _module(self, module: ModuleType) -> str:
        file = getattr(module, "__file__", None)
        theirs = file is not None and _is_users(module.__name__)
        return digest_of_file(Path(file)) if theirs and file else module.__name__

    def _object(self, value: Any) -> str:
        if _is_theirs(type(value)):
            return self.said([type(value), getattr(value, "__dict__", {})])
        try:
            return f"{type(value).__name__} {hashlib.sha256(pickle.dumps(value)).hexdigest()}"
        except Exception:  # a lock, a connection: what it holds isn't code
            return type(value).__name__


def _is_theirs(thing: Any) -> bool:
    """Whether a class or function is the user's."""
    name = getattr(thing, "__module__", None) or "__main__"
    if name == "builtins":  # code that was run without a module says so as well
        return getattr(builtins, thing.__name__, None) is not thing and thing.__name__ != "NoneType"
    return _is_users(name)


def _is_users(module: str) -> bool:
    """Whether a module is neither ours, nor Python's, nor of an installed library."""
    top = module.partition(".")[0]
    if top == "__main__":
        return True
    if top in _OURS or top in sys.stdlib_module_names:
        return False
    file = getattr(sys.modules.get(module), "__file__", None) or ""
    return not {"site-packages", "dist-packages"} & set(Path(file).parts)


def _content(cell: Any) -> Any:
    """What a variable of an enclosing function holds; None before it has a value."""
    try:
        return cell.cell_contents
    except ValueError:
        return None


def _names_in(code: CodeType) -> set[str]:
    """The names that code and the code in it looks up."""
    inner = (one for one in code.co_consts if isinstance(one, CodeType))
    return set(code.co_names).union(*map(_names_in, inner))


def _operations(code: CodeType) -> list[Any]:
    constants = [_operations(one) if isinstance(one, CodeType) else one for one in code.co_consts]
    return [code.co_code, constants, code.co_names, code.co_varnames, code.co_freevars]
