"""What this report can't tell."""

from __future__ import annotations

from reports.blocks import Block, Paragraph

TITLE = "What this can't tell"
PLACE = 60


def blocks(record: dict) -> list[Block]:
    """Limits that follow from how the run was made."""
    mode = record["plan"]["mode"]
    found = [
        "Other models, other tasks and other instructions may rank differently; the verdict's "
        "scope names what was run."
    ]
    if mode["seeds"] == 1:
        found.append(
            "One training seed: the intervals hold for these adapters and prompts, not for the "
            "methods. A run with --full trains several."
        )
    if mode["name"] == "quick":
        found.append("A quick run: few training rows, and settings chosen for speed.")
    found.append(
        "Timings are of this machine while it did this; on a busy machine they are higher."
    )
    return [Paragraph(text) for text in found]
