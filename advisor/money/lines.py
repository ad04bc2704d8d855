"""Each option's cost as a line in the volume: one-off, per month, per request, per reserved machine.

Every function takes single numbers or arrays of draws, so that one sum serves both.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from advisor.money import prices
from advisor.money.assumptions import HOURS_PER_MONTH
from advisor.money.machines import served_rows_per_s
from advisor.money.plan import SELF_PROMPTED, SELF_TUNED, Plan, is_hosted
from advisor.money.ranges import exponential, larger, whole
from advisor.money.tokens import (
    LEAST_CACHED_TOKENS,
    demonstration_tokens,
    prefix_tokens,
    request_tokens,
)

SECONDS_PER_MONTH = HOURS_PER_MONTH * 3600


@dataclass(frozen=True)
class Line:
    """What one option costs by volume; numbers or arrays of draws, in dollars.

    `once` and `renewal` are totals over the horizon, `monthly` is paid each month. A request costs
    `request_usd`. Machines are reserved by the month, used or not, at `machine_usd` each: at least
    `machines_least`, and one for every `1 / machines_each` requests a month. One machine serves
    `rows_per_s`.
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
        """What is paid over the horizon, excluding operations, requests and machines."""
        return sum(self.once.values()) + self.renewal

    def machines(self, volume):
        """Machines reserved for this number of requests a month."""
        return larger(self.machines_least, whole(volume * self.machines_each))

    def serving_usd(self, volume):
        """Requests or reserved machines, per month."""
        return volume * self.request_usd + self.machine_usd * self.machines(volume)

    def monthly_usd(self, volume):
        """Serving and operations, per month."""
        return self.serving_usd(volume) + sum(self.monthly.values())

    def horizon_usd(self, volume, months):
        """Everything that is paid over this number of months."""
        return self.fixed_usd + months * self.monthly_usd(volume)


def lines(plan: Plan, values, volume=None, options=None) -> dict[str, Line]:
    """The line of each priced option, or of those named, at these values or arrays of draws.

    `volume` decides how often a provider's cache is hit; by default it is the profile's.
    """
    volume = values["requests_per_month"] if volume is None else volume
    tenants = plan.assumptions["tenants"].range.value
    found: dict[str, Line] = {}
    served: dict[tuple, Line] = {}
    for option in plan.options if options is None else options:
        if is_hosted(option):
            found[option] = hosted_line(plan, values, option, volume)
        else:
            way = (option == SELF_PROMPTED, option == "self-hosted-full" and tenants > 1)
            if way not in served:  # a tuned model is served the same way, whatever the method
                served[way] = served_line(plan, values, option)
            once, renewal = _self_hosted_once(plan, values, option)
            found[option] = replace(served[way], once=once, renewal=renewal)
    return found


def cache_hits(values, volume):
    """Share of requests that find the prompt's beginning in the provider's cache.

    A Poisson process at the rate of the busy hour, in which most requests arrive: the chance that
    another one arrived within the lifetime of the cache. A stated share replaces it.
    """
    if "cache_hit_share" in values:
        return values["cache_hit_share"]
    per_minute = volume * values["peak_to_mean_load"] / (HOURS_PER_MONTH * 60)
    return 1 - exponential(-per_minute * values["cache_minutes"])


def hosted_line(plan: Plan, values, option: str, volume) -> Line:
    monthly = {
        "operations": values["hosted_operations_hours_per_month"] * values["staff_usd_per_hour"]
    }
    if option == "hosted-tuned":
        once, renewal = _tuned_once(plan, values, _hosted_training(plan, values))
        request = plan.tuned_rates.usd(values["prompt_tokens"], values["completion_tokens"])
        return Line(once, renewal, monthly, request_usd=request)
    once, renewal = prompting_once(values, zero_shot=option == "hosted-zero-shot")
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
        return prompting_once(values, zero_shot=False)
    return _tuned_once(
        plan, values, _own_training(plan, values, option.removeprefix("self-hosted-"))
    )


def served_line(plan: Plan, values, option: str) -> Line:
    """The machines of a self-hosted option and their operations, without one-off costs."""
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

    `copies` are deployments that can't share machines, each with its share of the requests.
    """
    peak_rows_each = peak_to_mean / SECONDS_PER_MONTH
    return Line(
        once, renewal, monthly,
        machine_usd=copies * usd_per_machine_hour * HOURS_PER_MONTH,
        machines_least=replicas,
        machines_each=peak_rows_each / (rows_per_s * utilisation * copies),
        rows_per_s=rows_per_s,
    )  # fmt: skip


def prompting_once(values, zero_shot: bool) -> tuple[dict, float]:
    """What prompting costs initially, and again when the base model is retired."""
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
    """What tuning costs initially, and again for each retraining and each new base model.

    A retraining trains once, with known settings and some fresh labels; for a new base model the
    settings are searched for again, with the existing labels.
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
    """Labels to pay for, if each tenant needs this number of rows and some are available."""
    return larger(0.0, values["tenants"] * rows - values["labelled_examples"])


def training_rows(plan: Plan, values):
    """Training rows per tenant: as stated, or all that are available and at least the default."""
    if plan.assumptions["training_rows"].stated:
        return values["training_rows"]
    spare = values["labelled_examples"] / values["tenants"] - values["evaluation_rows"]
    return larger(values["training_rows"], spare)


def _trained_tokens(plan: Plan, values):
    return training_rows(plan, values) * request_tokens(values) * values["epochs"]


def _hosted_training(plan: Plan, values):
    return _trained_tokens(plan, values) * plan.tuning.training_usd_per_mtok / prices.TOKENS


def _own_training(plan: Plan, values, method: str):
    """Dollars for one training run of one tenant's model."""
    trainer = plan.trainers[method]
    hours = _trained_tokens(plan, values) / values[f"tokens_per_s {method}"] / 3600
    hours = hours + values["job_overhead_hours"]
    return hours * trainer.gpus * values[trainer.key]


def renewals(horizon, every, base_lasts):
    """How often a model is retrained within the horizon: on schedule, and for a new base model.

    A scheduled retraining within half a month of a new base model counts as part of it. All in
    months; nothing is renewed at the end of the horizon.
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
