"""Whole sweeps, as a user starts them: killed, resumed, recorded and reported."""

import json
import os
import signal

import pytest

from tests.bench.running.runs import make_small, start, wait_for, without_forecast
from tests.conftest import run_command

SETTINGS = (
    "--quick", "--vary", "rank=2,4", "--vary", "label-noise=0,0.3", "--set", "lora.epochs=1"
)  # fmt: skip


@pytest.fixture(scope="module")
def killed_and_resumed(tmp_path_factory, tiny_model):
    """A sweep of 2 x 2 that was killed in its second combination, and then resumed."""
    folder = tmp_path_factory.mktemp("sweep")
    make_small(folder)
    without_forecast(folder / "out")
    process = start("sweep", folder, tiny_model, *SETTINGS)
    first = folder / "out" / "outcomes" / "03-lora-rank-2-label-noise-0-s0.json"
    wait_for(first.exists, process)
    kept = first.read_bytes()
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    again = start("sweep", folder, tiny_model, *SETTINGS, "--json")
    out, errors = again.communicate(timeout=300)
    assert again.returncode == 0, errors
    return folder, json.loads(out), errors, first.read_bytes() == kept


@pytest.mark.slow
def test_a_killed_sweep_is_resumed_and_does_nothing_twice(killed_and_resumed):
    _, _, errors, same = killed_and_resumed
    assert same
    assert errors.count("already done") == 3  # the baselines and the first combination


@pytest.mark.slow
def test_a_sweeps_json_and_record_hold_every_combination_and_its_pair(killed_and_resumed):
    folder, found, _, _ = killed_and_resumed
    names = [
        "majority",
        "tf-idf",
        *(f"lora[rank={r},label-noise={n}]" for r in "24" for n in ("0", "0.3")),
    ]
    assert [c["name"] for c in found["contenders"]] == names
    assert all(c["status"] == "done" for c in found["contenders"])
    assert {(c["baseline"], c["challenger"]) for c in found["comparisons"]} == {
        (names[2], name) for name in names[3:]
    }
    assert found["sweep"]["contenders"][0]["first"] == names[2]
    record = json.loads((folder / "out" / "record.json").read_text())
    assert [t["label_noise"] for t in record["trials"]] == [0, 0, 0, 0.3, 0, 0.3]
    wrong = [t["outcome"]["wrong_labels"] for t in record["trials"][2:]]
    rows = record["trials"][2]["n_train"]
    assert wrong == [0, round(0.3 * rows)] * 2
    assert record["verdict"]["overall"]["answer"] == "not_applicable"


@pytest.mark.slow
def test_a_sweeps_report_shows_settings_time_memory_and_pairs(killed_and_resumed):
    folder, _, _, _ = killed_and_resumed
    html = (folder / "out" / "report.html").read_text()
    assert "Combinations of the sweep" in html
    assert "Each compared with the first" in html


@pytest.mark.slow
def test_a_sweep_is_judged_by_the_test_rows_own_labels(killed_and_resumed):
    """Each accuracy again, from the answers on disk and the labels in the rows' file."""
    folder, found, _, _ = killed_and_resumed
    lines = (folder / "rows.jsonl").read_text().splitlines()
    gold = {row["id"]: row["label"] for row in map(json.loads, lines)}
    for entry, file in zip(
        found["contenders"], sorted((folder / "out" / "answers").glob("*.jsonl")), strict=True
    ):
        said = [json.loads(line) for line in file.read_text().splitlines()]
        right = sum(gold[answer["example_id"]] == answer["text"] for answer in said)
        assert entry["accuracy"]["value"] == right / 40


def test_a_sweep_says_its_plan_and_stops(small_scenario, tmp_path):
    done = run_command(
        "bench", "sweep", small_scenario, "--quick", "--vary", "rows=20,40", "--only", "tf-idf",
        "--plan", cwd=tmp_path, TUNE_OR_PROMPT_CACHE=str(tmp_path / "cache"),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "02-tf-idf-rows-20-s0: 20 training rows" in done.stdout
    assert "exploratory comparisons: 1 (Holm-adjusted)" in done.stdout
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--vary", "rnk=4,8"], "no axis named 'rnk'; did you mean 'rank'?"),
        (["--vary", "rank=4,8", "--seeds", "none"], "--seeds takes a number of seeds or a list such as 0,1,2, not 'none'"),
        (["--vary", "rank=4,8", "--seeds", "0"], "--seeds 0: the number of seeds must be from 1 to 100; --seed sets the first"),
        (["--vary", "rank=4,8", "--only", "lroa"], "no contender named 'lroa'; did you mean 'lora'?"),
    ],
)  # fmt: skip
def test_bad_input_of_a_sweep_is_one_line_and_exit_code_2(arguments, line, tmp_path):
    done = run_command("bench", "sweep", "sentiment", *arguments, cwd=tmp_path)
    assert (done.returncode, done.stderr.strip()) == (2, f"error: {line}")
    assert not (tmp_path / "runs").exists()
