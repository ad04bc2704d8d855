"""A tiny model, a handful of rows, and settings small enough: derived from a contender's fields."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import pytest

from bench import registry
from bench.core.contender import Answer, Contender, Ground
from bench.core.kept import Kept
from bench.engine import models
from bench.engine.models import Device
from bench.planning.settings import shots_available
from scenarios.rows import Example, Split, with_folds
from scenarios.schema import Task

WORDS = {"good": ("fine", "great", "lovely", "superb"), "bad": ("awful", "poor", "broken", "dire")}
_ROWS = {"path": "rows.jsonl", "format": "jsonl", "label": "label"}
CLASSES = Task(
    instruction="Is it good or bad?",
    instructions=("Good or bad?",),
    labels=tuple(WORDS),
    rows=_ROWS,
)
FREE_TEXTS = Task(
    type="generation",
    instruction="Say it in other words.",
    metrics=("exact-match",),
    most_answer_tokens=3,
    rows=_ROWS,
)
TASKS = {task.type: task for task in (CLASSES, FREE_TEXTS)}


def rows(name: str, count: int) -> tuple[Example, ...]:
    """Rows of both labels in turn, with texts of 2 to 41 words; no two are alike."""
    found = []
    for i in range(count):
        label = tuple(WORDS)[i % 2]
        filler = " ".join(f"{name}{i * 7919 + k}" for k in range(1 + (i * i) % 41))
        found.append(
            Example(f"{name}{i}", f"{WORDS[label][i // 2 % 4]} {filler}", label, f"{name}{i}")
        )
    return tuple(found)


TRAIN, VALIDATION, ASKED = rows("t", 4), rows("v", 4), rows("q", 20)
_FOLDED = with_folds(Split(rows("f", 8), (), (), "d"), CLASSES.labels, 8, 0, 2)
FOLDS: dict[str, Any] = {"train": _FOLDED.train, "validation": (), "folds": _FOLDED.folds}
"""What a ground has in place of rows to choose by: two folds of eight training rows."""


def small(kind: type[Contender], at_most: int = 2) -> Contender:
    """The contender with the first two values of each choice, whole numbers of at most 2, and long steps."""
    settings: dict[str, Any] = {}
    for one in fields(kind):
        value = one.default
        if isinstance(value, tuple):
            value = value[:at_most]
        elif isinstance(value, int):
            value = min(value, 2)
        if one.name.startswith("learning_rate"):  # four rows should move the weights
            value = tuple(50 * v for v in value) if isinstance(value, tuple) else 50 * value
        settings[one.name] = value
    settings |= shots_available(kind.__name__, settings, False, len(TRAIN))
    return kind(**settings)


class Killed(BaseException):
    """As a signal: nothing in the product catches it."""


class Watched(Kept):
    """Counts what is put on disk, and kills the trial before or after a number of such writes."""

    def __init__(self, folder: Path, dies_at: int = 0, before: bool = False):
        super().__init__(folder)
        self.writes: list[str] = []
        self.values: list[str] = []
        self._dies_at, self._before = dies_at, before

    def _killed(self, before: bool) -> None:
        if before == self._before and len(self.writes) == self._dies_at:
            raise Killed

    def keep(self, name: str, value: Any) -> None:
        """Counted as a finished step."""
        self.writes.append(name)
        self._killed(before=True)
        super().keep(name, value)
        self.values.append(name)
        self._killed(before=False)

    def keep_tensors(self, name: str, tensors: dict[str, Any]) -> None:
        """Counted as a write; the step is finished by the value that follows it."""
        self.writes.append(name)
        self._killed(before=True)
        super().keep_tensors(name, tensors)
        self._killed(before=False)


@dataclass
class Made:
    """What a fit left: its answers in their batches, its notes, and the ground that it was made on."""

    contender: Contender
    ground: Ground
    answerer: Any
    batches: list[list[Answer]] = field(default_factory=list)

    @property
    def said(self) -> dict[str, tuple[str, tuple[float, ...]]]:
        """Text and scores of each row that was asked."""
        return said(self.batches)

    @property
    def scores(self) -> dict[str, tuple[float, ...]]:
        """Scores of each row."""
        return {id_: scores for id_, (_, scores) in self.said.items()}


def said(batches: Sequence[Sequence[Answer]]) -> dict[str, tuple[str, tuple[float, ...]]]:
    """Text and scores by row; what an answer took is left out."""
    return {a.example_id: (a.text, a.scores) for batch in batches for a in batch}


def without_seconds(notes: Any) -> Any:
    """Notes without what differs from one start to another."""
    if isinstance(notes, dict):
        return {k: without_seconds(v) for k, v in notes.items() if k != "seconds"}
    return [without_seconds(one) for one in notes] if isinstance(notes, list) else notes


class Fitter:
    """Fits contenders in folders of their own, on a model that is loaded anew each time."""

    def __init__(self, tiny_model: Path, folder: Path):
        self._tiny_model, self._folder = tiny_model, folder
        self._count = 0
        self._made: dict[tuple[str, str, bool], Made] = {}

    def model(self, kind: type[Contender]) -> Any:
        """The tiny model as the contender wants its weights; None for one that uses none."""
        if not kind.uses_model:
            return None
        if kind.four_bit:
            pytest.importorskip("bitsandbytes")
        device = Device("cpu", "bfloat16" if kind.four_bit else "float32", "test")
        return models.load("tiny", self._tiny_model, device, kind.four_bit)

    def new_folder(self) -> Path:
        """An empty one."""
        self._count += 1
        folder = self._folder / str(self._count)
        (folder / "made").mkdir(parents=True)
        return folder

    def ground(self, name: str, task: Task = CLASSES, **other: Any) -> Ground:
        """Two rows of each label to learn from, and as many to choose by."""
        folder, model = self.new_folder(), self.model(registry.contender(name))

        def loaded() -> Any:
            assert model is not None, f"{name} uses no model and asks for one"
            return model

        ground = Ground(
            task, TRAIN, VALIDATION, loaded, folder / "made", Watched(folder / "kept"),
            shared=folder / "shared",
        )  # fmt: skip
        return replace(ground, **other)

    def fit(self, name: str, task: Task = CLASSES, seed: int = 0, **other: Any) -> Made:
        """A contender that has fitted to a ground and answered all rows."""
        contender = small(registry.contender(name))
        return self.fit_on(contender, self.ground(name, task, **other), seed)

    def fit_on(self, contender: Contender, ground: Ground, seed: int = 0) -> Made:
        """The same on a given ground."""
        made = Made(contender, ground, contender.fit(ground, seed))
        made.batches = list(made.answerer.answer(ASKED))
        return made

    def once(self, name: str, task: str = "classification", folded: bool = False) -> Made:
        """An undisturbed fit with seed 0, which all promises about it share."""
        key = name, task, folded
        if key not in self._made:
            self._made[key] = self.fit(name, TASKS[task], **(FOLDS if folded else {}))
        return self._made[key]


def check_answers(made: Made) -> None:
    """Every row is answered exactly once, in batches; notes are JSON, and no check failed."""
    task = made.ground.task
    answers = [answer for batch in made.batches for answer in batch]
    assert sorted(a.example_id for a in answers) == sorted(e.id for e in ASKED)
    assert all(made.batches)
    for answer in answers:
        assert isinstance(answer, Answer)
        assert isinstance(answer.text, str)
        assert answer.seconds >= 0
        if task.labels:
            assert answer.text in task.labels
            assert len(answer.scores) in (0, len(task.labels))
            if answer.scores:
                assert answer.text == task.labels[answer.scores.index(max(answer.scores))]
        assert {type(answer.tokens_in), type(answer.tokens_out)} <= {int, type(None)}
    check_plain(made.answerer.notes)
    assert all(canary["passed"] for canary in made.answerer.notes.get("canaries", ()))


def check_plain(notes: Any) -> None:
    """Plain JSON values: they come back from a file as they are."""
    assert isinstance(notes, dict)
    assert json.loads(json.dumps(notes, allow_nan=False)) == notes
