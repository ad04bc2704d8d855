"""A run's budget: which trials fit it by forecast, what is dropped and why, and what has been spent.

It is kept apart from the plan, as `budget.json` in the run's folder, so that the same command with a
larger budget goes on where a smaller one ended.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import MappingProxyType

from bench.core.folder import BUDGET, read_budget, sizes_left  # noqa: F401
from bench.planning.make import Plan, Trial
from scenarios.cache import write_atomically
from scenarios.errors import UserError

WITHOUT_MODEL_SECONDS = 5.0
"""Of a trial that uses no model and has no forecast: the floors of the kept quick run took 0.4 and
2.9 s (docs/measurements/2026-11-24-quick-cpu.json)."""
_TIME = re.compile(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m(?:in)?)?(?:(\d+(?:\.\d+)?)s)?")
_DOLLARS = re.compile(r"\$(\d+(?:\.\d+)?)|(\d+(?:\.\d+)?)\s*(?:usd|dollars?)")
_MOST_SECONDS = 366 * 24 * 3600


@dataclass(frozen=True)
class Budget:
    """As the user said it, and in seconds of this machine; `usd` where it was said in dollars."""

    said: str
    seconds: float
    usd: float | None = None


def parse(text: str, usd_per_hour: float | None) -> Budget:
    """`90s`, `20m`, `1h30m`, `$5` or `5usd`. Raises `UserError` for others.

    Dollars are this machine's, so they need its price.
    """
    plain = text.strip().lower().replace(" ", "")
    if dollars := _DOLLARS.fullmatch(plain):
        usd = float(dollars[1] or dollars[2])
        _check_amount(text, usd)
        if usd_per_hour is None:
            raise UserError(
                f"--budget {text}: no price is known for what this run uses; give this machine's by "
                "--usd-per-hour, or a budget of time such as 20m"
            )
        return Budget(text, usd / usd_per_hour * 3600, usd)
    parts = _TIME.fullmatch(plain)
    if not plain or not parts:
        raise UserError(f"--budget takes 90s, 20m, 1h30m or 5usd, not '{text}'")
    hours, minutes, seconds = (float(part or 0) for part in parts.groups())
    total = hours * 3600 + minutes * 60 + seconds
    _check_amount(text, total)
    return Budget(text, total)


def _check_amount(text: str, amount: float) -> None:
    if not 0 < amount <= _MOST_SECONDS:
        raise UserError(f"--budget {text}: a budget is more than nothing, and a year at most")


@dataclass(frozen=True)
class Allotted:
    """The trials to do, in their order; the curve's sizes that are left (None: all); what is dropped.

    `dropped` are dicts of `trial`, `contender`, `seconds` and `reason`; `dropped_sizes` of the curve.
    """

    order: tuple[str, ...]
    seconds: float
    dropped: tuple[dict, ...] = ()
    sizes: tuple[int, ...] | None = None
    dropped_sizes: tuple[int, ...] = ()


def allot(
    plan: Plan,
    forecasts: Sequence[dict],
    done: Sequence[str],
    seconds: float,
    points: Mapping[str, Collection[int]] = MappingProxyType({}),
) -> Allotted:
    """What fits so many seconds by forecast, besides the trials that are `done`.

    A run's own trials come first: the primary comparison's arms (the first tuned one, few-shot, the
    other prompts, the other tuned ones), then what is cheap, then what is between, and only then the
    next seed of each. Each that still fits is taken. Of a curve whole rounds of seeds are taken, the
    tuned arm and the prompts of a seed together, until one doesn't fit; where not even the first does,
    the largest sizes go, down to two. `points` are the finished sizes of a curve's trials, which cost
    nothing. Raises `UserError` where no trial with a model fits and none is done.
    """
    seconds = max(seconds, 0.0)
    cost = _Cost(forecasts, done, points)
    left = seconds
    order: list[str] = []
    dropped: list[dict] = []

    def take(trial: Trial, needed: float) -> bool:
        nonlocal left
        if needed > left:
            return False
        left -= needed
        order.append(trial.slug)
        return True

    for trial in _by_priority(plan.trials, plan):
        needed = cost.of(trial)
        if not take(trial, needed):
            dropped.append(_dropped(trial, needed, left))
    sizes = _take_curve(plan, cost, lambda: left, take, dropped) if plan.curve else None
    if not done:
        _check_something_fits(plan, order, cost, seconds)
    kept = sizes is not None and plan.curve and sizes != plan.curve.sizes
    return Allotted(
        tuple(order),
        seconds - left,
        tuple(dropped),
        sizes if kept else None,
        tuple(s for s in plan.curve.sizes if s not in sizes) if kept else (),
    )


class _Cost:
    """Seconds of what isn't finished of trials, by their forecasts."""

    def __init__(
        self,
        forecasts: Sequence[dict],
        done: Collection[str],
        points: Mapping[str, Collection[int]],
    ):
        self._forecasts = {forecast["trial"]: forecast for forecast in forecasts}
        self._done = done
        self._points = points

    def of(self, trial: Trial, sizes: Sequence[int] = ()) -> float:
        """A trial's, or those of a curve's trial at some of its sizes."""
        forecast = self._forecasts.get(trial.slug) or {}
        if trial.sizes:
            finished = self._points.get(trial.slug, ())
            wanted = [size for size in trial.sizes if size in sizes or not size]
            left = [size for size in wanted if size not in finished]
            if not left:
                return 0.0
            if by_size := forecast.get("by_size"):
                return forecast["start_seconds"] + sum(by_size[str(size)] for size in left)
        elif trial.slug in self._done:
            return 0.0
        known = forecast.get("seconds")
        return known["value"] if known else WITHOUT_MODEL_SECONDS

    def of_all(self, trials: Sequence[Trial], sizes: Sequence[int]) -> float:
        """Of several trials of a curve."""
        return sum(self.of(trial, sizes) for trial in trials)


