"""A cost report as text for a terminal."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable

from advisor.money.break_even import Bar, lasting
from advisor.money.ranges import Range
from advisor.money.report import CostReport, Volume
from advisor.text.markdown import escaped, table
from scenarios.terminal import one_line

_PARTS = ("set-up", "labelling", "training", "evaluation", "renewal", "operations", "requests",
          "machines")  # fmt: skip
_BARS = 6


def text(report: CostReport) -> str:
    """The report, top down: the money, the break-even, what moves it, what it rests on."""
    lines = [
        f"{one_line(report.scenario.title)}: {_load(report)}",
        _models(report),
        "",
        *_columns(_options(report), ""),
        "",
        *(line for said in _left_out(report) for line in _wrapped(said)),
        *([""] if report.left_out else []),
        "Break-even",
        *(line for said in _break_even(report) for line in _wrapped(said)),
        *([f"  {_MOVES}"] if report.break_even.tornado else []),
        *(f"    {bar}" for bar in _bars(report)),
        "",
        _where(report),
        *_columns(_breakdown(report), "  "),
        *(f"  {machines}" for machines in _machines(report)),
        "",
        *(line for note in report.plan.notes for line in _wrapped(f"note: {note}")),
        *([""] if report.plan.notes else []),
        _ASSUMPTIONS,
        *(line for said in _stated(report) for line in _wrapped(said)),
        *(line for row in _assumed(report) for line in _wrapped("{} {} {}: {}".format(*row))),
        "",
        *(line for said in _prices(report) for line in _wrapped(said, indent="")),
    ]
    return "\n".join(lines)


def markdown(report: CostReport) -> str:
    """The same as a Markdown document, and the warnings."""
    options, breakdown = _options(report), _breakdown(report)
    lines = [
        f"# {escaped(report.scenario.title)}: {_load(report)}",
        "",
        f"{escaped(_models(report))}.",
        "",
        *table(("option", *options[0][1:]), options[1:]),
        "",
        *_items(_left_out(report)),
        "## Break-even",
        "",
        *_items(_break_even(report)),
        *([_MOVES, ""] if report.break_even.tornado else []),
        *_items(_bars(report)),
        f"## {_where(report)}",
        "",
        *table(("option", *breakdown[0][1:]), breakdown[1:]),
        "",
        *_items(_machines(report)),
        *_items([*(f"note: {note}" for note in report.plan.notes),
                 *(f"warning: {warning}" for warning in report.warnings)]),
        f"## {_ASSUMPTIONS}",
        "",
        *_items(_stated(report)),
        *table(("assumption", "value", "unit", "source"), _assumed(report)),
        "",
        *map(escaped, _prices(report)),
    ]  # fmt: skip
    return "\n".join(lines).rstrip()


_MOVES = "What moves it most (one assumption at a time, from low to high):"
_ASSUMPTIONS = "Assumptions (value, low to high)"


def _items(said: Iterable[str]) -> list[str]:
    """A Markdown list with an empty line after it; nothing if it has no items."""
    items = [f"- {escaped(each)}" for each in said]
    return [*items, ""] if items else []


def _load(report: CostReport) -> str:
    requests = report.plan.values()["requests_per_month"]
    return f"{requests:,.0f} requests a month over {_months(report)} months"


def _months(report: CostReport) -> str:
    return f"{report.plan.values()['horizon_months']:g}"


def _models(report: CostReport) -> str:
    hosted, own = report.plan.hosted, report.plan.own
    return (
        f"hosted model {hosted.standard.model if hosted else '-'}, "
        f"own model {own.name if own else '-'}; dollars (95% range)"
    )


def _where(report: CostReport) -> str:
    return f"Where the money goes over {_months(report)} months"


def _options(report: CostReport) -> list[tuple[str, ...]]:
    """Each option's cost per month, over the horizon, and for 1,000 requests; the heads first."""
    rows = [("", "per month", f"over {_months(report)} months", "1,000 requests")]
    for name, option in report.options.items():
        per_request = option.per_request_usd
        thousand = "-" if per_request is None else _range(_times(per_request, 1000))
        rows.append((name, _range(option.monthly_usd), _range(option.horizon_usd), thousand))
    return rows


