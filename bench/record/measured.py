"""What a contender's trials measured, in one entry: quality, speed, memory, money, what was forgotten."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, cast

import numpy as np

from bench.checks import forgetting
from bench.core.meter import Usage
from bench.core.model import ModelFacts, Price
from bench.core.outcome import Done, Failed, Outcome, Skipped
from bench.core.plan import Plan, Trial
from bench.record.results import mean_score
from bench.record.types import ContenderEntry, EstimateDict, ForgotLess, Stage
from bench.statistics import intervals as statistics

STAGES: tuple[Stage, ...] = ("loading", "setup", "restoring", "serving")
"""What is measured separately; a tuned model is restored and served in a fresh process."""
SERVING = ("restoring", "serving")
"""The stages of answering, without those of fitting."""


def contenders_of(
    plan: Plan,
    outcomes: Mapping[str, Outcome],
    estimates: Mapping[str, Mapping[str, EstimateDict]],
    usd_per_hour: float | None,
    models: Mapping[str, ModelFacts] = MappingProxyType({}),
) -> list[ContenderEntry]:
    """The entry of each contender of the run's own trials, in the plan's order."""
    names = dict.fromkeys(trial.name for trial in plan.trials)
    return [
        _entry(name, plan, outcomes, estimates.get(name, {}), usd_per_hour, models)
        for name in names
    ]


def _entry(
    name: str,
    plan: Plan,
    outcomes: Mapping[str, Outcome],
    estimates: Mapping[str, EstimateDict],
    usd_per_hour: float | None,
    models: Mapping[str, ModelFacts],
) -> ContenderEntry:
    """One line of `bench run --json`."""
    trials = [trial for trial in plan.trials if trial.name == name]
    found = [outcomes[trial.slug] for trial in trials]
    done = [outcome for outcome in found if isinstance(outcome, Done)]
    reasons = [outcome.reason for outcome in found if isinstance(outcome, Skipped | Failed)]
    forgot = forgetting.summary(_asked(name, plan, outcomes), plan.seed)
    return cast(
        ContenderEntry,
        {
            "name": name,
            "family": trials[0].family,
            "model": trials[0].model,
            "status": "done" if done else found[0].status,
            "reason": reasons[0] if reasons else None,
            "seeds": len({t.seed for t in trials if isinstance(outcomes[t.slug], Done)}),
            **{metric.replace("-", "_"): estimate for metric, estimate in estimates.items()},
            **(_measured(done, usd_per_hour, _price(trials[0], models)) if done else {}),
            **({"forgetting": forgot} if forgot else {}),
        },
    )


def _price(trial: Trial, models: Mapping[str, ModelFacts]) -> Price | None:
    """Of a trial's model, if it is paid by the token."""
    facts = models.get(trial.model) if trial.model else None
    return facts.get("price") if facts else None


def _measured(
    done: Sequence[Done], usd_per_hour: float | None, price: Price | None
) -> dict[str, Any]:
    """What a contender's trials reached on validation rows, and medians of what was measured.

    Percentiles of latency are interpolated linearly between requests, those of all trials together.
    """
    latencies = np.concatenate([outcome.latencies_ms for outcome in done])
    answered = [o.rows / o.serving.seconds for o in done if o.serving.seconds > 0]
    throughput = float(np.median(answered))
    cost, reason = _usd_per_1000(done, throughput, usd_per_hour, price)
    setup_seconds = float(np.median([o.setup.seconds for o in done]))
    first = done[0]
    return {
        "validation_score": mean_score(done),
        "p50_latency_ms": float(np.percentile(latencies, 50)),
        "p95_latency_ms": float(np.percentile(latencies, 95)),
        "p95_latency_interval_ms": statistics.quantile_interval(latencies.tolist(), 0.95),
        "machine_gflops": _median(o.machine_gflops for o in done),
        "latency_requests": len(latencies),
        "p50_first_token_ms": _median(value for o in done for value in o.first_token_ms),
        "p50_per_token_ms": _median(value for o in done for value in o.per_token_ms),
        "throughput_rows_per_s": throughput,
        "train_seconds": setup_seconds,
        "peak_resident_bytes": peak("peak_resident_bytes", done),
        "serving_peak_resident_bytes": peak("peak_resident_bytes", done, SERVING),
        "peak_gpu_bytes": peak("peak_gpu_bytes", done),
        "peak_gpu_reserved_bytes": peak("peak_gpu_reserved_bytes", done),
        "process_gpu_bytes": peak("process_gpu_bytes", done),
        "joules": first.serving.joules,
        "tokens_in": first.serving.tokens_in,
        "tokens_out": first.serving.tokens_out,
        "trainable_parameters": first.notes.get("trainable_parameters"),
        "trainable_share": first.notes.get("trainable_share"),
        "adapter_bytes": first.notes.get("adapter_bytes"),
        "usd_per_1000_requests": cost,
        "setup_usd": None if price or usd_per_hour is None else usd_per_hour / 3600 * setup_seconds,
        "usd_reason": reason,
        "device": first.device,
    }


def _usd_per_1000(
    done: Sequence[Done], throughput: float, usd_per_hour: float | None, price: Price | None
) -> tuple[float | None, str]:
    """US dollars for a thousand requests, and what the sum is based on.

    Tokens are those of the first trial's test rows.
    """
    if price is not None:
        usage, rows = done[0].serving, done[0].rows
        if usage.tokens_in is None or usage.tokens_out is None or not rows:
            return None, "the tokens of its answers weren't counted"
        usd = usage.tokens_in * price["input_usd_per_mtok"]
        usd += usage.tokens_out * price["output_usd_per_mtok"]
        return usd / 1e6 / rows * 1000, f"its tokens at the prices of {price['source']}"
    if usd_per_hour is None:
        return None, "no price for this machine was given (--usd-per-hour)"
    return (
        usd_per_hour / 3600 / throughput * 1000,
        "the machine's price at its measured throughput, fully utilised",
    )


def peak(key: str, outcomes: Sequence[Outcome], stages: Sequence[str] = STAGES) -> int | None:
    """The highest of some stages; None where it wasn't measured."""
    usages: list[Usage | None] = [getattr(o, stage, None) for o in outcomes for stage in stages]
    values = [getattr(usage, key) for usage in usages if usage]
    return max((value for value in values if value is not None), default=None)


def _median(values: Iterable[float | None]) -> float | None:
    """Of those that are known; None where none is."""
    known = [value for value in values if value is not None]
    return float(np.median(known)) if known else None


def _asked(name: str, plan: Plan, outcomes: Mapping[str, Outcome]) -> list[dict[str, Any]]:
    """What a contender's trials forgot, of those that were asked."""
    own = [outcomes[trial.slug] for trial in plan.trials if trial.name == name]
    return [o.forgetting for o in own if isinstance(o, Done) and o.forgetting]


def forgot_less(plan: Plan, outcomes: Mapping[str, Outcome]) -> list[ForgotLess]:
    """Of each of a sweep's pairs that were asked, what the challenger kept or forgot beyond the other."""
    found = []
    for baseline, challenger in plan.family:
        one, other = _asked(baseline, plan, outcomes), _asked(challenger, plan, outcomes)
        compared = forgetting.compared(one, other, plan.seed)
        if compared:
            found.append(
                cast(ForgotLess, {"baseline": baseline, "challenger": challenger, **compared})
            )
    return found
