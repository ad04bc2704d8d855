"""A cost report as text for a terminal."""

from __future__ import annotations

import math
import textwrap

from advisor.money.break_even import Bar, lasting
from advisor.money.ranges import Range
from advisor.money.report import CostReport, Volume
from scenarios.terminal import one_line

_PARTS = ("set-up", "labelling", "training", "evaluation", "renewal", "operations", "requests",
          "machines")  # fmt: skip
_BARS = 6


def text(report: CostReport) -> str:
    """The report, top down: the money, the break-even, what moves it, what it rests on."""
    values = report.plan.values()
    months = values["horizon_months"]
    lines = [
        f"{one_line(report.scenario.title)}: {values['requests_per_month']:,.0f} requests a month "
        f"over {months:g} months",
        f"hosted model {report.plan.hosted.standard.model if report.plan.hosted else '-'}, "
        f"own model {report.plan.own.name if report.plan.own else '-'}; dollars (95% range)",
        "",
        *_table(report, months),
        "",
        *_left_out(report),
        "Break-even",
        *_break_even(report),
        "",
        f"Where the money goes over {months:g} months",
        *_breakdown(report),
        "",
        *_notes(report),
        "Assumptions (value, low to high)",
        *_assumptions(report),
        "",
        *_prices(report),
    ]
    return "\n".join(lines)


def _table(report: CostReport, months: float) -> list[str]:
    rows = [("", "per month", f"over {months:g} months", "1,000 requests")]
    for name, option in report.options.items():
        per_request = option.per_request_usd
        thousand = "-" if per_request is None else _range(_times(per_request, 1000))
        rows.append((name, _range(option.monthly_usd), _range(option.horizon_usd), thousand))
    widths = [max(len(row[place]) for row in rows) for place in range(4)]
    return [
        f"{row[0]:<{widths[0]}}  " + "  ".join(f"{cell:>{w}}" for cell, w in
                                               zip(row[1:], widths[1:], strict=True))
        for row in rows
    ]  # fmt: skip


def _left_out(report: CostReport) -> list[str]:
    """The options that aren't priced, a line for each reason."""
    by_reason: dict[str, list[str]] = {}
    for option, reason in report.plan.left_out.items():
        by_reason.setdefault(reason, []).append(option)
    lines = []
    for reason, options in by_reason.items():
        lines += _wrapped(f"not priced: {', '.join(options)}: {reason}")
    return [*lines, ""] if lines else []


def _break_even(report: CostReport) -> list[str]:
    found = report.break_even
    if found.volume is None:
        return _wrapped(f"not applicable: {found.reason}")
    held = " or ".join(found.compared_with.prompting)
    lines = _wrapped(f"{found.tuned} vs {held} ({found.compared_with.why}): "
                     f"{_said(found.volume)}.")  # fmt: skip
    lines += _wrapped(f"{found.condition[0].upper()}{found.condition[1:]}.")
    if "hosted-tuned" in report.options and "hosted-tuned" not in lasting(report.plan):
        lines.append("  hosted-tuned isn't counted: it is discontinued before the horizon ends.")
    others = {o: v for o, v in found.alone.items() if (o,) != found.compared_with.prompting}
    for option, volume in others.items():
        lines.append(f"  vs only {option}, at equal quality: {_short(volume)}")
    if found.tornado:
        lines.append("  What moves it most (one assumption at a time, from low to high):")
        lines += [_bar(bar) for bar in found.tornado[:_BARS]]
    return lines


def _said(volume: Volume) -> str:
    """A break-even volume as a sentence."""
    span = (f"95% range: {_requests(volume.low)} to {_requests(volume.high)}; never in {volume.never:.0%} "
            f"of draws, from the first request in {volume.from_first:.0%}")  # fmt: skip
    if volume.answer == "never":
        return f"not cheaper at any volume ({span})"
    if volume.answer == "from-the-first-request":
        return f"cheaper from the first request ({span})"
    return f"cheaper from {_requests(volume.value)} requests a month ({span})"


def _short(volume: Volume) -> str:
    return f"{_requests(volume.value)} ({_requests(volume.low)} to {_requests(volume.high)})"


def _bar(bar: Bar) -> str:
    moved = f"{_requests(bar.volume_at_low)} -> {_requests(bar.volume_at_high)}"
    if bar.volume_at_low == bar.volume_at_high:
        moved = (f"{moved}; tuning costs {_usd(bar.difference_usd_at_low)} -> "
                 f"{_usd(bar.difference_usd_at_high)} more over the horizon")  # fmt: skip
    return f"    {bar.key} {_number(bar.low)} -> {_number(bar.high)}: {moved}"


