"""The cost report: each option's cost with its range, the break-even, and the assumptions."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from advisor.money import break_even, prices
from advisor.money.assumptions import Assumption
from advisor.money.break_even import Against, Bar
from advisor.money.from_record import (
    baseline_option,
    condition_on_quality,
    measured_in,
    of_its_method,
    with_its_models,
)
from advisor.money.lines import Line, lines
from advisor.money.options import plan_of
from advisor.money.plan import PROMPTING, TUNED, Plan, is_hosted
from advisor.money.prices import Prices
from advisor.money.ranges import Range, finite
from scenarios.errors import UserError
from scenarios.schema import Scenario

if TYPE_CHECKING:
    from advisor.evidence.records import Weighed

SCHEMA_VERSION = 1
DRAWS, SEED = 100_000, 1
FEWER_DRAWS = (
    10_000  # for each prompting option by itself: a secondary number, in a fifth of the time
)
LEVEL = 0.95
_ENDS = ((1 - LEVEL) / 2, (1 + LEVEL) / 2)


@dataclass(frozen=True)
class OptionCost:
    """Dollars for one option. `breakdown` covers the horizon, at central values; its parts add up.

    `per_request_usd` is only serving (requests, or reserved machines divided by requests), and None if
    machines are reserved without any request.
    """

    per_request_usd: Range | None
    monthly_usd: Range
    horizon_usd: Range
    breakdown: dict[str, float]
    machines: dict | None

    def to_json(self) -> dict:
        """The shape that scripts read."""
        per_request = self.per_request_usd
        return {
            "per_request_usd": None if per_request is None else per_request.to_json(),
            "monthly_usd": self.monthly_usd.to_json(),
            "horizon_usd": self.horizon_usd.to_json(),
            "breakdown": self.breakdown,
            "machines": self.machines,
        }


@dataclass(frozen=True)
class Volume:
    """A break-even volume in requests a month: infinite means never, up to 1 the first request."""

    value: float
    low: float
    high: float
    never: float
    from_first: float

    @property
    def answer(self) -> str:
        """`never`, `from-the-first-request`, or `volume`."""
        if np.isinf(self.value):
            return "never"
        return "from-the-first-request" if self.value <= 1 else "volume"

    def to_json(self) -> dict:
        """The shape that scripts read; `null` means never."""
        return {
            "answer": self.answer,
            "requests_per_month": {name: finite(getattr(self, name))
                                   for name in ("value", "low", "high")},
            "share_never": self.never,
            "share_from_first_request": self.from_first,
        }  # fmt: skip


@dataclass(frozen=True)
class BreakEven:
    """The volume from which the best tuned option is cheaper than prompting, and what it depends on.

    `reason` says why there is none (`volume` is then None); `condition` is what it assumes about
    quality.
    """

    condition: str
    reason: str | None = None
    volume: Volume | None = None
    compared_with: Against | None = None
    tuned: str | None = None
    gpu: str | None = None
    alone: dict[str, Volume] | None = None
    tornado: tuple[Bar, ...] = ()

    def to_json(self) -> dict:
        """The shape that scripts read."""
        if self.volume is None:
            return {"answer": "not-applicable", "requests_per_month": None, "reason": self.reason,
                    "condition": self.condition}  # fmt: skip
        return {
            **self.volume.to_json(),
            "condition": self.condition,
            "prompting": list(self.compared_with.prompting),
            "prompting_because": self.compared_with.why,
            "tuned": self.tuned,
            "gpu": self.gpu,
            "by_prompting": {option: volume.to_json() for option, volume in self.alone.items()},
            "tornado": [bar.to_json() for bar in self.tornado],
        }


@dataclass(frozen=True)
class CostReport:
    """The whole report. Ranges are the central 95% of `draws` draws from the assumptions, with `seed`."""

    scenario: Scenario
    plan: Plan
    options: dict[str, OptionCost]
    break_even: BreakEven
    evidence: Weighed | None
    draws: int
    seed: int

    @property
    def left_out(self) -> dict[str, str]:
        """The options that aren't priced, each with the reason."""
        return self.plan.left_out

    @property
    def assumptions(self) -> list[Assumption]:
        """The assumptions behind the sums; facts stated in the profile first."""
        return sorted(self.plan.assumptions.values(), key=lambda each: not each.stated)

    @property
    def warnings(self) -> list[str]:
        """Prices older than 90 days, and another version of the price package than the one checked."""
        found = self.plan.prices.old(self.plan.dated)
        if self.plan.hosted and prices.package_as_of() is None:
            found.append(f"{prices.PACKAGE} {prices.package_version()} is installed, but "
                         f"{prices.PACKAGE_VERSION} was checked: its prices have no date")  # fmt: skip
        return found

    def to_json(self) -> dict:
        """The shape that scripts read."""
        as_of = prices.package_as_of()
        return {
            "schema_version": SCHEMA_VERSION,
            "scenario": self.scenario.name,
            "draws": self.draws,
            "seed": self.seed,
            "level": LEVEL,
            "options": {name: option.to_json() for name, option in self.options.items()},
            "left_out": self.left_out,
            "break_even": self.break_even.to_json(),
            "assumptions": [each.to_json() for each in self.assumptions],
            "prices_as_of": {
                "package": {"name": prices.PACKAGE, "version": prices.package_version(),
                            "as_of": None if as_of is None else str(as_of)},
                "entries": [{"price": name, "as_of": str(as_of)}
                            for name, as_of in dict.fromkeys(self.plan.dated)],
            },
            "hosted_model": self.plan.hosted.standard.model if self.plan.hosted else None,
            "own_model": self.plan.own.name if self.plan.own else None,
            "hosted_tuning": self.plan.tuning.model_dump(mode="json") if self.plan.tuning else None,
            "notes": list(self.plan.notes),
            "warnings": self.warnings,
        }  # fmt: skip


