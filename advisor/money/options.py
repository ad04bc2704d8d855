"""What is priced: which options there are, on which machines, and what each number of the sum is.

A plan is made once, from the profile and the prices; `advisor.money.lines` then does sums with it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from datetime import date

from advisor.money import prices
from advisor.money.assumptions import Assumption, assumed
from advisor.money.prices import GpuPrice, Hosted, Prices, Rates, TuningPrice
from advisor.money.ranges import Range
from advisor.money.throughput import MOST_GPUS, USABLE_SHARE, gpus_needed, rows_per_second
from advisor.sizes import models
from advisor.sizes.models import Gpu
from advisor.sizes.shapes import Shape
from advisor.sizes.sizing import METHODS, Settings, training_memory, unsupported
from advisor.sizes.timing import rate_of, training_time
from scenarios.errors import UserError
from scenarios.schema import Profile

HOSTED = ("hosted-zero-shot", "hosted-few-shot", "hosted-few-shot-cached", "hosted-few-shot-batch")
SELF_PROMPTED = "self-hosted-prompt"
SELF_TUNED = tuple(f"self-hosted-{method}" for method in ("lora", "qlora", "full"))
PROMPTING = (*HOSTED, SELF_PROMPTED)
TUNED = ("hosted-tuned", *SELF_TUNED)
OPTIONS = (*PROMPTING, *TUNED)

DEFAULT_HOSTED = (
    "gpt-6-luna"  # named by OpenAI's deprecations page as the successor of its small models
)
OWN_MODELS = {  # billions of parameters; one family under Apache-2.0 but for 3 and 72
    0.5: "Qwen/Qwen2.5-0.5B-Instruct",
    1.5: "Qwen/Qwen2.5-1.5B-Instruct",
    3: "Qwen/Qwen2.5-3B-Instruct",
    7: "Qwen/Qwen2.5-7B-Instruct",
}
LEAST_CACHED_TOKENS = 1024
"""Shorter prefixes aren't cached (developers.openai.com/docs/guides/prompt-caching; others ask for as
many or more)."""


@dataclass(frozen=True)
class Server:
    """The GPUs of one replica, and what one of them costs an hour."""

    gpu: Gpu
    gpus: int
    offers: tuple[GpuPrice, ...]
    usd_per_gpu_hour: Range

    @property
    def key(self) -> str:
        """The name of its price among the assumptions."""
        return f"serving_usd_per_gpu_hour {self.gpu.name}"


@dataclass(frozen=True)
class Trainer:
    """Where a method trains, and how many tokens a second it does, all GPUs together."""

    gpu: Gpu
    gpus: int
    offers: tuple[GpuPrice, ...]
    usd_per_gpu_hour: Range
    tokens_per_s: Range

    @property
    def key(self) -> str:
        """The name of its price among the assumptions."""
        return f"training_usd_per_gpu_hour {self.gpu.name}" + (
            f" x{self.gpus}" if self.gpus > 1 else ""
        )


LINKED = ("A100-40GB", "A100-80GB", "H100-SXM", "H200", "B200", "V100-16GB", "V100-32GB")
"""GPUs that are rented with a fast link between them (NVLink): one model is spread over these alone."""
SERVING_OFFERS = ("on-demand", "hyperscaler", "own")
"""Offers that stay while they are paid for; the others may end at any hour, which a server can't bear and
a training can."""


@dataclass(frozen=True)
class Plan:
    """All that is decided before a sum is done.

    `assumptions` hold every number with a range, those of prices and paces too; `left_out` says of
    each option that isn't priced why; `dated` are the prices in use with their days.
    """

    profile: Profile
    prices: Prices
    assumptions: dict[str, Assumption]
    hosted: Hosted | None = None
    tuning: TuningPrice | None = None
    tuned_rates: Rates | None = None
    own: Shape | None = None
    servers: tuple[Server, ...] = ()
    server: Server | None = None
    trainers: dict[str, Trainer] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    dated: tuple[tuple[str, date], ...] = ()

    @property
    def options(self) -> tuple[str, ...]:
        """The options that are priced, in their order."""
        return tuple(option for option in OPTIONS if option not in self.left_out)

    def values(self) -> dict[str, float]:
        """Every number at its value."""
        return {key: found.range.value for key, found in self.assumptions.items()}

    def on(self, server: Server) -> Plan:
        """The same plan with other machines to serve on."""
        found = self.assumptions | {server.key: _price_assumption(server, "serve on")}
        used = ((f"{offer.gpu}: {offer.source}", offer.as_of) for offer in server.offers)
        return replace(self, server=server, assumptions=found, dated=(*self.dated, *used))


@dataclass(frozen=True)
class Measured:
    """Requests a second of a model on one GPU as a run measured them, tuned and prompted."""

    model: str
    gpu: str
    tuned_rows_per_s: float
    prompted_rows_per_s: float | None
    source: str


def plan_of(profile: Profile, found: Prices, measured: Measured | None = None) -> Plan:
    """The options of a profile, priced by these prices; what was measured takes a forecast's place.

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
    return without(plan, TUNED, reason) if reason else plan


