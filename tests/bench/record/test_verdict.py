"""The verdict is drawn from the interval against the margin: yes, no, or can't tell yet."""

from dataclasses import replace

import pytest

import scenarios
from bench.core.plan import MODES
from bench.planning.make import make_plan
from bench.record.circumstances import Circumstances
from bench.record.verdict import curve_verdict, make_verdict
from bench.record.words import percent_of
from scenarios.rows import Example, Split

SPLIT = Split((Example("1", "x", "negative", "1"),) * 9, (), (), "d", {})
SCENARIO = scenarios.load("sentiment")  # its margin is 3 points


def verdict(
    low,
    high,
    prompt_ms=100.0,
    tuned_ms=50.0,
    prices=(None, None),
    target=None,
    models="MM",
    speeds=(None, None),
    reached=None,
    failed=(),
    earlier=(),
    looks=1,
    intervals=(None, None),
    forgotten=None,
    noise=0.0,
    seeds=1,
    planned=(),
    scope="this-model",
    **decision,
):
    """The verdict on an interval; `reached` are the arms' limits against a quality bar."""
    decision = SCENARIO.decision.model_copy(
        update={"latency_target_p95_ms": target, "looks": looks, **decision}
    )
    scenario = SCENARIO.model_copy(update={"decision": decision})
    plan = make_plan(scenario, SPLIT, MODES["quick"], 0, "M", seeds=planned)
    plan = replace(plan, trials=tuple(replace(t, label_noise=noise) for t in plan.trials))
    comparison = {
        "metric": "accuracy",
        "baseline": "few-shot", "challenger": "lora", "primary": True, "margin": 0.03,
        "difference": None if low is None else (low + high) / 2, "low": low, "high": high,
        "n": 300, "groups": 39, "discordant_share": 0.4, "reason": "they answer alike",
        "baseline_model": models[0], "model": models[1], "level": 0.95, "scope": scope,
        "arms": {side: dict(zip(("low", "high"), limits, strict=True))
                 for side, limits in zip(("prompt", "fine_tune"), reached or ((0, 1),) * 2, strict=True)},
    }  # fmt: skip
    arms = [
        {"name": name, "p95_latency_ms": ms, "usd_per_1000_requests": price, "setup_usd": setup,
         "machine_gflops": speed, "p95_latency_interval_ms": interval, "seeds": seeds}
        for name, ms, price, setup, speed, interval in zip(
            ("few-shot", "lora"), (prompt_ms, tuned_ms), prices, (1.0, 20.0), speeds, intervals,
            strict=True,
        )
    ]  # fmt: skip
    arms[1] |= {"forgetting": forgotten} if forgotten else {}
    return make_verdict(plan, arms, [comparison], Circumstances(300, 39, failed, earlier))


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


@pytest.mark.parametrize(
    ("enough", "more"),
    [(None, "larger"), (130.0, "about 2 min larger"), (9.0, "about 1 min larger")],
)
def test_what_a_budget_left_out_is_settled_by_a_larger_one(enough, more):
    plan = make_plan(SCENARIO, SPLIT, MODES["quick"], 0, "M")
    around = Circumstances(300, 39, left_out=["lora"], enough=enough)
    for found in (make_verdict(plan, [], [], around), curve_verdict(plan, [], around, None)):
        assert found["quality"]["sentence"].endswith("; the budget left out lora.")
        assert "--out" in found["quality"]["would_settle"]
        assert "--budget" in found["quality"]["would_settle"]
        assert more in found["quality"]["would_settle"]
        assert found["exploratory"] == "the budget left out lora"


def test_the_sentence_gives_the_gain_its_interval_and_the_rows():
    found = verdict(0.1552, 0.2982)["quality"]["sentence"]
    assert found == (
        "lora vs few-shot: accuracy +22.7 points (95% CI +15.5 to +29.8, n = 300), better by more than "
        "the 3-point margin."
    )


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
    assert "M, prompted and tuned, on 300 test rows" in verdict(0.1, 0.2)["scope"]
    two = verdict(0.1, 0.2, models=("Big", "Small"))["scope"]
    assert "Big prompted and Small tuned on 300 test rows" in two


