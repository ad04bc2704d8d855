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
    return [
        _quality(record, done),
        _chart(record, done),
        _speed(done),
        _size_and_money(done),
        *found,
    ]


def _quality(record: dict, done: list[dict]) -> Table:
    metrics = record["plan"]["scenario"]["task"]["metrics"]
    level = f"{done[0][_key(metrics[0])]['level'] * 100:g} %"
    rows = tuple(
        (
            entry["name"],
            NAMES[entry["family"]],
            *(numbers.estimate(entry[_key(metric)]) for metric in metrics),
            numbers.percent(entry["validation_score"]),
        )
        for entry in done
    )
    columns = ("contender", "kind", *metrics, f"{metrics[0]}, by validation")
    caption = f"Quality on the test rows, with {level} intervals"
    if record["plan"]["scenario"]["task"]["labels"]:
        caption += (
            ". The rows hold the labels as evenly as there are rows of each: where your requests "
            "don't, this isn't the quality on them"
        )
    return Table(caption, columns, rows, frozenset(range(2, len(columns))))


def _key(metric: str) -> str:
    return metric.replace("-", "_")


def _chart(record: dict, done: list[dict]) -> Figure:
    metric = record["plan"]["scenario"]["task"]["metrics"][0]
    points = [
        Point(
            entry["name"],
            entry["family"],
            entry["p50_latency_ms"],
            entry[_key(metric)]["value"],
            entry[_key(metric)]["low"],
            entry[_key(metric)]["high"],
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
        "Quality with its interval against the latency of a single request. Up and left is better.",
    )


def _speed(done: list[dict]) -> Table:
    with_gpu = any(entry["peak_gpu_bytes"] is not None for entry in done)
    with_texts = any(entry["p50_first_token_ms"] is not None for entry in done)
    columns = ["contender", "p50", "p95", *(["first token", "each after"] if with_texts else []),
               "rows/s", "set-up", "memory", "to serve", *(["GPU memory"] if with_gpu else [])]  # fmt: skip
    rows = []
    for entry in done:
        texts = [entry["p50_first_token_ms"], entry["p50_per_token_ms"]] if with_texts else []
        gpu = [numbers.mebibytes(entry["peak_gpu_bytes"])] if with_gpu else []
        rows.append(
            (
                entry["name"],
                numbers.milliseconds(entry["p50_latency_ms"]),
                numbers.milliseconds(entry["p95_latency_ms"]),
                *map(numbers.milliseconds, texts),
                f"{entry['throughput_rows_per_s']:,.1f}",
                numbers.seconds(entry["train_seconds"]),
                numbers.mebibytes(entry["peak_resident_bytes"]),
                numbers.mebibytes(entry["serving_peak_resident_bytes"]),
                *gpu,
            )
        )
    caption = (
        f"Speed and memory. Latency over {done[0]['latency_requests']} single requests after "
        "warm-up, with the prompt's shared part computed once; set-up is choosing and training; "
        "memory is the peak of the trial's own processes, over all and for serving"
    )
    return Table(caption, tuple(columns), tuple(rows), frozenset(range(1, len(columns))))


def _size_and_money(done: list[dict]) -> Table:
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
        "Tokens of all test rows, the adapter's file, and dollars per 1,000 requests: "
        f"{done[0]['usd_reason']}"
    )
    columns = ("contender", "tokens in", "tokens out", "adapter", "$/1,000")
    return Table(caption, columns, rows, frozenset((1, 2, 3, 4)))
