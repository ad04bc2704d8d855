"""What a user gets wrong is one line on stderr that names it, and exit code 2."""

import json

import pytest

import scenarios
from tests.conftest import run_command


def bench(*arguments, **environment):
    return run_command("bench", *arguments, **environment)


def told(done):
    """The one line of an error, after checking that it is the only output."""
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    return lines[0].removeprefix("error: ")


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["run", "sentimnet"], "no scenario named 'sentimnet'; did you mean 'sentiment'?"),
        (["plan", "sentiment", "--only", "fewshot"],
         "no contender named 'fewshot'; did you mean 'few-shot'?"),
        (["rnu", "sentiment"], "no command named 'rnu'; did you mean 'run'?"),
        (["run", "sentiment", "--quick", "--full"],
         "--quick and --full exclude each other; give one of them"),
        (["run", "sentiment", "--seed", "x"],
         "Invalid value for '--seed': 'x' is not a valid integer range; see `bench --help`"),
        (["run", "sentiment", "--qick"],
         "No such option '--qick'. Did you mean '--quick'?; see `bench --help`"),
        (["report", "nowhere"], "no record at 'nowhere'; a finished run leaves record.json"),
        (["run", "sentiment", "--seeds", "1,2,1"],
         "--seeds names 1 twice; a repeated seed is no new draw, give others"),
        (["run", "sentiment", "--look", "2"],
         "--look 2, and looks = 1 in [decision]: looks are declared before the first"),
        (["curve", "sentiment", "--set", "lora.replay=0.5"],
         "a curve trains without replay; leave lora.replay out of `bench curve`, and try it by `bench "
         "sweep --vary replay=0,0.2`"),
        (["run", "sentiment", "--seeds", "0"],
         "--seeds 0: give 1 to 100 seeds; --seed says where they begin"),
        (["run", "sentiment", "--seeds", "a"],
         "--seeds takes a number of seeds, or 0,1,2, not 'a'"),
        (["curve", "sentiment", "--sizes", "64,32"],
         "--sizes must rise, since each size contains the one before; give 32,64"),
        (["curve", "sentiment", "--sizes", "32,64,64"],
         "--sizes names 64 twice; give each size once"),
        (["curve", "sentiment", "--sizes", "2,32"],
         "--sizes begins at 2, which is fewer than the 3 that are needed to have one row of each "
         "label; begin higher"),
        (["curve", "sentiment", "--sizes", "32"],
         "--sizes names one size; a curve needs two, and four to be fitted"),
        (["curve", "sentiment", "--sizes", "32,x"],
         "Invalid value for '--sizes': '32,x' isn't 16,32,64; see `bench --help`"),
        (["curve", "sentiment", "--seeds", "0"],
         "Invalid value for '--seeds': 0 is not in the range 1<=x<=100; see `bench --help`"),
        (["curve", "niche-domain"],
         "the scenario 'niche-domain' has no [task], so there is nothing to run; "
         "`advisor recommend --scenario niche-domain` advises on it"),
        (["run", "sentiment", "--budget", "soon"],
         "--budget takes 90s, 20m, 1h30m or 5usd, not 'soon'"),
        (["curve", "sentiment", "--budget", "0m"],
         "--budget 0m: a budget is more than nothing, and a year at most"),
        (["run", "sentiment", "--budget", "$5"],
         "--budget $5: no price is known for what this run uses; give this machine's by "
         "--usd-per-hour, or a budget of time such as 20m"),
        (["run", "sentiment", "--budget", "5m", "--cross-fit", "5"],
         "--budget and --cross-fit exclude each other: a fold less is no contender less"),
        (["run", "niche-domain"],
         "the scenario 'niche-domain' has no [task], so there is nothing to run; "
         "`advisor recommend --scenario niche-domain` advises on it"),
    ],
)  # fmt: skip
def test_a_slip_is_one_line_with_the_way_out(arguments, line):
    assert told(bench(*arguments)) == line


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--sizes", "8,5000"], "--sizes goes to 5000, and 100 training rows are there; end at 100, or bring more rows"),
        (["--only", "setfit"], "'setfit' has no learning curve; leave it out of --only"),
        (["--only", "majority"], "majority has no learning curve: it says one thing to everything"),
        (["--set", "lora.learning_rates=1e-3,1e-4"],
         "a curve trains lora with one learning rate, since it counts every row that chooses; give "
         "--set lora.learning_rates=0.001"),
    ],
)  # fmt: skip
def test_a_curve_that_cannot_be_is_told_before_anything_runs(
    small_scenario, tmp_path, options, line
):
    done = run_command(
        "bench", "curve", small_scenario, *options, cwd=tmp_path,
        TUNE_OR_PROMPT_CACHE=str(tmp_path / "cache"),
    )  # fmt: skip
    assert told(done) == line
    assert not (tmp_path / "runs").exists()


