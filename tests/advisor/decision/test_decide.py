"""Votes add up to a choice, and how sure it is follows from what is known."""

import pytest

import scenarios
from advisor.decision.decide import MONEY, decide, unknown_facts
from advisor.decision.recommend import recommend
from advisor.decision.rules import TUNING
from scenarios.schema import Profile, Scenario
from tests.advisor.situations import random_profiles


def test_where_nothing_is_known_nothing_is_claimed():
    found = recommend(Scenario(name="x", title="x"))
    assert (found.family, found.choice, found.confidence) == ("undecided", "undecided", "low")


def test_each_unknown_fact_increases_the_uncertainty():
    profile = scenarios.load("niche-domain").profile
    doubts = [decide(profile).doubt]
    for fact in [
        f for f in Profile.model_fields if f not in MONEY and f not in unknown_facts(profile)
    ]:
        profile = profile.model_copy(update={fact: None})
        doubts.append(decide(profile).doubt)
    assert doubts == sorted(set(doubts))
    assert doubts[-1] == 2.0


@pytest.mark.parametrize(
    "profile", [*random_profiles(40, seed=2), Profile()], ids=lambda profile: ""
)
def test_more_good_labels_never_lower_tuning_against_prompting(profile):
    leads = []
    for labels in (0, 1, 10, 49, 50, 149, 150, 499, 500, 5000, 10**5, 10**6):
        changed = profile.model_copy(update={"labelled_examples": labels, "label_quality": "good"})
        scores = decide(changed).scores
        leads.append(max(scores[o] for o in TUNING) - max(scores["prompt"], scores["retrieval"]))
    assert leads == pytest.approx(sorted(leads))
