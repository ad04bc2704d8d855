"""The answer first: overall, and by quality, latency and cost."""

from __future__ import annotations

from bench.record.types import Part, Record
from reports.blocks import Block, Paragraph, Verdict

TITLE = "Verdict"
PLACE = 10

WORDS = {
    "fine_tune": ("Fine-tune", "tune"),
    "prompt": ("Prompt", "prompt"),
    "cant_tell": ("Can't tell yet", "open"),
    "not_applicable": ("Not applicable", "none"),
}


def blocks(record: Record) -> list[Block]:
    """The four answers, their scope, and the thresholds."""
    verdict = record["verdict"]
    parts = []
    for on in ("overall", "quality", "latency", "cost"):
        part = verdict[on]
        answer, tone = WORDS[part["answer"]]
        parts.append(Verdict(on.capitalize(), answer, part["sentence"], _next_step(part), tone))
    return [*parts, Paragraph(verdict["scope"]), Paragraph(_thresholds(record))]


def _next_step(part: Part) -> str | None:
    """What would give an answer, as a sentence."""
    settles = part["would_settle"]
    return f"To settle this you need {settles}." if settles else None


def _thresholds(record: Record) -> str:
    """What was declared before the run."""
    decision = record["plan"]["scenario"]["decision"]
    declared = [f"a margin of {decision['margin'] * 100:g} points"]
    if decision.get("quality_bar"):
        declared.append(f"a quality bar of {decision['quality_bar'] * 100:g}%")
    if decision["latency_target_p95_ms"]:
        declared.append(f"a p95 latency of {decision['latency_target_p95_ms']:g} ms")
    if decision.get("requests_per_month"):
        declared.append(f"{decision['requests_per_month']:,} requests per month")
    if decision.get("horizon_months"):
        declared.append(f"a horizon of {decision['horizon_months']:g} months")
    return f"Declared before the run: {', '.join(declared)}."
