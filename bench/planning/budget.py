"""Which trials fit a budget by forecast, and what is dropped and why.

A budget is not part of the plan, so that the same command with a larger budget resumes where a smaller
one ended.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from bench.core.files import Dropped, Forecast
from bench.core.plan import Curve, Plan, Trial
from bench.planning.request import Budget
from scenarios.errors import UserError

WITHOUT_MODEL_SECONDS = 5.0
"""Of a trial that uses no model and has no forecast: the baselines of the kept quick run took 0.4 and
2.9 s (docs/measurements/2026-11-24-quick-cpu.json)."""
_TIME = re.compile(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m(?:in)?)?(?:(\d+(?:\.\d+)?)s)?")
_DOLLARS = re.compile(r"\$(\d+(?:\.\d+)?)|(\d+(?:\.\d+)?)\s*(?:usd|dollars?)")
_MOST_SECONDS = 366 * 24 * 3600


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
                f"--budget {text}: a budget in dollars needs this machine's price: add --usd-per-hour, or "
                "give a time such as 20m"
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
        raise UserError(f"--budget {text}: must be more than zero and at most a year")


@dataclass(frozen=True)
class Allotted:
    """The trials to do, in their order; the curve's sizes that are left (None: all); what is dropped."""

    order: tuple[str, ...]
    seconds: float
    dropped: tuple[Dropped, ...] = ()
    sizes: tuple[int, ...] | None = None
    dropped_sizes: tuple[int, ...] = ()


def allot(
    plan: Plan,
    forecasts: Sequence[Forecast],
    done: Sequence[str],
    seconds: float,
    points: Mapping[str, Collection[int]] = MappingProxyType({}),
) -> Allotted:
    """What fits into a number of seconds by forecast, in addition to the trials that are `done`.

    A run's own trials come first: the primary comparison's arms (the first tuned one, few-shot, the
    other prompts, the other tuned ones), then the baselines, then the classifiers between the two, and
    only then the next seed of each. Each that still fits is taken. Of a curve, whole rounds of seeds are
    taken, the tuned arm and the prompts of a seed together, until one doesn't fit; where not even the
    first does, the largest sizes are dropped until two are left. `points` are the finished sizes of a
    curve's trials, which cost nothing. Raises `UserError` where no trial with a model fits and none is
    done.
    """
    seconds = max(seconds, 0.0)
    cost = _Cost(forecasts, done, points)
    left = seconds
    order: list[str] = []
    dropped: list[Dropped] = []

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
    sizes = _take_curve(plan, plan.curve, cost, lambda: left, take, dropped) if plan.curve else ()
    if not done:
        _check_something_fits(plan, order, cost, seconds)
    all_sizes = plan.curve.sizes if plan.curve else ()
    return Allotted(
        tuple(order),
        seconds - left,
        tuple(dropped),
        None if sizes == all_sizes else sizes,
        tuple(size for size in all_sizes if size not in sizes),
    )


class _Cost:
    """Seconds that the unfinished part of trials takes, by their forecasts."""

    def __init__(
        self,
        forecasts: Sequence[Forecast],
        done: Collection[str],
        points: Mapping[str, Collection[int]],
    ):
        self._forecasts = {forecast["trial"]: forecast for forecast in forecasts}
        self._done = done
        self._points = points

    def of(self, trial: Trial, sizes: Sequence[int] = ()) -> float:
        """A trial's, or those of a curve's trial at some of its sizes."""
        forecast = self._forecasts.get(trial.slug)
        if trial.sizes:
            finished = self._points.get(trial.slug, ())
            wanted = [size for size in trial.sizes if size in sizes or not size]
            left = [size for size in wanted if size not in finished]
            if not left:
                return 0.0
            if forecast and (by_size := forecast.get("by_size")):
                return forecast["start_seconds"] + sum(by_size[str(size)] for size in left)
        elif trial.slug in self._done:
            return 0.0
        known = forecast["seconds"] if forecast else None
        return known["value"] if known else WITHOUT_MODEL_SECONDS

    def of_all(self, trials: Sequence[Trial], sizes: Sequence[int]) -> float:
        """Of several trials of a curve."""
        return sum(self.of(trial, sizes) for trial in trials)


