"""The one shape of everything that answers rows: `fit(ground, seed) -> Answerer`.

Prompting fits by picking demonstrations, tuning by changing weights; the same meter measures
both. A file in `bench/contenders/` is a contender; its class is named `Contender` and is a frozen
dataclass whose fields are its settings.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from scenarios.rows import Example, Fold
from scenarios.schema import Task

if TYPE_CHECKING:
    from bench.core.kept import Kept
    from bench.engine.models import LoadedModel

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
    (an adapter); `kept` holds what an earlier start of the same trial finished (None where a piece of
    work is only timed). `shuffled_canary` asks one that tunes to train on shuffled labels as well
    (`bench.checks.canaries`). `memory` is what it may keep from one size of a curve to the next;
    `shared` is a folder for what the run's trials share, such as the base's answers to general prompts.

    Everything is chosen over `parts()`, by answers to `judging`: a contender need not know whether
    there are validation rows, or `folds` of the training rows because there are too few. Where
    `judging` is empty nothing can be chosen, and a contender uses its declared settings.
    """

    task: Task
    train: Sequence[Example]
    validation: Sequence[Example]
    model: Callable[[], LoadedModel]
    folder: Path
    kept: Kept | None
    shuffled_canary: bool = False
    folds: Sequence[Fold] = ()
    memory: dict | None = None
    shared: Path | None = None

    def parts(self) -> list[Ground]:
        """Grounds that together hold out each row of `judging` once, to fit a candidate on.

        This one itself where it has validation rows; else one a fold, which is then the part's
        validation rows, while the others train without its near-copies.
        """
        return [self._part(fold) for fold in self.folds] or [self]

    def _part(self, fold: Fold) -> Ground:
        held_out = set(fold.held_out)
        left_out = held_out.union(fold.copies)
        return replace(
            self,
            train=[example for example in self.train if example.id not in left_out],
            validation=[example for example in self.train if example.id in held_out],
            folds=(),
        )

    @property
    def judging(self) -> Sequence[Example]:
        """The rows whose answers choose: the validation rows, or with folds all training rows."""
        return self.train if self.folds else self.validation

    def chosen_by(self) -> dict:
        """How settings are chosen here, and on how many rows, for the record."""
        how = f"{len(self.folds)}-fold cross-validation" if self.folds else "validation rows"
        return {"chosen_by": how, "chosen_on_rows": len(self.judging)}


class Answerer(Protocol):
    """Answers rows; `notes` says what fitting chose and found, as plain JSON values."""

    notes: dict

    def answer(
        self, examples: Sequence[Example], done: Container[str] = ()
    ) -> Iterator[list[Answer]]:
        """One answer a row, in batches in any order.

        The batches depend only on `examples`; those whose rows are all in `done` (ids that
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
    # from what `bench.trial.work.Work` measures.
    #
    # One with `four_bit = True` gets its model's weights as NF4. One that can't run everywhere has
    # `check(device)`, which raises `TrialSkipped` before anything is loaded.
    #
    # A contender whose fitting would distort the figures of its serving also has
    # `restore(ground, notes) -> Answerer`: the answerer again, from its notes and its folder.
    # It then serves in a fresh process, as it would be deployed. One that can be served in several
    # ways has `ways(ground, base)`; see `bench.contenders._tuning.served_in_three_ways`.
    #
    # In a learning curve (`bench.planning.curve`) a contender takes its `curve` settings, or those of its quick
    # runs; `curve = None` keeps it out. One that tunes has `fit_once(ground, seed)` and
    # `forecast_once(work)`. One whose choices can be made on some rows and then fitted to all of them has
    # `settled(notes) -> Contender`. `needs_rows = False` says that it uses no labelled rows;
    # `remembers` that it keeps what it read in the ground's memory.


def answers_of(answerer: Answerer, examples: Sequence[Example], **more: Any) -> list[Answer]:
    """All answers to some rows."""
    return [answer for batch in answerer.answer(examples, **more) for answer in batch]


def quality(answers: Sequence[Answer], examples: Sequence[Example], task: Task) -> float:
    """The first of the task's metrics over some rows, for choosing on validation rows."""
    return quality_of({a.example_id: a.text for a in answers}, examples, task)


def quality_of(said: Mapping[str, str], examples: Sequence[Example], task: Task) -> float:
    """The same, of texts by the rows' ids."""
    from bench.metrics import load_metric

    gold, predicted = [e.gold for e in examples], [said[e.id] for e in examples]
    return load_metric(task.metrics[0]).of(gold, predicted, task.labels)
