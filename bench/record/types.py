"""What `record.json` holds, for a type checker and for people: the same JSON values, with names.

Keys that a record of this version may lack are `NotRequired`; so are keys that were added while the
schema version was 1, which say so.
"""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypedDict

from bench.core.files import Account, Forecast
from bench.core.model import ModelFacts

Answer = Literal["fine_tune", "prompt", "cant_tell", "not_applicable"]
"""What a part of the verdict says."""

Stage = Literal["loading", "setup", "restoring", "serving"]
"""What a trial measures separately: the keys of an outcome's usages."""


class EstimateDict(TypedDict):
    """A value with its confidence interval at `level`, or the `reason` why it has none."""

    value: float
    low: float | None
    high: float | None
    level: float
    n: int
    method: str
    reason: str | None


class UsageDict(TypedDict):
    """What a stage of a trial took (`bench.core.meter.Usage`)."""

    seconds: float
    gpu_seconds: float | None
    peak_resident_bytes: int
    peak_gpu_bytes: int | None
    peak_gpu_reserved_bytes: int | None
    process_gpu_bytes: int | None
    joules: float | None
    gpu_state: dict[str, Any] | None
    tokens_in: int | None
    tokens_out: int | None


class Device(TypedDict):
    """What a model ran on, and which operations have no repeatable form there."""

    kind: str
    dtype: str
    reason: str
    gpu: str | None
    threads: int
    not_deterministic: list[str]


class Way(TypedDict):
    """One way of serving a tuned model: its requests' latencies, or the reason why it wasn't timed."""

    way: str
    status: str
    reason: NotRequired[str]
    latencies_ms: NotRequired[list[float]]
    weight_bytes: NotRequired[int]
    alike: NotRequired[float]
    machine_gflops: NotRequired[float]


class Asked(TypedDict):
    """What one trial's tuned model was asked, and what it no longer does; or why it wasn't asked."""

    status: str
    reason: NotRequired[str]
    usage: NotRequired[UsageDict]
    divergence: NotRequired[list[dict[str, Any]]]
    base_followed: NotRequired[list[bool]]
    tuned_followed: NotRequired[list[bool]]
    lost: NotRequired[list[dict[str, str]]]


class OutcomeDict(TypedDict):
    """How a trial ended (`bench.core.outcome`): `done` with figures, else with a reason."""

    status: str
    reason: NotRequired[str]
    notes: NotRequired[dict[str, Any]]
    loading: NotRequired[UsageDict]
    setup: NotRequired[UsageDict]
    restoring: NotRequired[UsageDict]
    serving: NotRequired[UsageDict]
    rows: NotRequired[int]
    sizes: NotRequired[list[int]]
    latencies_ms: NotRequired[list[float]]
    first_token_ms: NotRequired[list[float]]
    per_token_ms: NotRequired[list[float]]
    machine_gflops: NotRequired[float]
    wrong_labels: NotRequired[int]
    ways: NotRequired[list[Way]]
    device: NotRequired[Device | None]
    forgetting: NotRequired[Asked]
    wall_seconds: NotRequired[float]


class TrialEntry(TypedDict):
    """A trial of the plan with its outcome."""

    slug: str
    name: str
    kind: str
    family: str
    model: str | None
    seed: int
    n_train: int
    settings: dict[str, Any]
    fold: NotRequired[int | None]  # added in version 1
    sizes: NotRequired[list[int]]  # added in version 1
    label_noise: NotRequired[float]  # added in version 1
    outcome: OutcomeDict


class Forgot(TypedDict):
    """What a contender forgot, over its trials; or the reason why it wasn't measured."""

    status: str
    reason: NotRequired[str]
    trials: NotRequired[int]
    kl_per_token: NotRequired[EstimateDict]
    prompts: NotRequired[int]
    tokens: NotRequired[int]
    instructions: NotRequired[int]
    base_followed: NotRequired[float]
    tuned_followed: NotRequired[float]
    lost: NotRequired[float]
    gained: NotRequired[float]
    lost_share: NotRequired[EstimateDict | None]
    difference: NotRequired[EstimateDict]
    p_value: NotRequired[float]
    test: NotRequired[str]
    beyond_noise: NotRequired[bool]
    examples: NotRequired[list[dict[str, str]]]
    seconds: NotRequired[float]