def report(scenario: Scenario, found: Prices, weighed: Weighed | None = None,
           record: dict | None = None, *, draws: int = DRAWS, seed: int = SEED) -> CostReport:  # fmt: skip
    """The report on a scenario at these prices.

    `weighed` and `record` are a run's evidence and its record, which give the models it compared and, if
    measured on a GPU, their throughput. Raises `UserError` if nothing can be priced.
    """
    applies = weighed is not None and weighed.strength != "set-aside"
    if applies:
        scenario = with_its_models(scenario, weighed)
    measured, note = measured_in(record, scenario) if applies and record else (None, None)
    plan = plan_of(scenario.profile, found, measured)
    if note:
        plan = replace(plan, notes=(*plan.notes, note))
    if not plan.options:
        reasons = "; ".join(dict.fromkeys(plan.left_out.values()))
        raise UserError(f"no option of '{scenario.name}' can be priced: {reasons}")
    _keep_freed_memory()
    values = _drawn(plan, draws, seed)
    by_draw, at_value = lines(plan, values), lines(plan, plan.values())
    running: dict[tuple, tuple] = {}
    options = {
        name: _option(plan, name, at_value[name], by_draw[name], running) for name in plan.options
    }
    even, on = _break_even(plan, weighed, values, by_draw, draws, seed)
    plan = replace(
        plan, assumptions=plan.assumptions | on.assumptions, dated=(*plan.dated, *on.dated)
    )
    return CostReport(scenario, plan, options, even, weighed, draws, seed)


def _keep_freed_memory() -> None:
    """Make glibc reuse the memory of arrays instead of returning each to the system.

    It returns blocks above 128 KiB until a larger one has been freed (mallopt(3), M_MMAP_THRESHOLD),
    and touching a page for the first time takes as long as the sums. Other systems lose nothing.
    """
    np.empty(30 * 2**20, np.uint8)


def _drawn(plan: Plan, draws: int, seed: int, known: dict | None = None) -> dict:
    """The draws of each uncertain assumption, except for those already known.

    Each has its own random stream, so that it doesn't depend on the others.
    """
    found = plan.values() | (known or {})
    wanted = [key for key, each in plan.assumptions.items()
              if not each.range.fixed and key not in (known or {})]  # fmt: skip
    # Seven digits are enough for a quantile and take half the time; one block touches few pages.
    block = np.empty((len(wanted), draws), np.float32)
    for key, row in zip(wanted, block, strict=True):
        np.random.default_rng([seed, zlib.crc32(key.encode())]).random(out=row, dtype=np.float32)
        row[:] = plan.assumptions[key].range.drawn(row)
        found[key] = row
    return found


def _middle(drawn, value: float) -> Range:
    """A value with the central 95% of its draws, between their 2.5% and 97.5% order statistics."""
    if np.ndim(drawn) == 0:
        return Range.known(float(value))
    places = [round(end * (len(drawn) - 1)) for end in _ENDS]
    low, high = (float(end) for end in np.partition(drawn, places)[places])
    return Range(float(value), min(low, float(value)), max(high, float(value)))


