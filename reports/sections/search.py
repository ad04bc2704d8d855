"""What each arm tried, and what was chosen on validation rows: prompts, learning rates, layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bench.record.types import Record, TrialEntry
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
    "encoder": "similarity by",
    "calibration": "label calibration",
    "learning_rate": "learning rate",
    "rows": "rows",
    "depth": "layer (1 = last)",
    "inverse_penalty": "C",
    "steps": "steps",
}
COUNTED = ("draw", "order", "instruction")
"""Numbers that start at 0 in the record and at 1 in the report."""


def blocks(record: Record) -> list[Block]:
    """The best candidates of each trial that chose among several."""
    if not record[
        "trials"
    ]:  # a learning curve without a race shows with its points what was used for choosing
        return []
    found: list[Block] = []
    for trial in record["trials"]:
        tried = trial["outcome"].get("notes", {}).get("tried")
        if tried:
            found.append(_table(trial, tried))
    if not found:
        return [Paragraph("There was nothing to choose: every arm ran with one setting.")]
    wordings = record["plan"]["scenario"]["task"].get("instructions", [])
    first = record["plan"]["scenario"]["task"]["instruction"]
    instructions = "; ".join(f"{i}: {text}" for i, text in enumerate([first, *wordings], start=1))
    return [
        Paragraph(
            f"Each of these was chosen {_how(record)}, and the time this took counts as set-up. The best "
            "of many candidates looks better than it is on the rows used to choose it; the test rows show "
            "how good it really is."
        ),
        Paragraph(f"Instructions by number: {instructions}", linked=False),
        *found,
    ]


def _how(record: Record) -> str:
    choosing = record["plan"].get("choosing") or {"folds": 0}
    if not choosing["folds"]:
        return "on the validation rows"
    return (
        f"by {choosing['folds']}-fold cross-validation on the {choosing['rows']} rows that aren't test "
        "rows, since too few were left as validation rows"
    )


def _table(trial: TrialEntry, tried: Sequence[Mapping[str, Any]]) -> Table:
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
    columns = (*(NAMES[key] for key in keys), *scores, "validation rows")
    more = f", best {MOST_ROWS} of {len(tried)}" if len(tried) > MOST_ROWS else ""
    seed = f" (seed {trial['seed']})" if trial["seed"] else ""
    numeric = frozenset(range(len(keys), len(columns)))
    return Table(f"{trial['name']}{seed}: candidates{more}", columns, rows, numeric)


def _cell(key: str, value: int | float | str | None) -> str:
    if value is None:
        return numbers.MISSING
    if key in COUNTED:
        return str(int(value) + 1)
    return f"{value:g}" if isinstance(value, float) else str(value)
