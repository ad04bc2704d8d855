"""Wrong input is reported in one line on stderr that names it and the way out, with exit code 2."""

import json
import re
from pathlib import Path

import click
import pytest

import scenarios
from bench.api.text import results_lines
from bench.cli import cli
from bench.cli.resume import resume_command
from tests.conftest import run_command


def bench(*arguments, **environment):
    return run_command("bench", *arguments, **environment)


def error_line(done):
    """The one line of an error, after checking that it is the only output."""
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("error: ")
    return lines[0].removeprefix("error: ")


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["run", "sentimnet"], ["'sentimnet'", "did you mean 'sentiment'?"]),
        (["plan", "sentiment", "--only", "fewshot"], ["'fewshot'", "did you mean 'few-shot'?"]),
        (["rnu", "sentiment"], ["'rnu'", "did you mean 'run'?"]),
        (["run", "sentiment", "--quick", "--full"], ["--quick", "--full", "one of them"]),
        (["run", "sentiment", "--seed", "x"], ["'--seed'", "'x'", "`bench --help`"]),
        (["run", "sentiment", "--qick"], ["'--qick'", "Did you mean '--quick'?"]),
        (["report", "nowhere"], ["'nowhere'", "record.json"]),
        (["run", "sentiment", "--seeds", "1,2,1"], ["--seeds", " 1 twice"]),
        (["run", "sentiment", "--look", "2"], ["--look 2", "looks = 1", "[decision]"]),
        (["curve", "sentiment", "--set", "lora.replay=0.5"],
         ["lora.replay", "bench sweep --vary replay=0,0.2"]),
        (["run", "sentiment", "--seeds", "0"], ["--seeds 0", "1 to 100", "--seed "]),
        (["run", "sentiment", "--seeds", "a"], ["--seeds", "'a'", "0,1,2"]),
        (["run", "sentiment", "--seeds", "1,-2"], ["--seeds", "from 0 to 4294967295"]),
        (["curve", "sentiment", "--sizes", "64,32"], ["--sizes", "32,64"]),
        (["curve", "sentiment", "--sizes", "32,64,64"], ["--sizes", "64 twice", "different"]),
        (["curve", "sentiment", "--sizes", "2,32"], ["--sizes", " 2", " 3 ", "label"]),
        (["curve", "sentiment", "--sizes", "32"], ["--sizes", "one", "two"]),
        (["curve", "sentiment", "--sizes", "32,x"], ["'--sizes'", "'32,x'", "16,32,64"]),
        (["curve", "sentiment", "--seeds", "0"], ["'--seeds'", "1<=x<=100"]),
        (["curve", "niche-domain"],
         ["'niche-domain'", "[task]", "`advisor recommend --scenario niche-domain`"]),
        (["run", "sentiment", "--budget", "soon"], ["--budget", "'soon'", "20m", "5usd"]),
        (["curve", "sentiment", "--budget", "0m"], ["--budget 0m", "a year"]),
        (["run", "sentiment", "--budget", "$5"], ["price", "--usd-per-hour", "20m"]),
        (["run", "sentiment", "--budget", "5m", "--cross-fit", "5"],
         ["--budget can't be combined with --cross-fit", "fold"]),
        (["run", "niche-domain"],
         ["'niche-domain'", "[task]", "`advisor recommend --scenario niche-domain`"]),
    ],
)  # fmt: skip
def test_wrong_input_is_one_line_with_the_way_out(arguments, named):
    line = error_line(bench(*arguments))
    assert [part for part in named if part not in line] == [], line


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--sizes", "8,5000"], ["--sizes", "5000", "100 training rows"]),
        (["--only", "setfit"], ["'setfit'", "learning curve", "--only"]),
        (["--only", "majority"], ["majority", "learning curve"]),
        (["--set", "lora.learning_rates=1e-3,1e-4"],
         ["one learning rate", "--set lora.learning_rates=0.001"]),
    ],
)  # fmt: skip
def test_an_impossible_curve_is_reported_before_anything_runs(
    small_scenario, tmp_path, options, named
):
    done = run_command(
        "bench", "curve", small_scenario, *options, cwd=tmp_path,
        TUNE_OR_PROMPT_CACHE=str(tmp_path / "cache"),
    )  # fmt: skip
    line = error_line(done)
    assert [part for part in named if part not in line] == [], line
    assert not (tmp_path / "runs").exists()


