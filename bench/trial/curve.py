"""A learning curve's trial: one contender with one seed, size after size in one process.

The model is loaded once, and what was read of a text is kept. Each finished size is on disk before the
next begins, as `points/<trial>-n<size>.json` beside its raw answers.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from bench import registry
from bench.core.contender import Ground
from bench.core.folder import point_file, point_name, settings_of
from bench.core.kept import Kept
from bench.core.meter import Meter
from bench.rows.subsets import Subset, subsets
from bench.trial.serving import Machine, answer_all
from scenarios.cache import write_atomically
from scenarios.rows import Example, Split
from scenarios.schema import Task

NOTHING = Subset((), (), 0)


def run_sizes(folder: Path, plan: dict, trial: dict, sizes: Sequence[int], split: Split) -> dict:
    """Fit and answer at each size that isn't finished; the outcome's figures."""
    contender = registry.contender(trial["kind"])(**settings_of(trial))
    left = [size for size in sizes if not point_file(folder, trial["slug"], size).exists()]
    if not left:
        return {"sizes": list(sizes), "device": None}
    machine = Machine()
    with Meter() as loading:
        model = machine.load(contender, trial["model"])
    work = _Work(folder, plan, trial, contender, model, split)
    with Meter() as setup:
        for size in left:
            work.at(size)
    stages = {"loading": asdict(loading.usage), "setup": asdict(setup.usage)}
    return {"sizes": list(sizes), **stages, **machine.facts()}


@dataclass
class _Work:
    """What a trial's sizes share."""

    folder: Path
    plan: dict
    trial: dict
    contender: object
    model: object
    split: Split

    def __post_init__(self):
        from scenarios.schema import Scenario

        self.task: Task = Scenario.model_validate(self.plan["scenario"]).task
        self.memory: dict = {}
        sizes = [size for size in self.trial["sizes"] if size]
        self.subsets = subsets(self.split.train, sizes, self.task.labels, self.trial["seed"])

    def at(self, size: int) -> None:
        """One size from its rows to its answers and figures on disk."""
        name = point_name(self.trial["slug"], size)
        subset = self.subsets.get(size, NOTHING)
        kept = Kept(self.folder / "fitted" / name)
        start = time.perf_counter()
        answerer, undo = self._fitted(subset, kept, name)
        fitted = time.perf_counter()
        told = self.trial | {"slug": name, "name": f"{self.trial['name']}, {size} rows"}
        answer_all(answerer, self.split.test, self.folder / "answers", told)
        point = {
            "size": size,
            "learnt_from": len(subset.learn) if self._splits(subset) else len(subset.rows),
            "chosen_by": len(subset.choose) if self._splits(subset) else 0,
            "looked_through": subset.looked_through,
            "rows_sha256": _digest(subset.rows),
            "notes": _plain(answerer.notes),
            "fit_seconds": fitted - start + kept.seconds_before,
            "answer_seconds": time.perf_counter() - fitted,
        }
        undo()
        file = point_file(self.folder, self.trial["slug"], size)
        write_atomically(file, json.dumps(point, indent=1))
        shutil.rmtree(self.folder / "fitted" / name, ignore_errors=True)
        (self.folder / "answers" / f"{name}.jsonl.partial").unlink(missing_ok=True)

    def _splits(self, subset: Subset) -> bool:
        """Whether a part of the rows chooses."""
        return bool(subset.choose) and not hasattr(self.contender, "fit_once")

    def _fitted(self, subset: Subset, kept: Kept, name: str):
        """What answers, and what takes back the change that fitting made to the model."""
        seed = self.trial["seed"]
        if hasattr(self.contender, "fit_once"):
            return self.contender.fit_once(self._ground(subset.rows, (), kept, name), seed)
        found = self.contender.fit(self._ground(subset.learn, subset.choose, kept, name), seed)
        settled = getattr(self.contender, "settled", None)
        again = settled(found.notes) if settled and subset.choose else None
        if again is not None:
            chosen = found.notes
            found = again.fit(self._ground(subset.rows, (), kept, name), seed)
            found.notes = chosen | found.notes | {"fitted_to": len(subset.rows)}
        return found, lambda: None

    def _ground(self, train: Sequence[Example], choose: Sequence[Example], kept: Kept, name: str):
        return Ground(
            task=self.task,
            train=train,
            validation=choose,
            model=lambda: self.model,
            folder=self.folder / "adapters" / name,
            kept=kept,
            memory=self.memory,
        )


def _digest(rows: Sequence[Example]) -> str:
    """Of the rows' ids in any order: equal sets of rows have equal digests."""
    return hashlib.sha256("\x1f".join(sorted(row.id for row in rows)).encode()).hexdigest()


def _plain(notes: dict) -> dict:
    """Notes without the long lists, of which a curve has many: demonstrations and what was tried."""
    return {k: v for k, v in notes.items() if k not in ("tried", "epochs")} | (
        {"epochs": len(notes["epochs"])} if "epochs" in notes else {}
    )
