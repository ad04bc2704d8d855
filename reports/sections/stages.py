"""What the meters saw of each trial, stage by stage; the card's state where there was one."""

from __future__ import annotations

from bench.record.make import STAGES
from reports import numbers
from reports.blocks import Block, Paragraph, Table

TITLE = "Stages"
PLACE = 45
NAMES = {
    "loading": "load the model",
    "setup": "choose and train",
    "restoring": "restore the tuned model",
    "serving": "answer the test rows",
}


def blocks(record: dict) -> list[Block]:
    """Time and memory by trial and stage, the GPU's own table, and what can't repeat exactly."""
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
    caption = "Time and peak resident memory, each stage by itself; peaks are reset between stages"
    columns = ("contender", "stage", "time", "memory")
    found: list[Block] = [Table(caption, columns, rows, frozenset((2, 3)))] if rows else []
    on_gpu = [stage for stage in stages if stage[2]["peak_gpu_bytes"] is not None]
    if on_gpu:
        found.append(_gpu(on_gpu))
    return [*found, Paragraph(_repeatable(record))]


def _trials(record: dict) -> list[dict]:
    """The run's own and the curve's."""
    curve = record.get("curve")
    return record["trials"] + (curve["trials"] if curve else [])


def _gpu(stages: list[tuple[str, str, dict]]) -> Table:
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
        "On the GPU: torch's peak allocated and reserved, the driver's count of the process "
        "(context included), the whole card's energy, and its state meanwhile"
    )
    columns = ("contender", "stage", "allocated", "reserved", "process", "energy", "clock",
               "slowed by", "other processes")  # fmt: skip
    return Table(caption, columns, tuple(rows), frozenset((2, 3, 4, 5, 6, 8)))


def _clock(state: dict) -> str:
    usual, lowest = state.get("sm_clock_mhz"), state.get("lowest_sm_clock_mhz")
    if usual is None:
        return numbers.MISSING
    return f"{usual:,.0f} MHz (lowest {lowest:,} of {state['highest_possible_sm_clock_mhz']:,})"


def _repeatable(record: dict) -> str:
    devices = [t["outcome"]["device"] for t in _trials(record) if t["outcome"].get("device")]
    unable = sorted({name for device in devices for name in device["not_deterministic"]})
    if unable:
        return (
            "Equal runs may differ in last bits here, since these operations have no repeatable "
            f"form on this device: {', '.join(unable)}."
        )
    return (
        "Nothing was seen here that an equal run on the same machine, with as many threads, "
        "wouldn't repeat."
    )