def test_an_unknown_model_is_reported_before_a_run_begins(small_scenario, tmp_path):
    done = run_command(
        "bench", "run", small_scenario, "--model", "SmolLM2-135M-Instruc", cwd=tmp_path,
        TUNE_OR_PROMPT_CACHE=str(tmp_path / "cache"),
    )  # fmt: skip
    line = error_line(done)
    assert "'SmolLM2-135M-Instruc'" in line
    assert "did you mean 'SmolLM2-135M-Instruct'?" in line
    assert not (tmp_path / "runs").exists()


def test_all_faults_of_a_scenario_file_are_reported_with_their_lines(tmp_path):
    path = tmp_path / "ill.toml"
    path.write_text('titel = "x"\n[profile]\nclasses = 1\n[task]\nlabels = ["a"]\n')
    line = error_line(bench("run", path))
    for part in ("line 1, titel: ", "did you mean 'title'?", "line 3, profile.classes",
                 "task.instruction: "):  # fmt: skip
        assert part in line


def test_no_network_with_an_empty_cache_is_one_line(tmp_path):
    done = bench(
        "run", "sentiment", "--quick", TUNE_OR_PROMPT_CACHE=str(tmp_path),
        PIP_INDEX_URL="http://127.0.0.1:9/simple/",
    )  # fmt: skip
    line = error_line(done)
    assert "vaderSentiment-3.3.2.tar.gz" in line
    assert "package index" in line


def test_an_out_that_is_a_file_or_cannot_be_written_is_reported(
    small_scenario, tmp_path, tiny_model
):
    (tmp_path / "file").write_text("")
    arguments = ["run", small_scenario, "--model", tiny_model, "--out"]
    cache = {"TUNE_OR_PROMPT_CACHE": str(tmp_path / "cache")}
    line = error_line(bench(*arguments, tmp_path / "file", **cache))
    assert f"'{tmp_path / 'file'}'" in line
    assert "--out" in line
    assert "'/proc/no/such': " in error_line(bench(*arguments, "/proc/no/such", **cache))


def test_a_damaged_record_is_reported(tmp_path):
    (tmp_path / "record.json").write_text("{")
    assert f"'{tmp_path / 'record.json'}'" in error_line(bench("report", tmp_path))
    (tmp_path / "record.json").write_text('{"schema_version": 99}')
    assert re.search("schema_version.*99.* 1", error_line(bench("report", tmp_path)))
    (tmp_path / "record.json").write_text('{"schema_version": 1}')
    assert "'plan'" in error_line(bench("report", tmp_path))


def test_list_names_scenarios_contenders_and_metrics():
    found = json.loads(bench("list", "--json").stdout)
    assert list(found["scenarios"]) == ["data-quality", "sentiment"]
    assert found["contenders"] == {
        "dora": "fine_tune", "embeddings": "between", "few-shot": "prompt", "full": "fine_tune",
        "lora": "fine_tune", "majority": "floor", "qlora": "fine_tune", "retrieved": "prompt",
        "rslora": "fine_tune", "setfit": "between", "tf-idf": "floor", "zero-shot": "prompt",
    }  # fmt: skip
    assert found["metrics"] == ["accuracy", "chrf", "exact-match", "macro-f1"]


def test_the_list_for_people_says_baseline_for_the_family_floor():
    lines = bench("list").stdout.splitlines()
    assert "  majority     baseline     needs no model" in lines
    assert "  lora         fine-tuning  uses a model" in lines


