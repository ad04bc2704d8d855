"""A learning curve's trial: one contender with one seed, size after size in one process.

The model is loaded once, and what was read from a text is kept. Each finished size is on disk before the
next begins: its figures as a point, next to its raw answers.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from bench.core.contender import Answerer, Contender, Ground
from bench.core.files import Point
from bench.core.folder import RunFolder, point_name
from bench.core.kept import Kept
from bench.core.meter import Meter
from bench.core.outcome import CurveDone
from bench.core.plan import Plan, Trial
from bench.rows.subsets import Subset, subsets
from bench.trial.checked import Checked
from bench.trial.machine import contender_of, load, model_of
from bench.trial.serving import answer_all
from scenarios.rows import Example, Split

NOTHING = Subset((), (), 0)


def run_sizes(folder: RunFolder, plan: Plan, trial: Trial) -> CurveDone:
    """Fit and answer at each size that the budget covers and that isn't finished."""
    sizes = folder.sizes_left(trial)
    done = folder.sizes_done(trial)
    left = [size for size in sizes if size not in done]
    if not left:
        return CurveDone(sizes=tuple(sizes), device=None)
    contender = contender_of(trial)
    with Meter() as loading:
        model = load(contender, trial.model)
    work = _Sizes(folder, plan, trial, contender, model, folder.split(None))
    with Meter() as setup:
        for size in left:
            work.at(size)
    return CurveDone(
        sizes=tuple(sizes),
        loading=loading.usage,
        setup=setup.usage,
        device=model.ran_on() if model else None,
    )


@dataclass
class _Sizes:
    """What the sizes of a trial share."""

    folder: RunFolder
    plan: Plan
    trial: Trial
    contender: Contender
    model: Any
    split: Split
    memory: dict[Any, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        sizes = [size for size in self.trial.sizes if size]
        labels = self.plan.task.labels
        self.subsets = subsets(self.split.train, sizes, labels, self.trial.seed)

    def at(self, size: int) -> None:
        """One size from its rows to its answers and figures on disk."""
        name = point_name(self.trial, size)
        subset = self.subsets.get(size, NOTHING)
        kept = self.folder.kept(name)
        start = time.perf_counter()
        answerer, undo = self._fitted(subset, kept, name)
        fitted = time.perf_counter()
        title = f"{self.trial.name}, {size} rows"
        answer_all(answerer, self.split.test, self.folder, name, title)
        point: Point = {
            "size": size,
            "rows": len(self.split.test),
            "learnt_from": len(subset.learn) if self._splits(subset) else len(subset.rows),
            "chosen_by": len(subset.choose) if self._splits(subset) else 0,
            "looked_through": subset.looked_through,
            "rows_sha256": _digest(subset.rows),
            "notes": _plain(answerer.notes),
            "fit_seconds": fitted - start + kept.seconds_before,
            "answer_seconds": time.perf_counter() - fitted,
        }
        undo()
        self.folder.keep_point(self.trial, size, point)

    def _splits(self, subset: Subset) -> bool:
        """Whether a part of the rows chooses."""
        return bool(subset.choose) and not self.contender.fits_once

    def _fitted(
        self, subset: Subset, kept: Kept, name: str
    ) -> tuple[Answerer, Callable[[], object]]:
        """What answers, and what undoes the change that fitting made to the model."""
        seed = self.trial.seed
        if self.contender.fits_once:
            found, undo = self.contender.fit_once(self._ground(subset.rows, (), kept, name), seed)
            return Checked(found, self.plan.task), undo
        ground = self._ground(subset.learn, subset.choose, kept, name)
        checked = Checked(self.contender.fit(ground, seed), self.plan.task)
        again = self.contender.settled(checked.notes) if subset.choose else None
        if again is not None:
            chosen = checked.notes
            ground = self._ground(subset.rows, (), kept, name)
            checked = Checked(again.fit(ground, seed), self.plan.task)
            checked.notes = chosen | checked.notes | {"fitted_to": len(subset.rows)}
        return checked, lambda: None

    def _ground(
        self, train: Sequence[Example], choose: Sequence[Example], kept: Kept, name: str
    ) -> Ground:
        return Ground(
            task=self.plan.task,
            train=train,
            validation=choose,
            model=partial(model_of, self.contender, self.model),
            folder=self.folder.adapter(name),
            kept=kept,
            memory=self.memory,
        )


def _digest(rows: Sequence[Example]) -> str:
    """Of the rows' ids in any order: equal sets of rows have equal digests."""
    return hashlib.sha256("\x1f".join(sorted(row.id for row in rows)).encode()).hexdigest()


def _plain(notes: dict[str, Any]) -> dict[str, Any]:
    """Notes without the long lists of what was tried, of which a curve would have many."""
    return {k: v for k, v in notes.items() if k not in ("tried", "epochs")} | (
        {"epochs": len(notes["epochs"])} if "epochs" in notes else {}
    )
