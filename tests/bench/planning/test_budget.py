"""A budget: what fits by forecast, in which order, what is dropped, and what is left of it."""

import dataclasses
import json
import subprocess
import sys
import time

import pytest

import scenarios
from bench.planning import budget
from bench.planning.budget import Budget, Ledger, allot, arms_left_out, parse
from bench.planning.curve import Wanted, make_curve
from bench.planning.make import MODES, curve_plan, make_plan
from bench.record.make import graded
from bench.running.executor import SPENT, _within
from bench.running.run import _allotted, _do, _do_all, budget_lines
from scenarios.errors import UserError
from scenarios.rows import Example, Split

SPLIT = Split(
    train=tuple(Example(str(i), f"text {i}", "negative", str(i)) for i in range(500)),
    validation=(), test=(), digest="d", counts={"train": 500},
)  # fmt: skip
SENTIMENT = scenarios.load("sentiment")


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


def forecasts(plan, **seconds):
    return [
        {"trial": t.slug, "seconds": {"value": seconds[t.kind.replace("-", "_")]}}
        for t in plan.trials
        if t.kind.replace("-", "_") in seconds
    ]


def run_plan(mode="quick", only=(), seeds=()):
    return make_plan(SENTIMENT, SPLIT, MODES[mode], 0, "M", only, seeds=seeds)


def names(plan, found):
    by_slug = {t.slug: (t.name, t.seed) for t in plan.all_trials}
    return [by_slug[slug] for slug in found.order]


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
    """210 s: lora and few-shot take 200, and zero-shot's 20 don't fit; both floors, of 5 s each, do."""
    plan = run_plan()
    found = allot(plan, forecasts(plan, zero_shot=20, few_shot=40, lora=160), (), 210)
    assert [name for name, _ in names(plan, found)] == ["lora", "few-shot", "majority", "tf-idf"]
    [dropped] = found.dropped
    assert dropped["contender"] == "zero-shot"
    assert dropped["reason"] == "forecast to take 20 s, and 10 s of the budget were left for it"


@pytest.mark.parametrize(("seconds", "fits"), [(160, True), (159.9, False)])
def test_a_trial_that_takes_just_what_is_left_fits(seconds, fits):
    plan = run_plan(only=("lora",))
    known = forecasts(plan, lora=160)
    if fits:
        assert ("lora", 0) in names(plan, allot(plan, known, (), seconds))
    else:
        with pytest.raises(
            UserError, match=r"leaves 160 s for trials, and the shortest with a model"
        ):
            allot(plan, known, (), seconds)


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


def a_curve(seeds=3, sizes=(32, 64, 128), only=("few-shot", "lora")):
    wanted = Wanted(sizes, seeds)
    curve = make_curve(wanted, SENTIMENT.task, SPLIT, "default", 0, "M", only)
    return curve_plan(SENTIMENT, SPLIT, MODES["default"], 0, "M", 1, curve)


def by_size(plan, start, **each):
    """A start once, and each size's rows at so many seconds."""
    found = []
    for trial in plan.curve.trials:
        rate = each.get(trial.kind.replace("-", "_"))
        if rate is not None:
            sizes = {str(size): size * rate for size in trial.sizes}
            total = start + sum(sizes.values())
            found.append({"trial": trial.slug, "seconds": {"value": total}, "by_size": sizes,
                          "start_seconds": start})  # fmt: skip
    return found


def zero_shot(plan, seconds):
    [trial] = [t for t in plan.curve.trials if t.name == "zero-shot"]
    known = {"seconds": {"value": seconds}, "by_size": {"0": seconds - 8}, "start_seconds": 8}
    return [{"trial": trial.slug} | known]


def sizes_done(plan, by_seed, *arms):
    """The finished sizes of each trial, from those of its seed; of both compared arms if not of others."""
    wanted = arms or ("few-shot", "lora")
    return {t.slug: by_seed[t.seed] for t in plan.curve.trials
            if t.name in wanted and t.seed in by_seed}  # fmt: skip


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
    assert str(refused.value) == (
        "--budget leaves 60 s for trials, and a curve takes two sizes of one seed at least (lora and "
        "few-shot at 32 and 64 rows), which are forecast to take 208 s; give more"
    )
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
    assert reason == "forecast to take 104 s, and seed 1 before it didn't fit"


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


# what is spent


