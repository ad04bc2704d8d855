"""What tuned models forgot: their divergence from the base, and the instructions that they lost."""

from __future__ import annotations

from reports import numbers
from reports.blocks import Block, Paragraph, Table

TITLE = "What tuning forgot"
PLACE = 32


def blocks(record: dict) -> list[Block]:
    """Nothing where no tuned model was asked."""
    asked = [entry for entry in record["contenders"] if entry.get("forgetting")]
    if not asked:
        return []
    done = [entry for entry in asked if entry["forgetting"]["status"] == "done"]
    found: list[Block] = [
        Paragraph(f"{entry['name']} wasn't asked: {entry['forgetting']['reason']}")
        for entry in asked
        if entry not in done
    ]
    if not done:
        return found
    told = [_sentence(entry["name"], entry["forgetting"]) for entry in done]
    return [*map(Paragraph, told), _table(done), *_examples(done), *found]


def _sentence(name: str, found: dict) -> str:
    if found["beyond_noise"]:
        return (
            f"{name} lost more instructions than chance would: {found['lost']:g} of the "
            f"{found['base_followed']:g} that its base follows."
        )
    return f"{name}: no loss of instructions beyond noise."


def _table(done: list[dict]) -> Table:
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
        f"Divergence KL(base || tuned), nats a token, on the base's own answers to "
        f"{first['prompts']} general prompts ({first['tokens']:,} tokens); and "
        f"{first['instructions']} simple instructions that a program checks, paired"
    )
    columns = ("tuned model", "nats a token", "base follows", "lost", "gained", "share lost", "p")
    return Table(caption, columns, rows, frozenset(range(1, len(columns))))


def _divergence(found: dict) -> str:
    value = f"{found['value']:.3g}"
    if found["low"] is None:
        return f"{value} (no interval)"
    return f"{value} ({found['low']:.3g} to {found['high']:.3g})"


def _examples(done: list[dict]) -> list[Block]:
    rows = tuple(
        (entry["name"], example["ask"], example["base"], example["tuned"])
        for entry in done
        for example in entry["forgetting"]["examples"]
    )
    columns = ("tuned model", "instruction", "the base said", "the tuned model said")
    return [Table("Some of the instructions that were lost", columns, rows)] if rows else []
