"""Every rule has a source, votes on some profiles and is silent on others."""

import pytest

from advisor.decision.decide import decide
from advisor.decision.rules import RULES
from scenarios.schema import Profile
from tests.advisor.situations import random_profiles

ALWAYS = {"an-index-is-work", "adapters-before-full-tuning", "four-bits-only-where-memory-is-short"}


def test_every_rule_votes_on_some_profile_and_not_on_another():
    spoken = [
        {vote.rule for vote in decide(profile).votes} for profile in random_profiles(400, seed=3)
    ]
    for rule in RULES:
        assert any(rule.name in rules for rules in spoken), rule.name
        assert all(rule.name in rules for rules in spoken) == (rule.name in ALWAYS), rule.name


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_every_rule_has_a_source(rule):
    assert len(rule.source) > 10


@pytest.mark.parametrize(("labels", "weight"), [(49, -6), (50, -1), (149, -1), (150, None)])
def test_49_labels_are_too_few_to_tune_on_50_are_few_and_150_are_enough(labels, weight):
    votes = decide(Profile(labelled_examples=labels)).votes
    found = [
        v.weight
        for v in votes
        if v.rule == "few-labels-belong-in-the-prompt" and v.option == "lora"
    ]
    assert found == ([] if weight is None else [weight])
