"""What `advisor cost` says: each option's money with its range, the break-even, and what it rests on."""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from advisor.money import break_even, prices
from advisor.money.assumptions import Assumption
from advisor.money.break_even import Against, Bar
from advisor.money.lines import Line, lines
from advisor.money.options import (
    HOSTED,
    PROMPTING,
    SELF_PROMPTED,
    TUNED,
    Measured,
    Plan,
    own_model,
    plan_of,
    without,
)
from advisor.money.prices import Prices
from advisor.money.ranges import Range
from advisor.sizes import models
from scenarios.errors import UserError
from scenarios.schema import Scenario

if TYPE_CHECKING:
    from advisor.evidence.records import Weighed

SCHEMA_VERSION = 1
DRAWS, SEED = 100_000, 1
FEWER_DRAWS = 10_000  # for each prompting option alone: a second number, and a fifth of the time
LEVEL = 0.95
_ENDS = ((1 - LEVEL) / 2, (1 + LEVEL) / 2)


@dataclass(frozen=True)
class OptionCost:
    """Dollars of one option. `breakdown` is of the horizon, at the values; its parts add up to it.

    `per_request_usd` is serving alone (requests, or reserved machines by the requests), and None
    where machines stand reserved for no request at all.
    """

    per_request_usd: Range | None
    monthly_usd: Range
    horizon_usd: Range
    breakdown: dict[str, float]
    machines: dict | None


@dataclass(frozen=True)
class Volume:
    """A break-even volume in requests a month; infinite is never, and up to 1 is the first request."""

    value: float
    low: float
    high: float
    never: float
    from_first: float

    @property
    def answer(self) -> str:
        """`never`, `from-the-first-request`, or `volume`; by the values."""
        if np.isinf(self.value):
            return "never"
        return "from-the-first-request" if self.value <= 1 else "volume"

    def to_json(self) -> dict:
        """`null` stands for never."""
        return {
            "answer": self.answer,
            "requests_per_month": {name: _finite(getattr(self, name))
                                   for name in ("value", "low", "high")},
            "share_never": self.never,
            "share_from_first_request": self.from_first,
        }  # fmt: skip


@dataclass(frozen=True)
class BreakEven:
    """From which volume the best tuned option is cheaper than prompting, and what it hangs on.

    `reason` says why there is none to tell (`volume` is then None); `condition` what it assumes of
    quality.
    """

    condition: str
    reason: str | None = None
    volume: Volume | None = None
    held_against: Against | None = None
    tuned: str | None = None
    gpu: str | None = None
    alone: dict[str, Volume] | None = None
    tornado: tuple[Bar, ...] = ()


