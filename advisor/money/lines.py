"""Options to money: what each costs once, a month and over the horizon, as a line in the volume.

Every function takes single numbers or arrays of draws alike, so that one sum serves both.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from functools import lru_cache

from advisor.money import prices
from advisor.money.assumptions import HOURS_PER_MONTH
from advisor.money.options import (
    LEAST_CACHED_TOKENS,
    SELF_PROMPTED,
    SELF_TUNED,
    Plan,
    demonstration_tokens,
    plan_of,
    prefix_tokens,
    served_rows_per_s,
)
from advisor.money.ranges import Range, exponential, larger, whole
from scenarios.schema import Profile

SECONDS_PER_MONTH = HOURS_PER_MONTH * 3600


@dataclass(frozen=True)
class Line:
    """What one option costs by volume; numbers or arrays of draws, in dollars.

    `once` and `renewal` are paid over the whole horizon, `monthly` each month. A request costs
    `request_usd`; machines are reserved by the month, whether used or not: `machine_usd` each, at
    least `machines_least`, one for every `1 / machines_each` requests a month. One works off `rows_per_s`.
    """

    once: dict[str, float]
    renewal: float
    monthly: dict[str, float]
    request_usd: float = 0.0
    machine_usd: float = 0.0
    machines_least: float = 0.0
    machines_each: float = 0.0
    rows_per_s: float | None = None

    @property
    def fixed_usd(self):
        """What is paid over the horizon apart from operations, requests and machines."""
        return sum(self.once.values()) + self.renewal

    def machines(self, volume):
        """Machines reserved for so many requests a month."""
        return larger(self.machines_least, whole(volume * self.machines_each))

    def serving_usd(self, volume):
        """Requests or reserved machines of a month."""
        return volume * self.request_usd + self.machine_usd * self.machines(volume)

    def monthly_usd(self, volume):
        """Serving and operations of a month."""
        return self.serving_usd(volume) + sum(self.monthly.values())

    def horizon_usd(self, volume, months):
        """All that is paid over so many months."""
        return self.fixed_usd + months * self.monthly_usd(volume)


def lines(plan: Plan, values, volume=None, options=None) -> dict[str, Line]:
    """Each priced option's line, or those named, at these values: the plan's own, or arrays of draws.

    `volume` is that by which a provider's cache is hit; by default the profile's.
    """
    volume = values["requests_per_month"] if volume is None else volume
    tenants = plan.assumptions["tenants"].range.value
    found: dict[str, Line] = {}
    served: dict[tuple, Line] = {}
    for option in plan.options if options is None else options:
        if option.startswith("hosted-"):
            found[option] = _hosted(plan, values, option, volume)
        else:
            way = (option == SELF_PROMPTED, option == "self-hosted-full" and tenants > 1)
            if way not in served:  # tuned by whichever method, a model is served alike
                served[way] = _served(plan, values, option)
            once, renewal = _self_hosted_once(plan, values, option)
            found[option] = replace(served[way], once=once, renewal=renewal)
    return found


def cache_hits(values, volume):
    """Share of requests that find the prompt's beginning in the provider's cache.

    By a Poisson process at the rate of the busy hour, in which most requests come: the chance that
    another came within the minutes that the cache waits. A share that is stated takes its place.
    """
    if "cache_hit_share" in values:
        return values["cache_hit_share"]
    per_minute = volume * values["peak_to_mean_load"] / (HOURS_PER_MONTH * 60)
    return 1 - exponential(-per_minute * values["cache_minutes"])


def _hosted(plan: Plan, values, option: str, volume) -> Line:
    monthly = {
        "operations": values["hosted_operations_hours_per_month"] * values["staff_usd_per_hour"]
    }
    if option == "hosted-tuned":
        once, renewal = _tuned_once(plan, values, _hosted_training(plan, values))
        request = plan.tuned_rates.usd(values["prompt_tokens"], values["completion_tokens"])
        return Line(once, renewal, monthly, request_usd=request)
    once, renewal = _prompting_once(values, zero_shot=option == "hosted-zero-shot")
    return Line(
        once, renewal, monthly, request_usd=hosted_request_usd(plan, values, option, volume)
    )


def hosted_request_usd(plan: Plan, values, option: str, volume):
    """Dollars for one request to the hosted model, prompted in this way."""
    prompt, answer = values["prompt_tokens"], values["completion_tokens"]
    if option == "hosted-zero-shot":
        return plan.hosted.standard.usd(prompt, answer)
    prompt = prompt + demonstration_tokens(values)
    if option == "hosted-few-shot":
        return plan.hosted.standard.usd(prompt, answer)
    if option == "hosted-few-shot-batch":
        return plan.hosted.batch.usd(prompt, answer)
    prefix = prefix_tokens(values)
    prefix = prefix * (prefix >= LEAST_CACHED_TOKENS)
    hits = cache_hits(values, volume)
    return plan.hosted.standard.usd(prompt, answer, hits * prefix, (1 - hits) * prefix)


def _self_hosted_once(plan: Plan, values, option: str) -> tuple[dict, float]:
    if option == SELF_PROMPTED:
        return _prompting_once(values, zero_shot=False)
    return _tuned_once(
        plan, values, _own_training(plan, values, option.removeprefix("self-hosted-"))
    )


def _served(plan: Plan, values, option: str) -> Line:
    """The machines of a self-hosted option and their operations, without what is paid once."""
    rows = served_rows_per_s(plan, plan.server, values, prompted=option == SELF_PROMPTED)
    copies = values["tenants"] if option == "self-hosted-full" else 1.0
    if option in SELF_TUNED[:2]:  # adapters of several tenants can't be merged into their one base
        rows = rows * (1 - (1 - values["adapter_share"]) * (values["tenants"] > 1))
    operations = values["operations_hours_per_month"] * values["staff_usd_per_hour"]
    return reserved_line(
        {}, 0.0, {"operations": operations},
        usd_per_machine_hour=plan.server.gpus * values[plan.server.key],
        rows_per_s=rows, copies=copies, replicas=whole(values["replicas"] - 0.5),
        peak_to_mean=values["peak_to_mean_load"], utilisation=values["utilisation"],
    )  # fmt: skip


def reserved_line(once, renewal, monthly, *, usd_per_machine_hour, rows_per_s, copies=1.0, replicas=1.0,
                  peak_to_mean=1.0, utilisation=1.0) -> Line:  # fmt: skip
    """A line of reserved machines: enough for the busiest hour at the planned utilisation.

    `copies` are deployments that can't share machines, each with its part of the requests.
    """
    peak_rows_each = peak_to_mean / SECONDS_PER_MONTH
    return Line(
        once, renewal, monthly,
        machine_usd=copies * usd_per_machine_hour * HOURS_PER_MONTH,
        machines_least=replicas,
        machines_each=peak_rows_each / (rows_per_s * utilisation * copies),
        rows_per_s=rows_per_s,
    )  # fmt: skip


def _prompting_once(values, zero_shot: bool) -> tuple[dict, float]:
    """What prompting costs at first, and again when the base model is retired."""
    staff = values["staff_usd_per_hour"]
    rows = values["evaluation_rows"] + (0 if zero_shot else values["demonstrations"])
    evaluation = values["evaluation_hours"] * staff
    once = {
        "set-up": values["prompting_setup_hours"] * staff,
        "labelling": _missing(values, rows) * values["labelling_usd_per_example"],
        "evaluation": evaluation,
    }
    _, of_base = renewals(values["horizon_months"], values["retrain_every_months"],
                          values["base_model_lasts_months"])  # fmt: skip
    return once, of_base * evaluation


def _tuned_once(plan: Plan, values, training_usd) -> tuple[dict, float]:
    """What tuning costs at first, and again at each retraining and each new base model.

    A retraining trains once, by the settings that are known, with some fresh labels; on a new base
    model the settings are searched for again, on the labels that are there.
    """
    staff = values["staff_usd_per_hour"]
    rows = training_rows(plan, values)
    label = values["labelling_usd_per_example"]
    evaluation = values["evaluation_hours"] * staff
    tenants = values["tenants"]
    once = {
        "set-up": values["tuning_setup_hours"] * staff,
        "labelling": _missing(values, rows + values["evaluation_rows"]) * label,
        "training": tenants * values["training_trials"] * training_usd,
        "evaluation": evaluation,
    }
    again, of_base = renewals(values["horizon_months"], values["retrain_every_months"],
                              values["base_model_lasts_months"])  # fmt: skip
    fresh = tenants * rows * values["fresh_rows_share"] * label
    renewal = again * (tenants * training_usd + fresh + evaluation)
    return once, renewal + of_base * (once["training"] + evaluation)


def _missing(values, rows):
    """Labels to pay for where each tenant needs so many and some are at hand."""
    return larger(0.0, values["tenants"] * rows - values["labelled_examples"])


def training_rows(plan: Plan, values):
    """Rows that are trained on for each tenant: as stated, or all at hand, and at least the default."""
    if plan.assumptions["training_rows"].stated:
        return values["training_rows"]
    spare = values["labelled_examples"] / values["tenants"] - values["evaluation_rows"]
    return larger(values["training_rows"], spare)


def _trained_tokens(plan: Plan, values):
    each = values["prompt_tokens"] + values["completion_tokens"]
    return training_rows(plan, values) * each * values["epochs"]


def _hosted_training(plan: Plan, values):
    return _trained_tokens(plan, values) * plan.tuning.training_usd_per_mtok / prices.TOKENS


def _own_training(plan: Plan, values, method: str):
    """Dollars for one training of one tenant's model."""
    trainer = plan.trainers[method]
    hours = _trained_tokens(plan, values) / values[f"tokens_per_s {method}"] / 3600
    hours = hours + values["job_overhead_hours"]
    return hours * trainer.gpus * values[trainer.key]


