"""What would change the recommendation: each fact's nearest other value that gives another choice."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import get_args

from pydantic import ValidationError

from advisor.decision.budget import BUDGETS, SEARCHED, Along, over_budget
from advisor.decision.decide import MONEY, Decided, decide
from advisor.evidence.records import Weighed
from advisor.money.quick import NO_MATTER_OF_COST
from scenarios.schema import Profile

TERMS = (
    "base_licence_fits",
    "labels_may_train",
)  # what these rule out is ruled out at any cost
LESS_IS_HARDER = (*BUDGETS, "latency_target_p95_ms", "horizon_months", "gpu_memory_gib")
"""Limits: for an unknown one, the loosest value that changes the choice counts as the nearest."""


@dataclass(frozen=True)
class Flip:
    """The nearest value of a single factor that changes the choice."""

    factor: str
    from_: object
    to: object
    choice: str

    def to_json(self) -> dict:
        """The shape that scripts read."""
        return {"factor": self.factor, "from": self.from_, "to": self.to, "choice": self.choice}


def flips(
    profile: Profile, evidence: Weighed | None, choice: str, read: list[str]
) -> Iterator[Flip]:
    """For each factor that was looked at, the nearest value that by itself gives another choice."""
    over = over_budget(profile)
    for factor in Profile.model_fields:
        if factor not in read or factor in MONEY:  # `advisor cost` shows what moves the cost
            continue
        for value, decided in alternatives(profile, factor, over, evidence):
            if decided.choice == choice:
                continue
            other = decide(profile.model_copy(update={factor: value}), evidence).choice
            if other != choice:
                yield Flip(factor, getattr(profile, factor), value, other)
                break


def alternatives(
    profile: Profile, factor: str, over: dict[str, str], evidence: Weighed | None = None
) -> Iterator[tuple[object, Decided]]:
    """The decision at each other value of a factor, nearest values first.

    `over` is what the budgets rule out now.
    """
    values = nearest_first(factor, getattr(profile, factor))
    over_at = _over_at(profile, factor, values, over)
    for value in values:
        changed = profile.model_copy(update={factor: value})
        yield value, decide(changed, evidence, over=over_at(value))


def _over_at(profile: Profile, factor: str, values: list, over: dict[str, str]):
    """What the budgets rule out at another value of a factor, with as few forecasts as possible."""
    if [getattr(profile, name) for name in BUDGETS] == [None, None] and factor not in BUDGETS:
        return lambda value: over
    if factor in SEARCHED:
        return Along(profile, factor, values)
    if factor in BUDGETS or (words(factor) and factor not in (*NO_MATTER_OF_COST, *TERMS)):
        return lambda value: over_budget(profile.model_copy(update={factor: value}))
    return lambda value: over


def nearest_first(factor: str, current) -> list:
    """Other values of a factor: words in their order, numbers (1, 2, 5, 10 ...) by ratio.

    For an unknown number the order starts at 1; for an unknown limit, at the loosest value.
    """
    found = words(factor)
    if found:
        here = found.index(current) if current in found else 0
        return sorted((w for w in found if w != current), key=lambda w: abs(found.index(w) - here))
    if current is None and factor in LESS_IS_HARDER:
        return sorted(_steps(factor), reverse=True)
    start = current or 1
    return sorted((v for v in _steps(factor) if v != current), key=lambda v: _distance(v, start))


@cache
def words(factor: str) -> list:
    """The values of a factor that takes words, or true and false; empty for numbers."""
    kind = Profile.model_fields[factor].annotation
    for part in (kind, *get_args(kind)):
        if part is bool:
            return [True, False]
        if get_args(part) and all(isinstance(word, str) for word in get_args(part)):
            return list(get_args(part))
    return []


@cache
def _steps(factor: str) -> tuple:
    """The numbers that `Profile` accepts for a factor, out of 0, shares, and 1, 2, 5, 10 and so on."""
    if "model" in factor and "billion" not in factor:
        return ()  # a model's name
    shares = [0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.99]
    candidates = [0, *shares, *(d * 10**power for power in range(10) for d in (1, 2, 5))]
    found = []
    for value in candidates:
        try:
            read = getattr(Profile.model_validate({factor: value}), factor)
        except ValidationError:
            continue
        if read == value:
            found.append(read)
    return tuple(found)


def _distance(one: float, other: float) -> float:
    return abs(math.log((one + 0.01) / (other + 0.01)))
