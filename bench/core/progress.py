"""Progress bars with the time left, on stderr."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from tqdm import tqdm

from bench.core.files import Span

SILENT = False  # in a process whose work isn't a step of a run


def bar(description: str, total: int, unit: str) -> tqdm:
    """A progress bar; silent if the description is empty, an occasional line in a log file."""
    return tqdm(
        desc=f"  {description}",
        total=total,
        unit=unit,
        file=sys.stderr,
        disable=SILENT or not description,
        mininterval=0.2 if sys.stderr.isatty() else 10,
        leave=False,
        dynamic_ncols=True,
    )


def say(text: str) -> None:
    """A line of progress on stderr."""
    print(text, file=sys.stderr, flush=True)


def duration(seconds: float) -> str:
    """Seconds, or minutes from a hundred of them on."""
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.1f} min"


def total_duration(forecasts: Sequence[Span]) -> str:
    """The sum of some forecasts of seconds, from lowest to highest."""
    low, high = (
        sum(ends) for ends in zip(*((s["low"], s["high"]) for s in forecasts), strict=True)
    )
    return f"{duration(low)} to {duration(high)}"