def _columns(rows: list[tuple[str, ...]], indent: str) -> list[str]:
    """The rows for a terminal: names on the left, figures aligned on the right."""
    names, *figures = ([len(cell) for cell in column] for column in zip(*rows, strict=True))
    return [
        f"{indent}{row[0]:<{max(names)}}  "
        + "  ".join(f"{cell:>{max(w)}}" for cell, w in zip(row[1:], figures, strict=True))
        for row in rows
    ]


def _left_out(report: CostReport) -> list[str]:
    """The options that aren't priced, one sentence for each reason."""
    by_reason: dict[str, list[str]] = {}
    for option, reason in report.left_out.items():
        by_reason.setdefault(reason, []).append(option)
    return [f"not priced: {', '.join(options)}: {reason}" for reason, options in by_reason.items()]


def _break_even(report: CostReport) -> list[str]:
    """The break-even, its condition, and that against each way of prompting."""
    found = report.break_even
    if found.volume is None:
        return [f"not applicable: {found.reason}"]
    held = " or ".join(found.compared_with.prompting)
    said = [
        f"{found.tuned} vs {held} ({found.compared_with.why}): {_said(found.volume)}.",
        f"{found.condition[0].upper()}{found.condition[1:]}.",
    ]
    if "hosted-tuned" in report.options and "hosted-tuned" not in lasting(report.plan):
        said.append("hosted-tuned isn't counted: it is discontinued before the horizon ends.")
    others = {o: v for o, v in found.alone.items() if (o,) != found.compared_with.prompting}
    return said + [
        f"vs only {option}, at equal quality: {_short(volume)}" for option, volume in others.items()
    ]


def _bars(report: CostReport) -> list[str]:
    """How far the break-even moves with one assumption; those that move it most."""
    return [_bar(bar) for bar in report.break_even.tornado[:_BARS]]


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
    return f"{bar.key} {_number(bar.low)} -> {_number(bar.high)}: {moved}"


def _breakdown(report: CostReport) -> list[tuple[str, ...]]:
    """The parts of each option's cost over the horizon; the heads first."""
    parts = [p for p in _PARTS if any(p in o.breakdown for o in report.options.values())]
    rows = [("", *parts)]
    for name, option in report.options.items():
        cells = (_usd(option.breakdown[p]) if p in option.breakdown else "-" for p in parts)
        rows.append((name, *cells))
    return rows


def _machines(report: CostReport) -> list[str]:
    """The machines that each option reserves, and how much of them it uses."""
    return [
        f"{name}: {m['replicas']:g} x {m['gpus_each']} {m['gpu']}, "
        f"{m['reserved_gpu_hours_per_month']:,.0f} GPU hours a month reserved and "
        f"{_number(m['used_gpu_hours_per_month'])} used "
        f"({_number(m['requests_per_s_each'])} requests/s each)"
        for name, option in report.options.items()
        if (m := option.machines)
    ]


def _stated(report: CostReport) -> list[str]:
    """The facts that the profile states, in one sentence."""
    found = [f"{a.key} {_number(a.range.value)}" for a in report.assumptions if a.stated]
    return [f"stated: {', '.join(found)}"] if found else []


def _assumed(report: CostReport) -> list[tuple[str, str, str, str]]:
    """Key, value with its range, unit and source of what the profile doesn't state."""
    rows = []
    for each in report.assumptions:
        if not each.stated:
            found = each.range
            span = "" if found.fixed else f" ({_number(found.low)} to {_number(found.high)})"
            rows.append((each.key, f"{_number(found.value)}{span}", each.unit, each.source))
    return rows


def _prices(report: CostReport) -> list[str]:
    """The prices used with their dates, in one sentence."""
    dated = sorted(dict.fromkeys(report.plan.dated), key=lambda entry: (entry[1], entry[0]))
    if not dated:
        return []
    listed = "; ".join(f"{name} ({as_of})" for name, as_of in dated)
    return [f"Prices of {dated[0][1]} to {dated[-1][1]}: {listed}"]


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
