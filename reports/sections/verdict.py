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
    return [*parts, Paragraph(verdict["scope"]), Paragraph(_thresholds(record))]


def _thresholds(record: dict) -> str:
    """What was declared before the run."""
    decision = record["plan"]["scenario"]["decision"]
    told = [f"a margin of {decision['margin'] * 100:g} points"]
    if decision.get("quality_bar"):
        told.append(f"a bar of {decision['quality_bar'] * 100:g} %")
    if decision["latency_target_p95_ms"]:
        told.append(f"a p95 of {decision['latency_target_p95_ms']:g} ms")
    if decision.get("requests_per_month"):
        told.append(f"{decision['requests_per_month']:,} requests a month")
    if decision.get("horizon_months"):
        told.append(f"a horizon of {decision['horizon_months']:g} months")
    return f"Declared before the run: {', '.join(told)}."
