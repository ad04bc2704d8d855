"""What a contender is given to forecast its trial: the seconds of each piece of its work."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from bench.core.contender import Ground


class Work(Protocol):
    """Each piece is timed here on a few of the trial's own rows when it is first asked for.

    Parts are `train`, `validation` (the rows that choose; with folds all training rows) and `test`.
    """

    @property
    def free_texts(self) -> bool:
        """Whether answers are written rather than scored."""

    @property
    def wordings(self) -> int:
        """How many instructions the task has."""

    @property
    def train_rows(self) -> int:
        """How many rows there are to train on."""

    @property
    def fittings(self) -> int:
        """How often something is fitted: once, or on each fold's others and then on all rows."""

    def timed(self, work: Callable[[Ground], object]) -> float:
        """Seconds of any other piece of work on the trial's rows; it is done twice and keeps nothing."""

    def reads(self, part: str) -> float:
        """Seconds to turn a part's texts into vectors."""

    def answers(self, part: str, shots: int = 0) -> float:
        """Seconds to answer a part's rows after a number of demonstrations that they share."""

    def serves(self, shots: int = 0) -> float:
        """Seconds of warming up, answering the test rows, and the single requests that are timed."""

    def answers_near(self, part: str, shots: int) -> float:
        """As `answers`, each row with demonstrations of its own."""

    def serves_near(self, shots: int) -> float:
        """As `serves`, each row with demonstrations of its own."""

    def trains(self, settings: Any, searched: Sequence[tuple[int, int]] = ()) -> float:
        """Seconds of training with some `TrainSettings`, including the validation after each epoch.

        `searched` are the rungs of a search before it: a number of settings, each trained for an epoch of a
        number of rows.
        """

    def replays(self, share: float, settings: Any, searched: Sequence[tuple[int, int]]) -> float:
        """Seconds that a share of replayed rows takes: writing them, and training on them."""

    def restarts(self) -> float:
        """Seconds until a fresh process has the tuned model."""
