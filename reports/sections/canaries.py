"""Checks of the run itself: one that fails withholds the verdict."""

from __future__ import annotations

from bench.record.types import Record
from reports.blocks import Block, Paragraph, Table

TITLE = "Checks of the run itself"
PLACE = 35

NAMES = {
    "groups apart": "no shared groups",
    "copies apart": "no near-duplicates",
    "prompts alike": "same prompts",
    "adapter off": "adapter switched off",
}
"""What a check is called in the report; a record keeps its identifiers."""


def blocks(record: Record) -> list[Block]:
    """Each canary, the trial it belongs to, and what it found."""
    canaries = record.get("canaries", [])
    if not canaries:
        return [Paragraph("This record holds no canaries.")]
    rows = tuple(
        (
            NAMES.get(c["name"], c["name"]),
            c.get("trial", "all rows"),
            "passed" if c["passed"] else "FAILED",
            c["sentence"],
        )
        for c in canaries
    )
    return [
        Table(
            "A canary that fails withholds the verdict",
            ("check", "trial", "result", "finding"),
            rows,
        )
    ]
