"""Checks of the run itself: one that fails withholds the verdict."""

from __future__ import annotations

from reports.blocks import Block, Paragraph, Table

TITLE = "Checks of the run itself"
PLACE = 35


def blocks(record: dict) -> list[Block]:
    """Each canary, whose it is, and what it saw."""
    canaries = record.get("canaries", [])
    if not canaries:
        return [Paragraph("This record holds none.")]
    rows = tuple(
        (c["name"], c.get("trial", "all rows"), "holds" if c["passed"] else "FAILED", c["sentence"])
        for c in canaries
    )
    return [Table("A check that fails withholds the verdict", ("check", "of", "", "seen"), rows)]
