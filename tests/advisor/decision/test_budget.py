"""Budgets rule out what is forecast to cost more, and nothing else."""

import pytest

import scenarios
from advisor.decision.decide import decide
from advisor.decision.recommend import recommend
from advisor.decision.rules import CHOICES
from advisor.money.quick import expected
from tests.advisor.situations import advise, random_profiles


def test_no_option_over_budget_is_chosen_and_the_amounts_are_shown():
    """Your own server runs all month, for hundreds of dollars; the budget is twenty."""
    found = recommend(scenarios.load("limited-budget"))
    assert found.choice == "prompt"
    assert "a month" in found.decided.ruled_out["lora"]
    assert "$20" in found.decided.ruled_out["lora"]
    once, monthly = expected(found.scenario.profile)[found.choice]
    assert once <= 100
    assert monthly <= 20
    broke = advise("niche-domain", monthly_budget_usd=0.01)
    assert (broke.choice, broke.family) == ("undecided", "undecided")
    assert set(broke.decided.ruled_out) == set(CHOICES)


@pytest.mark.parametrize("budget", ["one_off_budget_usd", "monthly_budget_usd"])
def test_a_budget_rules_out_what_is_a_cent_above_it_and_nothing_that_is_equal_to_it(budget):
    profile = scenarios.load("limited-budget").profile
    spent = expected(profile)["prompt"][budget == "monthly_budget_usd"]
    for allowed, barred in ((spent, False), (spent - 0.01, True)):
        changed = profile.model_copy(update={budget: allowed})
        assert ("prompt" in decide(changed).ruled_out) == barred


@pytest.mark.parametrize("profile", list(random_profiles(60, seed=4)), ids=lambda profile: "")
def test_for_any_profile_what_is_chosen_is_within_the_budgets(profile):
    choice = decide(profile).choice
    budgets = profile.one_off_budget_usd, profile.monthly_budget_usd
    if choice != "undecided" and budgets != (None, None):
        for budget, spent in zip(budgets, expected(profile)[choice], strict=True):
            assert budget is None or spent <= budget
