"""Which rows a run tests, trains on and chooses on; by validation rows, or by folds where they are few."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace

from bench.core.plan import Choosing, Plan, Rows
from bench.planning.request import Request
from scenarios.errors import UserError
from scenarios.rows import Split, balanced_sample, cross_splits, load_split, with_folds
from scenarios.schema import Task

FEWEST_VALIDATION_ROWS = 18
"""With this many, the better of two candidates that are 10 points apart and disagree on a quarter of
the rows is ahead four times in five (the binomial of its share of those); with fewer, choices are made
by cross-validation."""
FEWEST_ROWS = 8
"""To choose on at all: the better of those two is ahead seven times in ten, and one row is 12 points."""
FOLDS = 5
"""Of cross-validation, as Breiman & Spector 1992 and Hastie, Tibshirani & Friedman 2009 (7.10) advise."""


def fewest_to_choose_on(task: Task) -> int:
    """Validation rows with which candidates can be distinguished, at least two of each label."""
    return max(FEWEST_VALIDATION_ROWS, 2 * len(task.labels))


def splits_of(request: Request, task: Task) -> list[Split]:
    """The split, or one a fold, with folds to choose on where the validation part would be too small."""
    fewest = fewest_to_choose_on(task)
    if request.folds:
        splits = cross_splits(task, request.seed, request.folds, fewest)
    elif task.validation_rows >= fewest:
        return [load_split(task, request.seed)]
    else:
        splits = [load_split(task.model_copy(update={"validation_rows": 0}), request.seed)]
    if splits[0].validation:
        return splits
    available = min(len(split.train) for split in splits)
    n = min(request.mode.train_rows or available, available)
    least = max(FEWEST_ROWS, 2 * len(task.labels))
    if n < least:
        raise UserError(
            f"{n} rows outside the test set are too few to choose prompts and settings on; at least "
            f"{least} are needed, for validation or cross-validation; "
            + ("raise --train-rows" if n < available else "add rows")
        )
    return [with_folds(split, task.labels, n, request.seed, FOLDS) for split in splits]


def trained_on(split: Split, plan: Plan) -> Split:
    """The split with no more training rows than the plan's trials ask for."""
    if split.folds or plan.curve:  # dealt from just those; or whose seeds draw from all rows
        return split
    most = max(trial.n_train for trial in plan.trials)
    return replace(split, train=tuple(balanced_sample(split.train, most, plan.task.labels)))


def facts_of(splits: Sequence[Split]) -> Rows:
    """What the rows are, and how many of them do what."""
    if len(splits) == 1:
        return Rows(splits[0].digest, splits[0].counts)
    counts = dict(splits[0].counts)
    for key in ("test", "test groups"):
        counts[key] = sum(split.counts[key] for split in splits)
    for key in ("train", "validation"):
        counts[key] = min(split.counts[key] for split in splits)
    digest = hashlib.sha256("".join(split.digest for split in splits).encode()).hexdigest()
    return Rows(digest, counts | {"folds": len(splits)})


def fewest_shown(split: Split, n_train: int) -> int:
    """Training rows available while the largest fold is held out, or all."""
    return min(
        (n_train - len(fold.held_out) - len(fold.copies) for fold in split.folds), default=n_train
    )


def choosing(splits: Sequence[Split], task: Task) -> Choosing:
    """How everything is chosen, and on how many rows (of cross-fitting the fewest of a fold)."""
    folds = len(splits[0].folds)
    if not folds:
        rows = min(len(split.validation) for split in splits)
        return Choosing(0, rows, f"choices are made on {rows} validation rows")
    rows = min(len(split.train) for split in splits)
    few = "too few validation rows to choose on"
    if len(splits) == 1:
        few += f" ({task.validation_rows})"
    return Choosing(
        folds,
        rows,
        f"{few}: choices are made by {folds}-fold cross-validation within the {rows} rows outside "
        "the test set, and what is chosen is then fitted on all of them",
    )


def chosen_by(splits: Sequence[Split]) -> str:
    """On which rows the arms of the primary comparison are chosen, in words."""
    folds = len(splits[0].folds)
    if folds:
        return f"by {folds}-fold cross-validation within the rows outside the test set"
    return "on the validation rows"


def check_validated_separately(plan: Plan, option: str) -> None:
    """Raises `UserError` where the training rows choose by cross-validation, and so judge themselves.

    An option that changes the training rows would change the judges with them.
    """
    if not plan.choosing.folds:
        return
    if plan.rows.counts.get("folds"):
        way = "leave out --cross-fit, or add rows"
    else:
        way = f"set validation_rows to at least {fewest_to_choose_on(plan.task)} in [task], or add rows"
    raise UserError(
        f"{option} needs separate validation rows, and here choices are made by cross-validation on "
        f"the training rows; {way}"
    )
