"""What a section returns: plain data. Only the templates know HTML.

Sections write plain strings. `reports.glossary.Links` turns those that may hold terms into pieces.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Piece:
    """A part of a text; with an `anchor` it links to that term of the glossary."""

    text: str
    anchor: str | None = None


Text = str | tuple[Piece, ...]


@dataclass(frozen=True)
class Paragraph:
    """Running text. One that quotes rows, models or prompts isn't `linked` to the glossary."""

    text: Text
    linked: bool = True
    kind: str = "paragraph"


@dataclass(frozen=True)
class Verdict:
    """One part of the verdict: its subject, the answer as a word, the reason, and the next step."""

    on: str
    answer: str
    sentence: Text
    next_step: Text | None
    tone: str
    kind: str = "verdict"


@dataclass(frozen=True)
class Table:
    """Texts in rows. Columns in `numeric` are right-aligned; those in `linked` may hold terms."""

    caption: Text
    columns: tuple[Text, ...]
    rows: tuple[tuple[Text, ...], ...]
    numeric: frozenset[int] = frozenset()
    linked: frozenset[int] = frozenset()
    kind: str = "table"


@dataclass(frozen=True)
class Facts:
    """Names and values."""

    pairs: tuple[tuple[Text, str], ...]
    kind: str = "facts"


@dataclass(frozen=True)
class Figure:
    """A chart as SVG, with a text that describes it to those who can't see it."""

    svg: str
    alternative: str
    caption: Text
    kind: str = "figure"


@dataclass(frozen=True)
class Term:
    """A term of the glossary: where it is linked to, what it means, and the source if it has one."""

    anchor: str
    term: str
    text: str
    source: str | None = None


@dataclass(frozen=True)
class Terms:
    """Entries of the glossary, of which the page shows those that it uses."""

    terms: tuple[Term, ...]
    kind: str = "terms"


Block = Paragraph | Verdict | Table | Facts | Figure | Terms
