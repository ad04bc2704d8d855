"""Advice follows from facts: the six situations, one fact changed at a time, and the sums shown."""

import json
import random
from datetime import date

import pytest

import scenarios
from advisor.decision.recommend import (
    MONEY,
    decide,
    family_of,
    nearest_first,
    recommend,
    unknown_facts,
)
from advisor.decision.rules import CHOICES, RULES, TUNING
from advisor.money import lines as cost
from advisor.money import prices
from advisor.money.options import plan_of
from advisor.profiles import with_settings
from scenarios.errors import UserError
from scenarios.schema import Profile, Scenario
from tests.advisor.readers import READERS

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
    """Profiles with each fact unknown or at some value that it may have, by chance."""
    draw = random.Random(seed)
    for _ in range(count):
        facts = {}
        for fact in Profile.model_fields:
            values = nearest_first(fact, None)
            if values and draw.random() < 0.6:
                facts[fact] = draw.choice(values)
        yield Profile(**facts)


@pytest.mark.parametrize(("name", "family"), SIX.items())
def test_the_six_situations_are_answered_as_the_decision_framework_has_them(name, family):
    assert recommend(scenarios.load(name)).family == family


@pytest.mark.parametrize(
    ("name", "facts", "choice", "beside", "why"), READERS, ids=lambda v: str(v)[:40]
)
def test_readers_recognise_their_own_case(name, facts, choice, beside, why):
    found = recommend(Scenario(name="x", title=name, profile=Profile(**facts)))
    assert (found.choice, found.combine_with) == (choice, beside), why


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


def test_a_model_whose_16_bit_weights_do_not_fit_is_tuned_in_4_bit():
    """8e9 x 2 bytes are 14.9 GiB: they leave room in 24 GiB, and none in 12."""
    assert advise("data-privacy").choice == "lora"
    assert advise("data-privacy", gpu_memory_gib=12).choice == "qlora"


def test_what_does_not_fit_the_house_is_ruled_out_only_where_the_data_must_stay():
    """Elsewhere a larger GPU is rented: it speaks against, and rules nothing out."""
    inside, outside = advise("data-privacy", gpu_memory_gib=12), advise(
        "data-privacy", gpu_memory_gib=12, data_may_leave="true")  # fmt: skip
    assert "GiB" in inside.decided.ruled_out["lora"]
    assert outside.decided.ruled_out == {}
    assert {"memory-at-hand-is-short"} <= {vote.rule for vote in outside.votes}


@pytest.mark.parametrize("memory", [0, 1])
def test_a_house_that_can_run_no_model_is_told_that_nothing_is_possible(memory):
    """8B in 4 bits take 4.1 GiB; there are 0 or 1, and the data may not leave."""
    found = advise("data-privacy", gpu_memory_gib=memory)
    assert found.choice == "undecided"
    assert set(found.decided.ruled_out) == set(CHOICES)
    assert "GiB in 4 bits" in found.decided.ruled_out["prompt"]


def test_a_small_model_needs_no_gpu_to_be_prompted():
    found = advise("data-privacy", gpu_memory_gib=0, largest_own_model_billion_parameters=1)
    assert "prompt" not in found.decided.ruled_out


@pytest.mark.parametrize("fact", ["largest_own_model_billion_parameters", "latency_target_p95_ms"])
@pytest.mark.parametrize("value", ["1e300", "1e-300", "0", "nan"])
def test_values_that_nothing_has_are_refused(fact, value):
    with pytest.raises(UserError, match=fact):
        with_settings(Profile(), {fact: value})


def test_memory_and_money_are_of_the_same_model():
    ahead = advise("niche-domain", own_model="Qwen/Qwen2.5-1.5B").forecasts
    assert (ahead.own_model, round(ahead.billion_parameters, 1)) == ("Qwen/Qwen2.5-1.5B", 1.5)
    recipe = advise("niche-domain", own_model="Qwen/Qwen2.5-1.5B").recipe
    assert recipe[0].value == 1.5


