"""Each prompting arm against each tuned one, paired by row."""

from __future__ import annotations

from bench.record.types import Comparison, Record
from bench.record.verdict import percent_of
from reports import numbers
from reports.blocks import Block, Paragraph, Table

TITLE = "Comparisons"
PLACE = 30


def blocks(record: Record) -> list[Block]:
    """The primary comparison first; the others are exploratory."""
    side = record.get("side_comparisons", [])
    found: list[Comparison] = [*record["comparisons"], *side]
    if not found:
        return [
            Paragraph(
                "Nothing was compared: a comparison needs a finished prompting arm and a finished tuning arm."
            )
        ]
    rows = tuple(
        (
            f"{c['challenger']} vs {c['baseline']}",
            "primary" if c["primary"] else "exploratory",
            f"{c['difference'] * 100:+.1f}",
            numbers.gain_interval(c["low"], c["high"]),
            numbers.p_value(c["p_adjusted"]),
            c["method"],
        )
        for c in found
    )
    first = found[0]
    caption = f"Difference in {first['metric']}, in points, on {first['n']} test rows in {first['groups']} groups"
    level = f"{percent_of(first['level'])}% CI"
    columns = ("comparison", "role", "difference", level, "p-value", "method")
    chosen = record["plan"]["primary"]
    said: list[Block] = [Table(caption, columns, rows, frozenset((2, 3, 4)), frozenset((1, 5)))]
    if chosen:
        said.append(
            Paragraph(
                "The verdict rests only on the primary comparison, whose arms were chosen by "
                f"{chosen['chosen_by']}. The p-values of exploratory comparisons are "
                "Holm-adjusted over the family that the plan declares."
            )
        )
    said += [
        Paragraph(text) for text in (_visible(first), _variance(first), _interim(record)) if text
    ]
    return said


def _visible(comparison: Comparison) -> str | None:
    """The smallest difference that this run could have detected."""
    visible = comparison.get("smallest_visible")
    if visible is None:
        return None
    said = (
        f"Minimum detectable difference between {comparison['challenger']} and {comparison['baseline']} on "
        f"these test rows, at 80% power: {visible * 100:.1f} points"
    )
    discordant = comparison.get("discordant_share")
    if discordant is not None:
        said += f"; the two differ on {discordant * 100:.1f}% of the rows"
    effect = comparison.get("design_effect") or 1.0
    if effect > 1.1:
        said += f"; design effect {effect:.1f}"
    return f"{said}."


def _variance(comparison: Comparison) -> str | None:
    """Where the variance comes from, with several seeds."""
    parts = comparison.get("variance")
    if not parts:
        return None
    named = {
        "the test rows": parts["sampling"],
        "training seeds": parts["seed"],
        "draws of demonstrations": parts["draw"],
    }
    total = sum(named.values())
    if not total:
        return None
    shares = ", ".join(f"{name} {part / total * 100:.0f}%" for name, part in named.items())
    return f"Sources of the variance of that difference: {shares}."


def _interim(record: Record) -> str | None:
    look = record["plan"].get("look")
    if not look:
        return None
    said = (
        f"Interim analysis {look['look']} of {look['looks']}, alpha = {look['error'] * 100:.2g}%."
    )
    if look["looks"] == 1:
        return said
    return f"{said} p-values are multiplied by 5% / alpha, so that 0.05 is the limit at every one of them."