def _with_hosted(plan: Plan) -> Plan:
    """The hosted options, or why there are none."""
    profile = plan.profile
    if profile.data_may_leave is False:
        reason = "the data may not leave the house"
        left = dict.fromkeys((*HOSTED, "hosted-tuned"), reason)
        return replace(plan, left_out={**plan.left_out, **left})
    model = prices.hosted(profile.hosted_model or DEFAULT_HOSTED, plan.prices)
    notes = list(plan.notes)
    if not profile.hosted_model:
        notes.append(f"no hosted model is named, so {DEFAULT_HOSTED} stands for it: "
                     "--set hosted_model=NAME prices another")  # fmt: skip
    left = dict(plan.left_out)
    left |= _too_long(plan, model)
    if model.standard.cached is None:
        left["hosted-few-shot-cached"] = f"{model.standard.model} has no price for cached input"
    elif (prefix := prefix_tokens(plan.values())) < LEAST_CACHED_TOKENS:
        left["hosted-few-shot-cached"] = (
            f"instruction and demonstrations are {prefix:,.0f} tokens; fewer than "
            f"{LEAST_CACHED_TOKENS:,} aren't cached"
        )
    if model.batch is None:
        left["hosted-few-shot-batch"] = f"{model.standard.model} has no batch price"
    elif profile.latency_target_p95_ms is not None:
        left["hosted-few-shot-batch"] = (
            f"a batch answers within a day, and {profile.latency_target_p95_ms:g} ms are asked for"
        )
    plan = replace(plan, hosted=model, left_out=left, notes=tuple(notes),
                   dated=(*plan.dated, (model.standard.source, model.standard.as_of)))  # fmt: skip
    return _with_hosted_tuning(plan)


def _too_long(plan: Plan, model: Hosted) -> dict[str, str]:
    """The hosted options whose requests are beyond the model's context."""
    most = model.standard.context_tokens
    if most is None:
        return {}
    values = plan.values()
    plain = values["prompt_tokens"] + values["completion_tokens"]
    long = plain + demonstration_tokens(values)
    return {
        option: f"a request of {tokens:,.0f} tokens is beyond the context of {model.standard.model}, "
        f"{most:,}"
        for option, tokens in zip(HOSTED, (plain, long, long, long), strict=True)
        if tokens > most
    }


