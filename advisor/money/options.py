"""Which options a profile has, with the numbers they are priced by, or the reason one isn't priced.

A plan is made once, from the profile and the prices; `advisor.money.lines` then does the sums.
"""

from __future__ import annotations

import math
from dataclasses import replace

from advisor.money import prices
from advisor.money.assumptions import Assumption, assumed
from advisor.money.machines import (
    measured_server,
    monthly_usd,
    own_gpu_bytes,
    servers_of,
    trainer_of,
)
from advisor.money.plan import (
    HOSTED,
    SELF_PROMPTED,
    SELF_TUNED,
    TUNED,
    Measured,
    Plan,
    price_assumption,
)
from advisor.money.prices import Hosted, Prices, Rates
from advisor.money.ranges import Range
from advisor.money.tokens import (
    LEAST_CACHED_TOKENS,
    demonstration_tokens,
    prefix_tokens,
    request_tokens,
)
from advisor.sizes import models
from advisor.sizes.shapes import Shape
from advisor.sizes.sizing import METHODS, Settings, unsupported
from scenarios.errors import UserError
from scenarios.schema import Profile

DEFAULT_HOSTED = (
    "gpt-6-luna"  # named by OpenAI's deprecations page as the successor of its small models
)
OWN_MODELS = {  # by billions of parameters; one family, under Apache-2.0 except for 3
    0.5: "Qwen/Qwen2.5-0.5B-Instruct",
    1.5: "Qwen/Qwen2.5-1.5B-Instruct",
    3: "Qwen/Qwen2.5-3B-Instruct",
    7: "Qwen/Qwen2.5-7B-Instruct",
}
_MEASURED_SPREAD = (
    0.15  # the speed of two runs differs by as much (advisor.sizes.timing.calibrated)
)


def plan_of(profile: Profile, found: Prices, measured: Measured | None = None) -> Plan:
    """The options of a profile at these prices; measurements replace forecasts.

    Raises `UserError` for a hosted or an own model that isn't known.
    """
    plan = Plan(profile, found, assumed(profile))
    plan = _with_hosted(plan)
    plan = _with_own(plan, measured)
    reason = (
        "the base model's licence forbids this use" if profile.base_licence_fits is False else None
    )
    if profile.labels_may_train is False:
        reason = "the labels may not train a model"
    return plan.without(TUNED, reason) if reason else plan


def own_model(profile: Profile) -> str:
    """The open model that is tuned and served: as named, or the largest allowed of at most 7B."""
    if profile.own_model:
        return profile.own_model
    most = profile.largest_own_model_billion_parameters
    fitting = [size for size in OWN_MODELS if most is None or size <= most]
    return OWN_MODELS[max(fitting, default=min(OWN_MODELS))]


def _with_hosted(plan: Plan) -> Plan:
    """Add the hosted options, or the reason there are none."""
    profile = plan.profile
    if profile.data_may_leave is False:
        reason = "the data may not leave your organisation"
        left = dict.fromkeys((*HOSTED, "hosted-tuned"), reason)
        return replace(plan, left_out={**plan.left_out, **left})
    model = prices.hosted(profile.hosted_model or DEFAULT_HOSTED, plan.prices)
    notes = list(plan.notes)
    if not profile.hosted_model:
        notes.append(f"no hosted model is named, so {DEFAULT_HOSTED} is assumed; "
                     "price another with --set hosted_model=NAME")  # fmt: skip
    left = dict(plan.left_out)
    left |= _too_long(plan, model)
    if model.standard.cached is None:
        left["hosted-few-shot-cached"] = f"{model.standard.model} has no price for cached input"
    elif (prefix := prefix_tokens(plan.values())) < LEAST_CACHED_TOKENS:
        left["hosted-few-shot-cached"] = (
            f"instruction and demonstrations are {prefix:,.0f} tokens; prefixes under "
            f"{LEAST_CACHED_TOKENS:,} aren't cached"
        )
    if model.batch is None:
        left["hosted-few-shot-batch"] = f"{model.standard.model} has no batch price"
    elif profile.latency_target_p95_ms is not None:
        left["hosted-few-shot-batch"] = (
            f"a batch takes up to a day, and the target is {profile.latency_target_p95_ms:g} ms"
        )
    plan = replace(plan, hosted=model, left_out=left, notes=tuple(notes),
                   dated=(*plan.dated, (model.standard.source, model.standard.as_of)))  # fmt: skip
    return _with_hosted_tuning(plan)