def test_the_scope_counts_only_the_seeds_that_ended_well():
    assert "(1 training seed, " in verdict(0.1, 0.2)["scope"]
    assert "(3 training seeds, " in verdict(0.1, 0.2, planned=range(5), seeds=3)["scope"]
    assert "(5 training seeds, " in verdict(0.1, 0.2, planned=range(5), seeds=5)["scope"]


def test_the_scope_says_whether_it_holds_for_the_methods():
    assert "with these prompts and weights" in verdict(0.1, 0.2)["scope"]
    assert "for the methods" in verdict(0.1, 0.2, scope="this-method")["scope"]


def test_tuning_that_gains_less_than_the_margin_and_loses_less_is_called_alike():
    assert "isn't worse by that much" in verdict(-0.02, 0.02)["quality"]["sentence"]
    assert "tuning isn't worse by the margin" in verdict(-0.02, 0.05)["quality"]["sentence"]
    assert "prompting is better" in verdict(-0.2, -0.04)["quality"]["sentence"]


@pytest.mark.parametrize(
    ("reached", "answer"),
    [
        (((0.5, 0.6), (0.91, 0.95)), "fine_tune"),
        (((0.5, 0.6), (0.85, 0.95)), "cant_tell"),  # better, but is it good enough?
        (((0.5, 0.6), (0.70, 0.80)), "not_applicable"),  # neither is of use
        (((0.91, 0.95), (0.92, 0.97)), "fine_tune"),
        (((None, None), (0.92, 0.97)), "fine_tune"),
    ],
)
def test_a_bar_is_reached_by_the_lower_limit_and_missed_by_the_upper(reached, answer):
    found = verdict(0.04, 0.2, reached=reached, quality_bar=0.9)
    assert found["quality"]["answer"] == answer
    assert "bar of 90%" in found["quality"]["sentence"]


def test_where_the_margin_is_open_the_only_arm_that_reaches_the_bar_is_taken():
    found = verdict(-0.01, 0.2, reached=((0.6, 0.8), (0.91, 0.95)), quality_bar=0.9)
    assert found["quality"]["answer"] == "fine_tune"
    assert "Only fine-tuning reaches it" in found["quality"]["sentence"]


def test_a_failed_canary_withholds_the_verdict():
    canary = {"name": "groups apart", "passed": False, "sentence": "2 groups are in two parts"}
    found = verdict(0.1, 0.2, failed=[canary])
    assert found["quality"]["answer"] == found["overall"]["answer"] == "cant_tell"
    assert "failed: 2 groups are in two parts" in found["overall"]["sentence"]


def test_a_second_analysis_that_was_not_declared_is_exploratory():
    found = verdict(0.1, 0.2, earlier=["small-1 (40 test rows)"])
    assert found["overall"]["sentence"].startswith(f"Exploratory, since {found['exploratory']}. ")
    assert "small-1 (40 test rows)" in found["exploratory"]
    assert "looks = 1" in found["exploratory"]
    declared = verdict(0.1, 0.2, earlier=["small-1 (40 test rows)"], looks=2)
    assert declared["exploratory"] is None


def test_a_next_interim_analysis_that_was_declared_is_what_settles_it():
    assert (
        "interim analysis 2 of the 2 declared"
        in verdict(-0.01, 0.2, looks=2)["quality"]["would_settle"]
    )


def test_rows_of_a_next_interim_analysis_are_counted_at_its_own_level():
    """Its part is 4.443%: (2.0101 + 0.8416)^2 x 0.4563 / 0.03^2 = 4,124, and 95% would say 3,980."""
    found = verdict(-0.01, 0.2, looks=2)["overall"]["would_settle"]
    assert "about 4,124 independent test rows" in found
    assert "95.55%" in found


def test_the_bar_decides_at_the_level_of_the_interim_analysis_too():
    reached = ((0.6, 0.8), (0.91, 0.95))
    found = verdict(-0.01, 0.2, reached=reached, quality_bar=0.9, looks=2)["quality"]
    assert found["answer"] == "fine_tune"
    assert "99.44% CI, for this interim analysis" in found["sentence"]


