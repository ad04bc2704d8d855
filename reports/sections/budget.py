"""What a budget held, what it dropped, and what was spent."""

from __future__ import annotations

from reports import numbers
from reports.blocks import Block, Paragraph, Table

TITLE = "Budget"
PLACE = 48


def blocks(record: dict) -> list[Block]:
    """Planned and spent, and a table of what was dropped; nothing without a budget."""
    budget = record.get("budget")
    if not budget:
        return []
    spent = f"{numbers.seconds(budget['spent_seconds'])} of {numbers.seconds(budget['seconds'])}"
    if budget["usd"] is not None:
        spent += (
            f" ({numbers.dollars(budget['spent_usd'])} of {numbers.dollars(budget['usd'])} by this "
            "machine's price)"
        )
    said = [
        f"A budget of {budget['said']} was given: {len(budget['planned'])} trials were planned for it, "
        f"forecast to take {numbers.seconds(budget['planned_seconds'])}, and {spent} were spent."
    ]
    if budget["dropped_sizes"]:
        told = ", ".join(map(str, budget["dropped_sizes"]))
        said.append(f"Sizes of the curve that didn't fit were dropped: {told}.")
    if budget["stopped"]:
        said.append(
            f"It was spent before these were done: {', '.join(budget['stopped'])}. What they had "
            "finished is kept, and counts where it can."
        )
    found: list[Block] = [Paragraph(text) for text in said]
    if budget["dropped"]:
        rows = tuple((d["contender"], d["trial"], d["reason"]) for d in budget["dropped"])
        found.append(Table("Dropped before anything ran", ("contender", "trial", "why"), rows))
    return found