def _with_hosted_tuning(plan: Plan) -> Plan:
    """Hosted tuning where it is still sold: of the hosted model itself, or of the cheapest one."""
    today = plan.prices.today
    ended = [t for t in plan.prices.tuning if t.new_jobs_until and t.new_jobs_until < today]
    sold = [entry for entry in plan.prices.tuning if entry not in ended]
    wanted = plan.hosted.standard.model if plan.hosted else None
    same = [entry for entry in sold if entry.model == wanted]
    if not sold:
        why = "no hosted tuning in the catalog is sold any more" if ended else "no price is known"
        return without(plan, ("hosted-tuned",), why)
    entry = (same or sorted(sold, key=lambda each: each.training_usd_per_mtok))[0]
    if entry.served_as is not None:
        rates = prices.hosted(f"{entry.provider}:{entry.served_as}", plan.prices).standard
    elif entry.input_usd_per_mtok is not None and entry.output_usd_per_mtok is not None:
        rates = Rates(entry.model, (0.0,), (entry.input_usd_per_mtok / prices.TOKENS,),
                      (entry.output_usd_per_mtok / prices.TOKENS,), None, None, entry.source,
                      entry.as_of)  # fmt: skip
    else:
        why = f"what a request to the tuned {entry.model} costs isn't known; add it by --prices"
        return without(plan, ("hosted-tuned",), why)
    base = (
        prices.hosted(f"{entry.provider}:{entry.model}", plan.prices) if entry.served_as else None
    )
    most = base.standard.context_tokens if base else None
    values = plan.values()
    tokens = values["prompt_tokens"] + values["completion_tokens"]
    if most is not None and tokens > most:
        why = f"a request of {tokens:,.0f} tokens is beyond the context of {entry.model}, {most:,}"
        return without(plan, ("hosted-tuned",), why)
    said = f"hosted tuning is {entry.provider}'s of {entry.model}"
    if entry.new_jobs_until:
        said += f"; new jobs until {entry.new_jobs_until}"
    if entry.served_until:
        said += f"; served until {entry.served_until}"
    if entry.only_for:
        said += f"; for {entry.only_for}"
    return replace(plan, tuning=entry, tuned_rates=rates, notes=(*plan.notes, said),
                   dated=(*plan.dated, (f"hosted tuning of {entry.model}", entry.as_of)))  # fmt: skip


def demonstration_tokens(values):
    """Tokens that the demonstrations add to a prompt: each a text and its answer, no instruction."""
    text = values["prompt_tokens"] * (1 - values["instruction_share"])
    return values["demonstrations"] * (text + values["completion_tokens"])


def prefix_tokens(values):
    """Tokens that every few-shot prompt begins with: the instruction and the demonstrations."""
    return values["prompt_tokens"] * values["instruction_share"] + demonstration_tokens(values)


def own_model(profile: Profile) -> str:
    """The open model that is tuned and served: as named, or the largest of at most 7B that may be."""
    if profile.own_model:
        return profile.own_model
    most = profile.largest_own_model_billion_parameters
    fitting = [size for size in OWN_MODELS if most is None or size <= most]
    return OWN_MODELS[max(fitting, default=min(OWN_MODELS))]


def _with_own(plan: Plan, measured: Measured | None) -> Plan:
    """The self-hosted options: where each is served and trained, or why it isn't."""
    shape = models.shape_of(own_model(plan.profile))
    values = plan.values()
    notes = list(plan.notes)
    if not plan.profile.own_model:
        notes.append(f"no own model is named, so {shape.name} stands for it: --set own_model=NAME "
                     "prices another")  # fmt: skip
    plan = replace(plan, own=shape, notes=tuple(notes))
    tokens = values["prompt_tokens"] + values["completion_tokens"]
    if tokens > shape.context:
        reason = (f"a request of {tokens:,.0f} tokens is beyond the context of {shape.name}, "
                  f"{shape.context:,}")  # fmt: skip
        return without(plan, (SELF_PROMPTED, *SELF_TUNED), reason)
    plan = _with_servers(plan, tokens, measured)
    if plan.server is None:
        return plan
    if tokens + demonstration_tokens(values) > shape.context:
        plan = without(plan, (SELF_PROMPTED,), f"with demonstrations a request is beyond the context "
                        f"of {shape.name}, {shape.context:,}")  # fmt: skip
    for method in METHODS:
        plan = _with_trainer(plan, method, tokens)
    return plan


def without(plan: Plan, options, reason: str) -> Plan:
    return replace(plan, left_out={**plan.left_out, **dict.fromkeys(options, reason)})


def _house_bytes(profile: Profile) -> float | None:
    """Bytes of the house's own GPU where nothing else may be used; None: any GPU may."""
    if profile.data_may_leave is False and profile.gpu_memory_gib:
        return profile.gpu_memory_gib * 2**30 * 1.05  # a 24 GB card reports a little more or less
    return None


