"""What was measured of each trial, stage by stage; on a GPU also the state of the card."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench.record.measured import STAGES
from bench.record.types import Record, Stage, TrialEntry, UsageDict
from reports import numbers
from reports.blocks import Block, Paragraph, Table

TITLE = "Stages"
PLACE = 45
NAMES: dict[Stage, str] = {
    "loading": "load the model",
    "setup": "choose and train",
    "restoring": "restore the tuned model",
    "serving": "answer the test rows",
}


def blocks(record: Record) -> list[Block]:
    """Time and memory by trial and stage, a table for the GPU, and what isn't exactly repeatable."""
    stages = [
        (trial["name"], NAMES[stage], trial["outcome"][stage])
        for trial in _trials(record)
        for stage in STAGES
        if stage in trial["outcome"]
    ]
    rows = tuple(
        (name, stage, numbers.seconds(u["seconds"]), numbers.mebibytes(u["peak_resident_bytes"]))
        for name, stage, u in stages
    )
    caption = "Time and peak memory (resident) of each stage; peaks are reset between stages"
    columns = ("contender", "stage", "time", "peak memory")
    found: list[Block] = [Table(caption, columns, rows, frozenset((2, 3)))] if rows else []
    on_gpu = [stage for stage in stages if stage[2]["peak_gpu_bytes"] is not None]
    if on_gpu:
        found.append(_gpu(on_gpu))
    return [*found, Paragraph(_repeatable(record))]


def _trials(record: Record) -> list[TrialEntry]:
    """Those of the run and those of the learning curve."""
    curve = record.get("curve")
    return record["trials"] + (curve["trials"] if curve else [])


def _gpu(stages: list[tuple[str, str, UsageDict]]) -> Table:
    rows = []
    for name, stage, usage in stages:
        state = usage["gpu_state"] or {}
        joules = usage["joules"]
        rows.append(
            (
                name,
                stage,
                numbers.mebibytes(usage["peak_gpu_bytes"]),
                numbers.mebibytes(usage["peak_gpu_reserved_bytes"]),
                numbers.mebibytes(usage["process_gpu_bytes"]),
                numbers.MISSING if joules is None else f"{joules:,.0f} J",
                _clock(state),
                ", ".join(state.get("slowed_by", ())) or numbers.MISSING,
                numbers.count(state.get("other_processes")),
            )
        )
    caption = (
        "On the GPU: peak memory that torch allocated and reserved, the driver's figure for the process "
        "(context included), energy of the whole card, and its state in the meantime"
    )
    columns = ("contender", "stage", "allocated", "reserved", "process", "energy", "clock",
               "slowed by", "other processes")  # fmt: skip
    return Table(caption, columns, tuple(rows), frozenset((2, 3, 4, 5, 6, 8)))


def _clock(state: Mapping[str, Any]) -> str:
    usual, lowest = state.get("sm_clock_mhz"), state.get("lowest_sm_clock_mhz")
    if usual is None:
        return numbers.MISSING
    return f"{usual:,.0f} MHz (lowest {lowest:,} of {state['highest_possible_sm_clock_mhz']:,})"


def _repeatable(record: Record) -> str:
    devices = [trial["outcome"].get("device") for trial in _trials(record)]
    unable = sorted({name for one in devices if one for name in one["not_deterministic"]})
    if unable:
        return (
            "Identical runs may differ in the last bits, since these operations have no repeatable form "
            f"on this device: {', '.join(unable)}."
        )
    return (
        "An identical run on the same machine with the same number of threads should give the same "
        "answers: no non-deterministic operation was detected."
    )
