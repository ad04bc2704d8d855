"""Progress with time left, on stderr."""

from __future__ import annotations

import sys

from tqdm import tqdm

SILENT = False  # a process whose work is no step of a run's


def bar(description: str, total: int, unit: str) -> tqdm:
    """A progress bar; silent where the description is empty, one line in a while in a log file."""
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
