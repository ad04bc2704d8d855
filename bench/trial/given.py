"""The line on a trial's standard input: which trial it is, and what the user brings to the run."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Given:
    """A trial's slug (empty for the process that forecasts all), and `bench.core.own.Own.parcel`."""

    trial: str = ""
    own: str = ""

    def to_line(self) -> str:
        """As the run writes it."""
        return json.dumps(asdict(self)) + "\n"


def read_given() -> Given:
    """As the trial reads it; leaves where the input ends before the line does."""
    said = b""
    while not said.endswith(b"\n"):
        more = os.read(
            0, 65536
        )  # the descriptor itself: a buffered reader would hold a lock at exit
        if not more:
            sys.exit(130)
        said += more
    return Given(**json.loads(said))
