"""Forecasts compared with what was then measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from bench.core.files import Forecast, Span
from bench.core.outcome import CurveDone, Done, Outcome
from bench.record.measured import peak
from bench.record.types import Grade


def graded(forecasts: Sequence[Forecast], outcomes: Mapping[str, Outcome]) -> list[Grade]:
    """Each forecast with what was measured, and its error as a share of the measured value.

    The seconds of a trial that was resumed after an interruption aren't its own, so they aren't
    graded. Those of a curve's trial are forecast anew where a budget left it fewer sizes.
    """
    return [_graded(forecast, outcomes[forecast["trial"]]) for forecast in forecasts]


def _graded(forecast: Forecast, outcome: Outcome) -> Grade:
    found: dict[str, Any] = {**forecast, "seconds": _of_its_sizes(forecast, outcome)}
    measured = {
        "seconds": outcome.wall_seconds if isinstance(outcome, Done | CurveDone) else None,
        "peak_resident_bytes": peak("peak_resident_bytes", [outcome]),
        "peak_gpu_bytes": peak("peak_gpu_bytes", [outcome]),
    }
    for key, value in measured.items():
        expected: Span | None = found[key]
        found |= {f"measured_{key}": value, f"{key}_error": None, f"{key}_held": None}
        if expected is not None and value is not None:
            found[f"{key}_error"] = expected["value"] / value - 1
            found[f"{key}_held"] = expected["low"] <= value <= expected["high"]
    return cast(Grade, found)


def _of_its_sizes(forecast: Forecast, outcome: Outcome) -> Span | None:
    """The forecast's seconds, of the sizes that a curve's trial finished."""
    seconds, by_size = forecast["seconds"], forecast.get("by_size")
    sizes = [str(size) for size in outcome.sizes] if isinstance(outcome, CurveDone) else []
    if not seconds or not by_size or not sizes or set(sizes) == by_size.keys():
        return seconds
    total = forecast["start_seconds"] + sum(by_size[size] for size in sizes)
    share = total / seconds["value"]
    return {
        "value": seconds["value"] * share,
        "low": seconds["low"] * share,
        "high": seconds["high"] * share,
    }
