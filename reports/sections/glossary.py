"""The terms that the report uses, last; all others are in the project's docs/glossary.md."""

from __future__ import annotations

from bench.record.types import Record
from reports import glossary
from reports.blocks import Block, Paragraph, Terms

TITLE = "Glossary"
PLACE = 90


def blocks(record: Record) -> list[Block]:
    """All terms; the page keeps those that its other sections link to."""
    text = "The terms used in this report. The project's docs/glossary.md has these and all others."
    return [Paragraph(text, linked=False), Terms(glossary.terms())]
