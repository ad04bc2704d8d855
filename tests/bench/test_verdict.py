"""The verdict is drawn from the interval against the margin: yes, no, or can't tell yet."""

import pytest

import scenarios
from bench.plan import MODES, make_plan
from bench.verdict import make_verdict
from scenarios.rows import Example, Split

SPLIT = Split((Example("1", "x", "negative", "1"),) * 9, (), (), "d", {})
SCENARIO = scenarios.load("sentiment")  # its margin is 3 points


def verdict(
    low, high, prompt_ms=100.0, tuned_ms=50.0, prices=(None, None), target=None, models="MM"
):
    decision = SCENARIO.decision.model_copy(update={"latency_target_p95_ms": target})
    scenario = SCENARIO.model_copy(update={"decision": decision})
    plan = make_plan(scenario, SPLIT, MODES["quick"], 0, "M")
    comparison = {
        "metric": "accuracy",
        "baseline": "few-shot", "challenger": "lora", "primary": True, "margin": 0.03,
        "difference": None if low is None else (low + high) / 2, "low": low, "high": high,
        "n": 300, "groups": 39, "discordant_share": 0.4, "reason": "they answer alike",
        "baseline_model": models[0], "model": models[1],
    }  # fmt: skip
    arms = [
        {"name": name, "p95_latency_ms": ms, "usd_per_1000_requests": price}
        for name, ms, price in zip(("few-shot", "lora"), (prompt_ms, tuned_ms), prices, strict=True)
    ]
    return make_verdict(plan, scenario, arms, [comparison], 300)


@pytest.mark.parametrize(
    ("low", "high", "answer"),
    [
        (0.031, 0.2, "fine_tune"),
        (0.03, 0.2, "cant_tell"),  # the margin itself is not beaten
        (-0.1, 0.03, "cant_tell"),
        (-0.1, 0.029, "prompt"),
        (-0.01, 0.2, "cant_tell"),
        (None, None, "cant_tell"),
    ],
)
def test_the_interval_decides_against_the_margin(low, high, answer):
    found = verdict(low, high)
    assert found["quality"]["answer"] == found["overall"]["answer"] == answer


def test_cant_tell_says_how_many_rows_would_settle_it():
    """Wilson's upper limit of 120 of 300 is 0.4563; (1.96 + 0.8416)^2 x 0.4563 / 0.03^2 = 3,980."""
    assert "about 3,980 independent test rows" in verdict(-0.01, 0.2)["overall"]["would_settle"]


def test_a_better_arm_that_is_too_slow_can_not_be_chosen():
    found = verdict(0.1, 0.2, prompt_ms=50, tuned_ms=150, target=100)
    assert found["latency"]["answer"] == "prompt"
    assert found["overall"]["answer"] == "cant_tell"


def test_latency_without_a_target_or_met_by_both_does_not_apply():
    assert verdict(0.1, 0.2)["latency"]["answer"] == "not_applicable"
    assert verdict(0.1, 0.2, target=200)["latency"]["answer"] == "not_applicable"
    assert verdict(0.1, 0.2, target=60)["latency"]["answer"] == "fine_tune"


def test_cost_is_judged_only_with_a_price():
    assert verdict(0.1, 0.2)["cost"]["answer"] == "not_applicable"
    assert verdict(0.1, 0.2, prices=(0.02, 0.01))["cost"]["answer"] == "fine_tune"


def test_the_scope_names_the_models_and_the_rows():
    assert "speaks of M, prompted and tuned, on 300 test rows" in verdict(0.1, 0.2)["scope"]
    two = verdict(0.1, 0.2, models=("Big", "Small"))["scope"]
    assert "speaks of Big prompted and Small tuned on 300 test rows" in two
