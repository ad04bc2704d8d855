"""What a curve's record says in words, and which of its points count."""

from dataclasses import replace

import numpy as np
import pytest

import scenarios
from advisor.money.assumptions import assumed
from bench.core.plan import MODES, Compared, Curve, Trial
from bench.metrics import WholeMetric, load_metric, texts
from bench.planning.make import curve_plan
from bench.record.curve import Arm, _arm, _Setting, largest, make_curve_record, sentence
from bench.record.results import HeldOut
from scenarios.rows import Split
from scenarios.schema import Profile
from tests.reports import records

NO_ROWS = HeldOut((), np.array([]), np.array([]))
TRIAL = Trial("01-lora-s0", "lora", "lora", "fine_tune", "m", 0, 16, {}, sizes=(8, 16))
FACTS = {
    "learnt_from": 6,
    "chosen_by": 2,
    "looked_through": 9,
    "fit_seconds": 1.0,
    "answer_seconds": 0.5,
}
CURVE = Curve((8, 16), (0,), (TRIAL,), "", Compared(["lora"], ["few-shot"], "few-shot", "lora"))


def setting(test, metric=None, curve=CURVE):
    """Two labels, a and b, by accuracy unless another metric is given."""
    scenario = scenarios.load("sentiment")
    task = scenario.task.model_copy(update={"labels": ["a", "b"]})
    scenario = scenario.model_copy(update={"task": task})
    split = Split((), (), (), "d", {})
    plan = curve_plan(scenario, split, MODES["quick"], 0, "m", 1, curve)
    return _Setting(plan, metric or load_metric("accuracy"), test, curve)


def recorded(curve, arms, test):
    """A curve's record of some arms on some test rows."""
    return make_curve_record(setting(test, curve=curve).plan, curve, arms, test)


def said(answer, after, at_most, share, **more):
    shares = [{"after": after, "at_most": at_most, "share": share},
              {"after": 64, "at_most": None, "share": 1 - share}]  # fmt: skip
    place = {"after": after, "at_most": at_most}
    return sentence(
        {"answer": answer, "after": after, "at_most": at_most, "share": share, "shares": shares,
         "low": place, "high": place, "challenger": "lora", "prompts": ["zero-shot", "few-shot"],
         "sizes": [16, 32, 64], "seeds": [0, 1, 2], "margin": 0.03, "reason": None} | more
    )  # fmt: skip


@pytest.mark.parametrize(
    ("found", "parts"),
    [
        (said("from_the_smallest", None, 16, 0.99),
         ("lora is ahead of zero-shot and few-shot by more than 3 points", "smallest size, 16 labelled",
          "99.0% of the resamples of test rows and 3 seeds")),
        (said("bracket", 16, 32, 0.8, high={"after": 32, "at_most": 64}),
         ("from a size between 17 and 32 labelled rows", "80.0% of the resamples", "95% of them between 32 and 64")),
        (said("bracket", 16, 32, 0.8, high={"after": 64, "at_most": None}), ("between 32 and never",)),
        (said("bracket", None, 16, 0.8), ("most likely from the smallest size, 16 labelled", "80.0%")),
        (said("cant_tell", 16, 32, 0.6),
         ("Can't tell whether lora is ahead", "at 64 labelled rows", "60.0%", "97.5%", "for or against")),
        (said("not_reached", 64, None, 0.99, shares=[{"at_most": None, "share": 0.99}]),
         ("Not reached", "at 64 labelled rows", "by more than 3 points", "99.0%")),
    ],
)  # fmt: skip
def test_each_answer_in_words(found, parts):
    assert all(part in found for part in parts), found


def test_one_or_two_draws_do_not_generalise_to_others_and_three_do():
    assert said("bracket", 16, 32, 0.8, seeds=[0]).endswith(
        "(80.0% of the resamples of test rows). With 1 draw of labelled rows, this doesn't generalise "
        "to other draws."
    )
    assert "With 2 draws" in said("bracket", 16, 32, 0.8, seeds=[0, 1])
    assert "generalise" not in said("bracket", 16, 32, 0.8)


@pytest.mark.parametrize(
    ("groups", "reason"),
    [
        (4, "4 groups"),
        (12, "0 of 12 groups"),
    ],
)
def test_no_crossover_where_too_few_groups_distinguish_the_arms(groups, reason):
    """Both arms answer every row alike, or come from four groups: no share of resamples is believed."""
    gold = np.array(["a", "b"] * 12)
    answers = {(0, size): gold.copy() for size in (8, 16)}
    facts = dict.fromkeys(answers, FACTS)
    tuned = Arm("lora", "fine_tune", "m", answers, facts)
    prompt = Arm("few-shot", "prompt", "m", dict(answers), facts)
    if groups == 4:
        prompt = replace(prompt, predicted={key: gold[::-1].copy() for key in answers})
    test = HeldOut(tuple(map(str, range(24))), gold, np.arange(24) % groups)
    [found] = recorded(CURVE, [tuned, prompt], test)["crossovers"]
    assert found["answer"] == "cant_tell"
    assert reason in found["reason"]
    assert found["reason"] in found["sentence"]
    assert "how many labelled rows lora needs" in found["sentence"]


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


def test_the_verdict_is_on_the_largest_size_that_both_arms_have():
    plan = setting(NO_ROWS).plan
    prompt = Arm("few-shot", "prompt", "m", dict.fromkeys([(0, 8)]), {})
    assert largest(plan, [arm((0, 8), (0, 16)), prompt]) == ([0], [8])
    assert largest(plan, []) is None


def test_a_curve_without_prompts_says_how_to_have_a_crossover():
    assert "name one in --only" in recorded(CURVE, [], NO_ROWS)["no_crossover"]


def test_without_finished_points_the_side_is_named():
    prompt = replace(TRIAL, name="few-shot", family="prompt")
    curve = replace(CURVE, trials=(TRIAL, prompt))
    found = recorded(curve, [], NO_ROWS)["no_crossover"]
    assert "no prompting arm has finished" in found


def test_a_metric_without_sums_has_points_without_intervals_and_says_why():
    """One row of two is right at 8 labelled rows, for the one seed."""
    whole = WholeMetric("evaluate:x", Right())
    test = HeldOut(("1", "2"), texts(["a", "b"]), np.array(["1", "2"]))
    answers = {(0, 8): texts(["a", "a"])}
    facts = {(0, 8): FACTS}
    curve = replace(CURVE, sizes=(8,))
    found = _arm(setting(test, whole, curve), Arm("lora", "fine_tune", "m", answers, facts), [8])
    [point] = found["points"]
    assert (point["value"], point["low"], point["by_seed"]) == (0.5, None, {"0": 0.5})
    assert (point["learnt_from"], point["chosen_by"], point["looked_through"]) == (6, 2, 9)
    assert "evaluate" in point["reason"]
    assert "evaluate" in found["fit_reason"]


class Right:
    """As a metric of the evaluate library: the share of equal codes."""

    def compute(self, references, predictions):
        hits = [one == other for one, other in zip(references, predictions, strict=True)]
        return {"x": sum(hits) / len(hits)}


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