def test_an_unknown_model_is_told_before_a_run_begins(small_scenario, tmp_path):
    done = run_command(
        "bench", "run", small_scenario, "--model", "SmolLM2-135M-Instruc", cwd=tmp_path,
        TUNE_OR_PROMPT_CACHE=str(tmp_path / "cache"),
    )  # fmt: skip
    expected = "no model named 'SmolLM2-135M-Instruc'; did you mean 'SmolLM2-135M-Instruct'?"
    assert told(done) == expected
    assert not (tmp_path / "runs").exists()


def test_ill_toml_tells_all_faults_with_their_lines(tmp_path):
    path = tmp_path / "ill.toml"
    path.write_text('titel = "x"\n[profile]\nclasses = 1\n[task]\nlabels = ["a"]\n')
    line = told(bench("run", path))
    for part in ("line 1, titel: unknown key; did you mean 'title'?", "line 3, profile.classes",
                 "task.instruction: missing"):  # fmt: skip
        assert part in line


def test_no_network_with_an_empty_cache_is_one_line(tmp_path):
    done = bench(
        "run", "sentiment", "--quick", TUNE_OR_PROMPT_CACHE=str(tmp_path),
        PIP_INDEX_URL="http://127.0.0.1:9/simple/",
    )  # fmt: skip
    assert told(done).startswith("can't fetch vaderSentiment-3.3.2.tar.gz from your package index")


def test_out_that_is_a_file_or_cannot_be_written_is_told(small_scenario, tmp_path, tiny_model):
    (tmp_path / "file").write_text("")
    arguments = ["run", small_scenario, "--model", tiny_model, "--out"]
    cache = {"TUNE_OR_PROMPT_CACHE": str(tmp_path / "cache")}
    assert told(bench(*arguments, tmp_path / "file", **cache)).endswith("--out takes a folder")
    done = bench(*arguments, "/proc/no/such", **cache)
    assert told(done).startswith("can't write to '/proc/no/such': ")


def test_a_record_that_is_none_is_told(tmp_path):
    (tmp_path / "record.json").write_text("{")
    assert "isn't a record" in told(bench("report", tmp_path))
    (tmp_path / "record.json").write_text('{"schema_version": 99}')
    assert "has schema_version 99, and this version reads 1" in told(bench("report", tmp_path))
    (tmp_path / "record.json").write_text('{"schema_version": 1}')
    assert "lacks 'plan'" in told(bench("report", tmp_path))


def test_list_names_scenarios_contenders_and_metrics():
    found = json.loads(bench("list", "--json").stdout)
    assert list(found["scenarios"]) == ["data-quality", "sentiment"]
    assert found["contenders"] == {
        "dora": "fine_tune", "embeddings": "between", "few-shot": "prompt", "full": "fine_tune",
        "lora": "fine_tune", "majority": "floor", "qlora": "fine_tune", "retrieved": "prompt",
        "rslora": "fine_tune", "setfit": "between", "tf-idf": "floor", "zero-shot": "prompt",
    }  # fmt: skip
    assert found["metrics"] == ["accuracy", "chrf", "exact-match", "macro-f1"]


