"""Parts of a record as values with attributes, which are named as the record's keys.

Keys that a record of an earlier version lacks are None.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from bench.record.types import Answer
from scenarios.estimates import Estimate


@dataclass(frozen=True)
class Part:
    """One part of a verdict; `would_settle` is None where nothing is open."""

    answer: Answer
    sentence: str
    would_settle: str | None


@dataclass(frozen=True)
class Verdict(Part):
    """The verdict overall, by part, and what it holds for."""

    quality: Part
    latency: Part
    cost: Part
    scope: str
    exploratory: str | None = None


@dataclass(frozen=True)
class Comparison:
    """The challenger's gain over the baseline, paired by row.

    `value` (the record's `difference`), its confidence interval and `margin` are shares, 0.03 for three
    points. `p_adjusted` is to be compared with 0.05.
    """

    baseline: str
    challenger: str
    metric: str
    value: Annotated[float, Field(validation_alias="difference")]
    low: float | None
    high: float | None
    level: float
    n: int
    groups: int
    method: str
    margin: float
    primary: bool
    scope: str
    p_value: float | None
    p_adjusted: float | None
    reason: str | None
    model: str | None
    baseline_model: str | None


@dataclass(frozen=True)
class Forgetting:
    """What a tuned model forgot: nats per token of text, and instructions no longer followed."""

    status: str
    reason: str | None = None
    kl_per_token: Estimate | None = None
    base_followed: float | None = None
    lost: float | None = None
    gained: float | None = None


@dataclass(frozen=True)
class Contender:
    """A contender: whether it is `done`, `skipped` or `failed` (with the `reason`), and what was measured."""

    name: str
    family: str
    model: str | None
    status: str
    reason: str | None
    seeds: int
    accuracy: Estimate | None = None
    macro_f1: Estimate | None = None
    exact_match: Estimate | None = None
    chrf: Estimate | None = None
    validation_score: float | None = None
    p50_latency_ms: float | None = None
    p95_latency_ms: float | None = None
    p50_first_token_ms: float | None = None
    p50_per_token_ms: float | None = None
    throughput_rows_per_s: float | None = None
    train_seconds: float | None = None
    peak_resident_bytes: int | None = None
    serving_peak_resident_bytes: int | None = None
    peak_gpu_bytes: int | None = None
    joules: float | None = None
    tokens_in: int | None = None
    tokens_out: int | None = None
    trainable_parameters: int | None = None
    adapter_bytes: int | None = None
    usd_per_1000_requests: float | None = None
    setup_usd: float | None = None
    usd_reason: str | None = None
    forgetting: Forgetting | None = None


@dataclass(frozen=True)
class Span:
    """A forecast number with its range."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Forecast:
    """What a trial is expected to take; without a forecast the numbers are None, and `reason` says why."""

    trial: str
    contender: str
    seconds: Span | None
    peak_resident_bytes: Span | None
    peak_gpu_bytes: Span | None
    reason: str
