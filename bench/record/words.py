"""Numbers as the record's sentences write them."""

from __future__ import annotations

import math
from collections.abc import Sequence


def counted(number: int, noun: str) -> str:
    """`1 seed`, `5 seeds`, `2,000 test rows`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def listed(names: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last


def percent_of(level: float) -> str:
    """A level in percent, never rounded up to certainty: 99.9988% becomes 99.99."""
    return f"{math.floor(level * 1e4 + 1e-6) / 100:g}"


def gain(metric: str, difference: float) -> str:
    """A difference in points: `accuracy +22.7 points`."""
    return f"{metric} {difference * 100:+.1f} points"


def interval(level: float, low: float, high: float) -> str:
    """Its confidence interval in points: `95% CI +15.5 to +29.8`."""
    return f"{percent_of(level)}% CI {low * 100:+.1f} to {high * 100:+.1f}"


def margin_of(margin: float) -> str:
    """`3-point margin`."""
    return f"{margin * 100:g}-point margin"
