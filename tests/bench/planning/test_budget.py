"""A budget: what fits by forecast, in which order, what is dropped, and what is left of it."""

import dataclasses

import pytest

from bench.planning.budget import allot, arms_left_out, parse
from bench.planning.request import Budget
from scenarios.errors import UserError
from tests.bench.plans import (
    a_curve,
    by_size,
    forecasts,
    names,
    run_plan,
    sizes_done,
    zero_shot,
)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("20m", 1200), ("1h30m", 5400), ("2h", 7200), ("1.5m", 90), ("20min", 1200),
     ("1h 5m 3s", 3903)],
)  # fmt: skip
def test_a_budget_of_time(text, seconds):
    assert parse(text, None) == Budget(text, seconds)


@pytest.mark.parametrize("text", ["$5", "5usd", "5 USD", "5dollars", "$5.0"])
def test_dollars_are_time_by_the_machines_price(text):
    """$5 at $2.50 an hour are two hours."""
    assert parse(text, 2.5) == Budget(text, 7200.0, 5.0)


@pytest.mark.parametrize(
    "text", ["", "20", "m", "m20", "-5m", "nan", "1e9s", "0s", "$0", "9999h", "5€"]
)
def test_what_is_no_budget_is_refused(text):
    with pytest.raises(UserError):
        parse(text, 2.5)


def test_the_primary_comparisons_arms_come_first_then_the_cheap_ones():
    plan = run_plan()
    known = forecasts(plan, zero_shot=20, few_shot=40, lora=160)
    found = allot(plan, known, (), 1000)
    assert [name for name, _ in names(plan, found)] == [
        "lora", "few-shot", "zero-shot", "majority", "tf-idf",
    ]  # fmt: skip
    assert found.seconds == 160 + 40 + 20 + 5 + 5
    assert found.dropped == ()


def test_what_doesnt_fit_is_dropped_with_its_forecast_and_what_was_left():
    """210 s: lora and few-shot take 200, and zero-shot's 20 don't fit; both baselines, of 5 s each, do."""
    plan = run_plan()
    found = allot(plan, forecasts(plan, zero_shot=20, few_shot=40, lora=160), (), 210)
    assert [name for name, _ in names(plan, found)] == ["lora", "few-shot", "majority", "tf-idf"]
    [dropped] = found.dropped
    assert dropped["contender"] == "zero-shot"
    assert "20 s" in dropped["reason"]
    assert "10 s left" in dropped["reason"]


def test_a_trial_that_takes_just_what_is_left_fits_and_one_that_takes_more_does_not():
    plan = run_plan(only=("lora",))
    known = forecasts(plan, lora=160)
    assert ("lora", 0) in names(plan, allot(plan, known, (), 160))
    with pytest.raises(UserError, match=r"--budget leaves 160 s.*lora.*160 s.*increase it"):
        allot(plan, known, (), 159.9)


def test_the_first_seed_of_every_arm_comes_before_the_second_of_any():
    plan = run_plan(only=("few-shot", "lora"), seeds=(7, 8))
    found = allot(plan, forecasts(plan, few_shot=40, lora=160), (), 10_000)
    assert names(plan, found) == [
        ("lora", 7), ("few-shot", 7), ("majority", 0), ("tf-idf", 0), ("lora", 8), ("few-shot", 8),
    ]  # fmt: skip


def test_what_is_done_already_costs_nothing():
    plan = run_plan(only=("few-shot", "lora"))
    lora = next(t.slug for t in plan.trials if t.name == "lora")
    found = allot(plan, forecasts(plan, few_shot=40, lora=160), (lora,), 50)
    assert found.seconds == 40 + 5 + 5
    assert lora in found.order


# a learning curve


def test_a_curve_drops_whole_rounds_of_seeds_from_the_last():
    """A round is 224 rows at 1 s and at 0.1 s, and two starts of 8 s: 262.4 s; 600 s hold two."""
    plan = a_curve()
    found = allot(plan, by_size(plan, 8, lora=1.0, few_shot=0.1), (), 600)
    assert {seed for name, seed in names(plan, found) if name == "lora"} == {0, 1}
    assert {seed for name, seed in names(plan, found) if name == "few-shot"} == {0, 1}
    assert names(plan, found)[:2] == [("lora", 0), ("few-shot", 0)]
    assert {d["contender"] for d in found.dropped} == {"lora", "few-shot", "tf-idf"}
    assert all("with the other arms of its seed" in d["reason"] for d in found.dropped)
    assert found.sizes is None


def test_where_one_seed_doesnt_fit_the_largest_sizes_go():
    """32 and 64 rows are 96 x 1.1 s and two starts: 121.6 s fit in 130; with 128 rows it's 262.4."""
    plan = a_curve()
    found = allot(plan, by_size(plan, 8, lora=1.0, few_shot=0.1), (), 130)
    assert found.sizes == (32, 64)
    assert found.dropped_sizes == (128,)
    assert ("lora", 0) in names(plan, found)
    assert ("lora", 1) not in names(plan, found)


