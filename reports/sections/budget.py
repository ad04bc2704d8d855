"""What a budget allowed, what it dropped, and what was spent."""

from __future__ import annotations

from bench.record.types import Record
from reports import numbers
from reports.blocks import Block, Paragraph, Table

TITLE = "Budget"
PLACE = 48


def blocks(record: Record) -> list[Block]:
    """Planned and spent, and a table of what was dropped; empty without a budget."""
    budget = record.get("budget")
    if not budget:
        return []
    spent = f"{numbers.seconds(budget['spent_seconds'])} of {numbers.seconds(budget['seconds'])}"
    if budget["usd"] is not None:
        spent += (
            f" ({numbers.dollars(budget['spent_usd'])} of {numbers.dollars(budget['usd'])} at this "
            "machine's price)"
        )
    said = [
        f"The budget was {budget['said']}. It allowed {len(budget['planned'])} trials, forecast to take "
        f"{numbers.seconds(budget['planned_seconds'])}; {spent} were spent."
    ]
    if budget["dropped_sizes"]:
        sizes = ", ".join(map(str, budget["dropped_sizes"]))
        said.append(f"Sizes of the learning curve that didn't fit were dropped: {sizes}.")
    if budget["stopped"]:
        said.append(
            f"It ran out before these trials were done: {', '.join(budget['stopped'])}. The work they "
            "had finished is kept and used where possible."
        )
    found: list[Block] = [Paragraph(text) for text in said]
    if budget["dropped"]:
        rows = tuple((d["contender"], d["trial"], d["reason"]) for d in budget["dropped"])
        found.append(Table("Dropped before anything ran", ("contender", "trial", "reason"), rows))
    return found
