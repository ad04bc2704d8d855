"""Progress bars with the time left, on stderr, and durations in words."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from tqdm import tqdm

from bench.core.files import Span
from scenarios.progress import say as say  # most that report progress also show bars or durations

SILENT = False  # in a process whose work isn't a step of a run


def bar(description: str, total: int, unit: str) -> tqdm:
    """A progress bar; silent if the description is empty, an occasional line in a log file.

    The environment variable `TQDM_DISABLE` turns it off.
    """
    off = {"disable": True} if SILENT or not description else {}
    return tqdm(
        desc=f"  {description}",
        total=total,
        unit=unit,
        file=sys.stderr,
        mininterval=0.2 if sys.stderr.isatty() else 10,
        leave=False,
        dynamic_ncols=True,
        **off,
    )


def duration(seconds: float) -> str:
    """Seconds, or minutes from a hundred of them on."""
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.1f} min"


def total_duration(forecasts: Sequence[Span]) -> str:
    """The sum of some forecasts of seconds, from lowest to highest."""
    low, high = (
        sum(ends) for ends in zip(*((s["low"], s["high"]) for s in forecasts), strict=True)
    )
    return f"{duration(low)} to {duration(high)}"
