"""A learning curve, its labelling costs and a budget as text."""

from __future__ import annotations

from bench.core.files import Account
from bench.record.types import CrossoverEntry, CurveArm, CurveRecord, PointEntry
from bench.record.words import counted


def curve_text(curve: CurveRecord) -> str:
    """A line for each size with each arm's mean, what zero-shot reaches, and the crossover in words."""
    arms = [arm for arm in curve["arms"] if arm["points"]]
    rising = [arm for arm in arms if not arm["flat"]]
    width = max([len(arm["name"]) for arm in rising] + [20]) + 2
    lines = [f"{curve['metric'] + ' by labelled rows':<24}" + "".join(
        f"{arm['name']:>{width}}" for arm in rising
    )]  # fmt: skip
    for size in curve["sizes"]:
        cells = [_cell(arm, size) for arm in rising]
        if any(cells):
            lines.append(f"{size:>16,}{'':<8}" + "".join(f"{cell:>{width}}" for cell in cells))
    lines += [
        f"{arm['name']} uses no labelled rows: {_value(arm['points'][0])}"
        for arm in arms
        if arm["flat"]
    ]
    lines += ["", *(found["sentence"] for found in curve["crossovers"])]
    lines += [labels_text(found) for found in curve["crossovers"][:1]]
    if curve["no_crossover"]:
        lines.append(f"No crossover: {curve['no_crossover']}.")
    return "\n".join(lines)


def labels_text(found: CrossoverEntry) -> str:
    """What labelling costs up to the crossover, or up to the largest size."""
    labels = found["labels"]
    reached = found["answer"] in ("bracket", "from_the_smallest")
    up_to = "Labelling up to that point" if reached else "Labelling all rows of the curve"
    through = labels["rows_looked_through"]
    looked = f" (up to {through:,} looked through, to balance the labels)" if through > labels["rows"] else ""  # fmt: skip
    return (
        f"{up_to} means {counted(labels['rows'], 'row')}{looked}: about ${labels['usd']:,.2f} "
        f"(${labels['usd_low']:,.2f} to ${labels['usd_high']:,.2f}), excluding the test rows."
    )


def budget_text(budget: Account) -> str:
    """What was planned, spent and dropped."""
    spent = f"{budget['spent_seconds']:,.0f} of {budget['seconds']:,.0f} s"
    if budget["usd"] is not None:
        spent += f" (${budget['spent_usd']:,.2f} of ${budget['usd']:,.2f})"
    lines = [
        f"Budget {budget['said']}: {spent} spent; {counted(len(budget['planned']), 'trial')} planned, "
        f"{len(budget['dropped'])} dropped, {len(budget['stopped'])} stopped when it ran out."
    ]
    lines += [f"  dropped {one['contender']} ({one['trial']}): {one['reason']}" for one in budget["dropped"]]  # fmt: skip
    if budget["dropped_sizes"]:
        lines.append(f"  dropped sizes: {', '.join(map(str, budget['dropped_sizes']))}")
    return "\n".join(lines)


def _cell(arm: CurveArm, size: int) -> str:
    point = next((point for point in arm["points"] if point["size"] == size), None)
    return "" if point is None else _value(point)


def _value(point: PointEntry) -> str:
    if point["low"] is None:
        return f"{point['value']:.3f}"
    return f"{point['value']:.3f} ({point['low']:.3f}-{point['high']:.3f})"
