"""What the small JSON files in a run's folder hold: forecasts, a budget's account, a curve's points.

Annotations are evaluated here, so that `__required_keys__` knows which keys a file may lack.
"""

from typing import Any, NotRequired, TypedDict


class Span(TypedDict):
    """A forecast number with its range."""

    value: float
    low: float
    high: float


class Forecast(TypedDict):
    """What a trial is expected to take, or null with the reason why there is no forecast.

    A curve's trial also has `start_seconds`, which are spent once, and the seconds `by_size`.
    """

    trial: str
    contender: str
    seconds: Span | None
    peak_resident_bytes: Span | None
    peak_gpu_bytes: Span | None
    reason: str
    start_seconds: NotRequired[float]
    by_size: NotRequired[dict[str, float]]


class Dropped(TypedDict):
    """A trial that a budget has no room for."""

    trial: str
    contender: str
    seconds: float
    reason: str


class Account(TypedDict):
    """A budget's account: as the user gave it, what it covers, and what has been spent of it.

    `sizes` are those of the curve that it covers (null: all of them).
    """

    said: str
    seconds: float
    usd: float | None
    spent_seconds: float
    planned: list[str]
    dropped: list[Dropped]
    sizes: list[int] | None
    dropped_sizes: list[int]
    stopped: list[str]
    planned_seconds: float
    spent_usd: NotRequired[float]


class Point(TypedDict):
    """What one contender with one seed did at one size of a learning curve.

    `rows` is the number of its answers, which points of version 1 don't say.
    """

    size: int
    rows: NotRequired[int]
    learnt_from: int
    chosen_by: int
    looked_through: int
    rows_sha256: str
    notes: dict[str, Any]
    fit_seconds: float
    answer_seconds: float
