"""Each prompting arm against each tuned one, paired by row."""

from __future__ import annotations

from reports import numbers
from reports.blocks import Block, Paragraph, Table

TITLE = "Comparisons"
PLACE = 30


def blocks(record: dict) -> list[Block]:
    """The primary comparison first; the others are exploratory."""
    if not record["comparisons"]:
        return [Paragraph("No prompting arm and tuning arm are both done, so none is compared.")]
    rows = tuple(
        (
            f"{c['challenger']} against {c['baseline']}",
            "primary" if c["primary"] else "exploratory",
            f"{c['difference'] * 100:+.1f}",
            "none" if c["low"] is None else f"{c['low'] * 100:+.1f} to {c['high'] * 100:+.1f}",
            numbers.p_value(c["p_adjusted"]),
            c["method"],
        )
        for c in record["comparisons"]
    )
    first = record["comparisons"][0]
    caption = (
        f"Difference in {first['metric']}, points, on {first['n']} rows in {first['groups']} groups"
    )
    columns = ("comparison", "role", "difference", "95 % interval", "p", "method")
    chosen = record["plan"]["primary"]["chosen_by"]
    return [
        Table(caption, columns, rows, frozenset((2, 3, 4))),
        Paragraph(
            "The verdict is drawn from the primary comparison alone, whose arms were chosen by "
            f"{chosen}. p of exploratory comparisons is adjusted after Holm."
        ),
    ]