def _option(plan: Plan, name: str, line: Line, drawn: Line, running: dict) -> OptionCost:
    """The cost of one option. `running` caches what options with the same serving have in common."""
    at, months = plan.values()["requests_per_month"], plan.values()["horizon_months"]
    alike = (id(drawn.machine_usd), id(drawn.machines_each)) if line.machine_usd else (name,)
    if alike not in running:
        serving = drawn.serving_usd(at)
        monthly = serving + sum(drawn.monthly.values())
        per_request = None
        if at > 0:
            per_request = _middle(serving / at, line.serving_usd(at) / at)
        elif not line.machine_usd:
            per_request = _middle(drawn.request_usd, line.request_usd)
        running[alike] = per_request, monthly, _middle(monthly, line.monthly_usd(at))
    per_request, monthly, middle = running[alike]
    served = "machines" if line.machine_usd else "requests"
    breakdown = {**line.once, "renewal": line.renewal,
                 **{part: months * usd for part, usd in line.monthly.items()},
                 served: months * line.serving_usd(at)}  # fmt: skip
    return OptionCost(
        per_request_usd=per_request,
        monthly_usd=middle,
        horizon_usd=_middle(drawn.fixed_usd + months * monthly, line.horizon_usd(at, months)),
        breakdown={part: float(usd) for part, usd in breakdown.items()},
        machines=_machines(plan, name, line, at) if line.machine_usd else None,
    )


def _machines(plan: Plan, name: str, line: Line, at: float) -> dict:
    """Reserved and used GPU hours per month: the difference is what the price of a busy server hides."""
    copies = plan.values()["tenants"] if name == "self-hosted-full" else 1
    reserved = line.machines(at) * copies * plan.server.gpus * 730
    return {
        "gpu": plan.server.gpu.name,
        "gpus_each": plan.server.gpus,
        "replicas": float(line.machines(at) * copies),
        "reserved_gpu_hours_per_month": float(reserved),
        "used_gpu_hours_per_month": float(at / line.rows_per_s / 3600 * plan.server.gpus),
        "requests_per_s_each": float(line.rows_per_s),
    }


# --- the break-even ----------------------------------------------------------------------------


def _break_even(plan: Plan, weighed: Weighed | None, values, by_draw, draws: int, seed: int) -> tuple[BreakEven, Plan]:  # fmt: skip
    """The break-even, and the plan with the machines it uses."""
    condition, worse = condition_on_quality(weighed)
    if worse:
        return BreakEven(condition, reason=worse), plan
    held = break_even.against(plan, baseline_option(weighed))
    plan = of_its_method(plan, weighed)
    if held is None:
        return BreakEven(condition, reason="no prompting option can be priced"), plan
    tuned = break_even.lasting(plan)
    if not tuned:
        reasons = dict.fromkeys(
            plan.left_out.get(option, "it is discontinued before the horizon ends")
            for option in TUNED
        )
        return BreakEven(
            condition, reason=f"no tuned option is available: {'; '.join(reasons)}"
        ), plan
    best = break_even.best_server(plan, held.prompting)
    at_value, point = best.values(), lines(best, best.values())
    if best.server is not plan.server:
        values = _drawn(best, draws, seed, values)
        moved = [option for option in best.options if not is_hosted(option)]
        by_draw = by_draw | lines(best, values, options=moved)
    few = {key: v[:FEWER_DRAWS] if np.ndim(v) else v for key, v in values.items()}
    few_lines = lines(best, few)

    def volume(prompting: tuple[str, ...], drawn, drawn_lines) -> Volume:
        return _volume(break_even.volumes(best, at_value, prompting, point),
                       break_even.volumes(best, drawn, prompting, drawn_lines))  # fmt: skip

    def order(option: str) -> tuple[float, float]:
        alone = break_even.volumes(best, at_value, held.prompting, point, tuned=(option,))
        return float(alone), float(point[option].fixed_usd)

    found = BreakEven(
        condition=condition,
        volume=volume(held.prompting, values, by_draw),
        compared_with=held,
        tuned=min(tuned, key=order),
        gpu=f"{best.server.gpus} {best.server.gpu.name}" if best.server else None,
        alone={option: volume((option,), few, few_lines)
               for option in PROMPTING if option in plan.options},
        tornado=tuple(break_even.tornado(best, held.prompting)),
    )  # fmt: skip
    return found, best


def _volume(at_value, drawn) -> Volume:
    drawn = np.atleast_1d(drawn)
    middle = _middle(drawn, float(at_value))
    return Volume(middle.value, middle.low, middle.high,
                  float(np.mean(np.isinf(drawn))), float(np.mean(drawn <= 1)))  # fmt: skip
