"""What was forecast for each trial before the run, and what was then measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from bench.record.types import Grade, Record
from reports import numbers
from reports.blocks import Block, Paragraph, Table

TITLE = "Forecasts and measurements"
PLACE = 47
Shown = Callable[[float | None], str]


@dataclass(frozen=True)
class Kind:
    """What is forecast: its name, how it is shown, and the keys of a forecast that hold it."""

    name: str
    shown: Shown
    expected: Literal["seconds", "peak_resident_bytes", "peak_gpu_bytes"]
    measured: Literal["measured_seconds", "measured_peak_resident_bytes", "measured_peak_gpu_bytes"]
    error: Literal["seconds_error", "peak_resident_bytes_error", "peak_gpu_bytes_error"]


KINDS = (
    Kind("time forecast", numbers.seconds, "seconds", "measured_seconds", "seconds_error"),
    Kind(
        "memory forecast",
        numbers.mebibytes,
        "peak_resident_bytes",
        "measured_peak_resident_bytes",
        "peak_resident_bytes_error",
    ),
    Kind(
        "GPU memory forecast",
        numbers.mebibytes,
        "peak_gpu_bytes",
        "measured_peak_gpu_bytes",
        "peak_gpu_bytes_error",
    ),
)


def blocks(record: Record) -> list[Block]:
    """Time and memory of each trial, with the forecast's error."""
    graded = [f for f in record["forecasts"] if f["seconds"]]
    if not graded:
        return [Paragraph("Nothing was forecast.")]
    kinds = [kind for kind in KINDS if any(f[kind.expected] for f in graded)]
    rows = tuple(
        (
            forecast["contender"],
            *(cell for kind in kinds for cell in _graded(forecast, kind)),
        )
        for forecast in graded
    )
    caption = (
        "A forecast extrapolates a few seconds of each trial's work, timed on this machine before the "
        "run; its error is that of its central value relative to the measurement. A trial that was "
        "resumed after an interruption has no measured time"
    )
    columns = ("contender", *(c for kind in kinds for c in (kind.name, "measured", "error")))
    return [Table(caption, columns, rows, frozenset(range(1, len(columns))))]


def _graded(forecast: Grade, kind: Kind) -> tuple[str, str, str]:
    span, error = forecast[kind.expected], forecast[kind.error]
    return (
        f"{kind.shown(span['low'])} to {kind.shown(span['high'])}" if span else numbers.MISSING,
        kind.shown(forecast[kind.measured]),
        numbers.MISSING if error is None else f"{error * 100:+.0f}%",
    )