def test_of_a_limit_that_is_unknown_the_loosest_that_changes_the_choice_is_told():
    """LoRA's server costs hundreds of dollars a month: 500 are too few, and 1 tells nothing."""
    found = {f.factor: f.to for f in recommend(scenarios.load("niche-domain")).flips_when}
    assert 100 <= found["monthly_budget_usd"] <= 1000


def test_no_option_above_a_budget_is_chosen_and_the_sums_are_told():
    """A server of one's own runs all month: hundreds of dollars, and twenty may be spent."""
    found = recommend(scenarios.load("limited-budget"))
    assert found.choice == "prompt"
    assert found.decided.ruled_out["lora"].endswith("a month, and $20 may be spent")
    once, monthly = cost.expected(found.scenario.profile)[found.choice]
    assert once <= 100
    assert monthly <= 20
    broke = advise("niche-domain", monthly_budget_usd=0.01)
    assert (broke.choice, broke.family) == ("undecided", "undecided")
    assert set(broke.decided.ruled_out) == set(CHOICES)


@pytest.mark.parametrize("budget", ["one_off_budget_usd", "monthly_budget_usd"])
def test_a_budget_bars_what_is_a_cent_above_it_and_nothing_that_is_on_it(budget):
    profile = scenarios.load("limited-budget").profile
    spent = cost.expected(profile)["prompt"][budget == "monthly_budget_usd"]
    for allowed, barred in ((spent, False), (spent - 0.01, True)):
        changed = profile.model_copy(update={budget: allowed})
        assert ("prompt" in decide(changed).ruled_out) == barred


@pytest.mark.parametrize("profile", list(random_profiles(60, seed=4)), ids=lambda profile: "")
def test_of_any_profile_what_is_chosen_is_within_the_budgets(profile):
    choice = decide(profile).choice
    budgets = profile.one_off_budget_usd, profile.monthly_budget_usd
    if choice != "undecided" and budgets != (None, None):
        for budget, spent in zip(budgets, cost.expected(profile)[choice], strict=True):
            assert budget is None or spent <= budget


@pytest.mark.parametrize("profile", list(random_profiles(15, seed=5)), ids=lambda profile: "")
def test_facts_that_are_no_matter_of_cost_change_no_forecast(profile):
    for fact in cost.NO_MATTER_OF_COST:
        for value in nearest_first(fact, getattr(profile, fact))[:3]:
            changed = profile.model_copy(update={fact: value})
            plan = [plan_of(p, prices.catalog(date.today())) for p in (profile, changed)]
            assert plan[0].values() == plan[1].values()
            assert plan[0].left_out == plan[1].left_out


def test_what_it_takes_is_told_for_the_choice_and_its_alternative():
    found = recommend(scenarios.load("niche-domain"))
    ahead = found.forecasts
    assert ahead.money["lora"].monthly_usd.low < ahead.money["lora"].monthly_usd.value
    assert found.to_json()["forecasts"]["cost"]["prompt"]["monthly_usd"]["value"] > 0
    assert recommend(Scenario(name="x", title="x")).to_json()["forecasts"]["cost"] is None


def test_facts_that_change_are_looked_up():
    found = advise("specific-format", task_type="knowledge", knowledge_changes="daily",
                   format_strictness="loose")  # fmt: skip
    assert found.choice == "retrieval"
    assert advise("niche-domain", knowledge_changes="monthly").combine_with == ("retrieval",)


def test_facts_that_change_do_not_decide_between_a_prompt_and_a_tuned_model():
    """The index is wanted beside either, and as much work beside either: 4 - 1 against 3."""
    for name in SIX:
        still, moving = (
            advise(name, knowledge_changes="never"),
            advise(name, knowledge_changes="daily"),
        )
        assert moving.scores["retrieval"] - moving.scores["lora"] == pytest.approx(
            still.scores["retrieval"] + 1 - still.scores["lora"])  # fmt: skip


