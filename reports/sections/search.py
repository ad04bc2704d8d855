"""What each arm tried, and what was chosen by validation: prompts, rates, layers."""

from __future__ import annotations

from reports import numbers
from reports.blocks import Block, Paragraph, Table

TITLE = "What was tried"
PLACE = 38
MOST_ROWS = 12
NAMES = {
    "shots": "demonstrations",
    "draw": "draw",
    "order": "order",
    "instruction": "instruction",
    "encoder": "likeness by",
    "calibration": "calibration",
    "learning_rate": "learning rate",
    "rows": "rows",
    "depth": "layer (1 = last)",
    "inverse_penalty": "C",
    "steps": "steps",
}
COUNTED = ("draw", "order", "instruction")
"""Numbers that begin at 0 in the record, and at 1 for people."""


def blocks(record: dict) -> list[Block]:
    """The leading candidates of each trial that chose among some."""
    if not record["trials"]:  # a learning curve alone says what chose beside its points
        return []
    found: list[Block] = []
    for trial in record["trials"]:
        tried = trial["outcome"].get("notes", {}).get("tried")
        if tried:
            found.append(_table(trial, tried))
    if not found:
        return [Paragraph("Nothing was chosen: every arm ran with one setting.")]
    wordings = record["plan"]["scenario"]["task"].get("instructions", [])
    first = record["plan"]["scenario"]["task"]["instruction"]
    told = "; ".join(f"{i}: {text}" for i, text in enumerate([first, *wordings], start=1))
    return [
        Paragraph(
            f"All of it was chosen {_how(record)}, and its time counts as set-up. The best "
            "of many is flattered by the rows that chose it: the test rows say how good it is. "
            f"Instructions by number: {told}"
        ),
        *found,
    ]


def _how(record: dict) -> str:
    choosing = record["plan"].get("choosing") or {"folds": 0}
    if not choosing["folds"]:
        return "on the validation rows"
    return (
        f"by {choosing['folds']}-fold cross-validation within the {choosing['rows']} rows that aren't "
        "test, since too few were left to validate"
    )


def _table(trial: dict, tried: list[dict]) -> Table:
    keys = [key for key in NAMES if any(key in one for one in tried)]
    scores = list(dict.fromkeys(name for one in tried for name in one.get("scores", ())))
    ordered = sorted(tried, key=lambda one: one["validation_score"] or 0.0, reverse=True)
    rows = tuple(
        (
            *(_cell(key, one.get(key)) for key in keys),
            *(numbers.percent(one.get("scores", {}).get(name)) for name in scores),
            numbers.percent(one["validation_score"]),
        )
        for one in ordered[:MOST_ROWS]
    )
    columns = (*(NAMES[key] for key in keys), *scores, "by validation")
    more = f", the best {MOST_ROWS} of {len(tried)}" if len(tried) > MOST_ROWS else ""
    seed = f" (seed {trial['seed']})" if trial["seed"] else ""
    numeric = frozenset(range(len(keys), len(columns)))
    return Table(f"{trial['name']}{seed}: candidates{more}", columns, rows, numeric)


def _cell(key: str, value) -> str:
    if value is None:
        return numbers.MISSING
    if key in COUNTED:
        return str(value + 1)
    return f"{value:g}" if isinstance(value, float) else str(value)
