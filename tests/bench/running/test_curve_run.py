"""Whole learning curves and budgets, as a user starts them, on a tiny model and generated rows."""

import json
import os
import re
import signal
import time

import pytest

from tests.bench.running.runs import make_small, start, wait_for
from tests.conftest import run_command

pytestmark = pytest.mark.slow
SIZES = (8, 16, 32, 64)
ARMS = "zero-shot,few-shot,lora"


SETTINGS = (
    "--sizes", ",".join(map(str, SIZES)), "--seeds", "2", "--only", ARMS, "--set", "lora.batch_size=4",
    "--set", "lora.accumulation_steps=1",
)  # fmt: skip


def curve(folder, tiny_model, *more):
    return run_command(
        "bench", "curve", folder / "small.toml", "--model", tiny_model, *SETTINGS, *more, cwd=folder,
        TUNE_OR_PROMPT_CACHE=str(folder / "cache"),
    )  # fmt: skip


@pytest.fixture(scope="module")
def killed_and_resumed(tmp_path_factory, tiny_model):
    """A curve of four sizes and two seeds that was killed after a point and then resumed; its JSON."""
    folder = tmp_path_factory.mktemp("curve")
    make_small(folder)
    process = start("curve", folder, tiny_model, *SETTINGS)
    points = folder / "out" / "points"
    wait_for(lambda: len(list(points.glob("*few-shot-s0-n16.json"))) == 1, process)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    time.sleep(0.5)
    before = {file.name: file.stat().st_mtime_ns for file in points.glob("*.json")}
    done = curve(folder, tiny_model, "--json", "--out", folder / "out")
    assert done.returncode == 0, done.stderr
    return folder, json.loads(done.stdout), before, done.stderr


def test_what_was_finished_before_a_kill_isnt_done_again(killed_and_resumed):
    folder, _, before, said = killed_and_resumed
    points = folder / "out" / "points"
    after = {file.name: file.stat().st_mtime_ns for file in points.glob("*.json")}
    assert before.items() <= after.items()
    assert len(before) >= 3
    assert len(after) == 1 + 3 * 2 * 4  # zero-shot once; three arms, two seeds, four sizes
    assert "zero-shot: already done" in said


def test_the_record_holds_every_point_and_a_crossover(killed_and_resumed):
    _, found, _, _ = killed_and_resumed
    arms = {arm["name"]: arm for arm in found["curve"]["arms"]}
    assert list(arms) == ["tf-idf", "zero-shot", "few-shot", "lora"]
    assert [p["size"] for p in arms["lora"]["points"]] == list(SIZES)
    assert [p["size"] for p in arms["zero-shot"]["points"]] == [0]
    for arm in arms.values():
        for point in arm["points"]:
            assert point["n"] == 40
            assert set(point["by_seed"]) == ({"0"} if arm["flat"] else {"0", "1"})
            assert point["low"] is None or arm["flat"]  # two seeds give no band
    [crossover] = found["curve"]["crossovers"]
    assert crossover["prompts"] == ["zero-shot", "few-shot"]
    assert sum(place["share"] for place in crossover["shares"]) == pytest.approx(1)
    assert crossover["labels"]["usd_low"] <= crossover["labels"]["usd"]
    assert arms["lora"]["fit"]["curve"][-1]["extrapolated"]


def test_every_row_that_chooses_is_counted(killed_and_resumed):
    """At 8 and 16 rows a third is too few to choose by; at 64 it is 21, and at 32 it is 10."""
    folder, found, _, _ = killed_and_resumed
    arms = {arm["name"]: arm for arm in found["curve"]["arms"]}
    for name in ("few-shot", "tf-idf", "lora"):
        for point in arms[name]["points"]:
            assert point["learnt_from"] + point["chosen_by"] == point["size"]
    assert [p["chosen_by"] for p in arms["lora"]["points"]] == [0, 0, 0, 0]
    chosen = [p["chosen_by"] for p in arms["few-shot"]["points"]]
    assert chosen[:2] == [0, 0]
    assert 8 <= chosen[2] <= 15
    facts = json.loads((folder / "out" / "points" / "01-curve-tf-idf-s0-n64.json").read_text())
    assert facts["notes"]["fitted_to"] == 64