def _kinds(plan: Plan, serving: bool) -> tuple[str, ...]:
    """The kinds of offer that may be used: the profile's, or those that suit the purpose."""
    if plan.profile.gpu_offer is not None:
        return (plan.profile.gpu_offer, "own")
    return (
        SERVING_OFFERS
        if serving and _house_bytes(plan.profile) is None
        else (*prices.OFFERS, "own")
    )


@dataclass(frozen=True)
class _Machines:
    """GPUs that can be had for a purpose, with their price."""

    gpu: Gpu
    gpus: int
    hour: Range
    offers: tuple[GpuPrice, ...]


def _machines(plan: Plan, serving: bool, count) -> list[_Machines]:
    """What can be had: machines with a price of one's own, or else with a recent one, or else any.

    `count` gives the GPUs that are needed of a kind, or None.
    """
    kinds, house = _kinds(plan, serving), _house_bytes(plan.profile)
    found = []
    for name in dict.fromkeys(offer.gpu for offer in plan.prices.gpus):
        gpu = models.gpu_named(name)
        gpus = count(gpu)
        spread = gpus is not None and gpus > 1
        if gpus is None or (spread and (house is not None or name not in LINKED)):
            continue
        if house is not None and gpu.usable_bytes > house:
            continue
        hour, offers = plan.prices.gpu_hour(name, gpus, kinds)
        if offers:
            found.append(_Machines(gpu, gpus, hour, tuple(offers)))

    def own(offer):
        return offer.kind == "own"

    def recent(offer):
        return plan.prices.today - offer.as_of <= prices.OLD_AFTER

    for preferred in (own, recent):
        if chosen := [each for each in found if any(map(preferred, each.offers))]:
            return chosen
    return found


def _with_servers(plan: Plan, tokens: float, measured: Measured | None) -> Plan:
    """Where the own model can be served; the cheapest at this volume is chosen."""
    house = _house_bytes(plan.profile)
    servers = [
        Server(each.gpu, each.gpus, each.offers, each.hour)
        for each in _machines(plan, True, lambda gpu: gpus_needed(plan.own, gpu, tokens))
    ]
    notes = list(plan.notes)
    if measured:
        servers = [_measured_server(plan, measured)]
        plan = _with_measured(plan, measured)
    if not servers:
        where = "on the house's GPU" if house is not None else "by any offer of the catalog"
        reason = (
            f"{plan.own.name} can't be served {where}; --set own_model=NAME tries a smaller one"
        )
        return without(plan, (SELF_PROMPTED, *SELF_TUNED), reason)
    if plan.profile.data_may_leave is False:
        notes.append("a GPU of the house is priced as a rented one of its kind would be; "
                     "--prices gives its own cost")  # fmt: skip
    best = min(servers, key=lambda server: _monthly_usd(plan, server))
    return replace(plan, servers=tuple(servers), notes=tuple(notes)).on(best)


def _measured_server(plan: Plan, measured: Measured) -> Server:
    gpu = models.gpu_named(measured.gpu)
    hour, offers = plan.prices.gpu_hour(gpu.name, 1, _kinds(plan, serving=True))
    if not offers:
        hour, offers = plan.prices.gpu_hour(gpu.name, 1, (*prices.OFFERS, "own"))
    if not offers:
        raise UserError(f"no price of the {gpu.name} on which it was measured is known; add one by "
                        "--prices")  # fmt: skip
    return Server(gpu, 1, tuple(offers), hour)


_MEASURED_SPREAD = (
    0.15  # a run's pace differs from the next by as much (advisor.sizes.timing.calibrated)
)


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


def served_rows_per_s(plan: Plan, server: Server, values, prompted: bool = False):
    """Requests a second of one replica, as measured or else as forecast.

    `prompted`: with demonstrations before each text, whose keys and values the server keeps.
    """
    measured = values.get("rows_per_s prompted" if prompted else "rows_per_s tuned")
    if measured is not None:
        return measured
    more, cached = 0.0, 0.0
    if prompted:
        more, cached = demonstration_tokens(values), prefix_tokens(values)
    return rows_per_second(
        plan.own, server.gpu, server.gpus, prompt_tokens=values["prompt_tokens"] + more,
        cached_tokens=cached, completion_tokens=values["completion_tokens"],
        concurrency=values["concurrency"], prefill_share=values["prefill_share"],
        decode_share=values["decode_share"], step_overhead_ms=values["step_overhead_ms"],
    )  # fmt: skip


