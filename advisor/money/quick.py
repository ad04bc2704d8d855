"""Quick costs for the recommender: each choice one-off and per month, without draws and without numpy."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from functools import lru_cache

from advisor.money import prices
from advisor.money.lines import Line, hosted_line, lines, prompting_once, served_line
from advisor.money.options import plan_of
from advisor.money.plan import SELF_PROMPTED, SELF_TUNED, Plan
from advisor.money.ranges import Range
from scenarios.schema import Profile

RETRIEVED_TOKENS = Range(1500, 500, 4000)
"""Tokens of retrieved passages in a prompt: judgement, three to five passages of 150 to 800 tokens."""
NO_MATTER_OF_COST = (
    "classes", "label_quality", "format_strictness", "style_consistency", "knowledge_changes",
    "one_off_budget_usd", "monthly_budget_usd", "erasure_duty", "quality_bar", "prompting_reached",
    "prompting_effort", "prompted_model_billion_parameters",
)  # fmt: skip
"""Facts that don't affect any cost forecast."""


@dataclass(frozen=True)
class Money:
    """What a choice costs in dollars: one-off, and per month with renewals spread over the horizon."""

    one_off_usd: Range
    monthly_usd: Range


def expected(profile: Profile) -> dict[str, tuple[float, float]]:
    """Dollars one-off and per month for each choice of the recommender, at the assumptions' values.

    Like `quick`, without bounds and without staff time.
    """
    return _expected(profile.model_copy(update=dict.fromkeys(NO_MATTER_OF_COST)))


@lru_cache(maxsize=4096)
def _expected(profile: Profile) -> dict[str, tuple[float, float]]:
    plan = plan_of(profile, prices.catalog(date.today()))
    return _choices(plan, plan.values() | {"staff_usd_per_hour": 0.0})


def quick(profile: Profile, *, staff: bool = False, today: date | None = None) -> dict[str, Money]:
    """What `prompt`, `retrieval`, `decision-api`, `lora`, `qlora` and `full` cost, without draws.

    A choice that can't be priced (data that may not leave, a model that fits no GPU) is absent. The
    bounds approximate the simulation's 95% range: each assumption is moved to its low and its high,
    one at a time, and the changes are added in quadrature. Without `staff`, the time of your own people
    is excluded, as a budget in dollars usually excludes it; labels are included. `retrieval` is a
    prompt with passages of `RETRIEVED_TOKENS` (if hosted, without demonstrations) and excludes the cost
    of the index; `decision-api` is a hosted zero-shot request with no answer tokens. Doesn't need
    numpy. Raises `UserError` for an unknown model.
    """
    plan = plan_of(profile, prices.catalog(today or date.today()))
    values = plan.values()
    if not staff:
        values["staff_usd_per_hour"] = 0.0
    at_value = _choices(plan, values)
    moves: dict[str, list] = {choice: [0.0, 0.0, 0.0, 0.0] for choice in at_value}
    movable = {key: found.range for key, found in plan.assumptions.items() if not found.range.fixed}
    movable["retrieved_tokens"] = RETRIEVED_TOKENS
    for key, span in movable.items():
        if key == "staff_usd_per_hour" and not staff:
            continue
        ends = [_choices(plan, values | {key: end}) for end in (span.low, span.high)]
        for choice, money in at_value.items():
            for place in (0, 1):
                deltas = [end[choice][place] - money[place] for end in ends]
                moves[choice][2 * place] += min(0.0, *deltas) ** 2
                moves[choice][2 * place + 1] += max(0.0, *deltas) ** 2
    return {
        choice: Money(*(
            Range(money[place], max(0.0, money[place] - moves[choice][2 * place] ** 0.5),
                  money[place] + moves[choice][2 * place + 1] ** 0.5)
            for place in (0, 1)
        ))
        for choice, money in at_value.items()
    }  # fmt: skip


def _choices(plan: Plan, values) -> dict[str, tuple[float, float]]:
    """Dollars one-off and per month for each choice of the recommender."""
    volume, months = values["requests_per_month"], values["horizon_months"]

    def money(line: Line) -> tuple[float, float]:
        return sum(line.once.values()), line.monthly_usd(volume) + line.renewal / months

    found = lines(plan, values)
    chosen = {}
    prompts = [
        found[name] for name in ("hosted-few-shot", "hosted-few-shot-cached") if name in found
    ]
    if prompts:
        chosen["prompt"] = min(map(money, prompts), key=lambda each: each[1])
    elif SELF_PROMPTED in found:
        chosen["prompt"] = money(found[SELF_PROMPTED])
    more = values.get("retrieved_tokens", RETRIEVED_TOKENS.value)
    if "hosted-zero-shot" in found:
        longer = values | {"prompt_tokens": values["prompt_tokens"] + more}
        chosen["retrieval"] = money(hosted_line(plan, longer, "hosted-zero-shot", volume))
        silent = values | {"completion_tokens": 0.0}
        chosen["decision-api"] = money(hosted_line(plan, silent, "hosted-zero-shot", volume))
    elif SELF_PROMPTED in found:
        longer = values | {"prompt_tokens": values["prompt_tokens"] + more}
        once, renewal = prompting_once(values, zero_shot=False)
        longer = replace(served_line(plan, longer, SELF_PROMPTED), once=once, renewal=renewal)
        chosen["retrieval"] = money(longer)
    for option in SELF_TUNED:
        if option in found:
            chosen[option.removeprefix("self-hosted-")] = money(found[option])
    return chosen
