"""What a section returns: plain data. Only the templates know HTML."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Paragraph:
    """Running text."""

    text: str
    kind: str = "paragraph"


@dataclass(frozen=True)
class Verdict:
    """One part of the verdict: what it is on, the answer as a word, why, and what would settle it."""

    on: str
    answer: str
    sentence: str
    would_settle: str | None
    tone: str
    kind: str = "verdict"


@dataclass(frozen=True)
class Table:
    """Texts in rows; columns named in `numeric` are set to the right."""

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: frozenset[int] = frozenset()
    kind: str = "table"


@dataclass(frozen=True)
class Facts:
    """Names and values."""

    pairs: tuple[tuple[str, str], ...]
    kind: str = "facts"


@dataclass(frozen=True)
class Figure:
    """A chart as SVG, with a text that says what it shows to those who can't see it."""

    svg: str
    alternative: str
    caption: str
    kind: str = "figure"


Block = Paragraph | Verdict | Table | Facts | Figure