def _take_curve(
    plan: Plan, cost: _Cost, left: Callable, take: Callable, dropped: list
) -> tuple[int, ...]:
    """Take the curve's trials round by round of seeds, until one doesn't fit; the sizes that are left.

    What is finished stays, wherever it is.
    """
    sizes = _sizes_that_fit(plan, cost, left())
    missed = None
    for seed in plan.curve.seeds:
        earlier = missed
        if missed is None and cost.of_all(_together(plan, seed), sizes) > left():
            missed = seed
        for trial in _round(plan, seed):
            seconds = cost.of(trial, sizes)
            if (missed is not None and seconds) or not take(trial, seconds):
                dropped.append(_dropped(trial, seconds, left(), earlier))
    return sizes


def _round(plan: Plan, seed: int) -> list[Trial]:
    """A seed's trials of a curve, the most wanted first."""
    own = [trial for trial in plan.curve.trials if trial.seed == seed]
    return sorted(own, key=lambda trial: _place(trial, plan))


def _together(plan: Plan, seed: int) -> list[Trial]:
    """Those of a seed's trials that are of use together alone: the tuned ones and the prompts."""
    own = _round(plan, seed)
    return [trial for trial in own if trial.family in ("prompt", "fine_tune")] or own


def _sizes_that_fit(plan: Plan, cost: _Cost, left: float) -> tuple[int, ...]:
    """As many of the curve's sizes as fit for the first seed, two at least; all where no two fit."""
    sizes, first = plan.curve.sizes, _together(plan, plan.curve.seeds[0])
    fits = (n for n in range(len(sizes), 1, -1) if cost.of_all(first, sizes[:n]) <= left)
    return sizes[: next(fits, len(sizes))]


def _by_priority(trials: Sequence[Trial], plan: Plan) -> list[Trial]:
    """The first seed of all before the second of any."""
    seeds: dict[str, list[int]] = {}
    for trial in trials:
        seeds.setdefault(trial.name, [])
        if trial.seed not in seeds[trial.name]:
            seeds[trial.name].append(trial.seed)
    return sorted(trials, key=lambda t: (seeds[t.name].index(t.seed), _place(t, plan)))