def _too_long(plan: Plan, model: Hosted) -> dict[str, str]:
    """The hosted options whose requests exceed the model's context."""
    most = model.standard.context_tokens
    if most is None:
        return {}
    values = plan.values()
    plain = request_tokens(values)
    long = plain + demonstration_tokens(values)
    return {
        option: f"a request of {tokens:,.0f} tokens exceeds the context of {model.standard.model}, "
        f"{most:,}"
        for option, tokens in zip(HOSTED, (plain, long, long, long), strict=True)
        if tokens > most
    }


def _with_hosted_tuning(plan: Plan) -> Plan:
    """Hosted tuning if it is still sold: of the hosted model itself, or of the cheapest one."""
    today = plan.prices.today
    ended = [t for t in plan.prices.tuning if t.new_jobs_until and t.new_jobs_until < today]
    sold = [entry for entry in plan.prices.tuning if entry not in ended]
    wanted = plan.hosted.standard.model if plan.hosted else None
    same = [entry for entry in sold if entry.model == wanted]
    if not sold:
        why = (
            "all hosted tuning in the catalog has been discontinued"
            if ended
            else "no price is known"
        )
        return plan.without(("hosted-tuned",), why)
    entry = (same or sorted(sold, key=lambda each: each.training_usd_per_mtok))[0]
    if entry.served_as is not None:
        rates = prices.hosted(f"{entry.provider}:{entry.served_as}", plan.prices).standard
    elif entry.input_usd_per_mtok is not None and entry.output_usd_per_mtok is not None:
        rates = Rates(entry.model, (0.0,), (entry.input_usd_per_mtok / prices.TOKENS,),
                      (entry.output_usd_per_mtok / prices.TOKENS,), None, None, entry.source,
                      entry.as_of)  # fmt: skip
    else:
        why = f"the price of a request to the tuned {entry.model} isn't known; add it with --prices"
        return plan.without(("hosted-tuned",), why)
    base = (
        prices.hosted(f"{entry.provider}:{entry.model}", plan.prices) if entry.served_as else None
    )
    most = base.standard.context_tokens if base else None
    values = plan.values()
    tokens = request_tokens(values)
    if most is not None and tokens > most:
        why = f"a request of {tokens:,.0f} tokens exceeds the context of {entry.model}, {most:,}"
        return plan.without(("hosted-tuned",), why)
    said = f"hosted tuning is by {entry.provider}, of {entry.model}"
    if entry.new_jobs_until:
        said += f"; new jobs until {entry.new_jobs_until}"
    if entry.served_until:
        said += f"; served until {entry.served_until}"
    if entry.only_for:
        said += f"; for {entry.only_for}"
    return replace(plan, tuning=entry, tuned_rates=rates, notes=(*plan.notes, said),
                   dated=(*plan.dated, (f"hosted tuning of {entry.model}", entry.as_of)))  # fmt: skip


def _with_own(plan: Plan, measured: Measured | None) -> Plan:
    """Add the self-hosted options: where each is served and trained, or why it isn't."""
    shape = models.shape_of(own_model(plan.profile))
    values = plan.values()
    notes = list(plan.notes)
    if not plan.profile.own_model:
        notes.append(f"no own model is named, so {shape.name} is assumed; price another with "
                     "--set own_model=NAME")  # fmt: skip
    plan = replace(plan, own=shape, notes=tuple(notes))
    tokens = request_tokens(values)
    if tokens > shape.context:
        reason = (f"a request of {tokens:,.0f} tokens exceeds the context of {shape.name}, "
                  f"{shape.context:,}")  # fmt: skip
        return plan.without((SELF_PROMPTED, *SELF_TUNED), reason)
    plan = _with_servers(plan, tokens, measured)
    if plan.server is None:
        return plan
    if tokens + demonstration_tokens(values) > shape.context:
        plan = plan.without((SELF_PROMPTED,), f"with demonstrations a request exceeds the context "
                        f"of {shape.name}, {shape.context:,}")  # fmt: skip
    for method in METHODS:
        plan = _with_trainer(plan, method, tokens)
    return plan


