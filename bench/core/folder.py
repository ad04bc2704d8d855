"""A run's folder: where each file is, and how it is read. Imports nothing of bench."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

ROWS = "rows.json"  # the split, in the run's folder while the run goes on
CANNOT_WRITE = 74  # the exit code of a trial that found the disk full or read-only
FORECASTS = "forecasts.json"  # in the run's folder
FORECAST_BYTES = ("peak_resident_bytes", "peak_gpu_bytes")
BUDGET = "budget.json"


def trials_of(plan: dict) -> list[dict]:
    """All trials of a plan as it stands in its file, the curve's last."""
    return plan["trials"] + (plan["curve"]["trials"] if plan.get("curve") else [])


def rows_file(fold: int | None) -> str:
    """The file of a fold's split, or of the only one."""
    return ROWS if fold is None else f"rows-{fold + 1}.json"


def settings_of(trial: dict) -> dict:
    """A trial's settings as its contender takes them: JSON has no tuples."""
    return {k: tuple(v) if isinstance(v, list) else v for k, v in trial["settings"].items()}


def read_forecasts(folder: Path) -> list[dict]:
    """What `bench.trial.calibration` left in a run's folder; nothing where it couldn't forecast."""
    try:
        return read_json(folder / FORECASTS)
    except (OSError, ValueError):
        return []


def read_json(file: Path):
    return json.loads(file.read_text(encoding="utf-8"))


def read_or_none(file: Path) -> dict | None:
    """A file's JSON object; None where there is none, or the file is damaged."""
    try:
        found = read_json(file)
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def answers_in(file: Path) -> dict[str, str]:
    """What a trial said, by row id; empty where its file isn't there or is damaged."""
    try:
        answers = map(json.loads, file.read_text(encoding="utf-8").strip().split("\n"))
        return {answer["example_id"]: answer["text"] for answer in answers}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def point_name(trial_slug: str, size: int) -> str:
    """What a finished size's files are called, without their endings."""
    return f"{trial_slug}-n{size}"


def point_file(folder: Path, trial_slug: str, size: int) -> Path:
    """Where a finished size's figures are."""
    return folder / "points" / f"{point_name(trial_slug, size)}.json"


def read_budget(folder: Path) -> dict | None:
    """What a run's folder says of its budget; None where it has none."""
    try:
        return json.loads((folder / BUDGET).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def sizes_left(folder: Path, sizes: Sequence[int]) -> list[int]:
    """A curve trial's sizes without those that the budget dropped."""
    left = (read_budget(folder) or {}).get("sizes")
    return [size for size in sizes if not size or left is None or size in left]
