"""A run's folder: what is in it, how far the run has come, and who may use it."""

import ast
import json
from dataclasses import replace

import pytest

from bench.core import outcome as outcomes
from bench.core.folder import RunFolder, point_name
from bench.core.outcome import CurveDone, Failed, Skipped
from bench.core.plan import Plan
from scenarios.errors import UserError
from tests.bench.core.test_outcome import done
from tests.bench.core.test_plan import FOLDERS
from tests.bench.plans import a_curve, finish_size, run_plan
from tests.conftest import ROOT

ACCOUNT = {
    "said": "1m", "seconds": 60.0, "usd": None, "spent_seconds": 1.0, "planned": [], "dropped": [],
    "sizes": None, "dropped_sizes": [], "stopped": [], "planned_seconds": 9.0,
}  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    found = RunFolder(tmp_path / "run")
    found.make_parts()
    return found


def answer(folder, trial, count):
    lines = [json.dumps({"example_id": f"r{i}", "text": "good"}) + "\n" for i in range(count)]
    folder.answers_file(trial.slug).write_text("".join(lines))


def test_a_trial_is_done_with_an_outcome_and_an_answer_for_each_of_its_rows(folder):
    trial = run_plan().trials[0]
    assert not folder.is_done(trial)
    folder.keep_outcome(trial, done())
    answer(folder, trial, 2)
    assert not folder.is_done(trial)
    answer(folder, trial, 3)
    assert folder.is_done(trial)
    assert folder.outcome(trial) == done()


@pytest.mark.parametrize("outcome", [Skipped("no GPU"), Failed("out of memory")])
def test_a_skipped_or_failed_trial_is_not_done(folder, outcome):
    trial = run_plan().trials[0]
    folder.keep_outcome(trial, outcome)
    answer(folder, trial, 3)
    assert not folder.is_done(trial)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"status": "done"}', '{"status": "odd"}', "null"])
def test_a_damaged_outcome_counts_as_none(folder, text):
    trial = run_plan().trials[0]
    folder.outcome_file(trial).write_text(text)
    assert folder.outcome(trial) is None
    assert not folder.is_done(trial)


def test_a_curves_trial_is_done_at_the_sizes_that_the_budget_covers(folder):
    trial = a_curve().curve.trials[0]
    assert trial.sizes == (32, 64, 128)
    for size in (32, 64):
        finish_size(folder, trial, size)
    folder.keep_outcome(trial, CurveDone(sizes=(32, 64), device=None))
    assert folder.was_done(trial)
    assert not folder.is_done(trial)
    folder.keep_account(ACCOUNT | {"sizes": [32, 64]})
    assert folder.is_done(trial)
    folder.point_file(trial, 64).unlink()
    assert not folder.was_done(trial)


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder, trial: folder.point_file(trial, 64).write_text('{"si'),
        lambda folder, trial: folder.point_file(trial, 64).write_text("{}"),
        lambda folder, trial: folder.answers_file(point_name(trial, 64)).unlink(),
        lambda folder, trial: folder.answers_file(point_name(trial, 64)).write_text('{"example'),
        lambda folder, trial: folder.answers_file(point_name(trial, 64)).write_text(
            '{"example_id": "r0", "text": "good"}\n'
        ),
    ],
)
def test_a_size_with_damaged_figures_or_answers_is_done_again(folder, damage):
    trial = a_curve().curve.trials[0]
    for size in trial.sizes:
        finish_size(folder, trial, size)
    folder.keep_outcome(trial, CurveDone(sizes=trial.sizes, device=None))
    assert folder.is_done(trial)
    damage(folder, trial)
    assert folder.sizes_done(trial) == [32, 128]
    assert not folder.is_done(trial)


def test_the_trial_says_whether_an_outcome_is_a_curves(folder):
    plain, curved = run_plan().trials[0], a_curve().curve.trials[0]
    values = outcomes.to_json(done())
    folder.outcome_file(plain).write_text(json.dumps(values | {"sizes": []}))
    assert folder.outcome(plain) == done()
    folder.outcome_file(curved).write_text('{"status": "done", "device": null}')
    assert folder.outcome(curved).sizes == curved.sizes


DEEP = "[" * 100_000