def _with_servers(plan: Plan, tokens: float, measured: Measured | None) -> Plan:
    """Choose where the own model is served: the cheapest machines at this volume."""
    found = (measured_server(plan, measured),) if measured else servers_of(plan, tokens)
    notes = list(plan.notes)
    if measured:
        plan = _with_measured(plan, measured)
    if not found:
        own = own_gpu_bytes(plan.profile) is not None
        where = "on your own GPU" if own else "with any offer in the catalog"
        reason = (
            f"{plan.own.name} can't be served {where}; try a smaller one with --set own_model=NAME"
        )
        return plan.without((SELF_PROMPTED, *SELF_TUNED), reason)
    if plan.profile.data_may_leave is False:
        notes.append("your own GPU is priced like a rented one of its kind; "
                     "give its real cost with --prices")  # fmt: skip
    best = min(found, key=lambda server: monthly_usd(plan, server))
    return replace(plan, servers=found, notes=tuple(notes)).on(best)


def _with_measured(plan: Plan, measured: Measured) -> Plan:
    found = dict(plan.assumptions)
    for way, rows in (
        ("tuned", measured.tuned_rows_per_s),
        ("prompted", measured.prompted_rows_per_s),
    ):
        if rows is not None:
            found[f"rows_per_s {way}"] = Assumption(
                f"rows_per_s {way}", f"requests a second of {measured.model}, {way}, on one "
                f"{measured.gpu}", "requests/s",
                Range(rows, rows * (1 - _MEASURED_SPREAD), rows * (1 + _MEASURED_SPREAD)),
                measured.source, plan.prices.today,
            )  # fmt: skip
    return replace(plan, assumptions=found)


def _with_trainer(plan: Plan, method: str, tokens: float) -> Plan:
    """Choose where a method is trained: the GPU with the cheapest arithmetic among those it fits."""
    option = f"self-hosted-{method}"
    try:
        settings = _settings(plan.own, tokens)
        if reason := unsupported(method, settings):
            return plan.without((option,), reason)
        trainer = trainer_of(plan, method, settings)
        if trainer is None:  # try smaller micro-batches first, as `advisor size` suggests
            settings = replace(settings, batch=1, accumulation=4 * settings.batch)
            trainer = trainer_of(plan, method, settings)
    except UserError as error:
        return plan.without((option,), str(error))
    if trainer is None:
        where = "your own GPU" if own_gpu_bytes(plan.profile) is not None else "8 GPUs of any offer"
        return plan.without((option,), f"{method} of {plan.own.name} doesn't fit on {where}")
    found = dict(plan.assumptions)
    found[f"tokens_per_s {method}"] = Assumption(
        f"tokens_per_s {method}", f"tokens a second of {method} on {trainer.gpus} {trainer.gpu.name}",
        "tokens/s", trainer.tokens_per_s, "forecast by `advisor size`", plan.prices.today,
    )  # fmt: skip
    found[trainer.key] = price_assumption(trainer, "train on")
    used = tuple((f"{offer.gpu}: {offer.source}", offer.as_of) for offer in trainer.offers)
    return replace(plan, trainers={**plan.trainers, method: trainer}, assumptions=found,
                   dated=(*plan.dated, *used))  # fmt: skip


def _settings(shape: Shape, tokens: float) -> Settings:
    return Settings(seq_len=min(shape.context, max(64, math.ceil(tokens))))
