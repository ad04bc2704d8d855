"""Situations to advise on: the six of the decision framework, changed facts, and random profiles."""

import random

import scenarios
from advisor.decision.flips import nearest_first
from advisor.decision.recommend import recommend
from advisor.profiles import with_settings
from scenarios.schema import Profile

SIX = {
    "specific-format": "prompt",
    "niche-domain": "fine_tune",
    "writing-style": "fine_tune",
    "limited-budget": "prompt",
    "critical-latency": "fine_tune",
    "data-privacy": "fine_tune",
}


def advise(name, **settings):
    scenario = scenarios.load(name)
    profile = with_settings(scenario.profile, {k: str(v) for k, v in settings.items()})
    return recommend(scenario.model_copy(update={"profile": profile}))


def random_profiles(count, seed=0):
    """Random profiles: each fact is unknown or has a random valid value."""
    draw = random.Random(seed)
    for _ in range(count):
        facts = {}
        for fact in Profile.model_fields:
            values = nearest_first(fact, None)
            if values and draw.random() < 0.6:
                facts[fact] = draw.choice(values)
        yield Profile(**facts)
