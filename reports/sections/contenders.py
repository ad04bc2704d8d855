"""Every contender's quality with its confidence interval, speed, memory and cost, and one chart."""

from __future__ import annotations

from bench.record.types import ContenderEntry, Record, metric_of
from reports import numbers
from reports.blocks import Block, Figure, Paragraph, Table
from reports.charts import NAMES, Point, quality_against_latency

TITLE = "Contenders"
PLACE = 20


def blocks(record: Record) -> list[Block]:
    """The tables, the chart, and the contenders that have no figures."""
    done = [entry for entry in record["contenders"] if entry["status"] == "done"]
    found: list[Block] = [
        Paragraph(f"{entry['name']} {entry['status']}: {entry['reason']}")
        for entry in record["contenders"]
        if entry["status"] != "done"
    ]
    if not done:
        return found
    return [
        _quality(record, done),
        _chart(record, done),
        _speed(done),
        _size_and_money(done),
        *found,
    ]


def _quality(record: Record, done: list[ContenderEntry]) -> Table:
    metrics = record["plan"]["scenario"]["task"]["metrics"]
    level = f"{metric_of(done[0], metrics[0])['level'] * 100:g}%"
    rows = tuple(
        (
            entry["name"],
            NAMES[entry["family"]],
            *(numbers.estimate(metric_of(entry, metric)) for metric in metrics),
            numbers.percent(entry["validation_score"]),
        )
        for entry in done
    )
    columns = ("contender", "kind", *metrics, f"{metrics[0]}, validation rows")
    caption = f"Quality on the test rows, with {level} confidence intervals (CI)"
    if record["plan"]["scenario"]["task"]["labels"]:
        caption += (
            ". The test rows are balanced over the labels as far as the data allow; if your requests "
            "aren't, expect other figures on them"
        )
    return Table(caption, columns, rows, frozenset(range(2, len(columns))), frozenset((0, 1)))


def _chart(record: Record, done: list[ContenderEntry]) -> Figure:
    metric = record["plan"]["scenario"]["task"]["metrics"][0]
    points = [
        Point(
            entry["name"],
            entry["family"],
            entry["p50_latency_ms"],
            metric_of(entry, metric)["value"],
            metric_of(entry, metric)["low"],
            metric_of(entry, metric)["high"],
        )
        for entry in done
    ]
    said = "; ".join(
        f"{p.name}: {numbers.percent(p.quality)} at {numbers.milliseconds(p.latency_ms)}"
        for p in points
    )
    return Figure(
        quality_against_latency(points, metric),
        f"Quality against latency. {said}.",
        "Quality with its confidence interval against the p50 latency of a single request. Higher and further left is "
        "better.",
    )


def _speed(done: list[ContenderEntry]) -> Table:
    with_gpu = any(entry["peak_gpu_bytes"] is not None for entry in done)
    with_texts = any(entry["p50_first_token_ms"] is not None for entry in done)
    texts = ["time to first token", "per further token"] if with_texts else []
    columns = ["contender", "p50 latency", "p95 latency", *texts, "throughput", "set-up", "peak memory",
               "peak memory, serving", *(["peak GPU memory"] if with_gpu else [])]  # fmt: skip
    rows = []
    for entry in done:
        per_token = [entry["p50_first_token_ms"], entry["p50_per_token_ms"]] if with_texts else []
        gpu = [numbers.mebibytes(entry["peak_gpu_bytes"])] if with_gpu else []
        rows.append(
            (
                entry["name"],
                numbers.milliseconds(entry["p50_latency_ms"]),
                numbers.milliseconds(entry["p95_latency_ms"]),
                *map(numbers.milliseconds, per_token),
                numbers.rows_per_second(entry["throughput_rows_per_s"]),
                numbers.seconds(entry["train_seconds"]),
                numbers.mebibytes(entry["peak_resident_bytes"]),
                numbers.mebibytes(entry["serving_peak_resident_bytes"]),
                *gpu,
            )
        )
    caption = (
        f"Speed and memory. Latency over {done[0]['latency_requests']} single requests after warm-up, "
        "with the shared part of the prompt computed once; set-up is choosing and training; peak memory is "
        "that of the trial's own processes, overall and while serving"
    )
    return Table(caption, tuple(columns), tuple(rows), frozenset(range(1, len(columns))))


def _size_and_money(done: list[ContenderEntry]) -> Table:
    rows = tuple(
        (
            entry["name"],
            numbers.count(entry["tokens_in"]),
            numbers.count(entry["tokens_out"]),
            numbers.mebibytes(entry["adapter_bytes"]),
            numbers.dollars(entry["usd_per_1000_requests"]),
        )
        for entry in done
    )
    caption = (
        "Tokens for all test rows, size of the adapter file, and dollars per 1,000 requests: "
        f"{done[0]['usd_reason']}"
    )
    columns = ("contender", "tokens in", "tokens out", "adapter", "$ per 1,000")
    return Table(caption, columns, rows, frozenset((1, 2, 3, 4)))