def test_a_plan_is_shown_and_nothing_is_run(small_scenario, tmp_path):
    cache = {"TUNE_OR_PROMPT_CACHE": str(tmp_path / "cache")}
    done = run_command("bench", "plan", small_scenario, "--quick", "--json", cwd=tmp_path, **cache)
    found = json.loads(done.stdout)
    assert [t["name"] for t in found["trials"]][-1] == "lora"
    text = run_command("bench", "plan", small_scenario, "--quick", cwd=tmp_path, **cache).stdout
    assert "rows: 40 test in " in text
    assert "primary comparison: accuracy of the best of lora against" in text
    assert not (tmp_path / "runs").exists()


def test_a_scenario_and_rows_exclude_each_other():
    line = "give either a scenario's name or --data FILE"
    assert told(bench("run", "--quick")) == line
    assert told(bench("run", "sentiment", "--data", "x.csv")) == line
    assert told(bench("run", "sentiment", "--text-field", "x")) == (
        "--text-field and --label-field go with --data"
    )


def test_an_inferred_scenario_is_never_written_over_another(tmp_path, small_scenario):
    cache = {"TUNE_OR_PROMPT_CACHE": str(tmp_path / "cache")}
    rows = tmp_path / "rows.jsonl"
    first = bench("init", rows, "--json", **cache)
    path = tmp_path / "rows.toml"
    assert json.loads(first.stdout) == {"scenario": str(path)}
    assert bench("init", rows, **cache).returncode == 0  # the same again is no harm
    path.write_text(path.read_text().replace("Which label", "What label"))
    assert "is there already and says something else" in told(bench("init", rows, **cache))
    assert "What label" in path.read_text()


@pytest.mark.parametrize("command", [[], ["run"], ["plan"], ["sweep"], ["list"], ["report"]])
def test_help_comes_with_examples_and_without_torch(command):
    done = run_command("bench", *command, "--help", PYTHONPROFILEIMPORTTIME="1")
    assert done.returncode == 0
    assert "torch" not in done.stderr
    if command != ["list"]:
        assert "Example" in done.stdout


def test_a_shell_can_complete_the_commands():
    done = run_command("bench", _BENCH_COMPLETE="bash_source")
    assert done.returncode == 0
    assert "_bench_completion" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--usd-per-hour", "nan"], "'nan' is no number"),
        (["--usd-per-hour", "inf"], "inf is not in the range"),
        (["--seed", str(2**64)], "is not in the range 0<=x<=4294967295"),
        (
            ["--set", "lora.learning_rates=1e-3,inf"],
            "lora.learning_rates: input should be a finite number",
        ),
        (["--set", "lora.targets="], "lora.targets: string should have at least 1 character"),
    ],
)
def test_numbers_that_are_none_are_told_before_anything_runs(arguments, line):
    assert line in told(bench("run", "sentiment", "--quick", *arguments))


def test_control_characters_of_names_and_data_do_not_reach_the_terminal(tmp_path):
    evil = "\x1b[31mred\x1b]0;owned\x07"
    done = bench("run", evil)
    assert told(
        done
    ) == "no scenario named '\ufffd[31mred\ufffd]0;owned\ufffd'; known: " + ", ".join(
        scenarios.names()
    )
    rows = [{"text": f"row {i} of {i * 7919}", "label": (evil, "b")[i % 2]} for i in range(40)]
    (tmp_path / "r.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = bench("init", tmp_path / "r.jsonl", TUNE_OR_PROMPT_CACHE=str(tmp_path / "cache"))
    assert done.returncode == 0
    assert "\x1b" not in done.stderr
    assert "\ufffd[31mred" in done.stderr


@pytest.mark.parametrize("out", [".", "no/such/folder/x.toml"])
def test_a_path_that_cannot_be_written_as_a_scenario_is_told(tmp_path, small_scenario, out):
    done = run_command(
        "bench", "init", "rows.jsonl", "--out", out, cwd=tmp_path,
        TUNE_OR_PROMPT_CACHE=str(tmp_path / "cache"),
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("error: ")
    assert "Traceback" not in done.stderr
