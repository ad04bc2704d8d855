"""Every contender's quality with its interval, speed, memory and money, and one chart."""

from __future__ import annotations

from reports import numbers
from reports.blocks import Block, Figure, Paragraph, Table
from reports.charts import NAMES, Point, quality_against_latency

TITLE = "Contenders"
PLACE = 20


def blocks(record: dict) -> list[Block]:
    """The tables, the chart, and the trials that have no figures."""
    done = [entry for entry in record["contenders"] if entry["status"] == "done"]
    found: list[Block] = [
        Paragraph(f"{entry['name']} {entry['status']}: {entry['reason']}")
        for entry in record["contenders"]
        if entry["status"] != "done"
    ]
    if not done:
        return found
    return [_quality(record, done), _chart(done), _speed(done), *found]


def _quality(record: dict, done: list[dict]) -> Table:
    metrics = record["plan"]["scenario"]["task"]["metrics"]
    level = f"{done[0]['accuracy']['level'] * 100:g} %" if "accuracy" in done[0] else "95 %"
    rows = tuple(
        (
            entry["name"],
            NAMES[entry["family"]],
            *(numbers.estimate(entry[metric.replace("-", "_")]) for metric in metrics),
            numbers.percent(entry["validation_accuracy"]),
        )
        for entry in done
    )
    columns = ("contender", "kind", *metrics, "validation accuracy")
    caption = f"Quality on the test rows, with {level} intervals"
    return Table(caption, columns, rows, frozenset(range(2, len(columns))))


def _chart(done: list[dict]) -> Figure:
    quality = "accuracy" if "accuracy" in done[0] else "macro_f1"
    points = [
        Point(
            entry["name"],
            entry["family"],
            entry["p50_latency_ms"],
            entry[quality]["value"],
            entry[quality]["low"],
            entry[quality]["high"],
        )
        for entry in done
    ]
    said = "; ".join(
        f"{p.name}: {numbers.percent(p.quality)} at {numbers.milliseconds(p.latency_ms)}"
        for p in points
    )
    return Figure(
        quality_against_latency(points, quality),
        f"Quality against latency. {said}.",
        "Quality with its interval against the latency of a single request. Up and left is better.",
    )


def _speed(done: list[dict]) -> Table:
    with_gpu = any(entry["peak_gpu_bytes"] is not None for entry in done)
    columns = ["contender", "p50", "p95", "rows/s", "set-up", "memory", "to serve",
               *(["GPU memory"] if with_gpu else []), "tokens in", "adapter",
               "$/1,000"]  # fmt: skip
    rows = []
    for entry in done:
        gpu = [numbers.mebibytes(entry["peak_gpu_bytes"])] if with_gpu else []
        rows.append(
            (
                entry["name"],
                numbers.milliseconds(entry["p50_latency_ms"]),
                numbers.milliseconds(entry["p95_latency_ms"]),
                f"{entry['throughput_rows_per_s']:,.1f}",
                numbers.seconds(entry["train_seconds"]),
                numbers.mebibytes(entry["peak_resident_bytes"]),
                numbers.mebibytes(entry["serving_peak_resident_bytes"]),
                *gpu,
                numbers.count(entry["tokens_in"]),
                numbers.mebibytes(entry["adapter_bytes"]),
                numbers.dollars(entry["usd_per_1000_requests"]),
            )
        )
    requests = done[0]["latency_requests"]
    caption = (
        f"Speed, memory and money. Latency over {requests} single requests after warm-up, with "
        "the prompt's shared part computed once; set-up is loading, choosing and training; memory "
        "is the peak of the trial's own processes, over all and for serving; dollars per 1,000 requests: "
        f"{done[0]['usd_reason']}"
    )
    return Table(caption, tuple(columns), tuple(rows), frozenset(range(1, len(columns))))
