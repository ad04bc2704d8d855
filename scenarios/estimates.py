"""A number with its confidence interval, as both commands report it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Estimate:
    """A value and its confidence interval; without one, `low` and `high` are None and `reason` says why."""

    value: float
    low: float | None
    high: float | None
    level: float
    n: int
    method: str
    reason: str | None = None
