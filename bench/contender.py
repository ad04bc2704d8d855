"""The one shape of everything that answers rows: `fit(ground, seed) -> Answerer`.

Prompting fits by picking demonstrations, tuning by changing weights; the same meter measures
both. A file in `bench/contenders/` is a contender; its class is named `Contender` and is a frozen
dataclass whose fields are its settings.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol

from scenarios.rows import Example
from scenarios.schema import Task

if TYPE_CHECKING:
    from bench.kept import Kept
    from bench.models import LoadedModel

Family = str
"""`floor`; `prompt`, whose weights stay; `fine_tune`, a language model's that change; `between`: a
classifier on a language model's vectors, which is neither and never enters the verdict."""


@dataclass(frozen=True)
class Answer:
    """What a contender said to one row; kept raw.

    `scores` holds a value for each label in the task's order (log-likelihoods, or the
    contender's own), or nothing. `seconds` is the batch's time over its rows. Token counts
    are None where the contender reads no tokens; `first_token_seconds` is known where a text was
    generated for one request alone.
    """

    example_id: str
    text: str
    tokens_in: int | None
    tokens_out: int | None
    seconds: float
    scores: tuple[float, ...] = ()
    first_token_seconds: float | None = None


@dataclass(frozen=True)
class Ground:
    """What a contender may use to fit: never a test row.

    `model` gives the trial's language model; `folder` is where a contender may leave what it made
    (an adapter); `kept` holds what an earlier start of the same trial finished. `shuffled_canary`
    asks one that tunes to train on shuffled labels as well (`bench.canaries`); `shared` is a folder
    for what the run's trials share, such as what the base says to general prompts.
    """

    task: Task
    train: Sequence[Example]
    validation: Sequence[Example]
    model: Callable[[], LoadedModel]
    folder: Path
    kept: Kept
    shuffled_canary: bool = False
    shared: Path | None = None


class Answerer(Protocol):
    """Answers rows; `notes` says what fitting chose and found, as plain JSON values."""

    notes: dict

    def answer(
        self, examples: Sequence[Example], done: Container[str] = ()
    ) -> Iterator[list[Answer]]:
        """One answer a row, in batches in any order.

        The batches depend on `examples` alone; those whose rows are all in `done` (ids that
        have been answered before) may be left out.
        """


class Contender(Protocol):
    """Settings, and the way from rows to an answerer.

    `uses_model` says whether it needs a language model; `seeded` whether another seed may give
    another answer; `quick` the settings of a `--quick` run. `usual` names the modes in which it
    runs unasked (all, if it has none), `tasks` the kinds of task that it suits (all).
    """

    family: ClassVar[Family]
    uses_model: ClassVar[bool]
    seeded: ClassVar[bool]
    quick: ClassVar[dict]

    def fit(self, ground: Ground, seed: int) -> Answerer:
        """Learn from the ground's rows."""

    # One that uses a model also has `forecast(work) -> float`: the seconds of a trial, put together
    # from what `bench.calibration.Work` measures.
    #
    # One with `four_bit = True` gets its model's weights as NF4. One that can't run everywhere has
    # `check(device)`, which raises `Skipped` before anything is loaded.
    #
    # A contender whose fitting would weigh on the figures of its serving also has
    # `restore(ground, notes) -> Answerer`: the answerer again, from its notes and its folder.
    # It then serves in a fresh process, as it would be deployed. One that can be served in several
    # ways has `ways(ground, base)`; see `bench.tuning.served_in_three_ways`.


class Skipped(Exception):
    """A contender can't run here; the trial becomes `skipped` with this reason."""


class Failed(Exception):
    """A contender can't go on; the trial becomes `failed` with this reason."""


class TooLong(Failed):
    """A prompt that doesn't fit the model's context."""


def answers_of(answerer: Answerer, examples: Sequence[Example], **more) -> list[Answer]:
    """All answers to some rows."""
    return [answer for batch in answerer.answer(examples, **more) for answer in batch]


def quality(answers: Sequence[Answer], examples: Sequence[Example], task: Task) -> float:
    """The first of the task's metrics over some rows, for choosing on validation rows."""
    from bench.metrics import load_metric

    said = {answer.example_id: answer.text for answer in answers}
    gold, predicted = [e.gold for e in examples], [said[e.id] for e in examples]
    return load_metric(task.metrics[0]).of(gold, predicted, task.labels)
