"""The glossary: its terms, the links to them, and docs/glossary.md.

`python -m reports.glossary > docs/glossary.md` writes the document again after a change of
`glossary.toml`.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from typing import Any

from reports.blocks import Block, Facts, Figure, Paragraph, Piece, Table, Term, Terms, Text, Verdict

HEAD = """# Glossary

<!-- Made from reports/glossary.toml by `python -m reports.glossary > docs/glossary.md`. -->

The terms of the reports and of these documents. A report explains those that it uses at its end.
"""


@dataclass(frozen=True)
class Entry:
    """A term, and the spellings in a text that link to it."""

    term: Term
    words: tuple[str, ...]


@cache
def entries() -> tuple[Entry, ...]:
    """All entries of `glossary.toml`, in alphabetical order."""
    text = resources.files("reports").joinpath("glossary.toml").read_text(encoding="utf-8")
    found = [_entry(values) for values in tomllib.loads(text)["term"]]
    return tuple(sorted(found, key=lambda entry: entry.term.term.casefold()))


def _entry(values: Mapping[str, Any]) -> Entry:
    term = Term(values["anchor"], values["term"], values["text"], values.get("source"))
    return Entry(term, tuple(values.get("words", [values["term"]])))


def terms() -> tuple[Term, ...]:
    """All terms, in alphabetical order."""
    return tuple(entry.term for entry in entries())


class Links:
    """Links a page's texts to the glossary: in each section the first use of a term.

    `used` holds the anchors of the terms that were linked so far.
    """

    def __init__(self, known: Sequence[Entry] | None = None):
        known = entries() if known is None else known
        self._anchors = {word.casefold(): e.term.anchor for e in known for word in e.words}
        words = sorted(self._anchors, key=len, reverse=True)  # the longest match wins
        either = "|".join(map(re.escape, words))
        self._pattern = re.compile(rf"(?<![\w-])(?:{either})(?![\w=-])", re.IGNORECASE)
        self.used: set[str] = set()

    def section(self, blocks: Sequence[Block]) -> list[Block]:
        """A section's blocks with pieces where its texts use terms."""
        seen: set[str] = set()
        return [self._block(block, seen) for block in blocks]

    def _block(self, block: Block, seen: set[str]) -> Block:
        match block:
            case Paragraph() if block.linked:
                return replace(block, text=self._text(block.text, seen))
            case Verdict():
                step = block.next_step and self._text(block.next_step, seen)
                return replace(block, sentence=self._text(block.sentence, seen), next_step=step)
            case Table():
                return replace(
                    block,
                    caption=self._text(block.caption, seen),
                    columns=tuple(self._text(column, seen) for column in block.columns),
                    rows=tuple(self._row(row, block.linked, seen) for row in block.rows),
                )
            case Facts():
                pairs = tuple((self._text(name, seen), value) for name, value in block.pairs)
                return replace(block, pairs=pairs)
            case Figure():
                return replace(block, caption=self._text(block.caption, seen))
            case Terms():
                used = tuple(term for term in block.terms if term.anchor in self.used)
                return replace(block, terms=used)
        return block

    def _row(self, row: Sequence[Text], linked: frozenset[int], seen: set[str]) -> tuple[Text, ...]:
        return tuple(
            self._text(cell, seen) if place in linked else cell for place, cell in enumerate(row)
        )

    def _text(self, text: Text, seen: set[str]) -> Text:
        """The text in pieces, or as it is if it uses no term for the first time."""
        if not isinstance(text, str):
            return text
        pieces: list[Piece] = []
        end = 0
        for found in self._pattern.finditer(text):
            anchor = self._anchors[found[0].casefold()]
            if anchor in seen:
                continue
            seen.add(anchor)
            pieces += [Piece(text[end : found.start()]), Piece(found[0], anchor)]
            end = found.end()
        self.used |= seen
        return (*pieces, Piece(text[end:])) if pieces else text


def markdown() -> str:
    """The text of docs/glossary.md. A heading's anchor is that of its term."""
    parts = [HEAD]
    for term in terms():
        source = f"\n\nSource: {term.source}." if term.source else ""
        parts.append(f"## {term.term}\n\n{term.text}{source}\n")
    return "\n".join(parts)


if __name__ == "__main__":
    print(markdown(), end="")
