"""Advice follows from facts: the six situations, one fact changed at a time, and the sums shown."""

import json

import pytest

import scenarios
from advisor.decision.decide import family_of
from advisor.decision.recommend import recommend
from advisor.decision.rules import CHOICES
from scenarios.schema import Profile, Scenario
from tests.advisor.readers import READERS
from tests.advisor.situations import SIX, advise, random_profiles


@pytest.mark.parametrize(("name", "family"), SIX.items())
def test_the_six_situations_are_answered_as_the_decision_framework_has_them(name, family):
    assert recommend(scenarios.load(name)).family == family


@pytest.mark.parametrize(
    ("name", "facts", "choice", "companions", "why"), READERS, ids=lambda v: str(v)[:40]
)
def test_readers_recognise_their_own_case(name, facts, choice, companions, why):
    found = recommend(Scenario(name="x", title=name, profile=Profile(**facts)))
    assert (found.choice, found.combine_with) == (choice, companions), why


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
        ("limited-budget", {"labelled_examples": 5000, "requests_per_month": 2_000_000,
                            "team_practice": "some", "monthly_budget_usd": "unknown"}, "fine_tune"),
        ("critical-latency", {"labelled_examples": 40}, "prompt"),
        ("data-privacy", {"labelled_examples": 30}, "prompt"),
        ("niche-domain", {"labels_may_train": "false"}, "prompt"),
        ("writing-style", {"base_licence_fits": "false"}, "prompt"),
    ],
)  # fmt: skip
def test_other_facts_give_the_other_answer(name, changed, family):
    assert advise(name, **changed).family == family


def test_privacy_decides_where_a_model_runs_and_not_whether_it_is_tuned():
    private = advise("specific-format", data_may_leave="false")
    assert (private.family, private.placement) == ("prompt", "self-hosted")
    assert advise("data-privacy").placement == "self-hosted"
    assert advise("data-privacy", data_may_leave="true").placement == "either"


def test_memory_and_money_are_of_the_same_model():
    ahead = advise("niche-domain", own_model="Qwen/Qwen2.5-1.5B").forecasts
    assert (ahead.own_model, round(ahead.billion_parameters, 1)) == ("Qwen/Qwen2.5-1.5B", 1.5)
    recipe = advise("niche-domain", own_model="Qwen/Qwen2.5-1.5B").recipe
    assert recipe[0].value == 1.5


def test_what_it_takes_is_shown_for_the_choice_and_its_alternative():
    found = recommend(scenarios.load("niche-domain"))
    ahead = found.forecasts
    assert ahead.money["lora"].monthly_usd.low < ahead.money["lora"].monthly_usd.value
    assert found.to_json()["forecasts"]["cost"]["prompt"]["monthly_usd"]["value"] > 0
    assert recommend(Scenario(name="x", title="x")).to_json()["forecasts"]["cost"] is None


def test_facts_that_change_are_retrieved():
    found = advise("specific-format", task_type="knowledge", knowledge_changes="daily",
                   format_strictness="loose")  # fmt: skip
    assert found.choice == "retrieval"
    assert advise("niche-domain", knowledge_changes="monthly").combine_with == ("retrieval",)


def test_facts_that_change_do_not_decide_between_a_prompt_and_a_tuned_model():
    """Either needs the index, which is the same amount of work for both: 4 - 1 vs 3."""
    for name in SIX:
        still, moving = (
            advise(name, knowledge_changes="never"),
            advise(name, knowledge_changes="daily"),
        )
        assert moving.scores["retrieval"] - moving.scores["lora"] == pytest.approx(
            still.scores["retrieval"] + 1 - still.scores["lora"])  # fmt: skip


@pytest.mark.parametrize("profile", list(random_profiles(60)), ids=lambda profile: "")
def test_for_any_profile_votes_add_up_and_no_ruled_out_option_is_chosen(profile):
    found = recommend(Scenario(name="x", title="x", profile=profile))
    for option in CHOICES:
        votes = [vote.weight for vote in found.votes if vote.option == option]
        assert found.scores[option] == pytest.approx(sum(votes), abs=1e-6)
    assert found.choice not in found.decided.ruled_out
    assert not set(found.combine_with) & set(found.decided.ruled_out)
    p = found.p_tuning_better
    assert 0 < p.low <= p.value <= p.high < 1
    json.dumps(found.to_json(), allow_nan=False)


def recommended(*facts):
    """The recommendations for those of the random profiles in which one of some facts is false."""
    profiles = [p for p in random_profiles(60) if any(getattr(p, fact) is False for fact in facts)]
    assert len(profiles) > 5
    return [recommend(Scenario(name="x", title="x", profile=profile)) for profile in profiles]


def test_data_that_may_not_leave_are_served_in_house():
    found = recommended("data_may_leave")
    assert {each.placement for each in found} == {"self-hosted"}


def test_nothing_is_tuned_where_the_labels_or_the_licence_forbid_it():
    found = recommended("labels_may_train", "base_licence_fits")
    assert "fine_tune" not in {each.family for each in found}


def test_the_json_has_the_agreed_keys():
    found = json.loads(json.dumps(recommend(scenarios.load("niche-domain")).to_json()))
    assert {
        "schema_version", "scenario", "family", "choice", "combine_with", "placement", "scores",
        "votes", "p_tuning_better", "confidence", "runner_up", "flips_when", "recipe",
        "next_experiment", "forecasts", "ruled_out", "evidence", "unknown",
    } <= set(found)  # fmt: skip
    assert set(found["votes"][0]) == {"rule", "option", "weight", "because", "source"}
    assert set(found["flips_when"][0]) == {"factor", "from", "to", "choice"}
    assert found["p_tuning_better"]["low"] < found["p_tuning_better"]["value"]
    assert found["recipe"]["alpha"]["value"] == 2 * found["recipe"]["rank"]["value"]


def test_a_runnable_scenario_is_settled_by_one_command():
    assert recommend(scenarios.load("sentiment")).next_experiment == "bench run sentiment"


def test_the_runner_up_is_the_best_of_the_other_family():
    for name in SIX:
        found = recommend(scenarios.load(name))
        assert family_of(found.runner_up) != found.family


def test_a_scenario_with_the_user_s_rows_is_run_by_its_file():
    """A bare name is a built-in scenario; the user's is a file."""
    ours = scenarios.load("sentiment")
    rows = ours.task.rows.model_copy(update={"path": "rows.csv"})
    task = ours.task.model_copy(update={"rows": rows})
    own = ours.model_copy(update={"name": "tickets", "task": task})
    assert recommend(own).next_experiment == "bench run ./tickets.toml"