def _take_curve(
    plan: Plan,
    curve: Curve,
    cost: _Cost,
    left: Callable[[], float],
    take: Callable[[Trial, float], bool],
    dropped: list[Dropped],
) -> tuple[int, ...]:
    """Take the curve's trials a round of seeds at a time, until one doesn't fit; the sizes that are left.

    What is finished stays, wherever it is.
    """
    sizes = _sizes_that_fit(plan, curve, cost, left())
    missed = None
    for seed in curve.seeds:
        earlier = missed
        if missed is None and cost.of_all(_together(plan, curve, seed), sizes) > left():
            missed = seed
        for trial in _round(plan, curve, seed):
            seconds = cost.of(trial, sizes)
            if (missed is not None and seconds) or not take(trial, seconds):
                dropped.append(_dropped(trial, seconds, left(), earlier))
    return sizes


def _round(plan: Plan, curve: Curve, seed: int) -> list[Trial]:
    """A seed's trials of a curve, the most important first."""
    own = [trial for trial in curve.trials if trial.seed == seed]
    return sorted(own, key=lambda trial: _place(trial, plan))


def _together(plan: Plan, curve: Curve, seed: int) -> list[Trial]:
    """Those of a seed's trials that are useful only together: the tuned ones and the prompts."""
    own = _round(plan, curve, seed)
    return [trial for trial in own if trial.family in ("prompt", "fine_tune")] or own


def _sizes_that_fit(plan: Plan, curve: Curve, cost: _Cost, left: float) -> tuple[int, ...]:
    """As many of the curve's sizes as fit for the first seed, at least two; all where no two fit."""
    sizes, first = curve.sizes, _together(plan, curve, curve.seeds[0])
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


def _place(trial: Trial, plan: Plan) -> tuple[int, bool]:
    """A contender's place: the first tuned arm, few-shot, other prompts, other tuned ones, and so on."""
    tuned = next((t.name for t in plan.all_trials if t.family == "fine_tune"), None)
    if trial.name == tuned:
        return 0, False
    if trial.family == "prompt":
        return 1, trial.kind != "few-shot"
    return {"fine_tune": 2, "floor": 3, "between": 4}[trial.family], False


def _dropped(trial: Trial, seconds: float, left: float, earlier: int | None = None) -> Dropped:
    """`earlier` is the seed of a curve that didn't fit, where it came before this trial's."""
    together = " with the other arms of its seed" if trial.sizes else ""
    why = (
        f"the budget had {left:.0f} s left for it{together}"
        if earlier is None
        else f"the earlier seed {earlier} didn't fit"
    )
    return {
        "trial": trial.slug,
        "contender": trial.name,
        "seconds": seconds,
        "reason": f"forecast to take {seconds:.0f} s, and {why}",
    }


def _check_something_fits(plan: Plan, order: Sequence[str], cost: _Cost, seconds: float) -> None:
    """Raises `UserError` where no trial fits the budget, or none of those with a model."""
    telling = [t for t in plan.all_trials if t.model] or list(plan.all_trials)
    if any(trial.slug in order for trial in telling):
        return
    leaves = f"--budget leaves {seconds:.0f} s for trials, and"
    own = [trial for trial in telling if not trial.sizes]
    if not own and plan.curve:
        raise UserError(f"{leaves} {_least_of_curve(plan, plan.curve, cost)}; increase it")
    shortest = min(own, key=cost.of)
    takes = max(1, round(cost.of(shortest)))
    raise UserError(
        f"{leaves} the shortest with a model ({shortest.name}) is forecast to take {takes} s; increase it"
    )


def _least_of_curve(plan: Plan, curve: Curve, cost: _Cost) -> str:
    """What the smallest curve takes: the arms of its first seed at two sizes."""
    sizes, arms = curve.sizes[:2], _together(plan, curve, curve.seeds[0])
    *others, last = dict.fromkeys(trial.name for trial in arms)
    named = f"{', '.join(others)} and {last}" if others else last
    seconds = max(1, round(cost.of_all(arms, sizes)))
    return (
        f"a curve needs at least two sizes of one seed ({named} at {sizes[0]} and {sizes[1]} rows), "
        f"which are forecast to take {seconds} s"
    )


def arms_left_out(plan: Plan, found: Allotted) -> list[str]:
    """The tuned side of the declared comparison, or its prompts, where no trial of that side fits."""
    if plan.primary is None:
        return []
    fits = {trial.name for trial in plan.all_trials if trial.slug in found.order}
    sides = (plan.primary.challenger, plan.primary.baseline)
    return [" and ".join(side) for side in sides if not fits.intersection(side)]
