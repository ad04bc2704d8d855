"""A tuned model served in other ways: adapter attached, merged, in 4 bit."""

from __future__ import annotations

from statistics import median

from reports import numbers
from reports.blocks import Block, Paragraph, Table

TITLE = "Ways of serving a tuned model"
PLACE = 46


def blocks(record: dict) -> list[Block]:
    """Latency, weights and agreement by way."""
    if not record["trials"]:  # a learning curve alone times no requests
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
        return [Paragraph("Not timed: a quick run, or no tuned model that has an adapter.")]
    caption = (
        "Single requests one after the other, in one process; answers alike are those that the "
        "attached adapter gives; the machine's speed is a fixed product beside each, in GFLOP/s"
    )
    columns = ("contender", "way", "p50", "weights", "answers alike", "machine")
    return [Table(caption, columns, tuple(rows), frozenset((2, 3, 4, 5)))]
