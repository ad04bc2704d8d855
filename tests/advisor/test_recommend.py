"""Advice follows from facts: the six situations, one fact changed at a time, and the sums shown."""

import json

import pytest

import scenarios
from advisor.profiles import with_settings
from advisor.recommend import decide, family_of, recommend
from advisor.rules import CHOICES, RULES
from scenarios.errors import UserError
from scenarios.schema import Profile, Scenario

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


@pytest.mark.parametrize(("name", "family"), SIX.items())
def test_the_six_situations_are_answered_as_the_decision_framework_has_them(name, family):
    assert recommend(scenarios.load(name)).family == family


@pytest.mark.parametrize(("name", "family"), SIX.items())
def test_the_answer_does_not_hang_on_the_name_or_the_words(name, family):
    original = scenarios.load(name)
    renamed = Scenario(name="x", title="Prompt engineering, please", profile=original.profile)
    assert recommend(renamed).family == family
    assert recommend(renamed).scores == recommend(original).scores


@pytest.mark.parametrize(
    ("name", "changed", "family"),
    [
        ("specific-format", {"vocabulary": "specialised", "labelled_examples": 2000}, "fine_tune"),
        ("niche-domain", {"labelled_examples": 20}, "prompt"),
        ("writing-style", {"labelled_examples": 20}, "prompt"),
        ("limited-budget", {"labelled_examples": 5000, "team_practice": "some"}, "fine_tune"),
        ("critical-latency", {"labelled_examples": 60}, "prompt"),
        ("data-privacy", {"labelled_examples": 30}, "prompt"),
    ],
)
def test_other_facts_give_the_other_answer(name, changed, family):
    assert advise(name, **changed).family == family


def test_privacy_decides_where_a_model_runs_and_not_whether_it_is_tuned():
    private = advise("specific-format", data_may_leave="false")
    assert (private.family, private.placement) == ("prompt", "self-hosted")
    assert advise("data-privacy").placement == "self-hosted"
    assert advise("data-privacy", data_may_leave="true").placement == "either"


def test_a_model_whose_16_bit_weights_do_not_fit_is_tuned_in_4_bit():
    """8e9 x 2 bytes are 14.9 GiB: they leave room in 24 GiB, and none in 12."""
    assert advise("data-privacy").choice == "lora"
    assert advise("data-privacy", gpu_memory_gib=12).choice == "qlora"


def test_facts_that_change_are_looked_up():
    found = advise("specific-format", task_type="knowledge", knowledge_changes="daily",
                   format_strictness="loose")  # fmt: skip
    assert found.choice == "retrieval"
    assert advise("niche-domain", knowledge_changes="monthly").combine_with == ("retrieval",)


def test_where_nothing_is_known_nothing_is_claimed():
    found = recommend(Scenario(name="x", title="x"))
    assert (found.family, found.choice, found.confidence) == ("undecided", "undecided", "low")


def test_unknown_facts_widen_the_doubt():
    known, unknown = advise("niche-domain"), advise("niche-domain", team_practice="unknown")
    assert unknown.doubt > known.doubt


@pytest.mark.parametrize("name", scenarios.names())
def test_the_votes_add_up_to_the_scores(name):
    found = recommend(scenarios.load(name))
    for option in CHOICES:
        votes = [vote.weight for vote in found.votes if vote.option == option]
        assert found.scores[option] == sum(votes)


@pytest.mark.parametrize("name", scenarios.names())
def test_each_flip_really_flips_when_it_is_set(name):
    found = recommend(scenarios.load(name))
    assert found.flips_when
    for flip in found.flips_when:
        value = str(flip.to).lower() if isinstance(flip.to, bool) else str(flip.to)
        assert advise(name, **{flip.factor: value}).choice == flip.choice != found.choice


@pytest.mark.parametrize("name", scenarios.names())
def test_more_good_labels_never_lower_tuning_against_prompting(name):
    profile = scenarios.load(name).profile
    leads = []
    for labels in (0, 10, 49, 50, 149, 150, 499, 500, 5000, 10**6):
        scores = _decide(profile.model_copy(update={"labelled_examples": labels}))[1]
        leads.append(scores["lora"] - scores["prompt"])
    assert leads == sorted(leads)


def test_every_rule_speaks_of_some_profile_and_is_silent_on_another():
    profiles = [scenarios.load(name).profile for name in scenarios.names()] + [
        Profile(label_quality="poor", vocabulary="mixed", team_practice="expert"),
        Profile(task_type="knowledge", knowledge_changes="daily"),
    ]
    always = {"prompting-is-cheap-to-try", "adapters-before-full-tuning",
              "four-bits-where-memory-is-short"}  # fmt: skip
    spoken = [{vote.rule for vote in _decide(profile)[0]} for profile in profiles]
    for rule in RULES:
        assert any(rule.name in rules for rules in spoken), rule.name
        if rule.name not in always:
            assert not all(rule.name in rules for rules in spoken), rule.name


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_every_rule_has_a_source(rule):
    assert len(rule.source) > 10


def test_the_json_has_the_agreed_keys():
    found = json.loads(json.dumps(recommend(scenarios.load("sentiment")).to_json()))
    assert set(found) == {
        "schema_version", "scenario", "family", "choice", "combine_with", "placement", "scores",
        "votes", "p_tuning_better", "confidence", "runner_up", "flips_when", "recipe",
        "next_experiment", "forecasts",
    }  # fmt: skip
    assert set(found["votes"][0]) == {"rule", "option", "weight", "because", "source"}
    assert set(found["flips_when"][0]) == {"factor", "from", "to", "choice"}
    assert found["p_tuning_better"]["low"] < found["p_tuning_better"]["value"]
    assert found["next_experiment"] == "bench run sentiment"


def test_the_runner_up_is_the_best_of_the_other_family():
    for name in SIX:
        found = recommend(scenarios.load(name))
        assert family_of(found.runner_up) != found.family


def test_settings_that_are_no_facts_are_told():
    with pytest.raises(UserError, match="no factor named 'labels'"):
        with_settings(Profile(), {"labels": "3"})
    with pytest.raises(UserError, match="vocabulary: input should be 'general', 'mixed' or"):
        with_settings(Profile(), {"vocabulary": "odd"})
