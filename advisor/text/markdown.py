"""Markdown from words that come from anywhere: escaped, in tables, as code."""

from __future__ import annotations

import re
from collections.abc import Iterable

from scenarios.terminal import one_line

_CODE = re.compile(r"(`[\w .,:=-]+`)")  # a code span that needs no escaping, even in a table


def escaped(words: object) -> str:
    """Text without Markdown's marks and HTML, on one line; plain code spans are kept."""
    parts = _CODE.split(one_line(str(words)))
    for mark in "\\`*_[]<>|#~":
        parts[::2] = (part.replace(mark, f"\\{mark}") for part in parts[::2])
    line = "".join(parts)
    return re.sub(r"^(\d{0,9})([-+.)=])(?=\s|$|[-=]+$)", r"\1\\\2", line)  # a list, rule or heading


def code(words: str) -> str:
    """Words as code, fenced by more backticks than they hold in a row."""
    line = one_line(words)
    fence = "`" * (1 + max(map(len, re.findall("`+", line)), default=0))
    pad = " " if "`" in (line[:1], line[-1:]) else ""
    return f"{fence}{pad}{line}{pad}{fence}"


def table(head: Iterable[str], rows: Iterable[Iterable[object]]) -> list[str]:
    """A Markdown table; every cell is escaped."""
    head = list(head)
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    return lines + [f"| {' | '.join(escaped(cell) for cell in row)} |" for row in rows]
