"""The learning curve: quality by labelled rows, fitted and carried on, and where tuning overtakes."""

from __future__ import annotations

from bench.record.text import labels_text
from reports import numbers
from reports.blocks import Block, Figure, Paragraph, Table
from reports.charts import NAMES, Line, quality_by_rows

TITLE = "From how many labelled rows on"
PLACE = 22


def blocks(record: dict) -> list[Block]:
    """The crossover, the chart, its tables, and how the labels are counted."""
    curve = record.get("curve")
    if not curve:
        return []
    arms = [arm for arm in curve["arms"] if arm["points"]]
    found: list[Block] = [Paragraph(one["sentence"]) for one in curve["crossovers"]]
    if curve["crossovers"]:
        found += [Paragraph(_labels(curve["crossovers"][0])), _places(curve)]
    if curve["no_crossover"]:
        found.append(Paragraph(f"No crossover is told: {curve['no_crossover']}."))
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


def _labels(crossover: dict) -> str:
    labels = crossover["labels"]
    dated = f", as of {labels['as_of']}" if labels["as_of"] else ""
    return (
        f"{labels_text(crossover)} A label is taken at {numbers.dollars(labels['usd_per_label'])} "
        f"({labels['source']}{dated})."
    )


def _places(curve: dict) -> Table:
    """Where the resamples put the crossover."""
    found = curve["crossovers"]
    rows = tuple(
        (one["challenger"], _place(place), numbers.percent(place["share"]))
        for one in found
        for place in one["shares"]
        if place["share"] > 0
    )
    caption = (
        f"Where tuning overtakes every prompting arm by more than {curve['margin'] * 100:g} points and "
        "stays ahead, by the share of the resamples"
    )
    return Table(caption, ("tuned", "labelled rows", "resamples"), rows, frozenset((2,)))


def _place(place: dict) -> str:
    if place["at_most"] is None:
        return f"not up to {place['after']:,}"
    if place["after"] is None:
        return f"from {place['at_most']:,}, the smallest size, on"
    return f"above {place['after']:,} and up to {place['at_most']:,}"


def _chart(curve: dict, arms: list[dict]) -> Figure:
    lines = [_line(arm) for arm in arms]
    bracket = None
    first = next(iter(curve["crossovers"]), None)
    if first and first["answer"] == "bracket" and first["after"] is not None:
        bracket = first["after"], first["at_most"]
    said = "; ".join(f"{arm['name']}: {_in_words(arm)}" for arm in arms)
    shaded = (
        f" Tuning overtakes in the shaded part, {bracket[0]} to {bracket[1]}." if bracket else ""
    )
    return Figure(
        quality_by_rows(lines, curve["metric"], bracket),
        f"{curve['metric']} against labelled rows. {said}.{shaded}",
        "Dots are means over seeds, small dots single seeds, areas 95 % bands (five seeds or more), lines "
        "fitted curves, dashed where they are carried on beyond the sizes that were run; the dotted line "
        "takes no labelled rows. The shaded part is where tuning overtakes.",
    )


def _line(arm: dict) -> Line:
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


def _in_words(arm: dict) -> str:
    if arm["flat"]:
        return f"{numbers.percent(arm['points'][0]['value'])} without labelled rows"
    return ", ".join(f"{numbers.percent(p['value'])} at {p['size']}" for p in arm["points"])


def _points(curve: dict, arms: list[dict]) -> Table:
    rows = tuple(
        (
            arm["name"],
            NAMES[arm["family"]],
            numbers.count(point["size"]),
            numbers.percent(point["value"]),
            "none" if point["low"] is None
            else f"{point['low'] * 100:.1f} to {point['high'] * 100:.1f}",
            ", ".join(f"{value * 100:.1f}" for value in point["by_seed"].values()),
            numbers.count(round(point["chosen_by"])),
            numbers.count(round(point["looked_through"])),
            numbers.seconds(point["fit_seconds"]),
        )
        for arm in arms
        for point in arm["points"]
    )  # fmt: skip
    caption = (
        f"{curve['metric']} on the same {curve['test_rows']} test rows at each size; of the labelled rows, "
        "how many chose, and how many are looked through until they are together (medians over seeds)"
    )
    columns = ("arm", "kind", "labelled rows", "mean", "95 % band", "by seed", "chose",
               "looked through", "fitting")  # fmt: skip
    return Table(caption, columns, rows, frozenset(range(2, 9)))


def _fits(curve: dict, arms: list[dict]) -> Table:
    rows = []
    for arm in (arm for arm in arms if arm["fit"]):
        fit = arm["fit"]
        beyond = [place for place in fit["curve"] if place["extrapolated"]]
        far = beyond[-1] if beyond else None
        rows.append(
            (
                arm["name"],
                _share(fit["a"]),
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
        f"{curve['metric']} = a - b rows^(-c), fitted to the means by their sampling error; intervals from "
        "resampled rows and seeds. The last column is an extrapolation: nothing was run there"
    )
    columns = ("arm", "a (where it leads)", "b", "c", "largest miss, points", "carried on")
    return Table(caption, columns, tuple(rows), frozenset(range(1, 6)))


def _share(found: dict) -> str:
    return f"{found['value'] * 100:.1f} % ({found['low'] * 100:.1f} to {found['high'] * 100:.1f})"


def _number(found: dict) -> str:
    return f"{found['value']:.2g} ({found['low']:.2g} to {found['high']:.2g})"


def _why_no_fit(arms: list[dict]) -> list[str]:
    return [
        f"No curve is fitted to {arm['name']}: {arm['fit_reason']}."
        for arm in arms
        if not arm["fit"] and not arm["flat"]
    ]


def _method(curve: dict) -> str:
    seeds = len(curve["seeds"])
    few = (
        ""
        if seeds >= 5
        else f" {seeds} seed{'s' if seeds > 1 else ''} can't tell how much the draw of the rows matters: the "
        "shares and intervals know little of other draws."
    )
    return (
        f"Each size contains the rows of the smaller one, and all arms share a seed's rows and the test rows. "
        f"{curve['resamples']:,} resamples of groups of test rows and of seeds, the same for all arms, make "
        f"the shares and the fits' intervals. The band holds at each size by itself.{few}"
    )