@dataclass(frozen=True)
class CostReport:
    """All of it. Ranges are the middle 95 % of `draws` draws from the assumptions, by `seed`."""

    scenario: Scenario
    plan: Plan
    options: dict[str, OptionCost]
    break_even: BreakEven
    evidence: Weighed | None
    draws: int
    seed: int

    @property
    def assumptions(self) -> list[Assumption]:
        """What the sum rests on; facts of the profile first."""
        return sorted(self.plan.assumptions.values(), key=lambda each: not each.stated)

    @property
    def warnings(self) -> list[str]:
        """Prices that are older than 90 days, and a package that isn't the one checked."""
        found = self.plan.prices.old(self.plan.dated)
        if self.plan.hosted and prices.package_as_of() is None:
            found.append(f"{prices.PACKAGE} is {prices.package_version()}, and "
                         f"{prices.PACKAGE_VERSION} was checked; its prices have no date")  # fmt: skip
        return found

    def to_json(self) -> dict:
        """The shape that scripts read."""
        return {
            "schema_version": SCHEMA_VERSION,
            "scenario": self.scenario.name,
            "draws": self.draws,
            "seed": self.seed,
            "level": LEVEL,
            "options": {name: _option_json(option) for name, option in self.options.items()},
            "left_out": self.plan.left_out,
            "break_even": _break_even_json(self.break_even),
            "assumptions": [_assumption_json(each) for each in self.assumptions],
            "prices_as_of": {
                "package": {"name": prices.PACKAGE, "version": prices.package_version(),
                            "as_of": _day(prices.package_as_of())},
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
           record: Path | None = None, *, draws: int = DRAWS, seed: int = SEED) -> CostReport:  # fmt: skip
    """The report on a scenario at these prices.

    `weighed` and `record` are a run's evidence and its file: the models that it compared and, where
    it was measured on a GPU, its throughput. Raises `UserError` where nothing can be priced.
    """
    applies = weighed is not None and weighed.strength != "set-aside"
    if applies:
        scenario = _of_its_models(scenario, weighed)
    measured, note = _measured(record, scenario) if applies and record else (None, None)
    if measured and not _same(measured.model, own_model(scenario.profile)):
        note = f"its throughput is {measured.model}'s, of which the catalog knows no shape"
        measured = None
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
    """Have glibc reuse the memory of arrays, where it would hand each back to the system.

    It does so above 128 KiB, until a larger piece has been freed (mallopt(3), M_MMAP_THRESHOLD), and
    touching a page for the first time takes as long as the sums do. Other systems lose nothing.
    """
    np.empty(30 * 2**20, np.uint8)


def _drawn(plan: Plan, draws: int, seed: int, known: dict | None = None) -> dict:
    """Each uncertain assumption's draws, but those that are known.

    Each has a stream of its own, so that others don't move it.
    """
    found = plan.values() | (known or {})
    wanted = [key for key, each in plan.assumptions.items()
              if not each.range.fixed and key not in (known or {})]  # fmt: skip
    # Seven digits are enough for a quantile and take half the time; one block takes few pages.
    block = np.empty((len(wanted), draws), np.float32)
    for key, row in zip(wanted, block, strict=True):
        np.random.default_rng([seed, zlib.crc32(key.encode())]).random(out=row, dtype=np.float32)
        row[:] = plan.assumptions[key].range.drawn(row)
        found[key] = row
    return found


def _middle(drawn, value: float) -> Range:
    """A value with the middle 95 % of its draws: those at the two places in their order."""
    if np.ndim(drawn) == 0:
        return Range.known(float(value))
    places = [round(end * (len(drawn) - 1)) for end in _ENDS]
    low, high = (float(end) for end in np.partition(drawn, places)[places])
    return Range(float(value), min(low, float(value)), max(high, float(value)))


def _option(plan: Plan, name: str, line: Line, drawn: Line, running: dict) -> OptionCost:
    """One option's money. `running` keeps what options that are served alike have in common."""
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
    """Reserved and used GPU hours of a month: the difference is what a busy server's price hides."""
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


# --- evidence ----------------------------------------------------------------------------------


def _of_its_models(scenario: Scenario, weighed: Weighed) -> Scenario:
    """The models that a run compared, where the profile names none."""
    evidence, profile, found = weighed.evidence, scenario.profile, {}
    if profile.own_model is None and evidence.model and _known(evidence.model):
        found["own_model"] = evidence.model
    prompted = evidence.baseline_model or ""
    if profile.hosted_model is None and ":" in prompted:
        found["hosted_model"] = prompted
    return scenario.model_copy(update={"profile": profile.model_copy(update=found)})


def _known(model: str) -> bool:
    try:
        models.shape_of(model)
    except UserError:
        return False
    return True


def _same(one: str, other: str) -> bool:
    """Equal but for case and owner."""
    return one.lower().rpartition("/")[2] == other.lower().rpartition("/")[2]


def _measured(record: Path, scenario: Scenario) -> tuple[Measured | None, str | None]:
    """Throughput of a run on a GPU of the catalog, and else why the forecast stands."""
    file = record / "record.json" if record.is_dir() else record
    contenders = json.loads(file.read_text(encoding="utf-8")).get("contenders")
    contenders = contenders if isinstance(contenders, list) else []
    done = [c for c in contenders if isinstance(c, dict) and _rows(c) is not None]
    tuned = next((c for c in done if c.get("family") == "fine_tune"), None)
    if tuned is None:
        return None, "the record holds no throughput of a tuned model, so it is forecast"
    device = tuned.get("device") if isinstance(tuned.get("device"), dict) else {}
    gpu = device.get("gpu")
    name = gpu.get("name") if isinstance(gpu, dict) else gpu
    if not isinstance(name, str):
        kind = device.get("kind", "an unknown device")
        return None, (f"{_rows(tuned):.3g} requests a second were measured on {kind}, for which no "
                      "price by the hour is known, so a GPU's throughput is forecast")  # fmt: skip
    try:
        known = models.gpu_named(name).name
    except UserError:
        return None, f"its throughput was measured on '{name}', which isn't in the catalog"
    prompted = next((c for c in done if c.get("family") == "prompt"
                     and c.get("model") == tuned.get("model") and c.get("name") == "few-shot"), None)  # fmt: skip
    return Measured(
        model=str(tuned.get("model")), gpu=known, tuned_rows_per_s=_rows(tuned),
        prompted_rows_per_s=_rows(prompted) if prompted else None,
        source=f"measured, record of {scenario.name}",
    ), None  # fmt: skip


def _rows(contender: dict) -> float | None:
    rows = contender.get("throughput_rows_per_s")
    usable = isinstance(rows, int | float) and not isinstance(rows, bool) and 1e-9 < rows < 1e9
    return float(rows) if usable else None


_OF_CONTENDERS = {"zero-shot": "hosted-zero-shot", "few-shot": "hosted-few-shot"}


def _baseline(weighed: Weighed | None) -> str | None:
    """The option that a run prompted: hosted by a provider, or a model of one's own."""
    if weighed is None or weighed.strength == "set-aside":
        return None
    evidence = weighed.evidence
    if ":" in (evidence.baseline_model or ""):
        return _OF_CONTENDERS.get(evidence.baseline.split("@")[0])
    return SELF_PROMPTED


_METHODS = {"lora": "lora", "dora": "lora", "rslora": "lora", "qlora": "qlora", "full": "full"}


def _of_the_measured_method(plan: Plan, weighed: Weighed | None) -> Plan:
    """The plan whose tuned options are the one that a run measured, where it measured one."""
    if weighed is None or weighed.strength == "set-aside":
        return plan
    method = _METHODS.get(weighed.evidence.challenger.partition("@")[0])
    measured = f"self-hosted-{method}"
    if method is None or measured not in plan.options:
        return plan
    others = tuple(option for option in TUNED if option != measured)
    return without(plan, others, f"the evidence is of {weighed.evidence.challenger}")


def _quality(weighed: Weighed | None) -> tuple[str, str | None]:
    """What the break-even assumes of quality, and why there is none where tuning is worse."""
    if weighed is None:
        return ("conditional on equal quality, of which there is no evidence: "
                "`bench run` measures it, and --evidence brings it in"), None  # fmt: skip
    evidence = weighed.evidence
    if weighed.strength == "set-aside":
        return (f"conditional on equal quality: the evidence was set aside, since "
                f"{weighed.because}"), None  # fmt: skip
    margin = f"the margin of {evidence.margin * 100:g} points"
    said = f"{evidence.challenger} against {evidence.baseline}: {evidence.points}"
    if evidence.high < -evidence.margin:
        return said, (f"tuning is worse by more than {margin} ({said}), so no volume makes up for it")  # fmt: skip
    if evidence.low >= -evidence.margin:
        return f"measured, {said}: not worse by more than {margin}", None
    return f"conditional on equal quality, which {said} doesn't settle", None


# --- the break-even ----------------------------------------------------------------------------


def _break_even(plan: Plan, weighed: Weighed | None, values, by_draw, draws: int, seed: int) -> tuple[BreakEven, Plan]:  # fmt: skip
    """The break-even, and the plan with the machines that it takes."""
    condition, worse = _quality(weighed)
    if worse:
        return BreakEven(condition, reason=worse), plan
    held = break_even.against(plan, _baseline(weighed))
    plan = _of_the_measured_method(plan, weighed)
    if held is None:
        return BreakEven(condition, reason="no prompting option can be priced"), plan
    tuned = break_even.lasting(plan)
    if not tuned:
        reasons = dict.fromkeys(
            plan.left_out.get(option, "it ends before the horizon does") for option in TUNED
        )
        return BreakEven(condition, reason=f"no tuned option is left: {'; '.join(reasons)}"), plan
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
        held_against=held,
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


# --- JSON --------------------------------------------------------------------------------------


def _finite(number: float) -> float | None:
    return float(number) if np.isfinite(number) else None


def _day(day: date | None) -> str | None:
    return None if day is None else str(day)


def _range_json(found: Range | None) -> dict | None:
    if found is None:
        return None
    return {"value": found.value, "low": found.low, "high": found.high}


def _option_json(option: OptionCost) -> dict:
    return {
        "per_request_usd": _range_json(option.per_request_usd),
        "monthly_usd": _range_json(option.monthly_usd),
        "horizon_usd": _range_json(option.horizon_usd),
        "breakdown": option.breakdown,
        "machines": option.machines,
    }


def _break_even_json(found: BreakEven) -> dict:
    if found.volume is None:
        return {"answer": "not-applicable", "requests_per_month": None, "reason": found.reason,
                "condition": found.condition}  # fmt: skip
    return {
        **found.volume.to_json(),
        "condition": found.condition,
        "prompting": list(found.held_against.prompting),
        "prompting_because": found.held_against.why,
        "tuned": found.tuned,
        "gpu": found.gpu,
        "by_prompting": {option: volume.to_json() for option, volume in found.alone.items()},
        "tornado": [
            {"assumption": bar.key, "low": bar.low, "high": bar.high,
             "requests_per_month_at_low": _finite(bar.volume_at_low),
             "requests_per_month_at_high": _finite(bar.volume_at_high),
             "difference_usd_at_low": bar.difference_usd_at_low,
             "difference_usd_at_high": bar.difference_usd_at_high}
            for bar in found.tornado
        ],
    }  # fmt: skip


def _assumption_json(found: Assumption) -> dict:
    return {
        "assumption": found.key, "means": found.means, "unit": found.unit,
        **_range_json(found.range), "source": found.source, "as_of": _day(found.as_of),
        "stated": found.stated,
    }  # fmt: skip


def is_hosted(option: str) -> bool:
    """Whether an option's requests go to a provider."""
    return option in HOSTED or option == "hosted-tuned"
