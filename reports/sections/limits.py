"""What this report can't show."""

from __future__ import annotations

from bench.record.types import OutcomeDict, Record
from reports.blocks import Block, Paragraph

TITLE = "What this report can't show"
PLACE = 60


def blocks(record: Record) -> list[Block]:
    """Limits that follow from how the run was done."""
    mode = record["plan"]["mode"]
    found = [
        "With other models, tasks or instructions the ranking may differ; the scope of the verdict "
        "says what was run."
    ]
    seeds = max(_seeds_of(record), default=1)
    if seeds < 5 and record["trials"]:
        found.append(
            f"{seeds} training seed{'s' if seeds > 1 else ''}: the confidence intervals hold for these "
            "weights and prompts, not for the methods. A run with --full trains with five."
        )
    if any(entry["family"] == "between" for entry in record["contenders"]):
        found.append(
            "Classifiers on the embeddings of a causal model are neither prompting nor fine-tuning, so they don't "
            "enter the verdict; the embeddings of a dedicated sentence model would do better."
        )
    if record.get("curve"):
        found.append(
            "The learning curve uses the same settings at every size: a search at each size might do better, but "
            "would need labelled rows of its own."
        )
    if mode["name"] == "quick" and record["trials"]:
        found.append("This was a quick run: few training rows, and settings chosen for speed.")
    if folds := record["plan"]["rows"]["counts"].get("folds"):
        found.append(
            f"Cross-fitting in {folds} folds: each row was answered by models that never saw it, but the "
            "models share training rows. The confidence intervals treat the test rows as the only source of "
            "chance."
        )
    again = [t["name"] for t in record["trials"] if _resumed(t["outcome"])]
    if again:
        found.append(
            f"The run was interrupted, and {', '.join(again)} resumed: the times of all starts are "
            "added up, and forecasts of time aren't compared with them."
        )
    found.append(
        "Timings are of this machine during this run, one contender after the other: if other work ran on it "
        "in the meantime, differences between contenders also reflect that work."
    )
    return [Paragraph(text) for text in found]


def _seeds_of(record: Record) -> list[int]:
    pairs = {
        (trial["name"], trial["seed"])
        for trial in record["trials"]
        if trial["outcome"]["status"] == "done"
    }
    names = [name for name, _ in pairs]
    return [names.count(name) for name in set(names)]


def _resumed(outcome: OutcomeDict) -> bool:
    return outcome["status"] == "done" and outcome.get("wall_seconds") is None
