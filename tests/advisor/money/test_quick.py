"""The recommender's quick forecasts of cost are those of `advisor cost`, with about its bounds."""

import subprocess
import sys
from datetime import date

import pytest

import scenarios
from advisor.decision.flips import nearest_first
from advisor.money import prices
from advisor.money.lines import lines
from advisor.money.options import plan_of
from advisor.money.quick import NO_MATTER_OF_COST, quick
from advisor.money.report import report
from tests.advisor.money.plans import TODAY
from tests.advisor.situations import random_profiles


def test_quick_prices_each_choice_of_the_recommender_without_staff():
    found = quick(scenarios.load("niche-domain").profile, today=TODAY)
    assert list(found) == ["prompt", "retrieval", "decision-api", "lora", "qlora", "full"]
    assert found["prompt"].monthly_usd.value == pytest.approx(4.34, abs=0.01)
    with_staff = quick(scenarios.load("niche-domain").profile, staff=True, today=TODAY)
    for choice, money in found.items():
        assert with_staff[choice].one_off_usd.value > money.one_off_usd.value
        for span in (money.one_off_usd, money.monthly_usd):
            assert 0 <= span.low <= span.value <= span.high


def test_quick_leaves_out_what_is_not_available():
    found = quick(scenarios.load("data-privacy").profile, today=TODAY)
    assert list(found) == ["prompt", "retrieval", "lora", "qlora"]


@pytest.mark.parametrize("name", ["niche-domain", "critical-latency", "writing-style"])
def test_quick_s_bounds_are_about_those_of_the_simulation(name):
    """In quadrature against 100,000 draws: the monthly bounds within a third of their distance."""
    scenario = scenarios.load(name)
    simulated = report(scenario, prices.catalog(TODAY)).options["self-hosted-lora"].monthly_usd
    plan = plan_of(scenario.profile, prices.catalog(TODAY))
    line = lines(plan, plan.values())["self-hosted-lora"]
    renewal = line.renewal / plan.values()["horizon_months"]
    near = quick(scenario.profile, staff=True, today=TODAY)["lora"].monthly_usd
    assert near.value - renewal == pytest.approx(simulated.value)
    assert near.high - near.value == pytest.approx(simulated.high - simulated.value, rel=0.34)
    assert near.value - near.low == pytest.approx(simulated.value - simulated.low, rel=0.34)


def test_quick_takes_no_numpy():
    code = ("import sys, scenarios\nfrom advisor.money.quick import quick\n"
            "quick(scenarios.load('niche-domain').profile)\n"
            "print(sorted({'numpy', 'torch', 'httpx2', 'ssl'} & set(sys.modules)))")  # fmt: skip
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("profile", list(random_profiles(15, seed=5)), ids=lambda profile: "")
def test_facts_that_do_not_affect_cost_change_no_forecast(profile):
    for fact in NO_MATTER_OF_COST:
        for value in nearest_first(fact, getattr(profile, fact))[:3]:
            changed = profile.model_copy(update={fact: value})
            plan = [plan_of(p, prices.catalog(date.today())) for p in (profile, changed)]
            assert plan[0].values() == plan[1].values()
            assert plan[0].left_out == plan[1].left_out
