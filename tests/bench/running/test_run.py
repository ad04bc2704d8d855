"""Whole runs, as a user starts them, on a tiny model and generated rows."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench.running import runs
from tests.bench.running.runs import make_small, wait_for, without_forecast
from tests.conftest import run_command


def bench(*arguments, cwd=None, **environment):
    return run_command("bench", *arguments, cwd=cwd, **environment)


@pytest.fixture(scope="module")
def finished(tmp_path_factory, tiny_model):
    """A finished quick run: its folder and what it printed as JSON."""
    folder = tmp_path_factory.mktemp("run")
    scenario = folder / "small.toml"
    make_small(folder)
    done = bench(
        "run", scenario, "--quick", "--model", tiny_model, "--json", "--usd-per-hour", "3.6",
        cwd=folder, TUNE_OR_PROMPT_CACHE=str(folder / "cache"),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder, json.loads(done.stdout)


def test_the_json_has_the_agreed_keys(finished):
    _, found = finished
    assert set(found) == {"run", "record", "report", "verdict", "comparisons", "contenders"}
    assert [c["name"] for c in found["contenders"]] == [
        "majority", "tf-idf", "zero-shot", "few-shot", "lora",
    ]  # fmt: skip
    for contender in found["contenders"]:
        assert contender["status"] == "done"
        assert {"value", "low", "high", "level", "n", "method"} <= set(contender["accuracy"])
        assert contender["macro_f1"]["n"] == 40
        assert contender["p50_latency_ms"] <= contender["p95_latency_ms"]
        assert contender["throughput_rows_per_s"] > 0
        assert contender["peak_resident_bytes"] > 10 * 2**20
        assert contender["train_seconds"] >= 0
        assert "peak_gpu_bytes" in contender
    for part in ("quality", "latency", "cost", "overall"):
        assert set(found["verdict"][part]) == {"answer", "sentence", "would_settle"}


def test_the_folder_is_named_by_scenario_time_and_four_digits(finished):
    folder, found = finished
    run = folder / found["run"]
    assert run.parent.name == "runs"
    assert re.fullmatch(r"small-\d{8}T\d{6}Z-[0-9a-f]{4}", run.name)
    names = {entry.name for entry in run.iterdir()}
    assert {"plan.json", "record.json", "report.html", "answers", "adapters"} <= names


def test_every_answer_is_kept_raw_and_paired_by_id(finished):
    folder, found = finished
    answers = sorted((folder / found["run"] / "answers").iterdir())
    ids = []
    for file in answers:
        lines = [json.loads(line) for line in file.read_text().splitlines()]
        ids.append({line["example_id"] for line in lines})
        assert all(line["text"] in ("good", "bad") for line in lines)
    assert len(answers) == 5
    assert all(one == ids[0] and len(one) == 40 for one in ids)


def test_the_record_holds_plan_rows_machine_and_comparison(finished):
    folder, found = finished
    record = json.loads((folder / found["record"]).read_text())
    assert set(record) >= {
        "schema_version", "scenario", "plan", "environment", "data", "trials", "contenders",
        "estimates", "comparisons", "verdict", "forecasts",
    }  # fmt: skip
    assert record["plan"]["scenario"]["decision"]["margin"] == 0.03
    assert record["data"]["counts"]["test"] == 40
    assert record["environment"]["versions"]["torch"]
    assert [c["primary"] for c in record["comparisons"]].count(True) == 1
    assert set(record["comparisons"][0]) >= {
        "metric", "baseline", "challenger", "difference", "low", "high", "level", "n", "groups",
        "method", "p_value", "p_adjusted", "primary", "margin", "scope", "model", "task",
    }  # fmt: skip


def test_every_trials_forecast_is_graded_by_what_it_took(finished):
    folder, found = finished
    forecasts = json.loads((folder / found["record"]).read_text())["forecasts"]
    assert [f["contender"] for f in forecasts] == [c["name"] for c in found["contenders"]]
    for forecast in forecasts[2:]:
        assert forecast["measured_seconds"] > 1
        assert -1 < forecast["seconds_error"] < 3
        assert forecast["measured_peak_resident_bytes"] > 50 * 2**20
        assert forecast["peak_resident_bytes_held"] in (True, False)


def test_plan_record_and_report_name_no_folder_of_the_users(finished):
    folder, found = finished
    for file in ("plan.json", "record.json", "report.html"):
        text = (folder / found["run"] / file).read_text()
        assert f"{folder}/rows.jsonl" not in text
    assert "rows.jsonl" in text


def test_the_adapter_is_saved_and_its_bytes_are_reported(finished):
    folder, found = finished
    lora = next(c for c in found["contenders"] if c["name"] == "lora")
    file = folder / found["run"] / "adapters" / "05-lora-s0" / "adapter_model.safetensors"
    assert file.stat().st_size == lora["adapter_bytes"]


def test_the_record_is_evidence_for_the_advisor(finished):
    folder, found = finished
    profile = "[profile]\ntask_type = 'classification'\nlabelled_examples = 100\n"
    (folder / "mine.toml").write_text(f'title = "Mine"\n{profile}')
    for command, named in (("recommend", Path(found["run"]).name), ("cost", "zero-shot")):
        done = run_command(
            "advisor", command, "--profile", "mine.toml", "--evidence", found["run"], "--json",
            cwd=folder,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert named in done.stdout


def test_bench_and_advisor_read_the_same_versions_of_a_record():
    from advisor.evidence import records
    from bench.core import plan

    assert records.READABLE == plan.READABLE


def test_dollars_follow_from_the_price_and_the_throughput(finished):
    """$3.6 an hour is $0.001 a second: 1,000 requests cost $1 over rows a second."""
    _, found = finished
    for contender in found["contenders"]:
        expected = 1.0 / contender["throughput_rows_per_s"]
        assert contender["usd_per_1000_requests"] == pytest.approx(expected)


def test_an_adapter_that_is_switched_off_answers_as_the_base_does(finished, tiny_model):
    import peft
    import torch
    from transformers import AutoModelForCausalLM

    folder, found = finished
    adapter = folder / found["run"] / "adapters" / "05-lora-s0"
    ids = torch.tensor([[5, 6, 7, 8]])
    base = AutoModelForCausalLM.from_pretrained(tiny_model)
    with torch.inference_mode():
        plain = base(ids).logits.clone()
        tuned = peft.PeftModel.from_pretrained(base, adapter).eval()
        changed = tuned(ids).logits.clone()
        with tuned.disable_adapter():
            off = tuned(ids).logits
    assert torch.equal(off, plain)
    assert not torch.allclose(changed, plain)


def test_the_checks_of_the_run_hold_and_are_in_the_record(finished):
    folder, found = finished
    record = json.loads((folder / found["record"]).read_text())
    names = [canary["name"] for canary in record["canaries"]]
    assert names == ["groups apart", "copies apart", "prompts alike", "adapter off"]
    assert all(canary["passed"] for canary in record["canaries"])
    speeds = [trial["outcome"]["machine_gflops"] for trial in record["trials"]]
    assert min(speeds) > 0


def test_the_report_can_be_written_again(finished):
    folder, found = finished
    before = (folder / found["report"]).read_text()
    done = bench("report", found["run"], cwd=folder)
    assert done.returncode == 0
    assert (folder / found["report"]).read_text() == before


def test_a_finished_run_started_again_does_nothing_twice(finished, tiny_model):
    folder, found = finished
    arguments = ["run", folder / "small.toml", "--quick", "--model", tiny_model, "--json",
                 "--usd-per-hour", "3.6", "--out", found["run"]]  # fmt: skip
    done = bench(*arguments, cwd=folder, TUNE_OR_PROMPT_CACHE=str(folder / "cache"))
    assert done.returncode == 0
    assert done.stderr.count("already done") == 5
    assert json.loads(done.stdout)["contenders"] == found["contenders"]


def test_another_plan_in_the_folder_is_refused_with_what_differs(finished, tiny_model):
    folder, found = finished
    done = bench(
        "run", folder / "small.toml", "--quick", "--seed", "1", "--model", tiny_model,
        "--out", found["run"], cwd=folder, TUNE_OR_PROMPT_CACHE=str(folder / "cache"),
    )  # fmt: skip
    assert done.returncode == 2
    assert "different plan (differing: seed, rows, trials)" in done.stderr
    assert (folder / found["record"]).exists()


def start(folder, tiny_model):
    """A run of two contenders, without forecasts, as a process of its own."""
    without_forecast(folder / "out")
    return runs.start("run", folder, tiny_model, "--quick", "--only", "zero-shot,lora")


def children_of(pid):
    import psutil

    return psutil.Process(pid).children(recursive=True)


def test_ctrl_c_keeps_what_is_finished_and_says_how_to_resume(tmp_path, small_scenario, tiny_model):
    process = start(tmp_path, tiny_model)
    wait_for(lambda: (tmp_path / "out" / "outcomes" / "02-tf-idf-s0.json").exists())
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    last = errors.strip().splitlines()[-1]
    assert last.startswith(
        "error: interrupted: 2 of 4 trials are finished and saved. Resume with `"
    )
    assert f"bench run {tmp_path / 'small.toml'} --quick" in last
    assert f"--out {tmp_path / 'out'}`" in last


def test_a_polite_end_is_as_ctrl_c(tmp_path, small_scenario, tiny_model):
    process = start(tmp_path, tiny_model)
    wait_for(lambda: (tmp_path / "out" / "outcomes" / "01-majority-s0.json").exists())
    process.terminate()
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "trials are finished and saved" in errors.strip().splitlines()[-1]


@pytest.fixture(scope="module")
def resumed(tmp_path_factory, tiny_model):
    """The folder of a run that was killed after its second trial and then resumed.

    With what it printed, and the second trial's outcome as it was before the kill.
    """
    folder = tmp_path_factory.mktemp("resumed")
    make_small(folder)
    process = start(folder, tiny_model)
    first = folder / "out" / "outcomes" / "02-tf-idf-s0.json"
    wait_for(first.exists)
    wait_for(lambda: children_of(process.pid))
    children = children_of(process.pid)
    process.kill()
    process.communicate()
    wait_for(lambda: not any(c.is_running() and c.status() != "zombie" for c in children), 30)
    kept = first.read_bytes()
    again = start(folder, tiny_model)
    _, errors = again.communicate(timeout=120)
    assert again.returncode == 0, errors
    return folder, errors, kept


def test_kill_9_loses_no_finished_trial_and_leaves_no_orphan(resumed):
    folder, errors, kept = resumed
    assert "tf-idf: already done" in errors
    assert "forecast" not in errors  # they were in the folder already
    assert (folder / "out" / "outcomes" / "02-tf-idf-s0.json").read_bytes() == kept
    assert (folder / "out" / "report.html").exists()


def test_a_second_run_in_the_same_folder_is_refused(tmp_path, small_scenario, tiny_model):
    process = start(tmp_path, tiny_model)
    wait_for((tmp_path / "out" / "plan.json").exists)
    second = start(tmp_path, tiny_model)
    _, errors = second.communicate(timeout=60)
    assert second.returncode == 2
    assert "another run is using" in errors
    os.killpg(process.pid, signal.SIGINT)
    process.communicate()


GUARD = """
import os, socket
real = socket.socket.connect
def connect(self, address):
    if self.family in (socket.AF_INET, socket.AF_INET6):
        with open(os.environ["SEEN"], "a") as seen:
            seen.write(f"{address}\\n")
        raise OSError("this test lets nothing out")
    return real(self, address)
