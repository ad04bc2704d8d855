"""A record of benchmarks/laptop.py as text, without torch: the documents quote these lines."""

from __future__ import annotations

from collections.abc import Mapping

SURE = 0.25  # nats between the two likeliest labels, above which rounding may not change an answer


def text(found: Mapping) -> str:
    """Everything that a run prints."""
    return "\n".join([machine(found), "", *table(found), "", *others(found)])


def machine(found: Mapping) -> str:
    """Where it was measured, and how."""
    return (
        f"{found['processor']}, {found['threads']} threads, {found['device']}, "
        f"{found['peak_gflop_per_s']['median']:.0f} GFLOP/s; medians of {found['repeats']} "
        "(lowest to highest)"
    )


def table(found: Mapping) -> list[str]:
    """Each work compared with the arithmetic floor and with each peer, as a Markdown table."""
    lines = [
        "| work | ours | floor | share of the floor | peer | peer's time for its rows | times as fast |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, work in found["work"].items():
        own = work["ours_seconds"]
        start = (
            f"| {name} | {own['median']:.1f} s ({own['low']:.1f} to {own['high']:.1f}) "
            f"| {work['floor_seconds']:.1f} s | {work['share_of_floor']:.0%} "
        )
        if not work["peers"]:
            lines.append(f"{start}| | | |")
        for tool, peer in work["peers"].items():
            took, ratio = peer["seconds"], peer["ratio"]
            lines.append(
                f"{start}| {tool} | {took['median']:.1f} s "
                f"| {ratio['median']:.1f} ({ratio['low']:.1f} to {ratio['high']:.1f}) |"
            )
    return lines


def others(found: Mapping) -> list[str]:
    """Answers compared with float32's, losses, memory by rows, and starting times: one line each."""
    lines = []
    for name, said in found["answers"].items():
        lines.append(
            f"{name}: {said['same_answer']} of {said['rows']} answers equal float32's; "
            f"{said['changed_beyond_rounding']} others where float32's margin exceeds {SURE} nats "
            f"({said['rows_within_rounding']} rows are below)"
        )
    for name, work in found["work"].items():
        said = ", ".join(f"{who} {loss:.3f}" for who, loss in work["losses"].items())
        if said:
            lines.append(f"{name}: mean loss of the rows that the peer trains on: {said}")
    for one in found["scale"]:
        lines.append(
            f"{one['rows']:,} rows: {one['ms_per_row']:.1f} ms a row, "
            f"peak memory grew by {one['grown_mib']} MiB"
        )
    load = found["loading_seconds"]
    lines.append(
        f"loading a cached model: {load['median']:.2f} s ({load['low']:.2f} to {load['high']:.2f})"
    )
    for one in found["starting"]:
        lines.append(f"{one['command']}: {one['seconds']['median']:.2f} s")
    return lines
