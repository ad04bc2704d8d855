"""The answer first: overall, and by quality, latency and cost."""

from __future__ import annotations

from reports.blocks import Block, Paragraph, Verdict

TITLE = "Verdict"
PLACE = 10

WORDS = {
    "fine_tune": ("Fine-tune", "tune"),
    "prompt": ("Prompt", "prompt"),
    "cant_tell": ("Can't tell yet", "open"),
    "not_applicable": ("Not applicable", "none"),
}


def blocks(record: dict) -> list[Block]:
    """The four answers, and what they speak of."""
    verdict = record["verdict"]
    parts = []
    for on in ("overall", "quality", "latency", "cost"):
        part = verdict[on]
        answer, tone = WORDS[part["answer"]]
        parts.append(Verdict(on.capitalize(), answer, part["sentence"], part["would_settle"], tone))
    return [*parts, Paragraph(verdict["scope"])]
