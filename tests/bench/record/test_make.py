"""A record holds everything from the plan to the verdict, and nothing that names a person."""

import getpass
import json
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from bench.core.folder import RunFolder
from bench.core.plan import MODES, Plan
from bench.planning.make import make_plan
from bench.record.circumstances import earlier_looks
from bench.record.results import outcomes_in
from scenarios.errors import UserError
from scenarios.rows import Example, Split
from scenarios.schema import parse
from tests.reports import records


@pytest.fixture(scope="module")
def record():
    return records.finished()


def test_nothing_in_the_record_names_the_user_or_the_machine(record):
    text = json.dumps(record)
    for private in (str(Path.home()), socket.gethostname()):
        assert len(private) < 4 or private not in text
    assert f'"{getpass.getuser()}"' not in text


def test_every_record_holds_checks_of_the_rows_and_of_each_trial(record):
    found = [(c["name"], c.get("trial"), c["passed"]) for c in record["canaries"]]
    assert [trial for _, trial, _ in found] == [None, None, "05-lora-s0"]
    assert found[2] == ("adapter off", "05-lora-s0", True)
    assert record["verdict"]["exploratory"] is None


def test_a_record_and_its_plan_have_version_2_and_the_plan_can_be_read(record):
    assert (record["schema_version"], record["plan"]["schema_version"]) == (2, 2)
    plan = Plan.from_json(record["plan"])
    assert json.loads(json.dumps(plan.to_json())) == record["plan"]


def test_the_answers_of_all_folds_are_one_contenders():
    """Three folds of 20 rows: 60 tested rows, with the accuracies of the whole."""
    found = records.finished(folds=3)
    assert {c["name"]: c["accuracy"]["n"] for c in found["contenders"]}["lora"] == 60
    assert found["comparisons"][0]["n"] == 60
    assert {c["seeds"] for c in found["contenders"]} == {1}


def small_plan():
    rows = tuple(Example(str(i), f"text {i}", "good", str(i)) for i in range(9))
    split = Split(rows, rows, rows, "d", {"test": 100})
    scenario = parse(records.SCENARIO, "small", "small.toml")
    return make_plan(scenario, split, MODES["quick"], 0, "M")


def test_a_neighbouring_run_that_analysed_other_rows_is_an_earlier_look(tmp_path, record):
    other = json.dumps(record | {"scenario": "another"})
    files = {"one": json.dumps(record), "two": "{", "three": other}
    files["four"] = '{"scenario": "small", "plan": {}}'
    for name, text in files.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "record.json").write_text(text)
    plan = small_plan()
    assert earlier_looks(RunFolder(tmp_path / "own"), plan) == ["one (60 test rows)"]
    assert earlier_looks(RunFolder(tmp_path / "one"), plan) == []
    same = replace(plan, rows=replace(plan.rows, counts={"test": 60}))
    assert earlier_looks(RunFolder(tmp_path / "own"), same) == []


def test_a_trial_without_an_outcome_is_named_with_the_way_to_resume(tmp_path):
    with pytest.raises(UserError, match=r"01-majority-s0.*resume.*--out"):
        outcomes_in(RunFolder(tmp_path), small_plan())
