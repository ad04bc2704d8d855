"""Charts as static SVG: authored in Altair, drawn by vl-convert, without any script in the page."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

COLOURS = {"floor": "#8a8f98", "prompt": "#b4540a", "between": "#6b4fa0", "fine_tune": "#0b6e6e"}
NAMES = {
    "floor": "baseline",
    "prompt": "prompting",
    "between": "embedding classifier",
    "fine_tune": "fine-tuning",
}


@dataclass(frozen=True)
class Point:
    """A contender: quality in 0..1 with its confidence interval, latency in milliseconds."""

    name: str
    family: str
    latency_ms: float
    quality: float
    low: float | None
    high: float | None


def quality_against_latency(points: Sequence[Point], quality: str) -> str:
    """SVG of quality with confidence intervals against latency on a logarithmic axis."""
    import altair as alt

    rows = [
        {
            "name": p.name,
            "family": NAMES[p.family],
            "latency": max(p.latency_ms, 0.001),
            "quality": p.quality * 100,
            "low": (p.quality if p.low is None else p.low) * 100,
            "high": (p.quality if p.high is None else p.high) * 100,
            "below": any(_crowds(other, p) for other in points),
        }
        for p in points
    ]
    families = [family for family in NAMES if any(p.family == family for p in points)]
    colour = alt.Color("family:N", title=None).scale(
        domain=[NAMES[family] for family in families],
        range=[COLOURS[family] for family in families],
    ).legend(orient="top")  # fmt: skip
    x = alt.X("latency:Q", title="p50 latency of single requests, ms (logarithmic)")
    base = alt.Chart(alt.Data(values=rows)).encode(x=x.scale(type="log", padding=40), color=colour)
    y = alt.Y("quality:Q", title=f"{quality}, %").scale(domain=[0, 100])
    bars = base.mark_rule(strokeWidth=2).encode(y=alt.Y("low:Q"), y2="high:Q")
    dots = base.mark_point(filled=True, size=90, opacity=1).encode(y=y)
    names = [
        base.transform_filter(f"datum.below == {flag}")
        .mark_text(align="left", dx=9, dy=dy, fontSize=12)
        .encode(y=y, text="name:N")
        for flag, dy in (("false", -6), ("true", 14))
    ]
    chart = alt.layer(bars, dots, *names).properties(width=620, height=300)
    chart = chart.configure(font="sans-serif", background="transparent").configure_view(stroke=None)
    return _drawn(chart.to_dict())


@dataclass(frozen=True)
class Line:
    """An arm of a learning curve. `points` are (rows, value, low, high), `seeds` the values of single
    draws as (rows, value), `fit` the fitted curve as (rows, value, extrapolated); `flat` is the value
    of an arm that uses no labelled rows."""

    name: str
    family: str
    points: Sequence[tuple[int, float, float | None, float | None]] = ()
    seeds: Sequence[tuple[int, float]] = ()
    fit: Sequence[tuple[int, float, bool]] = ()
    flat: float | None = None


def quality_by_rows(
    lines: Sequence[Line], quality: str, bracket: tuple[float, float] | None = None
) -> str:
    """SVG of quality against labelled rows on a logarithmic axis.

    Dots are means over seeds, small dots single seeds, areas bands; the fitted curve is dashed where it
    extrapolates, and the range `bracket` (from, to, in rows) is shaded.
    """
    import altair as alt

    families = [family for family in NAMES if any(line.family == family for line in lines)]
    colour = alt.Color("family:N", title=None).scale(
        domain=[NAMES[family] for family in families],
        range=[COLOURS[family] for family in families],
    ).legend(orient="top", symbolOpacity=1)  # fmt: skip
    marks = _marks(lines)
    places = [row["rows"] for row in marks["dots"] + marks["fits"]] or [1]
    ends = [min(places), max(places) * 1.6]
    x = alt.X("rows:Q", title="labelled rows, including those for choosing (logarithmic)").scale(
        type="log", domain=ends, nice=False
    )
    y = alt.Y("value:Q", title=f"{quality}, %").scale(domain=[0, 100])

    def layer(name: str) -> alt.Chart:
        return alt.Chart(alt.Data(values=marks[name])).encode(x=x, y=y, color=colour)

    dashed = alt.StrokeDash("dash:N", legend=None).scale(
        domain=["within", "beyond"], range=[[1, 0], [5, 4]]
    )
    layers = [
        layer("bands")
        .mark_area(opacity=0.18)
        .encode(y=alt.Y("low:Q"), y2="high:Q", detail="name:N"),
        layer("fits").mark_line(strokeWidth=2).encode(detail="name:N", strokeDash=dashed),
        layer("flats").mark_line(strokeDash=[2, 3], strokeWidth=2).encode(detail="name:N"),
        layer("seeds").mark_point(filled=True, size=18, opacity=0.55),
        layer("dots").mark_point(filled=True, size=80, opacity=1),
        layer("names").mark_text(align="left", dx=8, fontSize=12).encode(text="name:N"),
    ]
    if bracket:
        shade = alt.Chart(alt.Data(values=[{"from": bracket[0], "to": bracket[1]}]))
        shade = shade.mark_rect(opacity=0.12, color="#5c636d").encode(
            x=alt.X("from:Q").scale(type="log", domain=ends, nice=False), x2="to:Q"
        )
        layers.insert(0, shade)
    filled = [one for one in layers if one.data is alt.Undefined or one.data.values]
    chart = alt.layer(*filled).properties(width=620, height=320)
    chart = chart.configure(font="sans-serif", background="transparent").configure_view(stroke=None)
    return _drawn(chart.to_dict())


class _Mark(TypedDict, total=False):
    """A data row of a learning curve's chart; which keys it has depends on its layer."""

    name: str
    family: str
    rows: float
    value: float
    low: float
    high: float
    dash: str


