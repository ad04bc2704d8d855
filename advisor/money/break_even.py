"""The volume from which tuning pays: the last crossing of two stepped lines, for all draws together."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from advisor.money.lines import Line, hosted_request_usd, lines
from advisor.money.plan import SELF_PROMPTED, SELF_TUNED, TUNED, Plan, is_hosted
from advisor.money.ranges import finite

NEVER = np.inf


def least_volume(prompt: Line, tuned: Line, months):
    """Requests a month from which the tuned line is never above the prompted one again.

    Exact if prompting reserves no machines. Let F be the tuned line's fixed dollars minus the
    prompted one's, a the dollars per request that prompting costs more, g the cost of a machine over
    the horizon, k the machines per request, and R the minimum number of machines. Tuning on n machines
    is cheaper from (F + g n) / a requests. On each step the worst point is its start, (n - 1) / k;
    tuning is cheaper there too once n >= (F + a / k) / (a / k - g). So the last crossing is on the
    step before that, or on the first one. If a <= g k, each further machine costs more than it saves:
    never.

    If prompting reserves machines too, its steps are replaced by a straight line below them, so the
    volume may be too high by what one machine serves. Returns 0 for "from the first request", or
    `NEVER`.
    """
    fixed = tuned.fixed_usd - prompt.fixed_usd
    fixed = fixed + months * (sum(tuned.monthly.values()) - sum(prompt.monthly.values()))
    per_request = prompt.request_usd + prompt.machine_usd * prompt.machines_each - tuned.request_usd
    saved, step = months * per_request, months * tuned.machine_usd
    each, least = np.asarray(tuned.machines_each), tuned.machines_least
    with np.errstate(divide="ignore", invalid="ignore"):
        on_a_step = np.where(each > 0, saved / each, np.inf)  # saved on what one machine serves
        settled = np.where(
            each > 0, np.ceil((fixed + on_a_step) / (on_a_step - step) - 1e-9), least
        )
        machines = np.maximum(least, settled - 1)
        volume = (fixed + step * machines) / saved
    volume = np.maximum(volume, 0.0)
    pays = (saved > 0) & ((each == 0) | (on_a_step > step))
    free = (saved >= 0) & (each == 0) & (fixed + step * least <= 0)  # never more expensive
    return np.where(free, 0.0, np.where(pays, volume, NEVER))


@dataclass(frozen=True)
class Against:
    """What tuning is compared with: the prompting options, of which the cheapest one counts."""

    prompting: tuple[str, ...]
    why: str


def against(plan: Plan, evidence_baseline: str | None = None) -> Against | None:
    """Prompting at its best: few-shot, cached if that is cheaper; or what a run compared with."""
    few_shot = tuple(o for o in ("hosted-few-shot", "hosted-few-shot-cached") if o in plan.options)
    if evidence_baseline in plan.options:
        chosen = few_shot if evidence_baseline in few_shot else (evidence_baseline,)
        return Against(chosen, "what the evidence compared with")
    if few_shot and plan.values()["demonstrations"] > 0:
        return Against(few_shot, "prompting at its best: demonstrations, cached if that is cheaper")
    for option in ("hosted-zero-shot", SELF_PROMPTED):
        if option in plan.options:
            return Against((option,), "the only prompting option")
    return None


def lasting(plan: Plan) -> tuple[str, ...]:
    """The tuned options that are available over the whole horizon."""
    months = plan.values()["horizon_months"]
    ends = plan.tuning.served_until if plan.tuning else None
    left = None if ends is None else (ends - plan.prices.today).days / 30.4
    return tuple(
        option for option in TUNED
        if option in plan.options
        and not (option == "hosted-tuned" and left is not None and left < months)
    )  # fmt: skip


def volumes(
    plan: Plan,
    values,
    prompting: tuple[str, ...],
    found: dict[str, Line] | None = None,
    tuned: tuple[str, ...] | None = None,
):
    """The volume from which a tuned option stays cheaper: any of those that last, or of those named.

    How often a provider's cache is hit depends on the unknown volume. The search starts with a cache
    that is always hit, as at infinite volume, and descends to the largest self-consistent volume.
    """
    found = lines(plan, values) if found is None else found
    tuned = lasting(plan) if tuned is None else tuned
    candidates = _distinct([found[option] for option in tuned])
    months = values["horizon_months"]

    def solved(volume):
        prompt = found[prompting[0]]
        if is_hosted(prompting[0]):
            request = hosted_request_usd(plan, values, prompting[0], volume)
            for option in prompting[1:]:
                request = np.minimum(request, hosted_request_usd(plan, values, option, volume))
            prompt = replace(prompt, request_usd=request)
        best = np.asarray(NEVER)
        for line in candidates:
            best = np.minimum(best, least_volume(prompt, line, months))
        return best

    best = solved(NEVER)
    if "hosted-few-shot-cached" in prompting and "cache_hit_share" not in values:
        for _ in range(2):
            best = solved(best)
    return best


def _distinct(tuned: list[Line]) -> list[Line]:
    """The lines; those with the same serving costs are merged, at the lowest fixed cost."""
    alike: dict[tuple, list[Line]] = {}
    for line in tuned:
        served = (line.request_usd, line.machine_usd, line.machines_each, line.machines_least)
        alike.setdefault(tuple(map(id, served)), []).append(line)
    found = []
    for same in alike.values():
        fixed = same[0].fixed_usd
        for line in same[1:]:
            fixed = np.minimum(fixed, line.fixed_usd)
        found.append(replace(same[0], once={"least": fixed}, renewal=0.0))
    return found


def best_server(plan: Plan, prompting: tuple[str, ...]) -> Plan:
    """The plan on the machines on which tuning pays earliest, or else on those cheapest per request.

    The machines that are cheapest at the profile's volume may be slow, and expensive at a larger one.
    """
    if len(plan.servers) < 2 or not set(lasting(plan)) & set(SELF_TUNED):
        return plan

    def order(each: Plan):
        found = lines(each, each.values())
        best = volumes(each, each.values(), prompting, found)
        line = next(found[option] for option in SELF_TUNED if option in found)
        return float(best), line.machine_usd * line.machines_each

    return min((plan.on(server) for server in plan.servers), key=order)


@dataclass(frozen=True)
class Bar:
    """How one assumption, moved by itself from low to high, changes the break-even volume.

    `difference_usd_*` is how much more the cheapest tuned option costs than prompting over the
    horizon, at the profile's volume; it matters if the break-even volume is never reached.
    """

    key: str
    low: float
    high: float
    volume_at_low: float
    volume_at_high: float
    difference_usd_at_low: float
    difference_usd_at_high: float

    @property
    def weight(self) -> tuple[float, float]:
        """The sort key of the bars: the change in volume, as a ratio, then that in dollars."""
        ends = np.log(np.clip([self.volume_at_low, self.volume_at_high], 1.0, 1e12))
        moved = self.difference_usd_at_high - self.difference_usd_at_low
        return float(abs(ends[1] - ends[0])), abs(moved)

    def to_json(self) -> dict:
        """The shape that scripts read; `null` means never."""
        return {
            "assumption": self.key, "low": self.low, "high": self.high,
            "requests_per_month_at_low": finite(self.volume_at_low),
            "requests_per_month_at_high": finite(self.volume_at_high),
            "difference_usd_at_low": self.difference_usd_at_low,
            "difference_usd_at_high": self.difference_usd_at_high,
        }  # fmt: skip


def tornado(plan: Plan, prompting: tuple[str, ...]) -> list[Bar]:
    """Each uncertain assumption from low to high, one at a time; what moves the break-even most is first."""
    moved = [(key, a.range) for key, a in plan.assumptions.items() if not a.range.fixed]
    if not moved:
        return []
    rows = 2 * len(moved)
    values = {key: np.full(rows, value) for key, value in plan.values().items()}
    for place, (key, span) in enumerate(moved):
        values[key][2 * place : 2 * place + 2] = span.low, span.high
    found = lines(plan, values)
    volume = np.broadcast_to(volumes(plan, values, prompting, found), rows)
    at, months = values["requests_per_month"], values["horizon_months"]

    def cheapest(options):
        costs = [np.broadcast_to(found[each].horizon_usd(at, months), rows) for each in options]
        return np.min(costs, axis=0)

    difference = cheapest(lasting(plan)) - cheapest(prompting)
    bars = [
        Bar(key, span.low, span.high, *map(float, volume[2 * place : 2 * place + 2]),
            *map(float, difference[2 * place : 2 * place + 2]))
        for place, (key, span) in enumerate(moved)
    ]  # fmt: skip
    return sorted(bars, key=lambda bar: bar.weight, reverse=True)
