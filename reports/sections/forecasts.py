"""What was forecast of each trial before the run, beside what was then measured."""

from __future__ import annotations

from reports import numbers
from reports.blocks import Block, Paragraph, Table

TITLE = "Forecast and measured"
PLACE = 47


def blocks(record: dict) -> list[Block]:
    """Time and memory of each trial, with the error of the forecast."""
    graded = [f for f in record["forecasts"] if f["seconds"] or f["peak_resident_bytes"]]
    if not graded:
        return [Paragraph("Nothing was forecast.")]
    rows = tuple(
        (
            forecast["contender"],
            _range(forecast["seconds"], numbers.seconds),
            numbers.seconds(forecast["measured_seconds"]),
            _error(forecast["seconds_error"]),
            _range(forecast["peak_resident_bytes"], numbers.mebibytes),
            numbers.mebibytes(forecast["measured_peak_resident_bytes"]),
            _error(forecast["peak_resident_bytes_error"]),
        )
        for forecast in graded
    )
    caption = (
        "From a few seconds of each trial's work on this machine, before the run; the error is the "
        "forecast's middle over what was measured. A trial that went on after an interruption has "
        "no time of its own"
    )
    columns = ("contender", "time forecast", "measured", "error", "memory forecast", "measured",
               "error")  # fmt: skip
    return [Table(caption, columns, rows, frozenset(range(1, 7)))]


def _range(interval: dict | None, shown) -> str:
    if interval is None:
        return numbers.MISSING
    return f"{shown(interval['low'])} to {shown(interval['high'])}"


def _error(share: float | None) -> str:
    return numbers.MISSING if share is None else f"{share * 100:+.0f} %"
