"""What was forecast of each trial before the run, beside what was then measured."""

from __future__ import annotations

from reports import numbers
from reports.blocks import Block, Paragraph, Table

TITLE = "Forecast and measured"
PLACE = 47
KINDS = (
    ("seconds", "time forecast", numbers.seconds),
    ("peak_resident_bytes", "memory forecast", numbers.mebibytes),
    ("peak_gpu_bytes", "GPU memory forecast", numbers.mebibytes),
)


def blocks(record: dict) -> list[Block]:
    """Time and memory of each trial, with the error of the forecast."""
    graded = [f for f in record["forecasts"] if f["seconds"]]
    if not graded:
        return [Paragraph("Nothing was forecast.")]
    kinds = [(key, name, shown) for key, name, shown in KINDS if any(f[key] for f in graded)]
    rows = tuple(
        (
            forecast["contender"],
            *(cell for key, _, shown in kinds for cell in _graded(forecast, key, shown)),
        )
        for forecast in graded
    )
    caption = (
        "From a few seconds of each trial's work on this machine, before the run; the error is the "
        "forecast's middle over what was measured. A trial that went on after an interruption has "
        "no time of its own"
    )
    columns = ("contender", *(c for _, name, _ in kinds for c in (name, "measured", "error")))
    return [Table(caption, columns, rows, frozenset(range(1, len(columns))))]


def _graded(forecast: dict, key: str, shown) -> tuple[str, str, str]:
    interval, error = forecast[key], forecast[f"{key}_error"]
    return (
        f"{shown(interval['low'])} to {shown(interval['high'])}" if interval else numbers.MISSING,
        shown(forecast[f"measured_{key}"]),
        numbers.MISSING if error is None else f"{error * 100:+.0f} %",
    )
