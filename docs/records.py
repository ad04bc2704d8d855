"""The kept measurements, and their numbers as the documents write them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
KEPT = ROOT / "docs" / "measurements"
Entry = Mapping[str, Any]
"""An object of a record. Each script has keys of its own, so there is no closer type for all of them."""


@cache
def record(name: str) -> Entry:
    """A kept record by its file's name without `.json`."""
    return json.loads((KEPT / f"{name}.json").read_text(encoding="utf-8"))


def named(entries: list[Entry], name: object, key: str = "name") -> Entry:
    """The only entry with this name."""
    (found,) = [entry for entry in entries if entry[key] == name]
    return found


def spread(entry: Entry, places: int, unit: str = "", scale: float = 1) -> str:
    """Median, lowest and highest of repeated measurements: `2.4 s (2.4 to 2.5)`."""
    median, low, high = (f"{entry[key] * scale:,.{places}f}" for key in ("median", "low", "high"))
    return f"{median}{unit} ({low} to {high})"


def spread_in_units(entry: Entry, places: int, unit: str, scale: float = 1) -> str:
    """The same with the unit at each number: `3.1 s (2.8 s to 3.2 s)`."""
    median, low, high = (
        f"{entry[key] * scale:,.{places}f} {unit}" for key in ("median", "low", "high")
    )
    return f"{median} ({low} to {high})"


def share(estimate: Entry, places: int = 3, between: str = " to ") -> str:
    """A value with its confidence interval: `0.730 (0.666 to 0.786)`."""
    value, low, high = (f"{estimate[key]:.{places}f}" for key in ("value", "low", "high"))
    return f"{value} ({low}{between}{high})"


def points(entry: Entry, key: str = "difference") -> str:
    """A difference of shares with its confidence interval: `+7.0 (+2.0 to +12.0)`."""
    value, low, high = (f"{entry[each] * 100:+.1f}" for each in (key, "low", "high"))
    return f"{value} ({low} to {high})"


def mib(size: float, places: int = 0) -> str:
    """Bytes as `2,621 MiB`."""
    return f"{size / 2**20:,.{places}f} MiB"
