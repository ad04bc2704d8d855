"""The learning curve: quality by labelled rows, fitted and extrapolated, and where tuning overtakes."""

from __future__ import annotations

from bench.record.text import labels_text
from bench.record.types import CrossoverEntry, CurveArm, CurveRecord, EstimateDict, Place, Record
from reports import numbers
from reports.blocks import Block, Figure, Paragraph, Table
from reports.charts import NAMES, Line, quality_by_rows

TITLE = "Learning curve"
PLACE = 22


def blocks(record: Record) -> list[Block]:
    """The crossover, the chart, its tables, and how the labels are counted."""
    curve = record.get("curve")
    if not curve:
        return []
    arms = [arm for arm in curve["arms"] if arm["points"]]
    found: list[Block] = [Paragraph(one["sentence"]) for one in curve["crossovers"]]
    if curve["crossovers"]:
        found += [Paragraph(_labels(curve["crossovers"][0])), _places(curve)]
    if curve["no_crossover"]:
        found.append(Paragraph(f"No crossover is given: {curve['no_crossover']}."))
    if arms:
        found += [_chart(curve, arms), _points(curve, arms)]
        found += [_fits(curve, arms)] if any(arm["fit"] for arm in arms) else []
        found += [Paragraph(text) for text in _why_no_fit(arms)]
    found += [
        Paragraph(f"{trial['name']} (seed {trial['seed']}) {trial['outcome']['status']}: "
                  f"{trial['outcome']['reason']}")
        for trial in curve["trials"]
        if trial["outcome"]["status"] != "done"
    ]  # fmt: skip
    return [*found, Paragraph(curve["choices"]), Paragraph(_method(curve))]


def _labels(crossover: CrossoverEntry) -> str:
    labels = crossover["labels"]
    dated = f", dated {labels['as_of']}" if labels["as_of"] else ""
    return (
        f"{labels_text(crossover)} One label is priced at {numbers.dollars(labels['usd_per_label'])} "
        f"({labels['source']}{dated})."
    )


def _places(curve: CurveRecord) -> Table:
    """Where the crossover falls in the resamples."""
    found = curve["crossovers"]
    rows = tuple(
        (one["challenger"], _place(place), numbers.percent(place["share"]))
        for one in found
        for place in one["shares"]
        if place["share"] > 0
    )
    caption = (
        f"Crossover: where tuning overtakes every prompting arm by more than the margin of "
        f"{curve['margin'] * 100:g} points and stays ahead, in which share of the resamples"
    )
    return Table(caption, ("tuning arm", "labelled rows", "resamples"), rows, frozenset((2,)))


def _place(place: Place) -> str:
    if place["at_most"] is None:
        return f"not at up to {place['after']:,}"
    if place["after"] is None:
        return f"at {place['at_most']:,}, the smallest size, or below"
    return f"above {place['after']:,} and up to {place['at_most']:,}"


def _chart(curve: CurveRecord, arms: list[CurveArm]) -> Figure:
    lines = [_line(arm) for arm in arms]
    bracket = None
    first = next(iter(curve["crossovers"]), None)
    if first and first["answer"] == "bracket":
        after, at_most = first["after"], first["at_most"]
        bracket = None if after is None or at_most is None else (after, at_most)
    said = "; ".join(f"{arm['name']}: {_in_words(arm)}" for arm in arms)
    shaded = (
        f" Tuning overtakes in the shaded range, {bracket[0]} to {bracket[1]}." if bracket else ""
    )
    return Figure(
        quality_by_rows(lines, curve["metric"], bracket),
        f"{curve['metric']} against labelled rows. {said}.{shaded}",
        "Dots are means over seeds and small dots single seeds; areas are 95% bands (with five seeds or more). "
        "Lines are fitted curves, dashed where they extrapolate beyond the sizes that were run; a dotted line "
        "is an arm that uses no labelled rows. A shaded range holds the crossover.",
    )


