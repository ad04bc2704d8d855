"""Errors that a user can fix: one line that names the thing, the reason and the way out."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """The user's input or environment is at fault; shown as one line, exit code 2."""


class Stopped(Exception):
    """The user interrupted; shown as one line that says how to resume, exit code 130."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A half-sentence that names the nearest known name, or all names if none is near."""
    known = list(known)
    near = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.6)
    return f"did you mean '{near[0]}'?" if near else f"known: {', '.join(known) or 'none'}"


def unknown(kind: str, name: str, known: Iterable[str]) -> UserError:
    """`no scenario named 'sentimnet'; did you mean 'sentiment'?`"""
    return UserError(f"no {kind} named '{name}'; {did_you_mean(name, known)}")