def test_a_plan_is_shown_and_nothing_is_run(small_scenario, tmp_path):
    cache = {"TUNE_OR_PROMPT_CACHE": str(tmp_path / "cache")}
    done = run_command("bench", "plan", small_scenario, "--quick", "--json", cwd=tmp_path, **cache)
    found = json.loads(done.stdout)
    assert [t["name"] for t in found["trials"]][-1] == "lora"
    text = run_command("bench", "plan", small_scenario, "--quick", cwd=tmp_path, **cache).stdout
    assert re.search(r"^rows: 40 test .*, 20 validation, 100 training$", text, re.M)
    assert re.search("^primary comparison: accuracy, .* lora vs .* few-shot", text, re.M)
    assert re.search("^interim analysis 1 of 1, alpha = 5%", text, re.M)
    assert not (tmp_path / "runs").exists()


def test_a_scenario_and_rows_exclude_each_other():
    for arguments in (["--quick"], ["sentiment", "--data", "x.csv"]):
        line = error_line(bench("run", *arguments))
        assert "scenario" in line
        assert "--data FILE" in line
    line = error_line(bench("run", "sentiment", "--text-field", "x"))
    assert "--text-field" in line
    assert "need --data" in line


def test_an_inferred_scenario_never_overwrites_another_file(tmp_path, small_scenario):
    cache = {"TUNE_OR_PROMPT_CACHE": str(tmp_path / "cache")}
    rows = tmp_path / "rows.jsonl"
    first = bench("init", rows, "--json", **cache)
    path = tmp_path / "rows.toml"
    assert json.loads(first.stdout) == {"scenario": str(path)}
    assert bench("init", rows, **cache).returncode == 0  # the same content again is fine
    path.write_text(path.read_text().replace("Which label", "What label"))
    line = error_line(bench("init", rows, **cache))
    assert f"'{path}' already exists" in line
    assert f"`bench run {path}`" in line
    assert "What label" in path.read_text()


COMMANDS = [[], *([name] for name in sorted(cli.commands))]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_fits_80_columns_and_imports_no_torch(command):
    done = run_command("bench", *command, "--help", PYTHONPROFILEIMPORTTIME="1", COLUMNS="200")
    assert done.returncode == 0
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "bench.cli" in imported
    assert not imported & {"torch", "transformers", "scipy", "sklearn", "jinja2"}
    assert [line for line in done.stdout.splitlines() if len(line) > 80] == []
    assert "..." not in done.stdout.partition("Commands:")[2]  # no summary is cut off


@pytest.mark.parametrize("command", sorted(set(cli.commands) - {"list"}))
def test_help_comes_with_examples(command):
    assert "Example" in run_command("bench", command, "--help").stdout


@pytest.mark.parametrize("name", sorted(cli.commands))
def test_every_command_and_option_has_a_help_text_that_ends_with_a_full_stop(name):
    command = cli.commands[name]
    first = (command.help or "").partition("\n\n")[0]
    assert first.endswith(".")
    texts = {
        parameter.opts[0]: parameter.help or ""
        for parameter in command.params
        if isinstance(parameter, click.Option)
    }
    assert texts
    assert [option for option, text in texts.items() if not text.endswith(".")] == []


def test_a_failed_contender_has_its_reason_instead_of_cells():
    lora = {"name": "lora", "status": "failed", "reason": "out of memory"}
    quality = {"value": 0.5, "low": 0.4, "high": 0.6}
    few_shot = {
        "name": "few-shot", "status": "done", "accuracy": quality, "p50_latency_ms": 70.25,
        "p95_latency_ms": 1234.5, "throughput_rows_per_s": 14, "train_seconds": 18.4,
        "peak_resident_bytes": 784 * 2**20,
    }  # fmt: skip
    record = {
        "plan": {"scenario": {"task": {"metrics": ["accuracy"]}}}, "contenders": [few_shot, lora],
        "curve": None, "budget": None, "sweep": None,
        "verdict": {"overall": {"answer": "cant_tell", "sentence": "S.", "would_settle": None},
                    "scope": "This holds here."},
    }  # fmt: skip
    table, *rest = results_lines(record)
    head, first, second = table.strip("\n").splitlines()
    assert head.split() == ["accuracy", "p50", "p95", "rows/s", "set-up", "memory"]
    assert first.split()[:3] == ["few-shot", "0.500", "(0.400-0.600)"]
    assert first.split()[3:] == ["70.2", "ms", "1,234.5", "ms", "14", "18", "s", "784", "MiB"]
    assert second.split(maxsplit=1) == ["lora", "failed: out of memory"]
    assert rest == ["Can't tell yet. S.", "This holds here."]