def _monthly_usd(plan: Plan, server: Server) -> float:
    """Reserved machines of a month, roughly: what a server is chosen by."""
    values = plan.values()
    rows = served_rows_per_s(plan, server, values)
    peak = values["requests_per_month"] * values["peak_to_mean_load"] / (730 * 3600)
    machines = max(values["replicas"], math.ceil(peak / (rows * values["utilisation"])))
    return machines * server.gpus * server.usd_per_gpu_hour.value


def _with_trainer(plan: Plan, method: str, tokens: float) -> Plan:
    """Where a method is trained: the GPU whose arithmetic is cheapest among those that it fits."""
    option = f"self-hosted-{method}"
    try:
        settings = _settings(plan.own, tokens)
        if reason := unsupported(method, settings):
            return without(plan, (option,), reason)
        trainer = _trainer(plan, method, settings)
        if trainer is None:  # smaller micro-batches first, as `advisor size` would say
            settings = replace(settings, batch=1, accumulation=4 * settings.batch)
            trainer = _trainer(plan, method, settings)
    except UserError as error:
        return without(plan, (option,), str(error))
    if trainer is None:
        where = (
            "the house's GPU" if _house_bytes(plan.profile) is not None else "8 GPUs of any offer"
        )
        return without(plan, (option,), f"{method} of {plan.own.name} fits no way on {where}")
    found = dict(plan.assumptions)
    found[f"tokens_per_s {method}"] = Assumption(
        f"tokens_per_s {method}", f"tokens a second of {method} on {trainer.gpus} {trainer.gpu.name}",
        "tokens/s", trainer.tokens_per_s, "forecast by `advisor size`", plan.prices.today,
    )  # fmt: skip
    found[trainer.key] = _price_assumption(trainer, "train on")
    used = tuple((f"{offer.gpu}: {offer.source}", offer.as_of) for offer in trainer.offers)
    return replace(plan, trainers={**plan.trainers, method: trainer}, assumptions=found,
                   dated=(*plan.dated, *used))  # fmt: skip


def _settings(shape: Shape, tokens: float) -> Settings:
    return Settings(seq_len=min(shape.context, max(64, math.ceil(tokens))))


def _trainer(plan: Plan, method: str, settings: Settings) -> Trainer | None:
    memory = training_memory(plan.own, method, settings)
    found = _machines(plan, False, lambda gpu: _training_gpus(memory, gpu))
    if not found:
        return None
    best = min(found, key=lambda each: each.hour.value / each.gpu.peak_flops)
    gpu, gpus = best.gpu, best.gpus
    if gpu.hopper_or_later:
        settings = replace(settings, device="cuda-hopper")
    pace = training_time(plan.own, method, settings, rate_of(gpu), prices.TOKENS)
    low, high = pace.tokens_per_s_low * gpus, pace.tokens_per_s_high * gpus
    return Trainer(gpu, gpus, best.offers, best.hour, Range(math.sqrt(low * high), low, high))


def _training_gpus(memory, gpu: Gpu) -> int | None:
    """The fewest GPUs that a step fits; sharded evenly where one is too small. None: not even 8."""
    if memory.fits(gpu.usable_bytes) == "yes":
        return 1
    for gpus in (2, 4, MOST_GPUS):
        if memory.process_high_bytes <= gpus * gpu.usable_bytes * USABLE_SHARE:
            return gpus
    return None


def _price_assumption(machine: Server | Trainer, use: str) -> Assumption:
    offers = machine.offers
    named = sorted({f"{offer.source} ({offer.kind})" for offer in offers})
    spread = f"widened {prices.LONE_OFFER:g} times each way, one offer being known" if (
        len(offers) == 1 and offers[0].kind != "own") else "lowest, median and highest"  # fmt: skip
    return Assumption(
        machine.key, f"dollars for an hour of one {machine.gpu.name} to {use}", "usd/GPU-hour",
        machine.usd_per_gpu_hour, f"{'; '.join(named)}: {spread}", min(offer.as_of for offer in offers),
    )  # fmt: skip
