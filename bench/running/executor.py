"""What carries out the trials of a run: a seam between what is planned and where it is done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from bench.core.folder import RunFolder
from bench.core.plan import Trial
from bench.running.ledger import Ledger


@dataclass(frozen=True)
class Ended:
    """How an executor stopped working on a trial.

    `finished`: its outcome is in the folder. `spent`: the budget ran out first, and what the trial
    had finished is kept. `no_room`: the disk is full or read-only. `crashed`: it ended without an
    outcome, for the `reason`.
    """

    how: Literal["finished", "spent", "no_room", "crashed"]
    reason: str = ""


class Executor(Protocol):
    """Does the trials of one run's folder, one after the other. All results go through the folder."""

    def make_ready(self) -> None:
        """A hint that a trial with a model comes soon; may do nothing."""

    def forecast(self) -> bool:
        """Leave the forecast of each trial in the folder; whether that worked."""

    def finish(self, trial: Trial, ledger: Ledger | None) -> Ended:
        """Work on a trial, from wherever it was left, until it has an outcome or the budget is spent."""

    def end(self) -> None:
        """Release what is held; nothing of the executor outlives this."""


class StartsExecutor(Protocol):
    """Makes the executor of a run's folder."""

    def __call__(self, folder: RunFolder) -> Executor: ...