def _place(trial: Trial, plan: Plan) -> tuple:
    """A contender's place: the first tuned arm, few-shot, other prompts, other tuned ones, and so on."""
    tuned = next((t.name for t in plan.all_trials if t.family == "fine_tune"), None)
    if trial.name == tuned:
        return 0, 0
    if trial.family == "prompt":
        return 1, trial.kind != "few-shot"
    return {"fine_tune": 2, "floor": 3, "between": 4}[trial.family], 0


def _dropped(trial: Trial, seconds: float, left: float, earlier: int | None = None) -> dict:
    """`earlier` is the seed of a curve that didn't fit, where it came before this trial's."""
    together = " with the other arms of its seed" if trial.sizes else ""
    why = (
        f"{left:.0f} s of the budget were left for it{together}"
        if earlier is None
        else f"seed {earlier} before it didn't fit"
    )
    return {
        "trial": trial.slug,
        "contender": trial.name,
        "seconds": seconds,
        "reason": f"forecast to take {seconds:.0f} s, and {why}",
    }


def _check_something_fits(plan: Plan, order: Sequence[str], cost: _Cost, seconds: float) -> None:
    """Raises `UserError` where the budget holds no trial, or none of those with a model."""
    telling = [t for t in plan.all_trials if t.model] or list(plan.all_trials)
    if any(trial.slug in order for trial in telling):
        return
    leaves = f"--budget leaves {seconds:.0f} s for trials, and"
    own = [trial for trial in telling if not trial.sizes]
    if not own:
        raise UserError(f"{leaves} {_least_of_curve(plan, cost)}; give more")
    shortest = min(own, key=cost.of)
    told = max(1, round(cost.of(shortest)))
    raise UserError(
        f"{leaves} the shortest with a model ({shortest.name}) is forecast to take {told} s; give more"
    )


def _least_of_curve(plan: Plan, cost: _Cost) -> str:
    """What the least of a curve takes: the arms of its first seed at two sizes."""
    sizes, arms = plan.curve.sizes[:2], _together(plan, plan.curve.seeds[0])
    *others, last = dict.fromkeys(trial.name for trial in arms)
    named = f"{', '.join(others)} and {last}" if others else last
    seconds = max(1, round(cost.of_all(arms, sizes)))
    return (
        f"a curve takes two sizes of one seed at least ({named} at {sizes[0]} and {sizes[1]} rows), "
        f"which are forecast to take {seconds} s"
    )


def arms_left_out(plan: Plan, found: Allotted) -> list[str]:
    """The tuned side of the declared comparison, or its prompts, where no trial of that side fits."""
    if plan.primary is None:
        return []
    fits = {trial.name for trial in plan.all_trials if trial.slug in found.order}
    sides = (plan.primary["challenger"], plan.primary["baseline"])
    return [" and ".join(side) for side in sides if not fits.intersection(side)]


@dataclass
class Ledger:
    """What of a budget has been spent, over all starts of a run; on disk as it goes."""

    folder: Path
    budget: Budget
    spent_seconds: float = 0.0
    planned: list[str] = field(default_factory=list)
    dropped: list[dict] = field(default_factory=list)
    sizes: list[int] | None = None
    dropped_sizes: list[int] = field(default_factory=list)
    stopped: list[str] = field(default_factory=list)
    planned_seconds: float = 0.0

    def __post_init__(self):
        self._before = before = read_budget(self.folder) or {}
        self.spent_seconds = float(before.get("spent_seconds") or 0.0)
        self._since = time.monotonic()

    @property
    def left(self) -> float:
        """Seconds that may still be spent; below 0 where it was overdrawn."""
        return self.budget.seconds - self.spent_seconds

    def goes_on(self) -> Allotted | None:
        """What an earlier start with the same budget had planned; None where there is none."""
        before = self._before
        same = all(before.get(key) == getattr(self.budget, key) for key in ("said", "seconds"))
        if not same or not before.get("planned"):
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
        values = {k: v for k, v in asdict(self).items() if k not in ("folder", "budget")}
        told = asdict(self.budget) | values
        if self.budget.usd is not None:
            told["spent_usd"] = self.spent_seconds * self.budget.usd / self.budget.seconds
        write_atomically(self.folder / BUDGET, json.dumps(told, indent=1))
