"""A run with a budget: what it covers, what it leaves out, and how a later start resumes it."""

from dataclasses import replace

import pytest

from bench.core.folder import RunFolder
from bench.core.outcome import CurveDone
from bench.planning.request import Budget
from bench.running.allotting import allotted, budget_lines
from bench.running.ledger import Ledger
from bench.running.trials import do_all
from scenarios.errors import UserError
from tests.bench.plans import a_curve, by_size, finish_size, forecasts, run_plan


def empty(path):
    """A run's folder without a plan."""
    found = RunFolder(path)
    found.make_parts()
    return found


def test_a_trial_that_the_budget_doesnt_reach_is_reported_and_its_finished_sizes_count(tmp_path):
    plan, folder = a_curve(), empty(tmp_path)
    begun, other = plan.curve.trials[:2]
    finish_size(folder, begun, 32)
    ledger = Ledger(folder, Budget("1m", 60.0))
    ledger.spent_seconds = 61.0
    do_all(
        folder, replace(plan, curve=replace(plan.curve, trials=(begun, other))), None, None, ledger
    )
    reasons = [folder.outcome(trial).reason for trial in (begun, other)]
    assert reasons == [
        f"the budget of 1m was spent, so it {what}"
        for what in ("wasn't continued", "wasn't started")
    ]
    assert ledger.stopped == [begun.slug, other.slug]


# resuming in a folder


@pytest.fixture
def begun(tmp_path):
    """A folder where 130 s held seed 0 at 32 and 64 rows, all of which is finished."""
    plan, folder = a_curve(), empty(tmp_path)
    folder.keep_forecasts(by_size(plan, 8, lora=1.0, few_shot=0.1))
    found = allotted(folder, plan, Ledger(folder, Budget("130s", 130.0)), False)
    assert found.sizes == (32, 64)
    for trial in plan.curve.trials[:3]:
        finish(folder, trial, (32, 64))
    return folder, plan


def finish(folder, trial, sizes):
    for size in sizes:
        finish_size(folder, trial, size)
    folder.keep_outcome(trial, CurveDone(sizes=sizes, device=None))


def test_a_refused_budget_leaves_the_kept_one_as_it_was(begun):
    folder, plan = begun
    for trial in plan.curve.trials[:3]:
        folder.outcome_file(trial).unlink()
        folder.point_file(trial, 64).unlink()
    before = folder.account()
    with pytest.raises(UserError, match=r"--budget leaves 15 s .* forecast to take 86 s"):
        allotted(folder, plan, Ledger(folder, Budget("15s", 15.0)), False)
    assert folder.account() == before
    assert Ledger(folder, Budget("130s", 130.0)).planned_before().sizes == (32, 64)


@pytest.mark.parametrize(("spent", "left"), [(120.0, "20 s"), (150.0, "0 s")])
def test_a_budget_that_holds_nothing_more_ends_with_what_is_done(begun, capsys, spent, left):
    """Of 140 s 20 are left, or none: neither 128 rows of seed 0 nor seed 1 fit them."""
    folder, plan = begun
    ledger = Ledger(folder, Budget("140s", 140.0))
    ledger.spent_seconds = spent
    do_all(folder, plan, None, allotted(folder, plan, ledger, False), ledger)
    statuses = [folder.outcome(trial).status for trial in plan.curve.trials]
    assert statuses == ["done"] * 3 + ["skipped"] * 6
    assert folder.sizes_left(plan.curve.trials[0]) == [32, 64]
    said = capsys.readouterr().err.splitlines()
    assert f"budget 140s: 3 of 9 trials fit, forecast to take 0 s of the {left} left" in said
    assert said[-1].startswith("3 of 9 trials done, 6 left out by the budget, ")


def test_a_finished_trial_stays_where_a_budget_drops_its_further_sizes(begun):
    """170 s hold 128 rows of seed 0; seed 1 was finished at 32 rows, and its further sizes go."""
    folder, plan = begun
    other = plan.curve.trials[3:6]
    for trial in other:
        finish(folder, trial, (32,))
    found = allotted(folder, plan, Ledger(folder, Budget("170s", 170.0)), False)
    assert found.sizes is None
    assert {d["trial"] for d in found.dropped} >= {trial.slug for trial in other}
    ledger = Ledger(folder, Budget("170s", 170.0))
    ledger.spent_seconds = 171.0
    do_all(folder, plan, None, found, ledger)
    assert [folder.outcome(t).sizes for t in other] == [(32,)] * 3
    assert folder.outcome(plan.curve.trials[0]).sizes == (32, 64)
    assert ledger.stopped == list(found.order)


def test_a_run_without_anything_left_out_says_that_all_is_done(tmp_path, capsys):
    plan, folder = a_curve(seeds=1), empty(tmp_path)
    for trial in plan.curve.trials:
        finish(folder, trial, (32, 64, 128))
    do_all(folder, plan, None, None, None)
    assert capsys.readouterr().err.splitlines()[-1].startswith("all trials done, ")


def test_a_side_of_the_comparison_that_doesnt_fit_is_reported_in_advance():
    """100 s hold few-shot's 40 and no LoRA of 160: no verdict."""
    plan = run_plan()
    known = forecasts(plan, zero_shot=20, few_shot=40, lora=160)
    last = budget_lines(plan, Budget("100s", 100.0), known)[-1]
    assert "no verdict" in last
    assert last.endswith("lora")
