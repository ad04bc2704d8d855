"""What would change the recommendation is the nearest value that does, and it really does."""

import pytest

import scenarios
from advisor.decision.decide import decide
from advisor.decision.flips import nearest_first
from advisor.decision.recommend import recommend
from advisor.profiles import with_settings
from scenarios.schema import Scenario
from tests.advisor.situations import random_profiles


@pytest.mark.parametrize("profile", list(random_profiles(25, seed=1)), ids=lambda profile: "")
def test_for_any_profile_each_flip_changes_the_choice_when_it_is_set(profile):
    scenario = Scenario(name="x", title="x", profile=profile)
    found = recommend(scenario)
    for flip in found.flips_when:
        value = str(flip.to).lower() if isinstance(flip.to, bool) else str(flip.to)
        other = decide(with_settings(profile, {flip.factor: value}))
        assert other.choice == flip.choice != found.choice


@pytest.mark.parametrize("name", scenarios.names())
def test_each_flip_of_a_scenario_is_the_nearest_of_its_values(name):
    found = recommend(scenarios.load(name))
    assert found.flips_when
    for flip in found.flips_when:
        for nearer in nearest_first(flip.factor, flip.from_):
            if nearer == flip.to:
                break
            changed = found.scenario.profile.model_copy(update={flip.factor: nearer})
            assert decide(changed).choice == found.choice


def test_for_an_unknown_limit_the_loosest_value_that_changes_the_choice_is_shown():
    """LoRA's server costs hundreds of dollars a month: 500 are too few, and 1 would say nothing."""
    found = {f.factor: f.to for f in recommend(scenarios.load("niche-domain")).flips_when}
    assert 100 <= found["monthly_budget_usd"] <= 1000