@pytest.mark.parametrize("text", ["", "null", "[3]", "[{}]", '{"trial": 1}', DEEP])
def test_damaged_forecasts_count_as_none(folder, text):
    (folder.path / "forecasts.json").write_text(text)
    assert folder.forecasts() == []
    assert not folder.has_forecasts()


@pytest.mark.parametrize(
    "text",
    ["", "{}", DEEP, *(json.dumps(ACCOUNT | {key: value}) for key, value in
                       (("spent_seconds", "x"), ("spent_seconds", float("nan")), ("planned", 3),
                        ("dropped", None), ("dropped", [{}]), ("sizes", 3)))],
)  # fmt: skip
def test_a_damaged_account_counts_as_none(folder, text):
    (folder.path / "budget.json").write_text(text)
    assert folder.account() is None


def test_steps_of_a_trial_or_of_one_of_its_sizes_say_that_it_has_begun(folder):
    trial, other = a_curve().curve.trials[:2]
    assert not folder.has_begun(trial)
    folder.kept(point_name(trial, 32)).keep("fitted", {})
    assert folder.has_begun(trial)
    assert not folder.has_begun(other)
    folder.drop_steps(point_name(trial, 32))
    assert not folder.has_begun(trial)


def test_a_plan_is_kept_once_and_then_compared(folder):
    plan = run_plan()
    folder.keep_plan(plan)
    before = folder.plan_file.read_bytes()
    folder.keep_plan(plan)
    assert folder.plan_file.read_bytes() == before
    assert folder.plan() == plan
    with pytest.raises(UserError, match=r"different plan.*seed.*--out"):
        folder.keep_plan(replace(plan, seed=1))


@pytest.mark.parametrize(
    "text",
    ["{", "[]", "{}", '{"schema_version": 1}', '{"schema_version": 2}', '{"schema_version": []}'],
)
def test_a_plan_that_cant_be_read_is_named_with_the_way_out(folder, text):
    folder.plan_file.write_text(text)
    with pytest.raises(UserError, match=r"plan\.json' is damaged .*--out") as refused:
        folder.keep_plan(run_plan())
    assert "\n" not in str(refused.value)


def test_a_newer_versions_plan_is_named_and_nothing_is_to_be_removed(folder):
    folder.plan_file.write_text('{"schema_version": 9}')
    with pytest.raises(UserError, match=r"schema_version 9.*upgrade.*--out") as refused:
        folder.plan()
    assert "remove" not in str(refused.value)


def test_a_second_run_in_a_folder_is_refused_while_the_first_is_there(folder):
    plan = run_plan()
    other = RunFolder(folder.path)
    refused = pytest.raises(UserError, match=r"another run.*process \d+")
    with folder.held(plan), refused, other.held(plan):
        pass
    with other.held(plan):
        pass


def test_a_file_in_the_folders_place_is_refused(tmp_path):
    (tmp_path / "run").write_text("")
    with pytest.raises(UserError, match="is a file; --out"):
        RunFolder(tmp_path / "run").make_parts()


@pytest.mark.parametrize("path", FOLDERS, ids=lambda path: path.name)
def test_a_folder_that_an_earlier_version_left_is_read(path):
    folder = RunFolder(path)
    plan = folder.plan()
    assert isinstance(plan, Plan)
    assert [trial.name for trial in plan.trials] == [
        "majority", "tf-idf", "zero-shot", "few-shot", "lora",
    ]  # fmt: skip
    assert all(folder.is_done(trial) for trial in plan.trials)
    assert [one["trial"] for one in folder.forecasts()] == [trial.slug for trial in plan.trials]


NAMES = {
    "plan.json", "record.json", "report.html", "budget.json", "forecasts.json", "rows.json",
    "outcomes", "adapters", ".holder", ".lock",
}  # fmt: skip


def strings_of(file):
    """The strings of a module that aren't docstrings."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
            yield node.value


def test_no_other_module_knows_the_names_of_the_files_in_a_runs_folder():
    found = [
        (file.relative_to(ROOT).as_posix(), text)
        for package in ("bench", "reports")
        for file in (ROOT / package).rglob("*.py")
        if file != ROOT / "bench" / "core" / "folder.py"
        for text in strings_of(file)
        if text in NAMES
    ]
    assert found == []