def test_latency_cannot_be_compared_where_the_machine_changed_between_the_arms():
    """100 and 126 GFLOP/s are further apart than 1.25 times, 100 and 124 are not."""
    found = verdict(0.1, 0.2, target=60, speeds=(100.0, 126.0))["latency"]
    assert found["answer"] == "cant_tell"
    assert "speed changed" in found["sentence"]
    assert "100 and 126 GFLOP/s" in found["sentence"]
    assert "idle machine" in found["would_settle"]
    assert verdict(0.1, 0.2, target=60, speeds=(100.0, 124.0))["latency"]["answer"] == "fine_tune"
    assert "speed changed" in verdict(0.1, 0.2, speeds=(100.0, 126.0))["latency"]["sentence"]


def test_latency_is_decided_by_the_interval_of_the_p95():
    inside = verdict(0.1, 0.2, target=60, intervals=((90, 120), (45, 65)))
    assert inside["latency"]["answer"] == "cant_tell"
    apart = verdict(0.1, 0.2, target=60, intervals=((90, None), (45, 55)))
    assert apart["latency"]["answer"] == "fine_tune"


def test_cost_over_a_horizon_counts_the_set_up():
    """$0.02 and $0.01 a thousand: 12 months of 50,000 cost 12 + 1 and 6 + 20; of 500,000 121 and 80."""
    few = verdict(0.1, 0.2, prices=(0.02, 0.01), requests_per_month=50_000, horizon_months=12.0)
    assert few["cost"]["answer"] == "prompt"
    assert "$13.00" in few["cost"]["sentence"]
    assert "$26.00" in few["cost"]["sentence"]
    many = verdict(0.1, 0.2, prices=(0.02, 0.01), requests_per_month=500_000, horizon_months=12.0)
    assert many["cost"]["answer"] == "fine_tune"


def test_the_scope_gives_the_command_that_would_test_another_model():
    scope = verdict(0.1, 0.2)["scope"]
    assert "`bench run sentiment --quick --only few-shot@MODEL,lora --model PATH/TO/M`" in scope


@pytest.mark.parametrize(
    ("level", "percent"),
    [(0.95, "95"), (0.9936, "99.36"), (0.999988, "99.99"), (0.9999999, "99.99")],
)
def test_no_level_is_rounded_up_to_certainty(level, percent):
    assert percent_of(level) == percent


def test_an_analysis_beyond_those_that_were_declared_is_exploratory():
    runs = ["small-1 (40 test rows)", "small-2 (60 test rows)"]
    assert "looks = 2" in verdict(0.1, 0.2, earlier=runs, looks=2)["exploratory"]


LOST = {"status": "done", "beyond_noise": True, "base_followed": 40.0, "lost": 12.0, "gained": 1.0,
        "p_value": 0.0004}  # fmt: skip


def test_what_was_forgotten_beyond_noise_is_said_after_the_gain():
    found = verdict(0.1, 0.2, forgotten=LOST)
    assert found["overall"]["answer"] == "fine_tune"
    gained = found["quality"]["sentence"]
    assert found["overall"]["sentence"].startswith(gained)
    lost = found["overall"]["sentence"].removeprefix(gained)
    assert all(part in lost for part in ("lora", "40", "12", "0.001"))
    assert "forgot" not in gained


def test_a_loss_within_noise_or_one_that_was_not_measured_is_not_mentioned():
    for forgotten in (None, LOST | {"beyond_noise": False}, {"status": "skipped", "reason": "x"}):
        assert "forgot" not in verdict(0.1, 0.2, forgotten=forgotten)["overall"]["sentence"]


def test_labels_that_were_made_wrong_make_a_verdict_exploratory():
    found = verdict(0.1, 0.2, noise=0.2)
    assert found["exploratory"] == "20% of the training labels were made wrong on purpose"
    assert found["quality"]["sentence"].startswith("Exploratory, since 20% of the training labels")


@pytest.mark.parametrize(
    ("only", "absent"),
    [(("lora",), "no prompting arm"), (("few-shot",), "no tuning arm"),
     (("embeddings",), "no prompting arm and no tuning arm")],
)  # fmt: skip
def test_a_run_without_an_arm_of_a_side_says_which(only, absent):
    plan = make_plan(SCENARIO, SPLIT, MODES["quick"], 0, "M", only)
    found = make_verdict(plan, [], [], Circumstances(300, 37))
    assert f"the run has {absent}." in found["quality"]["sentence"]
    assert "--only" in found["quality"]["would_settle"]
