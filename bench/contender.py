"""The one shape of everything that answers rows: `fit(ground, seed) -> Answerer`.

Prompting fits by picking demonstrations, tuning by changing weights; the same meter measures
both. A file in `bench/contenders/` is a contender; its class is named `Contender` and is a frozen
dataclass whose fields are its settings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol

from scenarios.rows import Example
from scenarios.schema import Task

if TYPE_CHECKING:
    from bench.models import LoadedModel

Family = str  # "floor", "prompt" or "fine_tune"


@dataclass(frozen=True)
class Answer:
    """What a contender said to one row; kept raw.

    `scores` holds a value for each label in the task's order (log-likelihoods, or the
    contender's own), or nothing. `seconds` is the batch's time over its rows. Token counts
    are None where the contender reads no tokens.
    """

    example_id: str
    text: str
    tokens_in: int | None
    tokens_out: int | None
    seconds: float
    scores: tuple[float, ...] = ()


@dataclass(frozen=True)
class Ground:
    """What a contender may use to fit: never a test row.

    `model` loads the trial's language model at the first call; `folder` is where a contender
    may leave what it made (an adapter).
    """

    task: Task
    train: Sequence[Example]
    validation: Sequence[Example]
    model: Callable[[], LoadedModel]
    folder: Path


class Answerer(Protocol):
    """Answers rows; `notes` says what fitting chose and found, as plain JSON values."""

    notes: dict

    def answer(self, examples: Sequence[Example]) -> Iterator[Answer]:
        """One answer a row, in any order."""


class Contender(Protocol):
    """Settings, and the way from rows to an answerer.

    `family` is "floor", "prompt" or "fine_tune"; `uses_model` whether it needs a language
    model; `seeded` whether another seed may give another answer; `quick` the settings of a
    `--quick` run.
    """

    family: ClassVar[Family]
    uses_model: ClassVar[bool]
    seeded: ClassVar[bool]
    quick: ClassVar[dict]

    def fit(self, ground: Ground, seed: int) -> Answerer:
        """Learn from the ground's rows."""

    # A contender whose fitting would weigh on the figures of its serving also has
    # `restore(ground, notes) -> Answerer`: the answerer again, from its notes and its folder.
    # It then serves in a fresh process, as it would be deployed.


def accuracy(answers: Sequence[Answer], examples: Sequence[Example]) -> float:
    """Share of answers equal to the gold label, for choosing on validation rows."""
    gold = {example.id: example.gold for example in examples}
    return sum(answer.text == gold[answer.example_id] for answer in answers) / len(examples)
