"""A sweep's combinations, each compared with the first of its contender, and the test of a claim."""

from __future__ import annotations

from collections.abc import Sequence

from bench.record.types import ClaimEntry, Comparison, EstimateDict, Record, SweepRecord, metric_of
from bench.record.verdict import percent_of
from reports import numbers
from reports.blocks import Block, Paragraph, Table

TITLE = "The sweep"
PLACE = 15
ANSWERS = {"holds": "holds", "fails": "the opposite holds", "cant_tell": "can't tell"}


def blocks(record: Record) -> list[Block]:
    """Empty if nothing was swept."""
    swept = record.get("sweep")
    if not swept:
        return []
    found: list[Block] = [Paragraph(one["sentence"]) for one in swept["contenders"]]
    found.append(_combinations(record, swept))
    if record["comparisons"] or record.get("side_comparisons"):
        found.append(_pairs(record))
    if swept["claim"] and swept["claims"]:
        found.append(_claim(swept["claim"]["text"], swept["claims"]))
    if swept["forgetting"]:
        found.append(_forgotten(swept))
    return found


def _combinations(record: Record, swept: SweepRecord) -> Table:
    metric = record["plan"]["scenario"]["task"]["metrics"][0]
    axes = list(swept["axes"])
    entries = {entry["name"]: entry for entry in record["contenders"]}
    rows = []
    for name, variant in swept["variants"].items():
        entry = entries[name]
        values = [variant["values"].get(axis, numbers.MISSING) for axis in axes]
        if entry["status"] != "done":
            failed = f"{entry['status']}: {entry['reason']}"
            rows.append((variant["contender"], *values, failed, *[numbers.MISSING] * 4))
            continue
        rows.append(
            (
                variant["contender"],
                *values,
                numbers.estimate(metric_of(entry, metric)),
                numbers.percent(entry["validation_score"]),
                numbers.seconds(entry["train_seconds"]),
                numbers.mebibytes(entry["peak_resident_bytes"]),
                numbers.mebibytes(entry["adapter_bytes"]),
            )
        )
    columns = ("contender", *axes, metric, "validation rows", "set-up", "peak memory", "adapter")
    caption = (
        "Combinations of the sweep, with confidence intervals on the test rows; the score on validation rows is "
        "the mean over seeds, set-up is choosing and training, peak memory is that of a trial's own processes"
    )
    return Table(caption, columns, tuple(rows), frozenset(range(1, len(columns))))


def _pairs(record: Record) -> Table:
    found: list[Comparison] = [*record["comparisons"], *record.get("side_comparisons", [])]
    rows = tuple(
        (
            c["challenger"],
            c["baseline"],
            f"{c['difference'] * 100:+.1f}",
            numbers.gain_interval(c["low"], c["high"]),
            numbers.p_value(c["p_adjusted"]),
        )
        for c in found
    )
    level = f"{percent_of(found[0]['level'])}% CI"
    caption = (
        f"Each compared with the first: difference in {found[0]['metric']}, in points, on the same "
        f"{found[0]['n']:,} test rows; exploratory comparisons, p-values Holm-adjusted over all of them"
    )
    columns = ("combination", "compared with", "difference", level, "p-value")
    return Table(caption, columns, rows, frozenset((2, 3, 4)))


def _forgotten(swept: SweepRecord) -> Table:
    rows = tuple(
        (
            pair["challenger"],
            pair["baseline"],
            _difference(pair["kl_per_token"], 1),
            _difference(pair["followed"], 100),
            numbers.p_value(pair["p_value"]),
        )
        for pair in swept["forgetting"]
    )
    caption = (
        "Forgetting compared with the first: divergence from the base in nats per token (lower is better), "
        "and simple instructions followed, in points (higher is better); the p-value is for the instructions "
        "and isn't adjusted"
    )
    columns = ("combination", "compared with", "nats per token", "instructions", "p-value")
    return Table(caption, columns, rows, frozenset((2, 3, 4)))


def _difference(found: EstimateDict, times: float) -> str:
    low, high = found["low"], found["high"]
    value = f"{found['value'] * times:+.3g}"
    if low is None or high is None:
        return f"{value} (no CI)"
    return f"{value} ({low * times:+.3g} to {high * times:+.3g})"


def _claim(text: str, claims: Sequence[ClaimEntry]) -> Table:
    rows = tuple(
        (
            claim["better"],
            claim["worse"],
            numbers.MISSING if claim["difference"] is None else f"{claim['difference'] * 100:+.1f}",
            numbers.gain_interval(claim["low"], claim["high"], absent=numbers.MISSING),
            numbers.p_value(claim["p_adjusted"]),
            ANSWERS[claim["answer"]],
        )
        for claim in claims
    )
    columns = ("claimed to be better", "than", "gain", "CI", "p-value", "in this run")
    return Table(f"The claim: {text}", columns, rows, frozenset((2, 3, 4)))
