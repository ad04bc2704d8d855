"""What of a budget has been spent, over all starts of a run; on disk as it goes."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field

from bench.core.files import Account, Dropped
from bench.core.folder import RunFolder
from bench.planning.budget import Allotted
from bench.planning.request import Budget


@dataclass
class Ledger:
    """A budget's account. Time is counted from its making, and added to what earlier starts spent."""

    folder: RunFolder
    budget: Budget
    spent_seconds: float = 0.0
    planned: list[str] = field(default_factory=list)
    dropped: list[Dropped] = field(default_factory=list)
    sizes: list[int] | None = None
    dropped_sizes: list[int] = field(default_factory=list)
    stopped: list[str] = field(default_factory=list)
    planned_seconds: float = 0.0

    def __post_init__(self) -> None:
        self._before = self.folder.account()
        if self._before:
            self.spent_seconds = float(self._before.get("spent_seconds") or 0.0)
        self._since = time.monotonic()

    @property
    def left(self) -> float:
        """Seconds that may still be spent; below 0 where it was overdrawn."""
        return self.budget.seconds - self.spent_seconds

    def planned_before(self) -> Allotted | None:
        """What an earlier start with the same budget had planned; None where there is none."""
        before = self._before
        if not before or not before.get("planned"):
            return None
        if (before.get("said"), before.get("seconds")) != (self.budget.said, self.budget.seconds):
            return None
        sizes = before["sizes"]
        return Allotted(
            tuple(before["planned"]),
            before["planned_seconds"],
            tuple(before["dropped"]),
            None if sizes is None else tuple(sizes),
            tuple(before["dropped_sizes"]),
        )

    def take_in(self, found: Allotted) -> None:
        """What is planned and what is dropped, kept before anything of it is done."""
        self.planned, self.dropped = list(found.order), list(found.dropped)
        self.sizes = None if found.sizes is None else list(found.sizes)
        self.dropped_sizes, self.stopped = list(found.dropped_sizes), []
        self.planned_seconds = found.seconds
        self.tick()

    def count(self) -> None:
        """Count the time since it was last counted as spent."""
        now = time.monotonic()
        self.spent_seconds += now - self._since
        self._since = now

    def tick(self) -> None:
        """Count the time, and keep the account on disk."""
        self.count()
        account: Account = {
            **asdict(self.budget),  # type: ignore[typeddict-item]
            "spent_seconds": self.spent_seconds,
            "planned": self.planned,
            "dropped": self.dropped,
            "sizes": self.sizes,
            "dropped_sizes": self.dropped_sizes,
            "stopped": self.stopped,
            "planned_seconds": self.planned_seconds,
        }
        if self.budget.usd is not None:
            account["spent_usd"] = self.spent_seconds * self.budget.usd / self.budget.seconds
        self.folder.keep_account(account)