class ContenderEntry(TypedDict):
    """A contender: its status, its metrics, and where a trial is done what was measured.

    Metrics stand under their names with `_` for `-`; `metric_of` reads any of them. Dollars are None
    without a price. `p95_latency_interval_ms`, `machine_gflops` and `setup_usd` were added in version 1.
    """

    name: str
    family: str
    model: str | None
    status: str
    reason: str | None
    seeds: int
    accuracy: NotRequired[EstimateDict]
    macro_f1: NotRequired[EstimateDict]
    exact_match: NotRequired[EstimateDict]
    chrf: NotRequired[EstimateDict]
    validation_score: NotRequired[float | None]
    p50_latency_ms: NotRequired[float]
    p95_latency_ms: NotRequired[float]
    p95_latency_interval_ms: NotRequired[list[float | None]]
    machine_gflops: NotRequired[float | None]
    latency_requests: NotRequired[int]
    p50_first_token_ms: NotRequired[float | None]
    p50_per_token_ms: NotRequired[float | None]
    throughput_rows_per_s: NotRequired[float]
    train_seconds: NotRequired[float]
    peak_resident_bytes: NotRequired[int | None]
    serving_peak_resident_bytes: NotRequired[int | None]
    peak_gpu_bytes: NotRequired[int | None]
    peak_gpu_reserved_bytes: NotRequired[int | None]
    process_gpu_bytes: NotRequired[int | None]
    joules: NotRequired[float | None]
    tokens_in: NotRequired[int | None]
    tokens_out: NotRequired[int | None]
    trainable_parameters: NotRequired[int | None]
    trainable_share: NotRequired[float | None]
    adapter_bytes: NotRequired[int | None]
    usd_per_1000_requests: NotRequired[float | None]
    setup_usd: NotRequired[float | None]
    usd_reason: NotRequired[str]
    device: NotRequired[Device | None]
    forgetting: NotRequired[Forgot]


class Variance(TypedDict):
    """A difference's variance by where it comes from: test rows, training seeds, draws of a prompt."""

    sampling: float
    seed: float
    draw: float


class Arms(TypedDict):
    """The primary comparison's arms, each with its own estimate at the comparison's level."""

    prompt: EstimateDict
    fine_tune: EstimateDict


class Comparison(TypedDict):
    """The challenger's gain over the baseline, paired by row.

    `p_adjusted` is to be compared with 0.05; `adjustment` says how it was made.
    """

    metric: str
    baseline: str
    challenger: str
    baseline_family: NotRequired[str]  # added in version 1
    challenger_family: NotRequired[str]  # added in version 1
    groups: int
    primary: bool
    margin: float
    model: str | None
    baseline_model: str | None
    task: str
    difference: float
    low: float | None
    high: float | None
    reason: str | None
    level: float
    n: int
    method: str
    p_value: float | None
    scope: str
    discordant_share: float | None
    design_effect: NotRequired[float | None]  # added in version 1
    smallest_visible: NotRequired[float | None]  # added in version 1
    variance: NotRequired[Variance | None]  # added in version 1
    arms: NotRequired[Arms]  # of the primary one; added in version 1
    p_adjusted: float | None
    adjustment: NotRequired[str]  # added in version 1


class Canary(TypedDict):
    """A check of the run itself; `trial` is whose it is, where it isn't of all rows."""

    name: str
    passed: bool
    sentence: str
    trial: NotRequired[str]


class Part(TypedDict):
    """One part of the verdict; `would_settle` is a noun phrase, or None where nothing is open."""

    answer: Answer
    sentence: str
    would_settle: str | None


class Verdict(TypedDict):
    """The answer, overall and by part, what it holds for, and why it is only exploratory if it is."""

    quality: Part
    latency: Part
    cost: Part
    overall: Part
    scope: str
    exploratory: NotRequired[str | None]  # added in version 1


class Place(TypedDict):
    """Where resamples put a crossover: above `after` rows (None: the smallest size) and up to
    `at_most` (None: not reached)."""

    after: int | None
    at_most: int | None
    share: float


class Labels(TypedDict):
    """What labelling costs up to a crossover, or up to the curve's largest size."""

    rows: int
    rows_looked_through: int
    usd: float
    usd_low: float
    usd_high: float
    usd_per_label: float
    source: str
    as_of: str | None


class CrossoverEntry(TypedDict):
    """From how many labelled rows onwards a tuned arm is ahead of every prompt by the margin."""

    answer: str
    after: int | None
    at_most: int | None
    share: float
    shares: list[Place]
    low: Place
    high: Place
    reason: NotRequired[str | None]  # added in version 1
    challenger: str
    prompts: list[str]
    sizes: list[int]
    seeds: list[int]
    margin: float
    labels: Labels
    sentence: str


