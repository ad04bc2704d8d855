"""The columns of a table of contenders: what a run's results show of each, as text."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from scenarios.terminal import one_line

if TYPE_CHECKING:
    from bench.record.types import ContenderEntry, Record

ANSWERS = {
    "fine_tune": "Fine-tune",
    "prompt": "Prompt",
    "cant_tell": "Can't tell yet",
    "not_applicable": "No verdict",
}
"""A verdict's answers, in words."""
INTERVAL_WIDTH = 14
_COMMAND = re.compile(r"(?<!`)(`(?:advisor|bench) [\w .,:=/@'-]+`)(?!`)")
"""A command of ours as code, of characters that mean nothing there or in a table."""
_MARKS = re.compile(r"([\\`*_{}\[\]<>&|#~$])")


@dataclass(frozen=True)
class Column:
    """A column of a table of contenders; its cells are right-aligned."""

    head: str
    width: int
    cell: Callable[[ContenderEntry], str]


def _quality_column(metric: str, width: int) -> Column:
    """A metric's value and, if there is one, its confidence interval."""

    def cell(entry: ContenderEntry) -> str:
        from bench.record.types import metric_of  # dozens of classes that no help needs

        found = metric_of(entry, metric)
        interval = "" if found["low"] is None else f" ({found['low']:.3f}-{found['high']:.3f})"
        return f"{found['value']:>{width - INTERVAL_WIDTH}.3f}{interval:<{INTERVAL_WIDTH}}"

    return Column(metric, width, cell)


def _adapter(entry: ContenderEntry) -> str:
    size = entry.get("adapter_bytes")
    return f"{size / 2**20:,.1f} MiB" if size else "-"


def _set_up(entry: ContenderEntry) -> str:
    return f"{entry['train_seconds']:.0f} s"


def _memory(entry: ContenderEntry) -> str:
    peak = entry["peak_resident_bytes"]
    return "-" if peak is None else f"{peak / 2**20:.0f} MiB"


_OF_A_RUN = (
    Column("p50", 12, lambda entry: f"{entry['p50_latency_ms']:,.1f} ms"),
    Column("p95", 12, lambda entry: f"{entry['p95_latency_ms']:,.1f} ms"),
    Column("rows/s", 10, lambda entry: f"{entry['throughput_rows_per_s']:,.0f}"),
    Column("set-up", 9, _set_up),
    Column("memory", 10, _memory),
)
_OF_A_SWEEP = (
    Column("set-up", 10, _set_up),
    Column("memory", 12, _memory),
    Column("adapter", 11, _adapter),
)


def columns_of(record: Record) -> tuple[Column, ...]:
    """Quality by the first metric, and what else a run's or a sweep's table shows."""
    metric = record["plan"]["scenario"]["task"]["metrics"][0]
    if record.get("sweep"):
        return (_quality_column(metric, 24), *_OF_A_SWEEP)
    return (_quality_column(metric, 22), *_OF_A_RUN)


def markdown_of(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown, with the texts of its cells as they are."""
    lines = [f"| {' | '.join(map(markdown, cells))} |" for cells in (head, *rows)]
    return "\n".join([lines[0], "|---" * len(head) + "|", *lines[1:]])


def markdown(text: str) -> str:
    """A text on one line, as Markdown that shows it unchanged, with commands of ours as code."""
    parts = _COMMAND.split(one_line(text))
    parts[::2] = (_MARKS.sub(r"\\\1", part) for part in parts[::2])
    return "".join(parts)