def test_a_curve_isnt_cut_to_one_size():
    """32 and 64 rows are 96 s for each arm, and two starts of 8 s: 208 s in all."""
    plan = a_curve()
    known = by_size(plan, 8, lora=1.0, few_shot=1.0)
    with pytest.raises(UserError) as refused:
        allot(plan, known, (), 60)
    message = str(refused.value)
    assert message.startswith("--budget leaves 60 s")
    assert "two sizes of one seed (lora and few-shot at 32 and 64 rows)" in message
    assert message.endswith("208 s; increase it")
    with pytest.raises(UserError):
        allot(plan, known, (), 207.9)
    assert allot(plan, known, (), 208).sizes == (32, 64)


def test_no_seed_is_kept_after_one_that_doesnt_fit():
    """Zero-shot's 38 s are in seed 0's round alone: 38 + 121.6 s at two sizes don't fit in 130."""
    plan = a_curve(only=("zero-shot", "few-shot", "lora"))
    known = by_size(plan, 8, lora=1.0, few_shot=0.1) + zero_shot(plan, 38)
    with pytest.raises(UserError, match=r"\(lora, few-shot and zero-shot at .* take 160 s"):
        allot(plan, known, (), 130)


def test_a_seed_that_is_dearer_isnt_passed_over_for_a_later_one():
    """130 s hold what seed 2 lacks, 121.6 s, but seed 1 lacks more, and comes first."""
    plan = a_curve()
    known = by_size(plan, 8, lora=1.0, few_shot=0.1)
    points = sizes_done(plan, {0: (32, 64, 128), 1: (), 2: (128,)})
    found = allot(plan, known, (), 130, points)
    assert {seed for _, seed in names(plan, found)} == {0}
    [reason] = {d["reason"] for d in found.dropped if d["trial"].endswith("lora-s2")}
    assert "104 s" in reason
    assert "seed 1" in reason


def test_no_size_is_dropped_from_a_run_whose_curve_doesnt_fit_at_all():
    """The run's arms take 70 of 100 s; two sizes of one seed take 208."""
    plan = dataclasses.replace(run_plan(), curve=a_curve().curve)
    known = forecasts(plan, zero_shot=10, few_shot=20, lora=30)
    found = allot(plan, known + by_size(plan, 8, lora=1.0, few_shot=1.0), (), 100)
    assert [name for name, _ in names(plan, found)] == [
        "lora", "few-shot", "zero-shot", "majority", "tf-idf",
    ]  # fmt: skip
    assert (found.sizes, found.dropped_sizes) == (None, ())


def test_finished_sizes_cost_nothing():
    """What seed 0 lacks: 128 rows at 1.1 s and two starts, 156.8 s; TF-IDF takes its 5 s."""
    plan = a_curve(seeds=1)
    points = sizes_done(plan, {0: (32, 64)})
    found = allot(plan, by_size(plan, 8, lora=1.0, few_shot=0.1), (), 162, points)
    assert found.sizes is None
    assert found.seconds == pytest.approx(156.8 + 5)


def test_where_the_largest_size_doesnt_fit_what_is_finished_stays():
    """100 s don't hold the 156.8 s of 128 rows, and 32 and 64 rows are there already."""
    plan = a_curve()
    points = sizes_done(plan, {0: (32, 64)}, "tf-idf", "few-shot", "lora")
    found = allot(plan, by_size(plan, 8, lora=1.0, few_shot=0.1), (), 100, points)
    assert (found.sizes, found.seconds) == ((32, 64), 0)
    assert {seed for _, seed in names(plan, found)} == {0}


@pytest.mark.parametrize("seconds", [0, -20])
def test_a_budget_that_is_spent_keeps_what_is_done_and_drops_the_rest(seconds):
    plan = run_plan(only=("few-shot", "lora"))
    majority = next(t.slug for t in plan.trials if t.name == "majority")
    found = allot(plan, forecasts(plan, few_shot=40, lora=160), (majority,), seconds)
    assert names(plan, found) == [("majority", 0)]
    assert found.seconds == 0
    assert {d["contender"] for d in found.dropped} == {"lora", "few-shot", "tf-idf"}


def test_a_side_of_the_comparison_that_doesnt_fit_is_left_out():
    """100 s hold few-shot's 40 and no LoRA of 160: no verdict; 210 s hold both arms."""
    plan = run_plan()
    known = forecasts(plan, zero_shot=20, few_shot=40, lora=160)
    assert arms_left_out(plan, allot(plan, known, (), 100)) == ["lora"]
    assert arms_left_out(plan, allot(plan, known, (), 210)) == []