def _marks(lines: Sequence[Line]) -> dict[str, list[_Mark]]:
    """The data rows of each layer of a learning curve's chart, values in percent."""
    found: dict[str, list[_Mark]] = {
        name: [] for name in ("bands", "fits", "flats", "seeds", "dots", "names")
    }
    rising = [line for line in lines if line.flat is None]
    places = [point[0] for line in rising for point in line.points]
    places += [place[0] for line in rising for place in line.fit]
    ends = (min(places), max(places)) if places else (1, 2)
    for line in lines:
        own: _Mark = {"name": line.name, "family": NAMES[line.family]}
        if line.flat is not None:
            found["flats"] += [own | {"rows": end, "value": line.flat * 100} for end in ends]
            found["names"].append(own | {"rows": ends[1], "value": line.flat * 100})
            continue
        for rows, value, low, high in line.points:
            found["dots"].append(own | {"rows": rows, "value": value * 100})
            if low is not None and high is not None:
                found["bands"].append(own | {"rows": rows, "low": low * 100, "high": high * 100})
        found["seeds"] += [own | {"rows": rows, "value": v * 100} for rows, v in line.seeds]
        for rows, value, beyond in line.fit:
            found["fits"].append(
                own | {"rows": rows, "value": value * 100, "dash": "beyond" if beyond else "within"}
            )
        inside = [place for place in line.fit if not place[2]]
        if inside and len(inside) < len(line.fit):
            # the dashed part begins where the solid one ends
            rows, value, _ = inside[-1]
            found["fits"].append(own | {"rows": rows, "value": value * 100, "dash": "beyond"})
        last = line.fit[-1][:2] if line.fit else line.points[-1][:2]
        found["names"].append(own | {"rows": last[0], "value": last[1] * 100})
    return found


def _crowds(other: Point, point: Point) -> bool:
    """Whether another point is so close above this one that the name goes below."""
    near = 1 / 4 < (other.latency_ms + 1e-3) / (point.latency_ms + 1e-3) < 4
    return other is not point and near and 0 <= other.quality - point.quality < 0.1


def _drawn(specification: dict[str, Any]) -> str:
    import vl_convert

    svg = vl_convert.vegalite_to_svg(specification)
    return re.sub(r"<\?xml[^>]*\?>", "", svg)
