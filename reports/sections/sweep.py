"""A sweep's combinations, each against the first of its contender, and what became of a claim."""

from __future__ import annotations

from bench.record.verdict import percent_of
from reports import numbers
from reports.blocks import Block, Paragraph, Table

TITLE = "The sweep"
PLACE = 15
ANSWERS = {"holds": "holds", "fails": "the contrary holds", "cant_tell": "can't tell"}


def blocks(record: dict) -> list[Block]:
    """Nothing where nothing was swept."""
    swept = record.get("sweep")
    if not swept:
        return []
    found: list[Block] = [Paragraph(one["sentence"]) for one in swept["contenders"]]
    found.append(_combinations(record, swept))
    if record["comparisons"] or record.get("side_comparisons"):
        found.append(_pairs(record))
    if swept["claims"]:
        found.append(_claim(swept))
    if swept["forgetting"]:
        found.append(_forgotten(swept))
    return found


def _combinations(record: dict, swept: dict) -> Table:
    metric = record["plan"]["scenario"]["task"]["metrics"][0]
    axes = list(swept["axes"])
    entries = {entry["name"]: entry for entry in record["contenders"]}
    rows = []
    for name, variant in swept["variants"].items():
        entry = entries[name]
        values = [variant["values"].get(axis, numbers.MISSING) for axis in axes]
        if entry["status"] != "done":
            said = f"{entry['status']}: {entry['reason']}"
            rows.append((variant["contender"], *values, said, *[numbers.MISSING] * 4))
            continue
        rows.append(
            (
                variant["contender"],
                *values,
                numbers.estimate(entry[metric.replace("-", "_")]),
                numbers.percent(entry["validation_score"]),
                numbers.seconds(entry["train_seconds"]),
                numbers.mebibytes(entry["peak_resident_bytes"]),
                numbers.mebibytes(entry["adapter_bytes"]),
            )
        )
    columns = ("contender", *axes, metric, "validation rows", "set-up", "memory", "adapter")
    caption = (
        "Combinations of the sweep, with intervals on the test rows; validation rows are the mean over "
        "the seeds, set-up is choosing and training, memory the peak of a trial's own processes"
    )
    return Table(caption, columns, tuple(rows), frozenset(range(1, len(columns))))


def _pairs(record: dict) -> Table:
    found = [*record["comparisons"], *record.get("side_comparisons", [])]
    rows = tuple(
        (
            c["challenger"],
            c["baseline"],
            f"{c['difference'] * 100:+.1f}",
            "none" if c["low"] is None else f"{c['low'] * 100:+.1f} to {c['high'] * 100:+.1f}",
            numbers.p_value(c["p_adjusted"]),
        )
        for c in found
    )
    level = f"{percent_of(found[0]['level'])} % interval"
    caption = (
        f"Each against the first: difference in {found[0]['metric']}, points, on the same "
        f"{found[0]['n']:,} rows; exploratory, p adjusted after Holm over all of them"
    )
    columns = ("combination", "against", "difference", level, "p")
    return Table(caption, columns, rows, frozenset((2, 3, 4)))


def _forgotten(swept: dict) -> Table:
    rows = tuple(
        (
            pair["challenger"],
            pair["baseline"],
            _apart(pair["kl_per_token"], 1),
            _apart(pair["followed"], 100),
            numbers.p_value(pair["p_value"]),
        )
        for pair in swept["forgetting"]
    )
    caption = (
        "What each forgot beyond the first: divergence from the base in nats a token (less is "
        "better), and simple instructions that are followed, in points (more is better); p is of the "
        "instructions and isn't adjusted"
    )
    columns = ("combination", "against", "nats a token", "instructions", "p")
    return Table(caption, columns, rows, frozenset((2, 3, 4)))


def _apart(found: dict, times: float) -> str:
    value, low, high = (
        None if found[key] is None else found[key] * times for key in ("value", "low", "high")
    )
    interval = " (no interval)" if low is None else f" ({low:+.3g} to {high:+.3g})"
    return f"{value:+.3g}{interval}"


def _claim(swept: dict) -> Table:
    rows = tuple(
        (
            claim["better"],
            claim["worse"],
            numbers.MISSING if claim["difference"] is None else f"{claim['difference'] * 100:+.1f}",
            numbers.MISSING
            if claim["low"] is None
            else f"{claim['low'] * 100:+.1f} to {claim['high'] * 100:+.1f}",
            numbers.p_value(claim["p_adjusted"]),
            ANSWERS[claim["answer"]],
        )
        for claim in swept["claims"]
    )
    columns = ("said to be better", "than", "gain", "interval", "p", "here")
    return Table(f"The claim: {swept['claim']['text']}", columns, rows, frozenset((2, 3, 4)))
