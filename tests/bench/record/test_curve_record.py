"""What a curve's record says in words, and which of its points count."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

import scenarios
from advisor.money.assumptions import assumed
from bench.metrics import load_metric
from bench.record.curve import Arm, _crossover, _why_none, sentence
from scenarios.schema import Profile
from tests.reports import records


def told(answer, after, at_most, share, **more):
    shares = [{"after": after, "at_most": at_most, "share": share},
              {"after": 64, "at_most": None, "share": 1 - share}]  # fmt: skip
    place = {"after": after, "at_most": at_most}
    return sentence(
        {"answer": answer, "after": after, "at_most": at_most, "share": share, "shares": shares,
         "low": place, "high": place, "challenger": "lora", "prompts": ["zero-shot", "few-shot"],
         "sizes": [16, 32, 64], "seeds": [0, 1, 2], "margin": 0.03, "reason": None} | more
    )  # fmt: skip


BEHIND = "of the resamples of test rows and 3 seeds"


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (told("from_the_smallest", None, 16, 0.99),
         f"lora is ahead of zero-shot, few-shot by more than 3 points from the smallest size of 16 "
         f"labelled rows on (99.0 % {BEHIND})."),
        (told("bracket", 16, 32, 0.8, high={"after": 32, "at_most": 64}),
         f"lora is ahead of zero-shot, few-shot by more than 3 points from somewhere above 16 and up to "
         f"32 labelled rows on (80.0 % {BEHIND}; 95 % of them lie from 32 to 64)."),
        (told("bracket", None, 16, 0.8),
         f"lora is ahead of zero-shot, few-shot by more than 3 points, most likely from 16 labelled rows, "
         f"the smallest size, on (80.0 % {BEHIND})."),
        (told("cant_tell", 16, 32, 0.6),
         f"Can't tell: whether lora is ahead of zero-shot, few-shot by more than 3 points at 64 labelled "
         f"rows holds in 60.0 % {BEHIND}, and 97.5 % would be needed, for or against."),
    ],
)  # fmt: skip
def test_each_answer_in_words(found, said):
    assert found == said


def test_not_reached_names_the_largest_size():
    found = told(
        "not_reached", 64, None, 0.99, shares=[{"at_most": None, "share": 0.99}], seeds=[0]
    )
    assert found == (
        "Not reached with these rows: at 64 labelled rows lora isn't ahead of zero-shot, few-shot by more "
        "than 3 points (99.0 % of the resamples of test rows; one draw of labelled rows, and speaks of no "
        "other draw)."
    )


def test_with_two_draws_it_speaks_of_these_alone_and_with_three_of_more():
    assert "2 seeds, and speaks of no other draws)" in told("bracket", 16, 32, 0.8, seeds=[0, 1])
    assert "other draw" not in told("bracket", 16, 32, 0.8)


@pytest.mark.parametrize(
    ("groups", "reason"),
    [
        (4, "4 groups are too few to resample"),
        (12, "only 0 of 12 groups hold an error or a difference, and a bootstrap needs 5"),
    ],
)
def test_no_crossover_where_too_few_groups_tell_the_arms_apart(groups, reason):
    """Both arms answer every row alike, or come from four groups: no share of resamples is believed."""
    gold = np.array(["a", "b"] * 12)
    answers = {(0, size): gold.copy() for size in (8, 16)}
    tuned = Arm("lora", "fine_tune", "m", answers, {key: {"looked_through": 16} for key in answers})
    prompt = Arm("few-shot", "prompt", "m", dict(answers), {})
    if groups == 4:
        prompt = replace(prompt, predicted={key: gold[::-1].copy() for key in answers})
    plan = SimpleNamespace(seed=0, curve=SimpleNamespace(seeds=[0]))
    scenario = scenarios.load("sentiment")
    scenario = scenario.model_copy(
        update={"task": scenario.task.model_copy(update={"labels": ["a", "b"]})}
    )
    found = _crossover(
        plan, tuned, [prompt], [0], [8, 16], load_metric("accuracy"), gold,
        np.arange(24) % groups, scenario,
    )  # fmt: skip
    assert (found["answer"], found["reason"]) == ("cant_tell", reason)
    assert found["sentence"] == (
        f"Can't tell from how many labelled rows on lora is ahead: {reason}."
    )


def arm(*points):
    return Arm("lora", "fine_tune", "m", dict.fromkeys(points), {})


def test_the_block_of_seeds_and_sizes_with_most_points_counts():
    """Seed 1 was stopped before 32: two seeds at two sizes are more than one at three. Stopped before
    16 it adds less than the two sizes that seed 0 would lose."""
    one = arm((0, 8), (0, 16), (0, 32), (1, 8), (1, 16))
    assert one.block([0, 1], [8, 16, 32]) == ([0, 1], [8, 16])
    early = arm((0, 8), (0, 16), (0, 32), (1, 8))
    assert early.block([0, 1], [8, 16, 32]) == ([0], [8, 16, 32])
    both = arm((0, 8), (0, 16), (1, 8), (1, 16))
    assert both.block([0, 1], [8, 16, 32]) == ([0, 1], [8, 16])
    assert arm().block([0, 1], [8, 16]) == ([], [])


def test_a_curve_without_prompts_says_how_to_have_a_crossover():
    trials = [SimpleNamespace(family="fine_tune")]
    plan = SimpleNamespace(curve=SimpleNamespace(trials=trials))
    assert _why_none(plan, [arm((0, 8))], False) == (
        "no prompting arm was asked for; name one in --only"
    )


def test_labels_up_to_the_crossover_are_priced_as_the_advisor_prices_them():
    """Between 8 and 16 rows, of which 32 are looked through: 9 at the lowest price to 32 at the highest."""
    found = records.curved()["curve"]["crossovers"][0]
    price = assumed(Profile())["labelling_usd_per_example"].range
    labels = found["labels"]
    assert (found["answer"], found["after"], found["at_most"]) == ("bracket", 8, 16)
    assert (labels["rows"], labels["rows_looked_through"]) == (16, 32)
    assert labels["usd"] == pytest.approx(16 * price.value)
    assert labels["usd_low"] == pytest.approx(9 * price.low)
    assert labels["usd_high"] == pytest.approx(32 * price.high)