def test_the_ledger_counts_over_starts_and_tells_dollars(tmp_path, monkeypatch):
    now = iter([100.0, 130.0, 500.0, 510.0])
    monkeypatch.setattr(budget.time, "monotonic", lambda: next(now))
    first = Ledger(tmp_path, Budget("$1", 100.0, 1.0))
    first.tick()
    assert first.left == 70.0
    second = Ledger(tmp_path, Budget("$1", 100.0, 1.0))
    second.tick()
    assert second.left == 60.0
    kept = json.loads((tmp_path / "budget.json").read_text())
    assert (kept["spent_seconds"], kept["spent_usd"]) == (40.0, 0.4)


def test_the_same_budget_goes_on_with_what_it_had_planned_and_another_plans_anew(tmp_path):
    ledger = Ledger(tmp_path, Budget("1m", 60.0))
    assert ledger.goes_on() is None
    planned = budget.Allotted(("a", "b"), 30.0, ({"trial": "c"},), (32, 64), (128,))
    ledger.take_in(planned)
    assert Ledger(tmp_path, Budget("1m", 60.0)).goes_on() == planned
    assert Ledger(tmp_path, Budget("2m", 120.0)).goes_on() is None
    assert Ledger(tmp_path, Budget("1m", 61.0)).goes_on() is None
    assert budget.sizes_left(tmp_path, (0,)) == [0]
    assert budget.sizes_left(tmp_path, (32, 64, 128)) == [32, 64]


@pytest.mark.parametrize(("sleeps", "budget_seconds", "code"), [(30, 0.2, SPENT), (0, 20, 0)])
def test_a_trial_is_waited_for_as_long_as_the_budget_lasts(tmp_path, sleeps, budget_seconds, code):
    process = subprocess.Popen([sys.executable, "-c", f"import time; time.sleep({sleeps})"])
    start = time.monotonic()
    ledger = Ledger(tmp_path, Budget("x", budget_seconds))
    try:
        assert _within(ledger, process) == code
    finally:
        process.kill()
        process.wait()
    assert time.monotonic() - start < 15
    assert json.loads((tmp_path / "budget.json").read_text())["spent_seconds"] > 0


def test_a_trial_that_the_budget_doesnt_reach_is_told_and_its_finished_sizes_count(tmp_path):
    plan = a_curve()
    for part in ("outcomes", "points", "fitted", "adapters"):
        (tmp_path / part).mkdir()
    begun, other = plan.curve.trials[:2]
    (tmp_path / "points" / f"{begun.slug}-n32.json").write_text("{}")
    ledger = Ledger(tmp_path, Budget("1m", 60.0))
    ledger.spent_seconds = 61.0
    for trial in (begun, other):
        _do(tmp_path, trial, "[1/2]", None, ledger)
    outcomes = [
        json.loads((tmp_path / "outcomes" / f"{t.slug}.json").read_text()) for t in (begun, other)
    ]
    assert outcomes == [
        {"status": "skipped", "reason": f"the budget of 1m was spent, so it {so}"}
        for so in ("didn't go on", "didn't begin")
    ]  # fmt: skip
    assert ledger.stopped == [begun.slug, other.slug]


# going on in a folder


@pytest.fixture
def begun(tmp_path):
    """A folder where 130 s held seed 0 at 32 and 64 rows, all of which is finished."""
    plan = a_curve()
    for part in ("outcomes", "points", "fitted", "adapters"):
        (tmp_path / part).mkdir()
    known = by_size(plan, 8, lora=1.0, few_shot=0.1)
    (tmp_path / "forecasts.json").write_text(json.dumps(known))
    found = _allotted(tmp_path, plan, Ledger(tmp_path, Budget("130s", 130.0)), False)
    assert found.sizes == (32, 64)
    for trial in plan.curve.trials[:3]:
        finish(tmp_path, trial, (32, 64))
    return tmp_path, plan


def finish(folder, trial, sizes):
    for size in sizes:
        (folder / "points" / f"{trial.slug}-n{size}.json").write_text("{}")
    outcome = {"status": "done", "sizes": list(sizes)}
    (folder / "outcomes" / f"{trial.slug}.json").write_text(json.dumps(outcome))


def outcome_of(folder, trial):
    return json.loads((folder / "outcomes" / f"{trial.slug}.json").read_text())


def test_a_refused_budget_leaves_the_kept_one_as_it_was(begun):
    folder, plan = begun
    for trial in plan.curve.trials[:3]:
        (folder / "outcomes" / f"{trial.slug}.json").unlink()
        (folder / "points" / f"{trial.slug}-n64.json").unlink()
    before = (folder / "budget.json").read_text()
    with pytest.raises(UserError, match=r"--budget leaves 15 s .* forecast to take 86 s"):
        _allotted(folder, plan, Ledger(folder, Budget("15s", 15.0)), False)
    assert (folder / "budget.json").read_text() == before
    assert Ledger(folder, Budget("130s", 130.0)).goes_on().sizes == (32, 64)


