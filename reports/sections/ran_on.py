"""What was run on which rows, models, machine and versions."""

from __future__ import annotations

from collections.abc import Mapping

from bench.core.model import ModelFacts
from bench.record.types import Record
from reports import numbers
from reports.blocks import Block, Facts

TITLE = "Data, models and machine"
PLACE = 50
COUNTS = {
    "copies": "duplicates",
    "near-copies of test or validation rows": "near-duplicates of test or validation rows",
}
"""Names of counts in a record that a reader would stumble over."""


def blocks(record: Record) -> list[Block]:
    """The data card, the models, and the environment."""
    data, machine = record["data"], record["environment"]
    counts = ", ".join(f"{COUNTS.get(name, name)} {n:,}" for name, n in data["counts"].items())
    device: Mapping[str, object] = machine["device"] or {}
    rows = (
        ("rows", data["source"]),
        ("provenance", data["provenance"]),
        ("licence", data["licence"]),
        ("counts", counts),
        ("digest of the split", data["digest"]),
    )
    models = tuple((f"model {name}", _identity(one)) for name, one in record["models"].items())
    on = str(device.get("gpu") or machine["processor"])
    if device:
        on += f", {device['dtype']} ({device['reason']})"
    ran = (
        ("recorded", record["created"]),
        ("computed on", on),
        ("cores, threads", f"{machine['cores']}, {device.get('threads', numbers.MISSING)}"),
        ("memory", numbers.mebibytes(machine["memory_bytes"])),
        ("system", f"{machine['system']}, Python {machine['python']}"),
        ("versions", ", ".join(f"{k} {v}" for k, v in machine["versions"].items() if v)),
        ("version of the code", machine["git"] or "installed package"),
        ("mode, seed", f"{record['plan']['mode']['name']}, {record['plan']['seed']}"),
    )
    return [Facts(rows), *([Facts(models)] if models else []), Facts(ran)]


def _identity(facts: ModelFacts) -> str:
    """What identifies a model, which may be nothing but its name, and the price of its tokens."""
    parts = [facts["model_type"] or "runs elsewhere"]
    if facts["sha256"]:
        parts.append(f"SHA-256 {facts['sha256']}")
    if price := facts.get("price"):
        parts.append(
            f"${price['input_usd_per_mtok']:g} and ${price['output_usd_per_mtok']:g} per million tokens "
            f"in and out ({price['source']}, {price['date']})"
        )
    return ", ".join(parts)
