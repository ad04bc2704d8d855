"""The one shape of everything that answers rows: `fit(ground, seed) -> Answerer`.

Prompting fits by picking demonstrations, tuning by changing weights; the same meter measures
both. A file in `bench/contenders/` is a contender; its class is named `Contender`, derives from the
one here, and is a frozen dataclass whose fields are its settings.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

from bench.core.errors import TrialSkipped
from bench.core.model import Ability
from scenarios.rows import Example, Fold
from scenarios.schema import Task

if TYPE_CHECKING:
    from bench.core.kept import Kept
    from bench.core.work import Work
    from bench.engine.models import Device

Family = Literal["floor", "prompt", "between", "fine_tune"]
"""`floor`; `prompt`, whose weights stay; `fine_tune`, a language model's that change; `between`: a
classifier on a language model's vectors, which is neither and never enters the verdict."""


@dataclass(frozen=True)
class Answer:
    """What a contender said to one row; kept raw.

    `scores` holds a value for each label in the task's order (log-likelihoods, or the
    contender's own), or nothing. `seconds` is the batch's time over its rows; 0 leaves it to
    whoever asks to take the time. Token counts are None where the contender reads no tokens;
    `first_token_seconds` is known where a text was generated for one request alone.
    """

    example_id: str
    text: str
    tokens_in: int | None = None
    tokens_out: int | None = None
    seconds: float = 0.0
    scores: tuple[float, ...] = ()
    first_token_seconds: float | None = None


@dataclass(frozen=True)
class Ground:
    """What a contender may use to fit: never a test row.

    `model` gives the trial's language model; `folder` is where a contender may leave what it made
    (an adapter); `kept` holds what an earlier start of the same trial finished (`Unkept` where a piece
    of work is only timed). `shuffled_canary` asks one that tunes to train on shuffled labels as well
    (`bench.checks.canaries`). `memory` is what it may keep from one size of a curve to the next;
    `shared` is a folder for what the run's trials share, such as the base's answers to general prompts.

    Everything is chosen over `parts()`, by answers to `judging`: a contender need not know whether
    there are validation rows, or `folds` of the training rows because there are too few. Where
    `judging` is empty nothing can be chosen, and a contender uses its declared settings.
    """

    task: Task
    train: Sequence[Example]
    validation: Sequence[Example]
    model: Callable[[], Any]
    folder: Path
    kept: Kept
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


@dataclass(frozen=True)
class Contender:
    """Settings, which are its fields, and the way from rows to an answerer.

    A contender declares here what it is and can; a file needs to say only what differs from these defaults.
    """

    family: ClassVar[Family]
    """Its side in the comparison."""
    uses_model: ClassVar[bool] = False
    """Whether it needs a language model."""
    needs: ClassVar[frozenset[Ability]] = frozenset()
    """What its model must be able to do, in addition to answering."""
    tasks: ClassVar[Sequence[str]] = ("classification", "generation")
    """The types of task that it suits."""
    seeded: ClassVar[bool] = False
    """Whether another seed may give other answers."""
    usual: ClassVar[Sequence[str]] = ("quick", "default", "full")
    """The modes in which it runs without being named."""
    quick: ClassVar[Mapping[str, Any]] = {}
    """Its settings in a quick run, where they differ."""
    four_bit: ClassVar[bool] = False
    """Whether its model's weights are loaded as NF4."""
    restores: ClassVar[bool] = False
    """Whether fitting would distort the figures of serving: it is then restored in a fresh process, as
    it would be deployed."""
    curve: ClassVar[Mapping[str, Any] | None] = {}
    """Its settings in a learning curve, where they differ from the quick ones; None keeps it out."""
    needs_rows: ClassVar[bool] = True
    """Whether it uses labelled rows in a learning curve."""
    fits_once: ClassVar[bool] = False
    """Whether a curve trains it on all rows of a size, with declared settings, by `fit_once`."""
    remembers: ClassVar[bool] = False
    """Whether it keeps what it read in the ground's memory, from one size of a curve to the next."""

    def check(self, device: Device) -> None:
        """Raises `TrialSkipped` where it can't run on a device; asked before a model is loaded."""

    def fit(self, ground: Ground, seed: int) -> Answerer:
        """Learn from the ground's rows."""
        raise NotImplementedError

    def restore(self, ground: Ground, notes: dict[str, Any]) -> Answerer:
        """The answerer again, from its notes and the ground's folder; of one that `restores`."""
        raise NotImplementedError

    def ways(self, ground: Ground) -> Iterable[Way]:
        """The ways of serving what was fitted, one after the other; none by default."""
        return ()

    def forecast(self, work: Work) -> float:
        """Seconds of a trial, put together from the pieces of work that its trial consists of.

        Raises `TrialSkipped` where that isn't known.
        """
        raise TrialSkipped("its forecast isn't known: the contender has no forecast(work)")

    def fit_once(self, ground: Ground, seed: int) -> tuple[Answerer, Callable[[], None]]:
        """An answerer trained on all rows, and what turns the model back into the base."""
        raise NotImplementedError

    def forecast_once(self, work: Work) -> float:
        """Seconds of `fit_once` and of answering the test rows."""
        raise NotImplementedError

    def settled(self, notes: dict[str, Any]) -> Contender | None:
        """With the choices of an earlier fit as its only settings, to be fitted to all rows of a curve's
        size; None where choices made on some rows don't hold for others."""
        return None


@dataclass(frozen=True)
class Way:
    """A way of serving: an answerer and the bytes of its weights, or the reason why it isn't available."""

    name: str
    answerer: Answerer | None
    weight_bytes: int | None = None
    reason: str = ""


def answers_of(answerer: Answerer, examples: Sequence[Example], progress: str = "") -> list[Answer]:
    """All answers to some rows; `progress` labels a progress bar on stderr."""
    from bench.core.progress import bar

    found: list[Answer] = []
    with bar(progress, len(examples), "row") as shown:
        for batch in answerer.answer(examples):
            found += batch
            shown.update(len(batch))
    return found


def quality(answers: Sequence[Answer], examples: Sequence[Example], task: Task) -> float:
    """The first of the task's metrics over some rows, for choosing on validation rows."""
    return quality_of({a.example_id: a.text for a in answers}, examples, task)


def quality_of(said: Mapping[str, str], examples: Sequence[Example], task: Task) -> float:
    """The same, of texts by the rows' ids."""
    from bench.metrics import load_metric

    gold, predicted = [e.gold for e in examples], [said[e.id] for e in examples]
    return load_metric(task.metrics[0]).of(gold, predicted, task.labels)
