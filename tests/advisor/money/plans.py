"""A profile whose every number is stated, the plan that is made of it, and one option's line."""

from datetime import date

from advisor.money import prices
from advisor.money.lines import lines
from advisor.money.options import plan_of
from scenarios.schema import Profile

TODAY = date(2026, 11, 24)


FACTS = {
    "task_type": "classification", "labelled_examples": 1000, "requests_per_month": 20_000,
    "peak_to_mean_load": 2, "prompt_tokens": 1000, "completion_tokens": 100, "horizon_months": 12,
    "demonstrations": 5, "labelling_usd_per_example": 0.5, "retrain_every_months": 6,
    "base_model_lasts_months": 24, "operations_hours_per_month": 10, "staff_usd_per_hour": 100,
    "replicas": 1, "utilisation": 0.5, "training_rows": 1200, "evaluation_rows": 300,
    "training_trials": 4, "evaluation_hours": 2, "prompting_setup_hours": 8, "tuning_setup_hours": 24,
    "hosted_model": "gpt-4.1-mini", "own_model": "Qwen/Qwen2.5-7B-Instruct",
}  # fmt: skip


def plan_with(**changed):
    return plan_of(Profile(**{**FACTS, **changed}), prices.catalog(TODAY))


def line_of(option, values=None, **changed):
    plan = plan_with(**changed)
    return lines(plan, {**plan.values(), **(values or {})})[option]
