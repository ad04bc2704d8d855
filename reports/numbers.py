"""Numbers as people read them; nothing is rounded before it gets here."""

from __future__ import annotations

from bench.record.types import EstimateDict

MISSING = "-"
SHORTEST_MS = 0.1
SHORTEST_S = 0.01
LEAST_DOLLARS = 0.0001
"""Below these a timing or a price is noise, so only the bound is shown."""


def percent(share: float | None) -> str:
    """0.7367 as 73.7%."""
    return MISSING if share is None else f"{share * 100:.1f}%"


def estimate(found: EstimateDict) -> str:
    """A value with its confidence interval, or the value and a note that it has none."""
    low, high = found["low"], found["high"]
    if low is None or high is None:
        return f"{percent(found['value'])} (no CI)"
    return f"{percent(found['value'])} ({low * 100:.1f} to {high * 100:.1f})"


def gain_interval(low: float | None, high: float | None, absent: str = "none") -> str:
    """The confidence interval of a difference, in points with their signs."""
    if low is None or high is None:
        return absent
    return f"{low * 100:+.1f} to {high * 100:+.1f}"


def milliseconds(value: float | None) -> str:
    """Three significant digits, since a laptop's timings carry no more."""
    if value is None:
        return MISSING
    return f"under {SHORTEST_MS} ms" if value < SHORTEST_MS else f"{_three_digits(value)} ms"


def seconds(value: float | None) -> str:
    """Seconds with three significant digits; minutes from two minutes on."""
    if value is None:
        return MISSING
    if value < SHORTEST_S:
        return f"under {SHORTEST_S} s"
    return f"{_three_digits(value)} s" if value < 120 else f"{value / 60:.1f} min"


def rows_per_second(value: float | None) -> str:
    """One decimal below a hundred, whole numbers below a million, then millions."""
    if value is None:
        return MISSING
    if value < 99.95:
        return f"{value:.1f} rows/s"
    if value < 999_999.5:
        return f"{value:,.0f} rows/s"
    return f"{value / 1e6:,.1f} million rows/s"


def mebibytes(value: float | None) -> str:
    """Bytes as MiB, or as GiB from 10 GiB on."""
    if value is None:
        return MISSING
    return f"{value / 2**20:,.1f} MiB" if value < 10 * 2**30 else f"{value / 2**30:,.1f} GiB"


def count(value: int | None) -> str:
    """With a comma between thousands."""
    return MISSING if value is None else f"{value:,}"


def dollars(value: float | None) -> str:
    """Two significant digits below a dollar."""
    if value is None:
        return MISSING
    if 0 < value < LEAST_DOLLARS:
        return f"under ${LEAST_DOLLARS}"
    return f"${value:.2f}" if value >= 1 else f"${value:.2g}"


def p_value(value: float | None) -> str:
    """Never zero."""
    if value is None:
        return MISSING
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def _three_digits(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
