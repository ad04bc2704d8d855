"""A number with its doubt, as both commands tell it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Estimate:
    """A value and its interval; `low` and `high` are None where none can be given, with `reason`."""

    value: float
    low: float | None
    high: float | None
    level: float
    n: int
    method: str
    reason: str | None = None
