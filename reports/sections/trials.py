"""What each trial did: settings, what fitting chose, and how training went."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench.record.types import Record, TrialEntry
from reports import numbers
from reports.blocks import Block, Facts, Table

TITLE = "Trials"
PLACE = 40


def blocks(record: Record) -> list[Block]:
    """Settings and notes of each trial, and the epochs of those that train."""
    found: list[Block] = []
    for trial in record["trials"]:
        outcome = trial["outcome"]
        notes = outcome.get("notes", {})
        pairs = [
            ("trial", trial["slug"]),
            ("model", trial["model"] or "none"),
            ("seed", str(trial["seed"])),
            ("training rows available", numbers.count(trial["n_train"])),
            *_wrong_labels(trial),
            *((name, _plain(value)) for name, value in trial["settings"].items()),
            *((name, _plain(value)) for name, value in notes.items() if _is_plain(value)),
        ]
        if trial["family"] == "fine_tune" and "trainable_share" in notes:
            pairs.append(("trainable share", f"{notes['trainable_share'] * 100:.3f}%"))
        found.append(Facts(tuple(pairs)))
        if notes.get("epochs"):
            found.append(_epochs(trial["name"], notes))
        if notes.get("epochs_over_folds"):
            found.append(_over_folds(trial["name"], notes))
    return found


def _wrong_labels(trial: TrialEntry) -> list[tuple[str, str]]:
    share = trial.get("label_noise")
    return [("training labels made wrong on purpose", numbers.percent(share))] if share else []


def _epochs(name: str, notes: Mapping[str, Any]) -> Table:
    rows = tuple(
        (
            str(epoch["epoch"]) + (" (kept)" if epoch["epoch"] == notes["best_epoch"] else ""),
            f"{epoch['loss']:.4f}",
            numbers.percent(epoch["validation_score"]),
            numbers.seconds(epoch["seconds"]),
        )
        for epoch in notes["epochs"]
    )
    columns = ("epoch", "mean loss", "validation rows", "time")
    return Table(f"{name}: training", columns, rows, frozenset((1, 2, 3)))


def _over_folds(name: str, notes: Mapping[str, Any]) -> Table:
    rows = tuple(
        (
            str(number) + (" (chosen)" if number == notes["best_epoch"] else ""),
            f"{epoch['loss']:.4f}",
            numbers.percent(epoch["validation_score"]),
        )
        for number, epoch in enumerate(notes["epochs_over_folds"], start=1)
    )
    columns = ("epoch", "mean loss", "held-out rows")
    return Table(f"{name}: epochs in cross-validation", columns, rows, frozenset((1, 2)))


def _is_plain(value: object) -> bool:
    return isinstance(value, str | int | float | bool)


def _plain(value: object) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return f"{value:.6g}" if isinstance(value, float) else str(value)
