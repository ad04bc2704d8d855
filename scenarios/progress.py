"""Progress for whoever waits: lines, and bars where they are shown on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

Listener = Callable[[str], None]
"""Gets each line of progress."""


def on_stderr(text: str) -> None:
    """A line of progress on stderr, as the commands show it; with it, bars are shown too."""
    print(text, file=sys.stderr, flush=True)


_listener: ContextVar[Listener] = ContextVar("listener", default=on_stderr)


def say(text: str) -> None:
    """A line of progress, to whoever listens in this context."""
    _listener.get()(text)


def shows_bars() -> bool:
    """Whether progress is on stderr, where a bar can move."""
    return _listener.get() is on_stderr


@contextmanager
def heard_by(listener: Listener | None) -> Iterator[None]:
    """Within it, lines of progress go to the listener; to nobody where it is None."""
    token = _listener.set(listener or _ignore)
    try:
        yield
    finally:
        _listener.reset(token)


def _ignore(text: str) -> None:
    pass