def test_arms_share_a_seeds_rows_and_seeds_differ(killed_and_resumed):
    folder, _, _, _ = killed_and_resumed
    digests = {}
    for file in (folder / "out" / "points").glob("*-n64.json"):
        seed = file.name.split("-n64")[0][-1]
        digests.setdefault(seed, set()).add(json.loads(file.read_text())["rows_sha256"])
    assert all(len(found) == 1 for found in digests.values())
    assert digests["0"] != digests["1"]


def test_few_rows_train_longer(killed_and_resumed):
    """24 updates of 4 rows at least: 12 epochs of 8 rows; 3 epochs of 32 rows, as declared, are 24."""
    folder, _, _, _ = killed_and_resumed
    epochs = [
        json.loads((folder / "out" / "points" / f"04-curve-lora-s0-n{n}.json").read_text())["notes"]["epochs"]
        for n in SIZES
    ]  # fmt: skip
    assert epochs == [12, 6, 3, 3]


def test_its_record_is_evidence_for_advice_and_has_a_report(killed_and_resumed):
    folder, found, _, _ = killed_and_resumed
    html = (folder / "out" / "report.html").read_text()
    assert "<h2>Learning curve</h2>" in html
    assert found["curve"]["crossovers"][0]["sentence"][:20] in re.sub(r"<[^>]+>", "", html)
    done = run_command(
        "advisor", "recommend", "--scenario", folder / "small.toml", "--evidence", folder / "out"
    )
    assert done.returncode == 0, done.stderr
    assert "lora vs few-shot" in done.stdout


def test_a_forecast_of_each_trial_is_graded(killed_and_resumed):
    folder, _, _, _ = killed_and_resumed
    record = json.loads((folder / "out" / "record.json").read_text())
    names = {f["contender"] for f in record["forecasts"] if f["seconds"]}
    assert names == {"zero-shot", "few-shot", "tf-idf", "lora"}


def test_a_budget_too_small_for_one_trial_is_refused_before_anything_runs(
    tmp_path, small_scenario, tiny_model
):
    done = curve(tmp_path, tiny_model, "--budget", "1s", "--out", "out")
    assert done.returncode == 2
    assert done.stderr.strip().splitlines()[-1].startswith("error: --budget leaves ")
    assert not (tmp_path / "out").exists()


def test_a_budget_drops_seeds_and_says_so_and_a_larger_one_resumes(
    tmp_path, small_scenario, tiny_model
):
    """A hundred seeds fit no such budget; what the first start finished is there for the others, be
    they of a budget that is spent or of a larger one.
    """
    arguments = ("--only", "few-shot,lora", "--sizes", "8,16", "--seeds", "100", "--out", "out",
                 "--json")  # fmt: skip
    done = curve(tmp_path, tiny_model, *arguments, "--budget", "35s")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    budget = found["budget"]
    assert "dropped lora (seed 99)" in done.stderr
    assert budget["planned"][0].endswith("lora-s0")
    assert {one["contender"] for one in budget["dropped"]} >= {"few-shot", "lora"}
    points = tmp_path / "out" / "points"
    before = {file.name: file.stat().st_mtime_ns for file in points.glob("*.json")}
    assert any("lora" in name for name in before)
    spent = curve(tmp_path, tiny_model, *arguments, "--budget", "10s")
    assert spent.returncode == 0, spent.stderr
    left = json.loads(spent.stdout)["curve"]
    assert left["arms"] == found["curve"]["arms"]
    outcomes = [[trial["outcome"] for trial in one["trials"]] for one in (found["curve"], left)]
    assert all(b == a for a, b in zip(*outcomes, strict=True) if a["status"] == "done")
    assert "left out by the budget, " in spent.stderr
    again = curve(tmp_path, tiny_model, *arguments, "--budget", "45s")
    assert again.returncode == 0, again.stderr
    more = json.loads(again.stdout)["budget"]
    assert "already done" in again.stderr
    assert before.items() <= {f.name: f.stat().st_mtime_ns for f in points.glob("*.json")}.items()
    assert budget["spent_seconds"] < more["spent_seconds"]