socket.socket.connect = socket.socket.connect_ex = connect
"""


@pytest.fixture(scope="module")
def own_rows(tmp_path_factory, tiny_model):
    """A run of a user's own 60 rows, by a process that may speak to no other machine."""
    folder = tmp_path_factory.mktemp("own")
    make_small(folder)
    lines = (folder / "rows.jsonl").read_text().splitlines(keepends=True)
    (folder / "mine.jsonl").write_text("".join(lines[:60]))
    (folder / "guard").mkdir()
    (folder / "guard" / "sitecustomize.py").write_text(GUARD)
    paths = [str(folder / "guard"), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    environment = {
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        "SEEN": str(folder / "seen"),
        "TUNE_OR_PROMPT_CACHE": str(folder / "cache"),
    }
    proof = subprocess.run(
        [sys.executable, "-c", "import socket; socket.create_connection(('127.0.0.1', 9))"],
        env={**os.environ, **environment},
        capture_output=True,
    )
    assert b"lets nothing out" in proof.stderr
    (folder / "seen").unlink()
    done = bench(
        "run", "--data", "mine.jsonl", "--quick", "--json", "--model", tiny_model, "--only",
        "zero-shot,lora", "--set", "lora.epochs=1", "--set", "lora.batch_size=4", cwd=folder,
        **environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder, done


def test_nothing_leaves_the_machine(own_rows):
    folder, _ = own_rows
    assert not (folder / "seen").exists(), (folder / "seen").read_text()


def test_rows_of_ones_own_need_only_their_file(own_rows):
    folder, done = own_rows
    found = json.loads(done.stdout)
    assert "60 rows of mine.jsonl; text in 'text', label in 'label'" in done.stderr
    assert (folder / "mine.toml").exists()
    assert found["contenders"][0]["accuracy"]["n"] == 18
    assert (folder / found["report"]).exists()


def test_few_validation_rows_leave_the_choices_to_cross_validation(own_rows):
    """Of 60 rows 18 are tested; the 8 that would validate are too few, so 42 train and choose."""
    folder, done = own_rows
    sentence = (
        "too few validation rows to choose on (8): choices are made by 5-fold cross-validation within "
        "the 42 rows outside the test set, and what is chosen is then fitted on all of them"
    )
    assert sentence in done.stderr
    found = json.loads(done.stdout)
    record = json.loads((folder / found["record"]).read_text())
    assert record["plan"]["choosing"] == {"folds": 5, "rows": 42, "sentence": sentence}
    assert "5-fold cross-validation" in record["plan"]["primary"]["chosen_by"]
    notes = {t["name"]: t["outcome"]["notes"] for t in record["trials"]}
    for name in ("tf-idf", "zero-shot", "lora"):
        assert notes[name]["chosen_by"] == "5-fold cross-validation"
        assert notes[name]["chosen_on_rows"] == 42
        assert (notes[name]["validation_score"] * 42) % 1 == pytest.approx(0)
    assert notes["lora"]["updates"] == 11  # 42 rows, four an update
    assert all(canary["passed"] for canary in record["canaries"])
    assert record["forecasts"][-1]["seconds"]
    html = (folder / found["report"]).read_text()
    text = re.sub(r"<[^>]+>", "", html)
    assert "5-fold cross-validation on the 42 rows" in text
    assert "`bench run ./mine.toml --quick --only few-shot@MODEL,lora" in found["verdict"]["scope"]


def test_a_trial_that_fails_has_a_reason_and_the_others_are_done(
    tmp_path, small_scenario, tiny_model
):
    """Rows far longer than the tiny model's vocabulary don't matter; a NaN in its weights does."""
    import torch
    from transformers import AutoModelForCausalLM

    broken = tmp_path / "broken"
    shutil.copytree(tiny_model, broken)
    lm = AutoModelForCausalLM.from_pretrained(broken)
    with torch.no_grad():
        lm.get_decoder().norm.weight.fill_(float("nan"))
    lm.save_pretrained(broken)
    arguments = ("run", small_scenario, "--quick", "--model", tiny_model, "--only",
                 f"zero-shot,lora@{broken}", "--out", without_forecast(tmp_path / "out"))  # fmt: skip
    done = bench(*arguments, "--json", cwd=tmp_path, TUNE_OR_PROMPT_CACHE=str(tmp_path / "cache"))
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    lora = found["contenders"][-1]
    assert lora["status"] == "failed"
    assert "the loss became nan" in lora["reason"]
    assert found["verdict"]["quality"]["answer"] == "not_applicable"
    strict = bench(
        *arguments, "--strict", cwd=tmp_path, TUNE_OR_PROMPT_CACHE=str(tmp_path / "cache")
    )
    assert strict.returncode == 1
    assert strict.stderr.count("already done") == 3  # the failed one was tried again
    assert "the loss became nan" in Path(tmp_path / found["report"]).read_text()


def test_free_texts_are_written_scored_and_reported(tmp_path, tiny_model):
    rows = [
        {"instruction": "Say it backwards.", "input": f"word{i} and {i * 7}",
         "output": f"{i * 7} and word{i}"}
        for i in range(60)
    ]  # fmt: skip
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = bench(
        "run", "--data", "rows.jsonl", "--quick", "--json", "--model", tiny_model, "--set",
        "few-shot.shots=2", "--set", "lora.epochs=1", cwd=tmp_path,
        TUNE_OR_PROMPT_CACHE=str(tmp_path / "cache"),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "the answers are free text of up to 14 characters" in done.stderr
    found = json.loads(done.stdout)
    assert [c["status"] for c in found["contenders"]] == ["done"] * 5
    for contender in found["contenders"]:
        assert contender["exact_match"]["n"] == 15
        assert 0 <= contender["chrf"]["value"] <= 1
    zero_shot, lora = found["contenders"][2], found["contenders"][4]
    for contender in (zero_shot, lora):
        assert 0 < contender["p50_first_token_ms"] < contender["p50_latency_ms"]
        assert contender["p50_per_token_ms"] > 0
    assert found["comparisons"][0]["metric"] == "exact-match"
    record = json.loads((tmp_path / found["record"]).read_text())
    assert all(forecast["seconds"] for forecast in record["forecasts"][2:])
    assert "first token" in (tmp_path / found["report"]).read_text()


def test_few_rows_are_cross_fitted(tmp_path, small_scenario):
    done = bench(
        "run", small_scenario, "--quick", "--json", "--only", "tf-idf", "--cross-fit", "3",
        cwd=tmp_path, TUNE_OR_PROMPT_CACHE=str(tmp_path / "cache"),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert {c["name"]: c["accuracy"]["n"] for c in found["contenders"]} == {
        "majority": 160, "tf-idf": 160,
    }  # fmt: skip
    assert not list((tmp_path / found["run"]).glob("rows*.json"))


def test_too_few_rows_for_cross_validation_are_refused_before_anything_runs(
    tmp_path, small_scenario, tiny_model
):
    text = small_scenario.read_text().replace("validation_rows = 20", "validation_rows = 4")
    small_scenario.write_text(text)
    done = bench(
        "run", small_scenario, "--quick", "--model", tiny_model, "--train-rows", "6", "--out", "out",
        cwd=tmp_path, TUNE_OR_PROMPT_CACHE=str(tmp_path / "cache"),
    )  # fmt: skip
    assert done.returncode == 2
    [line] = done.stderr.strip().splitlines()
    assert line.startswith("error: 6 rows outside the test set")
    assert line.endswith("raise --train-rows")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("few-shot.shots=400", "few-shot.shots=400 is more demonstrations than the"),
        ("dora.rank=4", "--set dora.rank: dora isn't in this run, which has"),
        ("lora.learning_rates=1e-3,1e-3", "lora.learning_rates lists 0.001 twice"),
        ("lora.targets=bogus", "tiny-model0 has no module 'bogus' to put an adapter on"),
    ],
)
def test_an_impossible_setting_is_refused_before_anything_runs(
    tmp_path, small_scenario, tiny_model, setting, message
):
    done = bench(
        "run", small_scenario, "--quick", "--model", tiny_model, "--set", setting, "--out", "out",
        cwd=tmp_path, TUNE_OR_PROMPT_CACHE=str(tmp_path / "cache"),
    )  # fmt: skip
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert message in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.fixture
def unfinished(tmp_path, resumed, tiny_model):
    """A finished run's folder, and the way to start it again; damage makes it unfinished."""
    shutil.copytree(resumed[0], tmp_path, dirs_exist_ok=True)

    def again():
        process = start(tmp_path, tiny_model)
        _, errors = process.communicate(timeout=120)
        return process.returncode, errors

    return tmp_path / "out", again


def test_a_trial_whose_files_are_damaged_is_done_again_before_the_record_is_made(unfinished):
    folder, again = unfinished
    before = json.loads((folder / "record.json").read_text())
    (folder / "outcomes" / "01-majority-s0.json").write_text("{")
    (folder / "outcomes" / "02-tf-idf-s0.json").write_text('{"status": "done"}')
    (folder / "answers" / "03-zero-shot-s0.jsonl").unlink()
    code, errors = again()
    assert code == 0, errors
    assert errors.count("already done") == 1  # lora's
    after = json.loads((folder / "record.json").read_text())
    assert after["estimates"] == before["estimates"]
    (folder / "plan.json").write_text("[]")
    code, errors = again()
    assert (code, errors.count("\n")) == (2, 1)
    assert "plan.json' is damaged" in errors


def test_an_adapter_that_is_gone_is_trained_again(unfinished):
    folder, again = unfinished
    answers = (folder / "answers" / "04-lora-s0.jsonl").read_text()
    outcome = json.loads((folder / "outcomes" / "04-lora-s0.json").read_text())
    (folder / "outcomes" / "04-lora-s0.json").unlink()
    (folder / "fitted" / "04-lora-s0").mkdir()
    kept = {"notes": outcome["notes"], "setup": outcome["setup"]}
    (folder / "fitted" / "04-lora-s0" / "fitted.json").write_text(json.dumps(kept))
    for file in (folder / "adapters" / "04-lora-s0").iterdir():
        file.unlink()
    code, errors = again()
    assert code == 0, errors

    def said(text):
        return [(a["example_id"], a["text"]) for a in map(json.loads, text.strip().split("\n"))]

    assert said((folder / "answers" / "04-lora-s0.jsonl").read_text()) == said(answers)


def test_a_model_folder_of_the_users_is_named_by_its_name_only(finished, tiny_model):
    folder, found = finished
    run = folder / found["run"]
    files = [run / "record.json", run / "report.html", *(run / "adapters").rglob("*.json"),
             *(run / "adapters").rglob("*.md")]  # fmt: skip
    assert len(files) >= 4
    for file in files:
        assert str(tiny_model.parent) not in file.read_text(), file
    assert found["contenders"][-1]["model"] == tiny_model.name
