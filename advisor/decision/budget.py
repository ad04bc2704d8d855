"""Which choices the budgets rule out, from the cost forecasts."""

from __future__ import annotations

from collections.abc import Sequence

from advisor.money.quick import expected
from scenarios.schema import Profile

SEARCHED = ("labelled_examples", "requests_per_month", "peak_to_mean_load", "tenants",
            "horizon_months")  # fmt: skip
"""The numbers whose values are searched for what a budget still covers. For the others a search would be
slow, and `advisor cost` shows what moves the cost."""
BUDGETS = ("one_off_budget_usd", "monthly_budget_usd")
WAYS = {"prompt": "prompting", "retrieval": "retrieval", "decision-api": "a decision interface",
        "lora": "LoRA", "qlora": "QLoRA", "full": "full tuning"}  # fmt: skip


def over_budget(profile: Profile) -> dict[str, str]:
    """The choices whose forecast is above a budget, with the amounts; staff time isn't counted.

    Raises `UserError` for a hosted or own model that isn't known.
    """
    budgets = _budgets(profile)
    if budgets == (None, None):
        return {}
    return _over(budgets, expected(profile))


class Along:
    """What the budgets rule out at other values of one number, with few forecasts.

    Costs are monotonic in the number, so if two values rule out the same options, so does every
    value between them.
    """

    def __init__(self, profile: Profile, fact: str, values: Sequence[float]):
        self.profile, self.fact = profile, fact
        self.values = sorted(values)
        self.known: dict[int, dict[str, str]] = {}

    def __call__(self, value: float) -> dict[str, str]:
        """The options that are over budget at one of the values."""
        low, high, wanted = 0, len(self.values) - 1, self.values.index(value)
        while self._at(low).keys() != self._at(high).keys():
            middle = (low + high) // 2
            if low == middle:
                return self._at(wanted)
            low, high = (low, middle) if wanted <= middle else (middle, high)
        return self._at(low)

    def _at(self, place: int) -> dict[str, str]:
        if place not in self.known:
            changed = self.profile.model_copy(update={self.fact: self.values[place]})
            self.known[place] = over_budget(changed)
        return self.known[place]


def _budgets(profile: Profile) -> tuple[float | None, float | None]:
    return profile.one_off_budget_usd, profile.monthly_budget_usd


def _over(budgets, costs: dict[str, tuple[float, float]]) -> dict[str, str]:
    found = {}
    for choice, spent in costs.items():
        for budget, usd, often in zip(budgets, spent, ("one-off", "a month"), strict=True):
            if budget is not None and usd > budget and choice not in found:
                found[choice] = (f"{WAYS[choice]} costs about ${usd:,.0f} {often}; the "
                                 f"budget is ${budget:,.0f}")  # fmt: skip
    unpriced = [choice for choice in WAYS if choice not in costs]
    return found | dict.fromkeys(
        unpriced, "it can't be priced, so it can't be shown to fit the budget"
    )