def _line(arm: CurveArm) -> Line:
    if arm["flat"]:
        return Line(arm["name"], arm["family"], flat=arm["points"][0]["value"])
    points = [(p["size"], p["value"], p["low"], p["high"]) for p in arm["points"]]
    seeds = [
        (p["size"], value)
        for p in arm["points"]
        if len(p["by_seed"]) > 1
        for value in p["by_seed"].values()
    ]
    fit = arm["fit"]["curve"] if arm["fit"] else ()
    return Line(
        arm["name"], arm["family"], points, seeds,
        [(place["rows"], place["value"], place["extrapolated"]) for place in fit],
    )  # fmt: skip


def _in_words(arm: CurveArm) -> str:
    if arm["flat"]:
        return f"{numbers.percent(arm['points'][0]['value'])} without labelled rows"
    return ", ".join(f"{numbers.percent(p['value'])} at {p['size']}" for p in arm["points"])


def _points(curve: CurveRecord, arms: list[CurveArm]) -> Table:
    rows = tuple(
        (
            arm["name"],
            NAMES[arm["family"]],
            numbers.count(point["size"]),
            numbers.percent(point["value"]),
            _band(point["low"], point["high"]),
            ", ".join(f"{value * 100:.1f}" for value in point["by_seed"].values()),
            numbers.count(round(point["chosen_by"])),
            numbers.count(round(point["looked_through"])),
            numbers.seconds(point["fit_seconds"]),
        )
        for arm in arms
        for point in arm["points"]
    )
    caption = (
        f"{curve['metric']} on the same {curve['test_rows']} test rows at each size; how many of the labelled "
        "rows were used for choosing, and how many rows were examined to collect them (medians over seeds)"
    )
    columns = ("arm", "kind", "labelled rows", "mean", "95% band", "by seed", "for choosing",
               "examined", "fitting")  # fmt: skip
    return Table(caption, columns, rows, frozenset(range(2, 9)), frozenset((0, 1)))


def _band(low: float | None, high: float | None) -> str:
    if low is None or high is None:
        return "none"
    return f"{low * 100:.1f} to {high * 100:.1f}"


def _fits(curve: CurveRecord, arms: list[CurveArm]) -> Table:
    rows = []
    for arm in arms:
        fit = arm["fit"]
        if not fit:
            continue
        beyond = [place for place in fit["curve"] if place["extrapolated"]]
        far = beyond[-1] if beyond else None
        rows.append(
            (
                arm["name"],
                numbers.estimate(fit["a"]),
                _number(fit["b"]),
                _number(fit["c"]),
                f"{fit['largest_miss'] * 100:.1f}",
                numbers.MISSING if far is None else (
                    f"{numbers.percent(far['value'])} ({far['low'] * 100:.1f} to "
                    f"{far['high'] * 100:.1f}) at {far['rows']:,}"
                ),
            )
        )  # fmt: skip
    caption = (
        f"{curve['metric']} = a - b rows^(-c), fitted to the means, weighted by their sampling error; confidence "
        "intervals from resampled rows and seeds. The last column is an extrapolation: nothing was run there"
    )
    columns = ("arm", "a (limit)", "b", "c", "largest residual, points", "extrapolated")
    return Table(caption, columns, tuple(rows), frozenset(range(1, 6)))


def _number(found: EstimateDict) -> str:
    return f"{found['value']:.2g} ({found['low']:.2g} to {found['high']:.2g})"


def _why_no_fit(arms: list[CurveArm]) -> list[str]:
    return [
        f"No curve is fitted to {arm['name']}: {arm['fit_reason']}."
        for arm in arms
        if not arm["fit"] and not arm["flat"]
    ]


def _method(curve: CurveRecord) -> str:
    seeds = len(curve["seeds"])
    few = (
        ""
        if seeds >= 5
        else f" With {seeds} seed{'s' if seeds > 1 else ''} it is unknown how much the draw of the labelled rows "
        "matters: the shares and confidence intervals hardly cover other draws."
    )
    return (
        f"Each size contains the rows of the previous one; all arms use the same rows for a seed and the same test "
        f"rows. The shares and the confidence intervals of the fits come from {curve['resamples']:,} resamples of "
        f"groups of test rows and of seeds, the same for all arms. The band holds at each size separately.{few}"
    )