def renewals(horizon, every, base_lasts):
    """How often within the horizon a model is trained again, by the calendar and for a new base.

    A retraining within half a month of a new base is that one. Months; the end of the horizon renews
    nothing.
    """
    of_base = larger(0, whole(horizon / base_lasts) - 1)
    again = larger(0, whole(horizon / every) - 1)
    most = of_base if isinstance(of_base, int | float) else of_base.max()
    for number in range(1, int(most) + 1):
        month = number * base_lasts
        nearest = whole(month / every - 0.5) * every
        same = (
            (abs(nearest - month) <= 0.5) * (month < horizon) * (nearest < horizon) * (nearest > 0)
        )
        again = again - same
    return again, of_base


# --- for the recommender -----------------------------------------------------------------------


@dataclass(frozen=True)
class Money:
    """What a choice costs, in dollars: once, and a month with its renewals spread over the horizon."""

    one_off_usd: Range
    monthly_usd: Range


RETRIEVED_TOKENS = Range(1500, 500, 4000)
"""Tokens of retrieved passages in a prompt: judgement, three to five passages of 150 to 800."""


NO_MATTER_OF_COST = (
    "classes", "label_quality", "format_strictness", "style_consistency", "knowledge_changes",
    "one_off_budget_usd", "monthly_budget_usd", "erasure_duty", "quality_bar", "prompting_reached",
    "prompting_effort", "prompted_model_billion_parameters",
)  # fmt: skip
"""Facts that change no forecast of cost."""


