"""Numbers as people read them; nothing is rounded before it gets here."""

from __future__ import annotations

MISSING = "-"


def percent(share: float | None) -> str:
    """0.7367 as 73.7 %."""
    return MISSING if share is None else f"{share * 100:.1f} %"


def estimate(found: dict) -> str:
    """A value with its interval, or the value and that there is none."""
    if found["low"] is None:
        return f"{percent(found['value'])} (no interval)"
    return f"{percent(found['value'])} ({found['low'] * 100:.1f} to {found['high'] * 100:.1f})"


def milliseconds(value: float | None) -> str:
    """Three significant digits, since a laptop's timings carry no more."""
    return MISSING if value is None else f"{_three_digits(value)} ms"


def seconds(value: float | None) -> str:
    """Seconds, or minutes from two of them on."""
    if value is None:
        return MISSING
    return f"{_three_digits(value)} s" if value < 120 else f"{value / 60:.1f} min"


def mebibytes(value: int | None) -> str:
    """Bytes as MiB, or GiB from ten of them on."""
    if value is None:
        return MISSING
    return f"{value / 2**20:,.1f} MiB" if value < 10 * 2**30 else f"{value / 2**30:,.1f} GiB"


def count(value: int | None) -> str:
    """With thousands apart."""
    return MISSING if value is None else f"{value:,}"


def dollars(value: float | None) -> str:
    """Two significant digits below a dollar."""
    if value is None:
        return MISSING
    return f"${value:.2f}" if value >= 1 else f"${value:.2g}"


def p_value(value: float | None) -> str:
    """Never zero."""
    if value is None:
        return MISSING
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def _three_digits(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
