"""What ran on what: rows, models, machine, versions."""

from __future__ import annotations

from reports import numbers
from reports.blocks import Block, Facts

TITLE = "What ran on what"
PLACE = 50


def blocks(record: dict) -> list[Block]:
    """The data card, the models, and the environment."""
    data, machine = record["data"], record["environment"]
    counts = ", ".join(f"{name} {value:,}" for name, value in data["counts"].items())
    device = machine["device"] or {}
    rows = (
        ("rows", data["source"]),
        ("provenance", data["provenance"]),
        ("licence", data["licence"]),
        ("counts", counts),
        ("digest of the split", data["digest"]),
    )
    models = tuple(
        (f"model {name}", f"{facts['model_type']}, SHA-256 {facts['sha256']}")
        for name, facts in record["models"].items()
    )
    on = device.get("gpu") or machine["processor"]
    ran = (
        ("recorded", record["created"]),
        ("computed on", f"{on}, {device.get('dtype', 'no model')} ({device.get('reason', '')})"),
        ("cores, threads", f"{machine['cores']}, {device.get('threads', numbers.MISSING)}"),
        ("memory", numbers.mebibytes(machine["memory_bytes"])),
        ("system", f"{machine['system']}, Python {machine['python']}"),
        ("versions", ", ".join(f"{k} {v}" for k, v in machine["versions"].items() if v)),
        ("state of the code", machine["git"] or "installed package"),
        ("mode, seed", f"{record['plan']['mode']['name']}, {record['plan']['seed']}"),
    )
    return [Facts(rows), *([Facts(models)] if models else []), Facts(ran)]
