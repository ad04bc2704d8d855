"""Records of this version and of version 1 are read; others are rejected in one line."""

import json
from pathlib import Path

import pytest

from bench.core import outcome
from bench.core.folder import RunFolder
from bench.core.plan import MODES, Plan
from bench.planning.make import make_plan
from bench.record.read import keep_record, read_record
from bench.record.types import Record
from scenarios.errors import UserError
from scenarios.rows import Example, Split
from scenarios.schema import parse
from tests.bench.record.typed import misfits
from tests.reports import records

MEASUREMENTS = Path(__file__).parents[3] / "docs" / "measurements"
KEPT = [
    file
    for file in sorted(MEASUREMENTS.glob("*.json"))
    if "schema_version" in json.loads(file.read_text(encoding="utf-8"))
]


@pytest.mark.parametrize("file", KEPT, ids=lambda file: file.stem)
def test_a_kept_record_is_read_with_its_plan_and_every_outcome_unchanged(file):
    record = read_record(file)
    plan = Plan.from_json(record["plan"])
    curve = record.get("curve")
    trials = record["trials"] + (curve["trials"] if curve else [])
    assert [trial["slug"] for trial in trials] == [trial.slug for trial in plan.all_trials]
    for trial in trials:
        again = outcome.to_json(outcome.from_json(trial["outcome"]))
        assert json.loads(json.dumps(again)) == trial["outcome"]


def test_all_nine_kept_records_are_tried():
    assert len(KEPT) == 9


@pytest.mark.parametrize("file", KEPT, ids=lambda file: file.stem)
def test_the_types_name_every_key_of_a_kept_record(file):
    assert list(misfits(read_record(file), Record)) == []


@pytest.mark.parametrize(
    "make",
    [
        records.finished,
        lambda: records.finished(seeds=(0, 1, 2, 3, 4), usd_per_hour=2.0),
        lambda: records.finished(folds=3),
        records.curved,
        lambda: records.curved(sizes=(4, 8), left_out="lora"),
    ],
    ids=["run", "five seeds", "folds", "curve", "curve without tuning"],
)
def test_the_types_name_every_key_that_is_written(make):
    assert list(misfits(make(), Record)) == []


def test_the_check_of_types_finds_what_does_not_fit():
    record = records.finished()
    del record["verdict"]["scope"]
    record["contenders"][0] |= {"seeds": "1", "pace": 1.0}
    assert sorted(misfits(record, Record)) == [
        "record.contenders[0].pace is unnamed",
        "record.contenders[0].seeds is a str",
        "record.verdict.scope is missing",
    ]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ('{"schema_version": 3}', ("schema_version 3", "newer version", "upgrade tune-or-prompt")),
        ('{"scenario": "x"}', ("no schema_version", "record.json")),
        ('{"schema_version": true}', ("no schema_version",)),
        ("[]", ("no schema_version",)),
        ("{", ("isn't a record", "run's folder", "record.json")),
    ],
)
def test_what_is_no_record_of_a_known_version_is_one_line(tmp_path, text, parts):
    file = tmp_path / "record.json"
    file.write_text(text)
    for path in (file, tmp_path):
        with pytest.raises(UserError) as caught:
            read_record(path)
        message = str(caught.value)
        assert str(file) in message
        assert all(part in message for part in parts), message
        assert "\n" not in message


def test_a_record_that_cannot_be_opened_is_named_with_the_reason(tmp_path):
    (tmp_path / "record.json").mkdir()
    with pytest.raises(UserError, match=r"can't read '.*record\.json': Is a directory; check"):
        read_record(tmp_path)


def test_a_folder_without_a_record_says_when_there_is_one(tmp_path):
    with pytest.raises(UserError, match=r"no record.*finished run"):
        read_record(tmp_path)


def test_absolute_paths_of_models_are_kept_as_their_folders_names(tmp_path):
    """Of one folder inside another, too: neither path is left, not even in part."""
    rows = tuple(Example(str(i), f"text {i}", "good", str(i)) for i in range(9))
    outer = tmp_path / 'a "model"'
    only = (f"few-shot@{outer}", f"lora@{outer / 'inner'}")
    plan = make_plan(
        parse(records.SCENARIO, "small", "small.toml"), Split(rows, rows, rows, "d", {}),
        MODES["quick"], 0, "M", only,
    )  # fmt: skip
    record = {"schema_version": 2, "plan": plan.to_json(), "models": {str(outer): {}}}
    folder = RunFolder(tmp_path / "run")
    folder.path.mkdir()
    keep_record(folder, plan, record)
    text = folder.record_file.read_text(encoding="utf-8")
    assert str(tmp_path) not in text
    assert list(read_record(folder.path)["models"]) == ['a "model"']
    assert {t["model"] for t in read_record(folder.path)["plan"]["trials"]} == {
        None, 'a "model"', "inner",
    }  # fmt: skip
