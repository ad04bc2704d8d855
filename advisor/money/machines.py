"""Which machines can serve and train a model: the GPUs that fit, their price per hour, and their speed."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from advisor.money import prices
from advisor.money.plan import Measured, Plan, Server, Trainer
from advisor.money.prices import GpuPrice
from advisor.money.ranges import Range
from advisor.money.throughput import MOST_GPUS, USABLE_SHARE, gpus_needed, rows_per_second
from advisor.money.tokens import demonstration_tokens, prefix_tokens
from advisor.sizes import models
from advisor.sizes.models import Gpu
from advisor.sizes.sizing import Settings, training_memory
from advisor.sizes.timing import rate_of, training_time
from scenarios.errors import UserError
from scenarios.schema import Profile

LINKED = ("A100-40GB", "A100-80GB", "H100-SXM", "H200", "B200", "V100-16GB", "V100-32GB")
"""GPUs that are rented with a fast link between them (NVLink): only these may share one model."""
SERVING_OFFERS = ("on-demand", "hyperscaler", "own")
"""Offers that last as long as they are paid for. The others may end at any time, which is acceptable for
training but not for serving."""


def servers_of(plan: Plan, tokens: float) -> tuple[Server, ...]:
    """Every machine that can serve the own model, for requests of this many tokens."""
    found = _available(plan, True, lambda gpu: gpus_needed(plan.own, gpu, tokens))
    return tuple(Server(each.gpu, each.gpus, each.offers, each.hour) for each in found)


def measured_server(plan: Plan, measured: Measured) -> Server:
    gpu = models.gpu_named(measured.gpu)
    hour, offers = plan.prices.gpu_hour(gpu.name, 1, _kinds(plan, serving=True))
    if not offers:
        hour, offers = plan.prices.gpu_hour(gpu.name, 1, (*prices.OFFERS, "own"))
    if not offers:
        raise UserError(f"no price is known for the {gpu.name} on which it was measured; add one with "
                        "--prices")  # fmt: skip
    return Server(gpu, 1, tuple(offers), hour)


def monthly_usd(plan: Plan, server: Server) -> float:
    """Rough monthly cost of the reserved machines, by which a server is chosen."""
    values = plan.values()
    rows = served_rows_per_s(plan, server, values)
    peak = values["requests_per_month"] * values["peak_to_mean_load"] / (730 * 3600)
    machines = max(values["replicas"], math.ceil(peak / (rows * values["utilisation"])))
    return machines * server.gpus * server.usd_per_gpu_hour.value


def served_rows_per_s(plan: Plan, server: Server, values, prompted: bool = False):
    """Requests a second of one replica, measured if possible, else forecast.

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


def trainer_of(plan: Plan, method: str, settings: Settings) -> Trainer | None:
    memory = training_memory(plan.own, method, settings)
    found = _available(plan, False, lambda gpu: _training_gpus(memory, gpu))
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
    """The fewest GPUs that a step fits on, sharded evenly if one is too small. None: not even 8."""
    if memory.fits(gpu.usable_bytes) == "yes":
        return 1
    for gpus in (2, 4, MOST_GPUS):
        if memory.process_high_bytes <= gpus * gpu.usable_bytes * USABLE_SHARE:
            return gpus
    return None


@dataclass(frozen=True)
class _Available:
    """GPUs that are available for a purpose, with their price."""

    gpu: Gpu
    gpus: int
    hour: Range
    offers: tuple[GpuPrice, ...]


def _available(plan: Plan, serving: bool, count) -> list[_Available]:
    """The available machines: those with a user's own price, else with a recent one, else any.

    `count` returns how many GPUs of a kind are needed, or None if no number is enough.
    """
    kinds, limit = _kinds(plan, serving), own_gpu_bytes(plan.profile)
    found = []
    for name in dict.fromkeys(offer.gpu for offer in plan.prices.gpus):
        gpu = models.gpu_named(name)
        gpus = count(gpu)
        spread = gpus is not None and gpus > 1
        if gpus is None or (spread and (limit is not None or name not in LINKED)):
            continue
        if limit is not None and gpu.usable_bytes > limit:
            continue
        hour, offers = plan.prices.gpu_hour(name, gpus, kinds)
        if offers:
            found.append(_Available(gpu, gpus, hour, tuple(offers)))

    def own(offer):
        return offer.kind == "own"

    def recent(offer):
        return plan.prices.today - offer.as_of <= prices.OLD_AFTER

    for preferred in (own, recent):
        if chosen := [each for each in found if any(map(preferred, each.offers))]:
            return chosen
    return found


def _kinds(plan: Plan, serving: bool) -> tuple[str, ...]:
    """The kinds of offer that may be used: the profile's, or those that suit the purpose."""
    if plan.profile.gpu_offer is not None:
        return (plan.profile.gpu_offer, "own")
    return (
        SERVING_OFFERS
        if serving and own_gpu_bytes(plan.profile) is None
        else (*prices.OFFERS, "own")
    )


def own_gpu_bytes(profile: Profile) -> float | None:
    """Bytes of the user's own GPU if nothing else may be used; None if any GPU may."""
    if profile.data_may_leave is False and profile.gpu_memory_gib:
        return profile.gpu_memory_gib * 2**30 * 1.05  # a 24 GB card reports a little more or less
    return None