@pytest.mark.parametrize(
    ("typed", "resumed"),
    [
        (["run", "sentiment"], "bench run sentiment --out 'runs/a b'"),
        (["run", "x", "--out", "here"], "bench run x --out here"),
        (["run", "x", "--out=here"], "bench run x --out=here"),
    ],
)
def test_the_command_that_resumes_names_the_folder_once(monkeypatch, typed, resumed):
    monkeypatch.setattr("sys.argv", ["/bin/bench", *typed])
    monkeypatch.setattr("shutil.which", lambda name: f"/bin/{name}")
    assert resume_command(Path("runs/a b")) == resumed


def test_a_shell_can_complete_commands_and_options():
    done = run_command("bench", _BENCH_COMPLETE="bash_source")
    assert done.returncode == 0
    assert "_bench_completion" in done.stdout
    words = {"COMP_WORDS": "bench run --cross", "COMP_CWORD": "2"}
    done = run_command("bench", _BENCH_COMPLETE="bash_complete", **words)
    assert (done.returncode, done.stdout) == (0, "plain,--cross-fit\n")


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--usd-per-hour", "nan"], ["'--usd-per-hour'", "'nan'"]),
        (["--usd-per-hour", "inf"], ["'--usd-per-hour'", "inf is not in the range"]),
        (["--label-noise", "nan"], ["'--label-noise'", "'nan'"]),
        (["--seed", str(2**64)], ["'--seed'", "0<=x<=4294967295"]),
        (["--set", "lora.learning_rates=1e-3,inf"], ["lora.learning_rates", "finite"]),
        (["--set", "lora.targets="], ["lora.targets", "at least 1 character"]),
    ],
)
def test_values_out_of_range_are_reported_before_anything_runs(arguments, named):
    line = error_line(bench("run", "sentiment", "--quick", *arguments))
    assert [part for part in named if part not in line] == [], line


def test_control_characters_of_names_and_data_do_not_reach_the_terminal(tmp_path):
    evil = "\x1b[31mred\x1b]0;owned\x07"
    line = error_line(bench("run", evil))
    assert "'\ufffd[31mred\ufffd]0;owned\ufffd'" in line
    assert ", ".join(scenarios.names()) in line
    rows = [{"text": f"row {i} of {i * 7919}", "label": (evil, "b")[i % 2]} for i in range(40)]
    (tmp_path / "r.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = bench("init", tmp_path / "r.jsonl", TUNE_OR_PROMPT_CACHE=str(tmp_path / "cache"))
    assert done.returncode == 0
    assert "\x1b" not in done.stderr
    assert "\ufffd[31mred" in done.stderr


@pytest.mark.parametrize("out", [".", "no/such/folder/x.toml"])
def test_a_path_that_a_scenario_cannot_be_written_to_is_reported(tmp_path, small_scenario, out):
    done = run_command(
        "bench", "init", "rows.jsonl", "--out", out, cwd=tmp_path,
        TUNE_OR_PROMPT_CACHE=str(tmp_path / "cache"),
    )  # fmt: skip
    assert done.returncode == 2
    last = done.stderr.splitlines()[-1]
    assert last.startswith("error: ")
    assert out in last
    assert "Traceback" not in done.stderr
