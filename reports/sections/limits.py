"""What this report can't tell."""

from __future__ import annotations

from reports.blocks import Block, Paragraph

TITLE = "What this can't tell"
PLACE = 60


def blocks(record: dict) -> list[Block]:
    """Limits that follow from how the run was made."""
    mode = record["plan"]["mode"]
    found = [
        "Other models, other tasks and other instructions may rank differently; the verdict's "
        "scope names what was run."
    ]
    seeds = max(_seeds_of(record), default=1)
    if seeds < 5 and record["trials"]:
        found.append(
            f"{seeds} training seed{'s' if seeds > 1 else ''}: the intervals hold for these weights "
            "and prompts, not for the methods. A run with --full trains five."
        )
    if any(entry["family"] == "between" for entry in record["contenders"]):
        found.append(
            "Classifiers on a causal model's vectors stand between the two sides, and enter no "
            "verdict; a model made for sentences would do better than these vectors."
        )
    if record.get("curve"):
        found.append(
            "The learning curve trains and prompts with settings that are the same at every size: a search by "
            "labelled rows of its own may do better, and costs those rows."
        )
    if mode["name"] == "quick" and record["trials"]:
        found.append("A quick run: few training rows, and settings chosen for speed.")
    if folds := record["plan"]["rows"]["counts"].get("folds"):
        found.append(
            f"Cross-fitted in {folds} folds: each row was answered by what was fitted on others, and "
            "the fits share rows. The intervals take the rows for the only source of chance."
        )
    again = [t["name"] for t in record["trials"] if _went_on(t["outcome"])]
    if again:
        found.append(
            f"The run was interrupted, and {', '.join(again)} went on after it: the seconds of all "
            "starts are added up, and forecasts of time aren't graded by them."
        )
    found.append(
        "Timings are of this machine while it did this, one contender after the other: where other "
        "work came and went meanwhile, differences between them are that work's as well."
    )
    return [Paragraph(text) for text in found]


def _seeds_of(record: dict) -> list[int]:
    pairs = {
        (trial["name"], trial["seed"])
        for trial in record["trials"]
        if trial["outcome"]["status"] == "done"
    }
    names = [name for name, _ in pairs]
    return [names.count(name) for name in set(names)]


def _went_on(outcome: dict) -> bool:
    return outcome["status"] == "done" and outcome.get("wall_seconds") is None