@pytest.mark.parametrize(("spent", "left"), [(120.0, "20 s"), (150.0, "0 s")])
def test_a_budget_that_holds_nothing_more_ends_with_what_is_done(begun, capsys, spent, left):
    """Of 140 s 20 are left, or none: neither 128 rows of seed 0 nor seed 1 fit them."""
    folder, plan = begun
    ledger = Ledger(folder, Budget("140s", 140.0))
    ledger.spent_seconds = spent
    _do_all(folder, plan, None, _allotted(folder, plan, ledger, False), ledger)
    statuses = [outcome_of(folder, trial)["status"] for trial in plan.curve.trials]
    assert statuses == ["done"] * 3 + ["skipped"] * 6
    assert budget.sizes_left(folder, (32, 64, 128)) == [32, 64]
    said = capsys.readouterr().err.splitlines()
    assert (
        f"budget 140s: 3 of 9 trials fit, forecast to take 0 s of the {left} that are left" in said
    )
    assert said[-1].startswith("3 of 9 trials done, 6 left out by the budget, ")


def test_a_finished_trial_stays_where_a_budget_drops_its_further_sizes(begun):
    """170 s hold 128 rows of seed 0; seed 1 was finished at 32 rows, and its further sizes go."""
    folder, plan = begun
    other = plan.curve.trials[3:6]
    for trial in other:
        finish(folder, trial, (32,))
    found = _allotted(folder, plan, Ledger(folder, Budget("170s", 170.0)), False)
    assert found.sizes is None
    assert {d["trial"] for d in found.dropped} >= {trial.slug for trial in other}
    ledger = Ledger(folder, Budget("170s", 170.0))
    ledger.spent_seconds = 171.0
    _do_all(folder, plan, None, found, ledger)
    assert [outcome_of(folder, t) for t in other] == [{"status": "done", "sizes": [32]}] * 3
    assert outcome_of(folder, plan.curve.trials[0]) == {"status": "done", "sizes": [32, 64]}
    assert ledger.stopped == list(found.order)


def test_a_run_without_anything_left_out_says_that_all_is_done(tmp_path, capsys):
    plan = a_curve(seeds=1)
    for part in ("outcomes", "points"):
        (tmp_path / part).mkdir()
    for trial in plan.curve.trials:
        finish(tmp_path, trial, (32, 64, 128))
    _do_all(tmp_path, plan, None, None, None)
    assert capsys.readouterr().err.splitlines()[-1].startswith("all trials done, ")


def test_a_trial_with_fewer_sizes_is_graded_by_those(begun):
    """Of 232 s, 32 and 64 rows and the start are 104; 130 s were taken, within 104 x 1.5."""
    _, plan = begun
    [trial] = [t for t in plan.curve.trials if t.slug.endswith("lora-s0")]
    forecast = {
        "trial": trial.slug, "contender": "lora", "reason": "", "start_seconds": 8,
        "seconds": {"value": 232.0, "low": 232 / 1.5, "high": 232 * 1.5},
        "by_size": {"32": 32.0, "64": 64.0, "128": 128.0},
        "peak_resident_bytes": None, "peak_gpu_bytes": None,
    }  # fmt: skip

    def grades(*sizes):
        outcome = {"status": "done", "sizes": sizes, "wall_seconds": 130.0}
        [found] = graded([forecast], {trial.slug: outcome})
        return found["seconds"], found["seconds_error"], found["seconds_held"]

    value = pytest.approx({"value": 104.0, "low": 104 / 1.5, "high": 156.0})
    assert grades(32, 64) == (value, pytest.approx(104 / 130 - 1), True)
    assert grades(32, 64, 128) == (forecast["seconds"], pytest.approx(232 / 130 - 1), False)


def test_a_side_of_the_comparison_that_doesnt_fit_is_told_beforehand():
    """100 s hold few-shot's 40 and no LoRA of 160: no verdict; 210 s hold both arms."""
    plan = run_plan()
    known = forecasts(plan, zero_shot=20, few_shot=40, lora=160)
    assert arms_left_out(plan, allot(plan, known, (), 100)) == ["lora"]
    assert arms_left_out(plan, allot(plan, known, (), 210)) == []
    assert budget_lines(plan, Budget("100s", 100.0), known)[-1] == (
        "  so there will be no verdict on prompting against tuning: left out is lora"
    )
