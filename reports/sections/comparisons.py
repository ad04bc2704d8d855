"""Each prompting arm against each tuned one, paired by row."""

from __future__ import annotations

from bench.record.verdict import percent_of
from reports import numbers
from reports.blocks import Block, Paragraph, Table

TITLE = "Comparisons"
PLACE = 30


def blocks(record: dict) -> list[Block]:
    """The primary comparison first; the others are exploratory."""
    side = record.get("side_comparisons", [])
    found = [*record["comparisons"], *side]
    if not found:
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
        for c in found
    )
    first = found[0]
    caption = (
        f"Difference in {first['metric']}, points, on {first['n']} rows in {first['groups']} groups"
    )
    level = f"{percent_of(first['level'])} % interval"
    columns = ("comparison", "role", "difference", level, "p", "method")
    chosen = record["plan"]["primary"]
    said: list[Block] = [Table(caption, columns, rows, frozenset((2, 3, 4)))]
    if chosen:
        said.append(
            Paragraph(
                "The verdict is drawn from the primary comparison alone, whose arms were chosen by "
                f"{chosen['chosen_by']}. p of exploratory comparisons is adjusted after Holm, over "
                "the family that the plan declares."
            )
        )
    said += [
        Paragraph(text) for text in (_visible(first), _variance(first), _looks(record)) if text
    ]
    return said


def _visible(comparison: dict) -> str | None:
    """What this run could have seen at all."""
    visible = comparison.get("smallest_visible")
    if visible is None:
        return None
    said = (
        f"The smallest difference that {comparison['challenger']} against "
        f"{comparison['baseline']} could have shown on these rows, four times in five: "
        f"{visible * 100:.1f} points"
    )
    if comparison.get("discordant_share") is not None:
        said += f"; the two differ on {comparison['discordant_share'] * 100:.1f} % of the rows"
    if (comparison.get("design_effect") or 1) > 1.1:
        said += f", and rows of one group count as 1 / {comparison['design_effect']:.1f} of a row"
    return f"{said}."


def _variance(comparison: dict) -> str | None:
    """Where the doubt comes from, where there are several seeds."""
    parts = comparison.get("variance")
    total = sum(parts.values()) if parts else 0
    if not total:
        return None
    told = ", ".join(
        f"{name} {parts[key] / total * 100:.0f} %"
        for key, name in (("sampling", "the test rows"), ("seed", "training seeds"),
                          ("draw", "draws of prompts"))
    )  # fmt: skip
    return f"Where the variance of that difference comes from: {told}."


def _looks(record: dict) -> str | None:
    look = record["plan"].get("look")
    if not look:
        return None
    said = f"Look {look['look']} of {look['looks']} declared, at an error of {look['error'] * 100:.2g} %."
    if look["looks"] == 1:
        return said
    return (
        f"{said} p is multiplied by 5 % over that error, so that 0.05 is its limit at every look."
    )
