"""Charts as static SVG: authored in Altair, drawn by vl-convert, without any script in the page."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

COLOURS = {"floor": "#8a8f98", "prompt": "#b4540a", "between": "#6b4fa0", "fine_tune": "#0b6e6e"}
NAMES = {
    "floor": "floor",
    "prompt": "prompting",
    "between": "between",
    "fine_tune": "fine-tuning",
}


@dataclass(frozen=True)
class Point:
    """A contender: quality in 0..1 with its interval, latency in milliseconds."""

    name: str
    family: str
    latency_ms: float
    quality: float
    low: float | None
    high: float | None


def quality_against_latency(points: Sequence[Point], quality: str) -> str:
    """SVG of quality with intervals against latency on a logarithmic axis."""
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
    x = alt.X("latency:Q", title="latency of single requests, p50, ms (logarithmic)")
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


def _crowds(other: Point, point: Point) -> bool:
    """Whether another point sits so close above that the name goes below."""
    near = 1 / 4 < (other.latency_ms + 1e-3) / (point.latency_ms + 1e-3) < 4
    return other is not point and near and 0 <= other.quality - point.quality < 0.1


def _drawn(specification: dict) -> str:
    import vl_convert

    svg = vl_convert.vegalite_to_svg(specification)
    return re.sub(r"<\?xml[^>]*\?>", "", svg)