def test_where_nothing_is_known_nothing_is_claimed():
    found = recommend(Scenario(name="x", title="x"))
    assert (found.family, found.choice, found.confidence) == ("undecided", "undecided", "low")


def test_each_unknown_fact_widens_the_doubt():
    profile = scenarios.load("niche-domain").profile
    doubts = [decide(profile).doubt]
    for fact in [
        f for f in Profile.model_fields if f not in MONEY and f not in unknown_facts(profile)
    ]:
        profile = profile.model_copy(update={fact: None})
        doubts.append(decide(profile).doubt)
    assert doubts == sorted(set(doubts))
    assert doubts[-1] == 2.0


@pytest.mark.parametrize("profile", list(random_profiles(60)), ids=lambda profile: "")
def test_of_any_profile_votes_add_up_and_no_ruled_out_option_is_chosen(profile):
    found = recommend(Scenario(name="x", title="x", profile=profile))
    for option in CHOICES:
        votes = [vote.weight for vote in found.votes if vote.option == option]
        assert found.scores[option] == pytest.approx(sum(votes), abs=1e-6)
    assert found.choice not in found.decided.ruled_out
    assert not set(found.combine_with) & set(found.decided.ruled_out)
    if profile.data_may_leave is False:
        assert found.placement == "self-hosted"
    if profile.labels_may_train is False or profile.base_licence_fits is False:
        assert found.family != "fine_tune"
    p = found.p_tuning_better
    assert 0 < p.low <= p.value <= p.high < 1
    json.dumps(found.to_json(), allow_nan=False)


@pytest.mark.parametrize("profile", list(random_profiles(25, seed=1)), ids=lambda profile: "")
def test_of_any_profile_each_flip_really_flips_when_it_is_set(profile):
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


ALWAYS = {"an-index-is-work", "adapters-before-full-tuning", "four-bits-only-where-memory-is-short"}


def test_every_rule_speaks_of_some_profile_and_is_silent_on_another():
    spoken = [
        {vote.rule for vote in decide(profile).votes} for profile in random_profiles(400, seed=3)
    ]
    for rule in RULES:
        assert any(rule.name in rules for rules in spoken), rule.name
        assert all(rule.name in rules for rules in spoken) == (rule.name in ALWAYS), rule.name


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_every_rule_has_a_source(rule):
    assert len(rule.source) > 10


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


def test_a_recipe_comes_with_advice_to_tune_alone_and_each_setting_has_its_source():
    assert recommend(scenarios.load("specific-format")).recipe == ()
    for name in ("niche-domain", "critical-latency"):
        found = recommend(scenarios.load(name)).recipe
        assert {"base_billion_parameters", "rank", "targets", "learning_rate", "epochs", "batch",
                "warm_up_share", "more_labels", "share_set_aside"} <= {a.setting for a in found}  # fmt: skip
        assert all(len(a.source) > 5 and a.because for a in found)


def test_a_recipe_counts_the_labels_that_are_missing():
    """12 classes x 50 labels are 600, and 500 are there: 100 more."""
    found = {a.setting: a.value for a in advise("critical-latency", labelled_examples=500).recipe}
    assert found["more_labels"] == 100


def test_all_wrong_settings_are_told_at_once():
    with pytest.raises(UserError) as told:
        with_settings(Profile(), {"clases": "3", "vocabulary": "odd", "labelled_examples": "-1"})
    for part in (
        "no factor named 'clases'; did you mean 'classes'?",
        "vocabulary",
        "labelled_examples",
    ):
        assert part in str(told.value)


def test_a_scenario_with_rows_of_ones_own_is_run_by_its_file():
    """A bare name is one of ours; the user's is a file."""
    ours = scenarios.load("sentiment")
    rows = ours.task.rows.model_copy(update={"path": "rows.csv"})
    task = ours.task.model_copy(update={"rows": rows})
    own = ours.model_copy(update={"name": "tickets", "task": task})
    assert recommend(own).next_experiment == "bench run ./tickets.toml"
