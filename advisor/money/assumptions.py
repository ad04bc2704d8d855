"""What the costs are based on besides prices: each default with its range, unit, source and date.

A fact stated in the profile replaces its default. `judgement` marks what nobody measured: such
ranges are wide, and the tornado shows whether they matter.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from advisor.money.ranges import Range
from scenarios.errors import UserError
from scenarios.schema import Profile

STATED = "stated in the profile"
JUDGEMENT = "judgement, not measured"
HOURS_PER_MONTH = 730  # 365 x 24 / 12


@dataclass(frozen=True)
class Assumption:
    """One number used in the sums. `as_of` is None if the source is the profile."""

    key: str
    means: str
    unit: str
    range: Range
    source: str
    as_of: date | None

    @property
    def stated(self) -> bool:
        """Whether the profile states it."""
        return self.source == STATED

    def to_json(self) -> dict:
        """The shape that scripts read."""
        return {
            "assumption": self.key, "means": self.means, "unit": self.unit,
            **self.range.to_json(), "source": self.source,
            "as_of": None if self.as_of is None else str(self.as_of), "stated": self.stated,
        }  # fmt: skip


MOST = 1e9  # dollars or hours: larger sums lose all precision
_MONEY_OR_TIME = ("usd", "usd/hour", "hours")
_ASKED = date(2026, 11, 24)  # the day on which the defaults were set


def assumed(profile: Profile) -> dict[str, Assumption]:
    """Every assumption except for prices and speeds, by key.

    Raises `UserError` for a fact that is too large to be summed.
    """
    found = {}
    if profile.cache_hit_share is not None:  # without it the share follows from the load
        found["cache_hit_share"] = Assumption(
            "cache_hit_share", "share of requests that find the prompt prefix cached", "share",
            Range.known(profile.cache_hit_share), STATED, None,
        )  # fmt: skip
    for key, means, unit, low, value, high, source in _defaults(profile):
        stated = getattr(profile, key, None)
        if stated is not None:
            if unit in _MONEY_OR_TIME and stated > MOST:
                raise UserError(
                    f"{key} is {stated:g}; give at most {MOST:g}, larger values can't be summed"
                )
            found[key] = Assumption(key, means, unit, Range.known(float(stated)), STATED, None)
        else:
            found[key] = Assumption(
                key, means, unit, Range(float(value), float(low), float(high)), source, _ASKED
            )
    return found


def _defaults(profile: Profile):
    """Key, meaning, unit, low, value, high, source."""
    yield ("requests_per_month", "requests a month", "requests", *_same(10_000),
           "an illustration, since the profile doesn't say; the break-even doesn't need it")  # fmt: skip
    yield ("peak_to_mean_load", "load of the busiest hour relative to the mean", "times", 1.5, 3, 6,
           f"{JUDGEMENT}; requests only in office hours would give 24/8 x 7/5 = 4.2")  # fmt: skip
    yield ("horizon_months", "months over which it has to pay off", "months", *_same(12), JUDGEMENT)
    yield ("tenants", "tenants that need their own behaviour", "tenants", *_same(1), JUDGEMENT)
    yield from _of_tokens(profile)
    yield from _of_data(profile)
    yield from _of_training(profile)
    yield from _of_staff(profile)
    yield from _of_serving()


def _same(value: float) -> tuple[float, float, float]:
    return value, value, value


def _of_tokens(profile: Profile):
    yield ("prompt_tokens", "tokens of instruction and text", "tokens", 200, 500, 2000, JUDGEMENT)
    answer = (2, 5, 20) if profile.task_type == "classification" else (50, 200, 500)
    yield ("completion_tokens", "tokens in an answer", "tokens", *answer, JUDGEMENT)
    yield ("demonstrations", "demonstrations in a few-shot prompt", "demonstrations", 4, 8, 16,
           JUDGEMENT)  # fmt: skip
    yield ("instruction_share", "share of prompt_tokens that is instruction, the same in every request",
           "share", 0.2, 0.4, 0.7, JUDGEMENT)  # fmt: skip
    yield ("cache_minutes", "minutes that a provider's cache keeps an unused prefix", "minutes",
           5, 7, 10, "learn.microsoft.com/azure/foundry/openai/how-to/prompt-caching: cleared within "
           "5 to 10 minutes of inactivity")  # fmt: skip


def _of_data(profile: Profile):
    yield ("labelled_examples", "labelled examples available", "rows", *_same(0),
           "the profile doesn't say; assumed to be none")  # fmt: skip
    yield ("training_rows", "labelled examples used for tuning, per tenant", "rows",
           200, 500, 2000, f"{JUDGEMENT}; all available rows are used")  # fmt: skip
    yield ("evaluation_rows", "labelled examples kept for evaluation", "rows", 200, 300, 500,
           "300 test rows are `bench run`'s default")  # fmt: skip
    yield ("fresh_rows_share", "share of the training rows newly labelled for a retraining", "share",
           0.0, 0.2, 0.5, JUDGEMENT)  # fmt: skip
    yield ("labelling_usd_per_example", "dollars for one label", "usd", *_label_usd(profile))


def _label_usd(profile: Profile) -> tuple[float, float, float, str]:
    if profile.task_type in ("classification", None) and profile.vocabulary != "specialised":
        return (0.02, 0.08, 0.50, "dataxpower.com/blog/data-annotation-pricing-2026: $0.02-0.12 per text; "
                "tianpan.co/blog/2026-04-19-annotation-economy: about $0.08 for crowd workers; upper end: "
                "several labels per text")  # fmt: skip
    if profile.task_type == "classification":
        return (0.50, 1.0, 3.0, "tianpan.co/blog/2026-04-19-annotation-economy: about $1 for domain "
                "experts; range by judgement")  # fmt: skip
    return (0.67, 2.7, 10.0, "dataxpower.com/blog/data-annotation-pricing-2026: specialists at $40-120 "
            "an hour; 1 to 5 minutes per written answer, by judgement")  # fmt: skip


def _of_training(profile: Profile):
    yield ("epochs", "passes over the training rows", "epochs", 2, 3, 5,
           "LoRA recipes usually use 2 to 5 epochs")  # fmt: skip
    yield ("training_trials", "training runs until one is right: seeds and settings", "trainings",
           3, 6, 20, JUDGEMENT)  # fmt: skip
    yield ("job_overhead_hours", "GPU hours of a training run besides its steps: start, download, evaluation",
           "hours", 0.1, 0.25, 1.0, JUDGEMENT)  # fmt: skip
    months = {"none": (6, 12, 24), "strong": (1, 3, 6)}.get(profile.live_data_shift, (3, 6, 12))
    yield ("retrain_every_months", "months after which a model is retrained", "months", *months,
           JUDGEMENT)  # fmt: skip
    yield ("base_model_lasts_months", "months after which the base model is retired", "months",
           16, 21, 30, "developers.openai.com/api/docs/deprecations: gpt-5 16 months, gpt-4.1-mini 21, "
           "gpt-4o-mini 30 from release to shutdown; assumed for open models too")  # fmt: skip


def _of_staff(profile: Profile):
    yield ("staff_usd_per_hour", "dollars per hour of staff time", "usd/hour", 55, 99, 145,
           "US software developers in 2024: mean $144,570, 10th to 90th percentile $79,850-211,450 a year "
           "(BLS, via ler.me/occupations/software-developers), over 2,080 hours and 0.70 for benefits "
           "(BLS ECEC)")  # fmt: skip
    hours = {"none": (8, 20, 40), "expert": (2, 4, 10)}.get(profile.team_practice, (4, 8, 20))
    yield ("operations_hours_per_month", "hours a month to run your own model", "hours", *hours,
           JUDGEMENT)  # fmt: skip
    yield ("hosted_operations_hours_per_month", "hours a month to look after a hosted model", "hours",
           0.5, 1, 4, JUDGEMENT)  # fmt: skip
    yield ("prompting_setup_hours", "hours until prompts are right", "hours", 2, 8, 24, JUDGEMENT)
    yield ("tuning_setup_hours", "hours until tuning and serving are right", "hours", 8, 24, 80,
           JUDGEMENT)  # fmt: skip
    yield ("evaluation_hours", "hours of one evaluation, of prompts or of a model", "hours", 2, 4, 8,
           JUDGEMENT)  # fmt: skip


def _of_serving():
    yield ("replicas", "minimum number of copies, for availability", "replicas", 1, 1, 2, JUDGEMENT)
    yield ("utilisation", "planned load of a busy server, as a share of its throughput", "share",
           0.4, 0.6, 0.8, f"{JUDGEMENT}; in an M/M/1 queue, waiting grows as 1/(1-share): 1.7, 2.5, 5 "
           "times")  # fmt: skip
    yield ("concurrency", "requests that a server processes concurrently", "requests", 8, 32, 128,
           "johnmusgrave.com/p/vllm-throughput-latency-sweep-on: knee at 8, more throughput up to 64; "
           "yobitelcomm.github.io/bench: no gain above 16 on an H100")  # fmt: skip
    yield ("prefill_share", "share of the GPU's peak arithmetic while reading prompts", "share",
           0.25, 0.45, 0.75, "from the 0.25 to 0.7 of training, see `advisor size`; checked in docs/cost.md")  # fmt: skip
    yield ("decode_share", "share of the GPU's bandwidth while writing answers", "share",
           0.3, 0.55, 0.85, "johnmusgrave.com: 0.77 at one request on an A100; yobitelcomm.github.io/bench "
           "and databasemart.com/blog/vllm-gpu-benchmark-a40: less in batches")  # fmt: skip
    yield ("step_overhead_ms", "milliseconds to schedule and launch one step of a batch", "ms",
           0.3, 1, 3, f"{JUDGEMENT}; 1B models have been served at under 1 ms per token")  # fmt: skip
    yield ("adapter_share", "throughput with several adapters on one base, relative to the base", "share",
           0.4, 0.8, 1.0, "requests through an unmerged adapter take up to 2.5 times as long; value "
           "by judgement")  # fmt: skip
