"""What earlier versions left: their runs are resumed, and their records are read and shown."""

import json
import shutil

import pytest

from bench.record.read import read_record
from reports.page import page
from tests.bench.core.test_plan import FOLDERS
from tests.conftest import ROOT, run_command

RUNS = ROOT / "tests" / "data" / "runs"


def copied(name, tmp_path, model):
    """The rows, the scenario and a run's folder, whose model is one of this machine."""
    for file in ("small.toml", "rows.jsonl"):
        shutil.copy(RUNS / file, tmp_path / file)
    folder = tmp_path / "run"
    shutil.copytree(RUNS / name, folder)
    for file in folder.rglob("*.json"):
        file.write_text(file.read_text().replace("MODEL", json.dumps(str(model))[1:-1]))
    for part in ("adapters", "fitted", "points"):
        (folder / part).mkdir(exist_ok=True)
    return folder


def run(tmp_path, model):
    return run_command(
        "bench", "run", "small.toml", "--quick", "--model", model, "--usd-per-hour", "3.6",
        "--out", "run", "--json", cwd=tmp_path, TUNE_OR_PROMPT_CACHE=str(tmp_path / "cache"),
    )  # fmt: skip


def test_a_run_that_the_version_before_began_is_resumed(tmp_path, tiny_model):
    """Four of five trials are finished; few-shot's outcome and the record are not there yet."""
    folder = copied("version-1-third", tmp_path, tiny_model)
    before = json.loads((folder / "record.json").read_text())
    for file in ("record.json", "outcomes/04-few-shot-s0.json", "answers/04-few-shot-s0.jsonl"):
        (folder / file).unlink()
    files = [folder / "plan.json", *sorted((folder / "outcomes").iterdir())]
    kept = {file: file.read_bytes() for file in files}
    done = run(tmp_path, tiny_model)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("already done") == 4
    assert {file: file.read_bytes() for file in kept} == kept
    record = json.loads((folder / "record.json").read_text())
    assert (before["schema_version"], record["schema_version"]) == (1, 2)
    assert record["plan"]["schema_version"] == 2
    for name in ("majority", "tf-idf", "zero-shot", "lora"):
        assert record["estimates"][name] == before["estimates"][name]


@pytest.mark.parametrize("name", ["version-1-first", "version-1-second"])
def test_a_run_of_a_version_that_did_something_else_is_refused_in_a_line(
    name, tmp_path, tiny_model
):
    copied(name, tmp_path, tiny_model)
    done = run(tmp_path, tiny_model)
    assert done.returncode == 2
    [line] = done.stderr.strip().splitlines()
    assert "different plan" in line
    assert "--out" in line


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)
def test_a_record_of_version_1_is_shown(folder):
    record = read_record(folder)
    html = page(record)
    for contender in record["contenders"]:
        assert contender["name"] in html
