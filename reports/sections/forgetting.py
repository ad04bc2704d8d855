"""What tuned models forgot: their divergence from the base, and the instructions that they lost."""

from __future__ import annotations

from bench.record.types import ContenderEntry, EstimateDict, Forgot, Record
from reports import numbers
from reports.blocks import Block, Paragraph, Table

TITLE = "What tuning forgot"
PLACE = 32


def blocks(record: Record) -> list[Block]:
    """Empty if no tuned model was tested for forgetting."""
    asked = [entry for entry in record["contenders"] if entry.get("forgetting")]
    if not asked:
        return []
    done = [entry for entry in asked if entry["forgetting"]["status"] == "done"]
    found: list[Block] = [
        Paragraph(f"{entry['name']} wasn't tested for forgetting: {entry['forgetting']['reason']}")
        for entry in asked
        if entry not in done
    ]
    if not done:
        return found
    sentences = [_sentence(entry["name"], entry["forgetting"]) for entry in done]
    return [*map(Paragraph, sentences), _table(done), *_examples(done), *found]


def _sentence(name: str, found: Forgot) -> str:
    if found["beyond_noise"]:
        return (
            f"{name} lost more instructions than chance explains: {found['lost']:g} of the "
            f"{found['base_followed']:g} that its base model follows."
        )
    return f"{name}: no loss of instructions beyond noise."


def _table(done: list[ContenderEntry]) -> Table:
    rows = tuple(
        (
            entry["name"],
            _divergence(found["kl_per_token"]),
            f"{found['base_followed']:g}",
            f"{found['lost']:g}",
            f"{found['gained']:g}",
            numbers.MISSING if not found["lost_share"] else numbers.estimate(found["lost_share"]),
            numbers.p_value(found["p_value"]),
        )
        for entry in done
        for found in [entry["forgetting"]]
    )
    first = done[0]["forgetting"]
    caption = (
        f"Forgetting: divergence KL(base || tuned) in nats per token, on the base's own answers to "
        f"{first['prompts']} general prompts ({first['tokens']:,} tokens); and "
        f"{first['instructions']} simple instructions checked by a program, paired"
    )
    columns = (
        "tuned model", "nats per token", "followed by the base", "lost", "gained", "share lost", "p-value",
    )  # fmt: skip
    return Table(caption, columns, rows, frozenset(range(1, len(columns))))


def _divergence(found: EstimateDict) -> str:
    value = f"{found['value']:.3g}"
    if found["low"] is None:
        return f"{value} (no CI)"
    return f"{value} ({found['low']:.3g} to {found['high']:.3g})"


def _examples(done: list[ContenderEntry]) -> list[Block]:
    rows = tuple(
        (entry["name"], example["ask"], example["base"], example["tuned"])
        for entry in done
        for example in entry["forgetting"]["examples"]
    )
    columns = ("tuned model", "instruction", "answer of the base", "answer of the tuned model")
    return [Table("Some of the instructions that were lost", columns, rows)] if rows else []