class PointEntry(EstimateDict):
    """An arm at one size: the mean over seeds, each seed's value, and what the labels were used for."""

    size: int
    by_seed: dict[str, float]
    learnt_from: float
    chosen_by: float
    looked_through: float
    fit_seconds: float
    answer_seconds: float


class FittedPlace(TypedDict):
    """A place of a fitted curve."""

    rows: int
    value: float
    low: float
    high: float
    extrapolated: bool


class FitEntry(TypedDict):
    """The fitted curve `a - b n^(-c)`, and how far the farthest point is from it."""

    a: EstimateDict
    b: EstimateDict
    c: EstimateDict
    curve: list[FittedPlace]
    largest_miss: float


class CurveArm(TypedDict):
    """An arm of a learning curve; `flat` where it uses no labelled rows."""

    name: str
    family: str
    model: str | None
    flat: bool
    seeds: NotRequired[list[int]]
    points: list[PointEntry]
    fit: FitEntry | None
    fit_reason: str | None


class CurveRecord(TypedDict):
    """A learning curve: its arms' points and fits, and where tuning overtakes."""

    metric: str
    margin: float
    sizes: list[int]
    seeds: list[int]
    choices: str
    test_rows: int
    test_groups: int
    resamples: int
    level: float
    arms: list[CurveArm]
    crossovers: list[CrossoverEntry]
    no_crossover: str | None
    trials: list[TrialEntry]


class VariantDict(TypedDict):
    """A contender at one combination of a sweep's values, by axis."""

    contender: str
    values: dict[str, str]


class SweptContender(TypedDict):
    """A contender's combinations: which do better or worse than the first, and the winner."""

    contender: str
    first: str
    better: list[str]
    worse: list[str]
    cant_tell: list[str]
    chosen: str | None
    winner: str | None
    sentence: str


class ClaimEntry(TypedDict):
    """What became of one comparison of a claim; the difference is the gain of what is claimed better."""

    better: str
    worse: str
    answer: str
    difference: float | None
    low: float | None
    high: float | None
    p_adjusted: float | None
    sentence: str


class ForgotLess(TypedDict):
    """What a challenger kept or forgot beyond its baseline."""

    baseline: str
    challenger: str
    kl_per_token: EstimateDict
    followed: EstimateDict
    p_value: float
    test: str


class SweepRecord(TypedDict):
    """A sweep: its axes and combinations, what each contender's showed, and its claim."""

    axes: dict[str, list[str]]
    variants: dict[str, VariantDict]
    claim: dict[str, Any] | None
    contenders: list[SweptContender]
    claims: list[ClaimEntry]
    forgetting: list[ForgotLess]


class Grade(Forecast):
    """A forecast with what was then measured: the error as a share of it, and whether the range held."""

    measured_seconds: float | None
    seconds_error: float | None
    seconds_held: bool | None
    measured_peak_resident_bytes: int | None
    peak_resident_bytes_error: float | None
    peak_resident_bytes_held: bool | None
    measured_peak_gpu_bytes: int | None
    peak_gpu_bytes_error: float | None
    peak_gpu_bytes_held: bool | None


class Environment(TypedDict):
    """Versions, hardware and the state of the code."""

    python: str
    system: str
    processor: str
    cores: int | None
    memory_bytes: int
    device: Device | None
    versions: dict[str, str | None]
    git: str | None


class DataFacts(TypedDict):
    """Where the rows come from, and how many of them do what."""

    source: str
    digest: str
    counts: dict[str, int]
    licence: str
    provenance: str


class Record(TypedDict):
    """A finished run. `plan` is read by `Plan.from_json`, a trial's outcome by `outcome.from_json`."""

    schema_version: int
    scenario: str
    created: str
    plan: dict[str, Any]
    environment: Environment
    models: dict[str, ModelFacts]
    data: DataFacts
    trials: list[TrialEntry]
    contenders: list[ContenderEntry]
    estimates: dict[str, dict[str, EstimateDict]]
    comparisons: list[Comparison]
    side_comparisons: NotRequired[list[Comparison]]  # added in version 1
    canaries: NotRequired[list[Canary]]  # added in version 1
    earlier_looks: NotRequired[list[str]]  # added in version 1
    verdict: Verdict
    curve: NotRequired[CurveRecord | None]  # added in version 1
    budget: NotRequired[Account | None]  # added in version 1
    sweep: NotRequired[SweepRecord | None]  # added in version 1
    forecasts: list[Grade]


def metric_of(entry: ContenderEntry, metric: str) -> EstimateDict:
    """A contender's metric by the name that the scenario gives it. Raises `KeyError` without one."""
    return entry[metric.replace("-", "_")]  # type: ignore[literal-required]
