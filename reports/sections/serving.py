"""A tuned model served in other ways: adapter attached, merged, in 4 bit."""

from __future__ import annotations

from statistics import median

from bench.record.types import Record
from reports import numbers
from reports.blocks import Block, Paragraph, Table

TITLE = "Ways of serving a tuned model"
PLACE = 46


def blocks(record: Record) -> list[Block]:
    """Latency, weights and agreement of each way."""
    if not record["trials"]:  # a learning curve without a race times no requests
        return []
    rows = []
    for trial in record["trials"]:
        for way in trial["outcome"].get("ways", ()):
            if way["status"] != "done":
                rows.append((trial["name"], way["way"], way["reason"], "", "", ""))
                continue
            rows.append(
                (
                    trial["name"],
                    way["way"],
                    numbers.milliseconds(median(way["latencies_ms"])),
                    numbers.mebibytes(way["weight_bytes"]),
                    numbers.percent(way["alike"]),
                    f"{way['machine_gflops']:,.0f}",
                )
            )
    if not rows:
        return [Paragraph("Not timed: this was a quick run, or no tuned model has an adapter.")]
    caption = (
        "Single requests one after the other, in one process; same answers is the share that equals those of "
        "the attached adapter; machine is its speed on a fixed matrix product timed with each, in GFLOP/s"
    )
    columns = ("contender", "way", "p50 latency", "weights", "same answers", "machine")
    return [Table(caption, columns, tuple(rows), frozenset((2, 3, 4, 5)), frozenset((1,)))]