def _breakdown(report: CostReport) -> list[str]:
    parts = [p for p in _PARTS if any(p in o.breakdown for o in report.options.values())]
    rows = [("", *parts)]
    for name, option in report.options.items():
        cells = (_usd(option.breakdown[p]) if p in option.breakdown else "-" for p in parts)
        rows.append((name, *cells))
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    lines = [
        f"  {row[0]:<{widths[0]}}  " + "  ".join(f"{cell:>{w}}" for cell, w in
                                                 zip(row[1:], widths[1:], strict=True))
        for row in rows
    ]  # fmt: skip
    for name, option in report.options.items():
        if m := option.machines:
            lines.append(f"  {name}: {m['replicas']:g} x {m['gpus_each']} {m['gpu']}, "
                         f"{m['reserved_gpu_hours_per_month']:,.0f} GPU hours a month reserved and "
                         f"{_number(m['used_gpu_hours_per_month'])} used "
                         f"({_number(m['requests_per_s_each'])} requests/s each)")  # fmt: skip
    return lines


def _notes(report: CostReport) -> list[str]:
    lines = [line for note in report.plan.notes for line in _wrapped(f"note: {note}")]
    return [*lines, ""] if lines else []


def _assumptions(report: CostReport) -> list[str]:
    stated = [
        f"{each.key} {_number(each.range.value)}" for each in report.assumptions if each.stated
    ]
    lines = _wrapped(f"stated: {', '.join(stated)}") if stated else []
    for each in report.assumptions:
        if not each.stated:
            found = each.range
            span = "" if found.fixed else f" ({_number(found.low)} to {_number(found.high)})"
            lines += _wrapped(f"{each.key} {_number(found.value)}{span} {each.unit}: {each.source}")
    return lines


def _prices(report: CostReport) -> list[str]:
    dated = sorted(dict.fromkeys(report.plan.dated), key=lambda entry: (entry[1], entry[0]))
    if not dated:
        return []
    listed = "; ".join(f"{name} ({as_of})" for name, as_of in dated)
    return _wrapped(f"Prices of {dated[0][1]} to {dated[-1][1]}: {listed}", indent="")


def _wrapped(line: str, indent: str = "  ") -> list[str]:
    return textwrap.wrap(line, 100, initial_indent=indent, subsequent_indent=indent + "  ",
                         break_long_words=False, break_on_hyphens=False)  # fmt: skip


def _times(found: Range, factor: float) -> Range:
    return Range(found.value * factor, found.low * factor, found.high * factor)


def _range(found: Range) -> str:
    if _usd(found.low) == _usd(found.high):
        return _usd(found.value)
    return f"{_usd(found.value)} ({_usd(found.low)}-{_usd(found.high)})"


def _usd(dollars: float) -> str:
    sign, size = ("-" if dollars < 0 else ""), abs(dollars)
    if size == 0:
        return "$0"
    if size < 0.01:
        return f"{sign}${size:.2g}"
    return f"{sign}${size:,.2f}" if size < 10 else f"{sign}${size:,.0f}"


def _requests(volume: float) -> str:
    """A volume to three figures: it isn't known better."""
    if math.isinf(volume):
        return "never"
    if volume <= 1:
        return "the first"
    digits = 10 ** max(0, math.floor(math.log10(volume)) - 2)
    return f"{round(volume / digits) * digits:,}"


def _number(number: float) -> str:
    if number and (abs(number) >= 1e4):
        return f"{number:,.0f}"
    return f"{number:.3g}" if abs(number) < 100 else f"{number:,.0f}"


def short_range(found: Range) -> str:
    """`$21,000 ($13,000-$49,000)`: for a table that is read at a glance, to two figures."""
    value, low, high = (_usd(_rounded(each, 2)) for each in (found.value, found.low, found.high))
    return f"{value} ({low}-{high})"


def short_volume(found: dict) -> str:
    """A break-even volume of the JSON, where null is never."""
    value, low, high = (
        _requests(math.inf if found[key] is None else found[key])
        for key in ("value", "low", "high")
    )
    return f"{value} ({low} to {high})"


def _rounded(number: float, figures: int) -> float:
    if number == 0:
        return 0.0
    return round(number, figures - 1 - math.floor(math.log10(abs(number))))