def expected(profile: Profile) -> dict[str, tuple[float, float]]:
    """Dollars once and a month of each choice of the recommender, at the assumptions' values.

    As `quick`, without bounds and without hours of staff.
    """
    return _expected(profile.model_copy(update=dict.fromkeys(NO_MATTER_OF_COST)))


@lru_cache(maxsize=4096)
def _expected(profile: Profile) -> dict[str, tuple[float, float]]:
    plan = plan_of(profile, prices.catalog(date.today()))
    return _choices(plan, plan.values() | {"staff_usd_per_hour": 0.0})


def quick(profile: Profile, *, staff: bool = False, today: date | None = None) -> dict[str, Money]:
    """What `prompt`, `retrieval`, `decision-api`, `lora`, `qlora` and `full` cost, without draws.

    A choice that can't be priced (data that may not leave, a model that fits no GPU) is absent. The
    bounds are about those of the simulation's 95 %: each assumption alone is moved to its low and its
    high, and the moves are added in quadrature. Without `staff` hours of one's own people are left
    out, as a budget of dollars usually leaves them out; labels are in. `retrieval` is a
    prompt with passages of `RETRIEVED_TOKENS` (hosted without demonstrations), and leaves the index's
    own cost out; `decision-api` is a hosted zero-shot request whose answer isn't written. Takes no numpy. Raises `UserError` for an
    unknown model.
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
    """Dollars once and a month of each choice of the recommender."""
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
        chosen["retrieval"] = money(_hosted(plan, longer, "hosted-zero-shot", volume))
        silent = values | {"completion_tokens": 0.0}
        chosen["decision-api"] = money(_hosted(plan, silent, "hosted-zero-shot", volume))
    elif SELF_PROMPTED in found:
        longer = values | {"prompt_tokens": values["prompt_tokens"] + more}
        once, renewal = _prompting_once(values, zero_shot=False)
        longer = replace(_served(plan, longer, SELF_PROMPTED), once=once, renewal=renewal)
        chosen["retrieval"] = money(longer)
    for option in SELF_TUNED:
        if option in found:
            chosen[option.removeprefix("self-hosted-")] = money(found[option])
    return chosen
