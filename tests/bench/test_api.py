"""What `import bench` gives: plans, runs and findings as values, in silence, with wrong input by name."""

import dataclasses
import inspect
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from html import unescape
from pathlib import Path

import click
import psutil
import pytest
from click.testing import CliRunner

import bench
import scenarios
from bench.api.asked import Asked
from bench.cli import cli
from bench.core.folder import RunFolder
from bench.running.local import LocalProcesses
from scenarios.progress import heard_by
from tests.bench.plans import run_plan
from tests.conftest import ROOT, run_command, write_small_scenario

MEASUREMENTS = ROOT / "docs" / "measurements"
QUICK = MEASUREMENTS / "2026-11-24-quick-cpu.json"
RUNS = ROOT / "tests" / "data" / "runs"
RECORDS = [
    path for path in sorted(MEASUREMENTS.glob("*.json")) if '"verdict"' in path.read_text()
] + sorted(path for path in RUNS.glob("version-*"))
OUR_COMMAND = "`bench run sentiment --only few-shot@MODEL,lora`"  # in the scope of QUICK
EVIL = "<script>alert(1)</script> | `x` $y$ </iframe>\n# heading"


def of_run(**keywords):
    """The keywords of the one small run: a random model, and no contender that trains."""
    return {"quick": True, "only": ["zero-shot"], **keywords}


# Importing it.


def test_import_bench_imports_nothing_else_of_ours_and_no_library():
    code = "import sys, bench; print(*sys.modules)"
    done = python(code)
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert not loaded & {"torch", "numpy", "pydantic", "click", "scenarios", "advisor", "reports"}
    assert [name for name in done.stdout.split() if name.startswith("bench.")] == []


def python(code, *arguments, **environment):
    """A finished Python process that ran some code, with its output as text."""
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True, text=True, env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
    )  # fmt: skip


def test_every_public_name_is_there_and_in_the_docstring():
    for name in bench.__all__:
        assert getattr(bench, name).__name__ == name
        assert re.search(rf"^    .*\b{name}\b", bench.__doc__, re.M), name
    assert dir(bench) == sorted(bench.__all__)
    with pytest.raises(AttributeError, match=r"bench.*'rnu'"):
        _ = bench.rnu


@pytest.mark.parametrize(
    ("command", "function", "without"),
    [
        ("run", bench.run, {"as_json", "strict"}),
        ("plan", bench.plan, {"as_json"}),
        ("curve", bench.curve, {"as_json", "strict", "plan_only"}),
        ("curve", bench.plan_curve, {"as_json", "strict", "plan_only", "out"}),
        ("sweep", bench.sweep, {"as_json", "plan_only"}),
        ("sweep", bench.plan_sweep, {"as_json", "plan_only", "out", "usd_per_hour"}),
        ("init", bench.init, {"as_json"}),
    ],
)
def test_every_option_of_a_command_is_a_keyword_of_its_function(command, function, without):
    options = {parameter.name for parameter in cli.commands[command].params} - without
    keywords = inspect.signature(function).parameters
    brought = (
        set() if command == "init" else {"metrics", "models"}
    )  # objects, which no option can be
    assert set(keywords) == options | brought | {"progress"}
    fields = {field.name: field.default for field in dataclasses.fields(Asked)}
    defaults = {name: keyword.default for name, keyword in keywords.items()}
    del defaults["data" if command == "init" else "scenario"]
    assert defaults == {name: fields[name] for name in defaults}
    assert not any(isinstance(p, click.Option) and p.required for p in cli.commands[command].params)


# Reading records.


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.stem)
def test_a_kept_record_is_read_with_the_values_that_it_holds(path):
    found = bench.read(str(path))
    record = json.loads((path / "record.json" if path.is_dir() else path).read_text())
    assert found.record == record
    overall = record["verdict"]["overall"]
    assert (found.verdict.answer, found.verdict.sentence) == (
        overall["answer"],
        overall["sentence"],
    )
    for part in ("quality", "latency", "cost"):
        assert dataclasses.asdict(getattr(found.verdict, part)) == record["verdict"][part]
    assert list(found.contenders) == [entry["name"] for entry in record["contenders"]]
    for entry in record["contenders"]:
        seen = dataclasses.asdict(found.contenders[entry["name"]])
        known = {key: value for key, value in seen.items() if key in entry and key != "forgetting"}
        assert known == {key: entry[key] for key in known}
        assert all(value is None for key, value in seen.items() if key not in entry)
    for one, entry in zip(found.comparisons, record["comparisons"], strict=True):
        assert (one.baseline, one.challenger) == (entry["baseline"], entry["challenger"])
        assert (one.value, one.low, one.high) == (entry["difference"], entry["low"], entry["high"])
        assert one.p_adjusted == entry["p_adjusted"]
    assert found.folder == (path if path.is_dir() else None)


def test_the_quick_run_of_the_documents_by_attributes():
    """LoRA 80.7% vs few-shot 53.0% on 300 rows: +27.7 points (95% CI +19.5 to +35.8)."""
    found = bench.read(QUICK)
    assert found.verdict.answer == found.verdict.quality.answer == "fine_tune"
    lora = found.contenders["lora"]
    assert round(lora.accuracy.value, 3) == 0.807
    assert [round(end, 3) for end in (lora.accuracy.low, lora.accuracy.high)] == [0.751, 0.852]
    assert round(lora.p50_latency_ms) == 64
    first = found.comparisons[0]
    assert (first.challenger, first.baseline) == ("lora", "few-shot")
    assert [round(one, 3) for one in (first.value, first.low, first.high)] == [0.277, 0.195, 0.358]
    assert found.estimates["lora"]["macro-f1"] == lora.macro_f1
    assert repr(found) == f"<Findings of {QUICK}: Fine-tune>"


def test_a_misspelt_contender_gets_the_nearest_name_and_in_and_get_work_as_ever():
    found = bench.read(QUICK)
    for values in (found.contenders, found.estimates):
        with pytest.raises(bench.UserError, match=r"^no contender.*'tfidf'; .*'tf-idf'\?$"):
            values["tfidf"]
        with pytest.raises(KeyError):
            values["tfidf"]
        assert "tfidf" not in values
        assert values.get("tfidf") is None


def test_without_a_folder_the_json_names_only_the_record():
    found = bench.read(QUICK)
    values = found.to_json()
    assert (values["run"], values["record"], values["report"]) == (None, str(QUICK), None)
    assert values["contenders"] == found.record["contenders"]


def test_raw_answers_by_row_with_seed_fold_and_scores():
    folder = RUNS / "version-1-third"
    found = bench.read(folder / "record.json")
    assert found.folder == folder
    answers = found.answers("lora")
    assert len(answers) == 40
    [one] = answers["r6_1"]
    assert (one.text, one.trial, one.seed, one.fold) == ("bad", "05-lora-s0", 0, None)
    assert one.scores[1] > one.scores[0]  # of good and bad
    with pytest.raises(bench.UserError, match=r"'lroa'.*did you mean 'lora'"):
        found.answers("lroa")
    with pytest.raises(bench.UserError, match="size=64"):
        found.answers("lora", size=64)


def test_answers_of_two_seeds_are_both_there(tmp_path):
    first = bench.read(copied(tmp_path, "version-1-third"))
    [trial] = [one for one in first.record["trials"] if one["name"] == "lora"]
    record = first.record | {
        "trials": [*first.record["trials"], trial | {"slug": "06-lora-s1", "seed": 1}]
    }
    (tmp_path / "record.json").write_text(json.dumps(record))
    answers = RunFolder(tmp_path).answers_file("05-lora-s0").read_text()
    RunFolder(tmp_path).answers_file("06-lora-s1").write_text(answers.replace('"bad"', '"good"'))
    both = bench.read(tmp_path).answers("lora")["r6_1"]
    assert [(one.seed, one.text) for one in both] == [(0, "bad"), (1, "good")]


def copied(target, name):
    """A kept run's folder, copied to where it can be changed."""
    shutil.copytree(RUNS / name, target, dirs_exist_ok=True)
    return target


def test_answers_that_cannot_be_had_are_reported_by_name(tmp_path):
    with pytest.raises(bench.UserError, match=r"without its run's folder.*bench\.read"):
        bench.read(QUICK).answers("lora")
    copied(tmp_path, "version-1-third")
    (tmp_path / "answers" / "05-lora-s0.jsonl").write_text("{")
    with pytest.raises(bench.UserError, match=r"05-lora-s0.*run it again"):
        bench.read(tmp_path).answers("lora")


def test_a_curve_has_answers_by_size():
    found = bench.read(MEASUREMENTS / "2026-11-27-curve-cpu.json")
    assert found.curve["sizes"] == found.record["curve"]["sizes"]
    in_a_folder = dataclasses.replace(found, folder=RUNS)
    with pytest.raises(bench.UserError, match=r"by size.*answers\('lora', size=512\)"):
        in_a_folder.answers("lora")


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("{", "isn't a record"),
        ('{"schema_version": 99}', "schema_version 99.*upgrade"),
        ('{"schema_version": 1}', "lacks 'plan'.*run it again"),
        ('{"schema_version": 2, "plan": 3}', "damaged.*run it again"),
    ],
)
def test_a_record_that_cannot_be_read_is_reported(tmp_path, content, named):
    (tmp_path / "record.json").write_text(content)
    with pytest.raises(bench.UserError, match=named) as raised:
        bench.read(tmp_path)
    assert str(tmp_path / "record.json") in str(raised.value)


def test_a_number_that_is_a_text_is_reported_with_its_place(tmp_path):
    record = json.loads(QUICK.read_text())
    record["contenders"][4]["accuracy"]["value"] = "high"
    (tmp_path / "x.json").write_text(json.dumps(record))
    with pytest.raises(bench.UserError, match=r"x\.json.*4\.accuracy\.value.*run it again"):
        bench.read(tmp_path / "x.json")


# What `print` shows.


def printed(*arguments):
    """What the command prints on stdout, run in this process."""
    done = CliRunner().invoke(cli, [str(each) for each in arguments], catch_exceptions=False)
    assert done.exit_code == 0
    return done.stdout


def test_findings_print_the_text_of_the_command(tmp_path, cache):
    scenario = write_small_scenario(tmp_path)
    folder = tmp_path / "run"
    text = printed("run", scenario, "--quick", "--only", "tf-idf", "--out", folder)
    assert f"{bench.read(folder)}\n" == text
    assert text.endswith(f"\nreport: {folder / 'report.html'}\n")


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.stem)
def test_a_kept_record_prints_a_row_for_each_contender_and_the_scope(path):
    found = bench.read(path)
    lines = str(found).splitlines()
    rows = [line.split()[0] for line in lines[2 : 2 + len(found.contenders)]]
    assert rows == [name.split()[0] for name in found.contenders]
    assert found.verdict.scope in lines
    assert repr(found) != str(found)


@pytest.mark.parametrize(
    ("function", "options", "line"),
    [
        ("plan", ["plan", "--quick", "--only", "lora"], "rows: 40 test"),
        ("plan", ["plan", "--full", "--only", "lora"], r"learning curve: .*`bench curve --full"),
        ("plan_curve", ["curve", "--plan", "--budget", "20m"], "budget 20m: "),
        ("plan_sweep", ["sweep", "--plan", "--only", "lora", "--vary", "epochs=1,2"],
         "lora.*epochs.*; forecast: "),
    ],
)  # fmt: skip
def test_a_plan_prints_the_text_of_its_command(
    tmp_path, cache, monkeypatch, function, options, line
):
    kept = []
    real = getattr(bench, function)
    monkeypatch.setattr(bench, function, lambda **asked: kept.append(real(**asked)) or kept[0])
    text = printed(*options, write_small_scenario(tmp_path))
    assert f"{kept[0]}\n" == text
    assert re.search(line, text)
    assert "\n" not in repr(kept[0])


# What a notebook shows.


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.stem)
def test_a_notebook_shows_the_report_in_one_sandboxed_frame(path):
    html = bench.read(path)._repr_html_()
    assert re.fullmatch(
        r'<iframe sandbox srcdoc="[^"<>]*" title="report" style="[^"<>]*"></iframe>', html
    )
    inside = unescape(re.search('srcdoc="([^"]*)"', html)[1])
    assert inside.count('<base href="about:srcdoc">') == 1
    assert inside.rstrip().endswith("</html>")


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.stem)
def test_markdown_has_the_verdict_and_a_row_of_equal_width_for_each_contender(path):
    found = bench.read(path)
    text = found._repr_markdown_()
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len(rows) == (len(found.contenders) + 2 if found.contenders else 0)
    assert len({len(re.findall(r"(?<!\\)\|", row)) for row in rows}) <= 1
    assert text.startswith("**")


def test_hostile_texts_stay_texts_in_both(tmp_path):
    record = json.loads(QUICK.read_text())
    record["plan"]["scenario"]["title"] = EVIL
    record["contenders"][4] |= {"name": EVIL, "status": "failed", "reason": EVIL}
    record["verdict"]["overall"]["sentence"] = EVIL
    (tmp_path / "x.json").write_text(json.dumps(record))
    found = bench.read(tmp_path / "x.json")
    assert found._repr_html_().count("<") == 2  # the frame's own tags
    assert "<script" not in unescape(found._repr_html_())
    text = found._repr_markdown_().replace(OUR_COMMAND, "")
    assert re.findall(r"(?<!\\)[<`$#]", text) == []
    [row] = [line for line in text.splitlines() if "failed" in line]
    assert len(re.findall(r"(?<!\\)\|", row)) == 8


def test_commands_in_sentences_are_code_and_all_else_is_text(tmp_path):
    record = json.loads(QUICK.read_text())
    command = "`bench run ./my_rows.toml --only few-shot@MODEL,lora`"
    hostile = "`bench run <b>` ``bench run x`` `rm x` `bench $x`"
    record["verdict"]["overall"]["would_settle"] = f"300 rows, as in {command} {hostile}"
    (tmp_path / "x.json").write_text(json.dumps(record))
    text = bench.read(tmp_path / "x.json")._repr_markdown_()
    assert command in text
    [line] = [line for line in text.splitlines() if "settle" in line]
    assert re.findall(r"(?<!\\)[<`$#]", line.replace(command, "")) == []


def test_a_report_is_written_where_it_is_wanted(tmp_path):
    written = bench.report(bench.read(QUICK), to=tmp_path / "quick.html")
    assert written == tmp_path / "quick.html"
    assert written.read_text().startswith("<!doctype html>")
    copied(tmp_path / "run", "version-1-third")
    assert bench.report(tmp_path / "run") == tmp_path / "run" / "report.html"
    assert bench.read(tmp_path / "run").report == tmp_path / "run" / "report.html"
    with pytest.raises(bench.UserError, match=r"'nowhere.*record"):
        bench.report("nowhere")
    with pytest.raises(bench.UserError, match=r"no/x\.html'.*to="):
        bench.report(QUICK, to=tmp_path / "no" / "x.html")


# Wrong input.


@pytest.mark.parametrize(
    ("keywords", "named"),
    [
        ({"scenario": "sentimnet"}, "'sentimnet'; did you mean 'sentiment'"),
        ({"scenario": "no/such.toml"}, r"no/such\.toml.*sentiment"),
        ({"scenario": 3}, "scenario takes .*, not 3"),
        ({"scenario": None}, "scenario or --data"),
        ({"scenario": "niche-domain"}, "'niche-domain'.*task.*advisor recommend"),
        ({"data": "x.csv"}, "scenario or --data"),
        ({"scenario": None, "data": "x.csv"}, "'x.csv'.*--data takes"),
        ({"text_field": "x"}, "--text-field.*--data"),
        ({"only": "lora"}, r"only takes a list.*\['few-shot', 'lora'\], not 'lora'"),
        ({"only": ["fewshot"]}, "'fewshot'; did you mean 'few-shot'"),
        ({"settings": {"lora": 8}}, r"settings takes .*\{'lora': \{'rank': 8\}\}"),
        ({"settings": {"lora": {"rnk": 8}}}, "'rnk'; did you mean 'rank'"),
        ({"settings": {"lroa": {"rank": 8}}}, "'lroa'; did you mean 'lora'"),
        ({"settings": {"lora": {"rank": "x"}}}, r"lora\.rank.*'x'"),
        ({"settings": {"lora": {"learning_rates": [1e-3, float("inf")]}}}, "learning_rates.*finite"),
        ({"quick": True, "full": True}, "--quick.*--full"),
        ({"quick": "yes"}, "quick takes True or False, not 'yes'"),
        ({"trian_rows": 3}, "run takes no keyword 'trian_rows'; did you mean 'train_rows'"),
        ({"metrics": ["accuracy", "accuracy"]}, "metrics lists accuracy twice.*different"),
        ({"train_rows": 1}, "train_rows takes .* at least 2, not 1"),
        ({"model": 3}, "model takes .*, not 3"),
        ({"seeds": 0}, "--seeds 0.* 1 to 100"),
        ({"seeds": [1, 2, 1]}, "--seeds lists 1 twice"),
        ({"seeds": "0,1"}, r"seeds takes .*\[0, 1, 2\], not '0,1'"),
        ({"seed": -1}, "seed takes .*4294967295, not -1"),
        ({"seed": True}, "seed takes .*, not True"),
        ({"cross_fit": 2}, "cross_fit takes .* 3 to 20, not 2"),
        ({"label_noise": float("nan")}, "label_noise takes .*, not nan"),
        ({"look": 2}, "--look 2.*looks = 1"),
        ({"budget": 20}, "budget takes .*'20m'.*, not 20"),
        ({"budget": "soon"}, "--budget.*'soon'"),
        ({"usd_per_hour": float("inf")}, "usd_per_hour takes .*, not inf"),
        ({"out": 3}, "out takes a path, not 3"),
        ({"progress": "print"}, "progress takes None, or a function.*, not 'print'"),
    ],
)  # fmt: skip
def test_wrong_input_of_a_run_is_a_user_error_with_the_way_out(keywords, named):
    with pytest.raises(bench.UserError, match=named):
        bench.run(**({"scenario": "sentiment"} | keywords))


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: bench.curve("sentiment", sizes=[64, 32]), "--sizes.*32,64"),
        (lambda: bench.curve("sentiment", sizes="16,32"), r"sizes takes .*\[16, 32, 64\]"),
        (lambda: bench.curve("sentiment", seeds=[0, 1]), r"seeds takes .*, not \[0, 1\]"),
        (lambda: bench.curve("sentiment", seeds=0), "seeds takes .* 1 to 100, not 0"),
        (lambda: bench.sweep("sentiment"), "nothing to vary.*rank"),
        (lambda: bench.sweep("sentiment", vary={"rnk": [4, 8]}), "'rnk'; did you mean 'rank'"),
        (lambda: bench.sweep("sentiment", vary={"rank": 4}), r"vary takes .*\{'rank': \[4, 16\]\}"),
        (lambda: bench.sweep("sentiment", vary={"rank": [4]}), "one value.*at least two"),
        (lambda: bench.read(3), r"bench\.read takes the path.*, not 3"),
        (lambda: bench.read("nowhere"), "'nowhere'.*record"),
        (lambda: bench.read(ROOT / "docs"), "docs/record.json.*finished run"),
        (lambda: bench.read(ROOT / "README.md"), "README.md' isn't a record.*folder.*record.json"),
        (lambda: bench.read(pth="x"), "read takes no keyword 'pth'; did you mean 'path'"),
        (lambda: bench.plan("sentiment", out="x"), "plan takes no keyword 'out'; "),
        (lambda: bench.curve("sentiment", size=[16]), "curve takes no keyword 'size'.*'sizes'"),
        (lambda: bench.init("x.csv", labelfield="x"), "init takes no keyword.*'label_field'"),
        (lambda: bench.scenarios(named="x"), "scenarios takes no keyword 'named'"),
        (lambda: bench.init("nowhere.csv"), r"'nowhere\.csv'.*CSV"),
    ],
)  # fmt: skip
def test_wrong_input_of_the_other_functions_too(call, named):
    with pytest.raises(bench.UserError, match=named):
        call()


# Plans.


def test_rows_become_a_scenario_and_what_was_inferred_is_said(tmp_path, cache, capfd):
    write_small_scenario(tmp_path)
    lines = []
    path = bench.init(tmp_path / "rows.jsonl", progress=lines.append)
    assert path == tmp_path / "rows.toml"
    assert scenarios.load(str(path)).task.labels == ("bad", "good")
    assert "2 labels: bad (80), good (80)" in lines
    assert lines[-1] == f"scenario: {path}"
    assert bench.init(tmp_path / "rows.jsonl", out=tmp_path / "b.toml") == tmp_path / "b.toml"
    assert capfd.readouterr() == ("", "")


def test_a_plan_says_what_a_run_would_do_and_runs_nothing(tmp_path, cache, capfd, monkeypatch):
    """The default model isn't here, so its trials have no forecast and nothing is fetched."""
    monkeypatch.chdir(tmp_path)
    scenario = scenarios.load(str(write_small_scenario(tmp_path)))
    planned = bench.plan(
        scenario, quick=True, only=["few-shot", "lora"], settings={"lora": {"rank": 4}}
    )
    assert capfd.readouterr() == ("", "")
    assert [trial.name for trial in planned.trials] == ["majority", "tf-idf", "few-shot", "lora"]
    assert planned.trials[-1].settings["rank"] == 4
    assert (planned.primary.challenger, planned.primary.baseline) == (["lora"], ["few-shot"])
    by_name = {one.contender: one for one in planned.forecasts}
    assert list(by_name) == [trial.name for trial in planned.trials]
    assert by_name["lora"].seconds is None
    assert "isn't on this machine" in by_name["lora"].reason
    assert not (tmp_path / "runs").exists()
    table = [line for line in planned._repr_markdown_().splitlines() if line.startswith("|")]
    assert len(table) == 2 + 4
    assert planned._repr_html_().count("<tr>") == 1 + 4
    assert "rank=4" in planned._repr_html_()
    values = planned.to_json()
    assert values["trials"][-1]["settings"]["rank"] == 4
    assert [one["trial"] for one in values["forecasts"]] == [one.slug for one in planned.trials]


def test_a_plan_forecasts_seconds_and_memory_of_a_model_that_is_here(
    tmp_path, cache, capfd, tiny_model
):
    scenario = write_small_scenario(tmp_path)
    lines = []
    planned = bench.plan(scenario, **of_run(model=str(tiny_model)), progress=lines.append)
    forecast = planned.forecasts[-1]
    assert forecast.contender == "zero-shot"
    assert 0 < forecast.seconds.low <= forecast.seconds.value <= forecast.seconds.high
    assert forecast.peak_resident_bytes.value > 50 * 2**20
    assert lines[0].startswith("forecasting each trial")
    assert re.search(r"zero-shot \|.*\| [\d.]+ s to [\d.]+ s \|.* MiB", planned._repr_markdown_())
    assert capfd.readouterr() == ("", "")


def test_hostile_texts_of_a_plan_stay_texts():
    from bench.api.planned import Planned

    plan = run_plan(only=["few-shot"])
    trial = dataclasses.replace(plan.trials[-1], name=EVIL, settings={"shots": EVIL})
    scenario = plan.scenario.model_copy(update={"title": EVIL})
    rows = dataclasses.replace(plan.rows, counts={"test": 1, "validation": 1, "train": 1})
    planned = Planned(dataclasses.replace(plan, trials=(trial,), scenario=scenario, rows=rows), [])
    assert "<script" not in planned._repr_html_()
    assert re.findall(r"(?<!\\)[<`$#]", planned._repr_markdown_()) == []
    assert len([line for line in planned._repr_markdown_().splitlines() if line[:1] == "|"]) == 3


# Silence.


def test_a_trial_that_crashes_in_silence_says_why_in_its_reason(tmp_path, capfd):
    """The folder holds no plan, which the trial's process reports as the last line of a traceback."""
    processes = LocalProcesses(RunFolder(tmp_path), shown=False)
    ended = processes.finish(run_plan().trials[0], None)
    assert ended.how == "crashed"
    assert re.search("code 1: .*plan.json", ended.reason)
    lines = []
    with heard_by(lines.append):
        assert not processes.forecast()
    assert "plan.json" in lines[0]
    assert capfd.readouterr() == ("", "")


def test_where_messages_are_shown_the_reason_points_to_them(tmp_path, capfd):
    ended = LocalProcesses(RunFolder(tmp_path)).finish(run_plan().trials[0], None)
    assert re.search("code 1.*messages above", ended.reason)
    assert "plan.json" in capfd.readouterr().err


# One run of a random model.


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with the small scenario and the cache."""
    folder = tmp_path_factory.mktemp("api")
    write_small_scenario(folder)
    return folder


RUN = """
import sys, bench
found = bench.run(sys.argv[1], model=sys.argv[2], out=sys.argv[3], quick=True, only=["zero-shot"])
assert found.folder == __import__("pathlib").Path(sys.argv[3])
"""


@pytest.fixture(scope="module")
def silent(place, tiny_model):
    """A whole run in a fresh process: its output, and its folder."""
    arguments = (place / "small.toml", tiny_model, place / "run")
    done = python(RUN, *arguments, TUNE_OR_PROMPT_CACHE=str(place / "cache"))
    assert done.returncode == 0, done.stderr
    return done, place / "run"


@pytest.mark.slow
def test_a_run_prints_nothing_and_leaves_record_and_report(silent):
    done, folder = silent
    assert (done.stdout, done.stderr) == ("", "")
    found = bench.read(folder)
    assert list(found.contenders) == ["majority", "tf-idf", "zero-shot"]
    assert all(one.status == "done" for one in found.contenders.values())
    assert found.all_done
    assert found.report == folder / "report.html"
    answers = found.answers("zero-shot")
    assert len(answers) == found.contenders["zero-shot"].accuracy.n == 40
    assert {one.text for [one] in answers.values()} <= {"good", "bad"}
    assert all(len(one.scores) == 2 for [one] in answers.values())


@pytest.mark.slow
def test_progress_gets_each_line_and_findings_are_as_the_commands_json(
    silent, place, tiny_model, monkeypatch, capfd
):
    _, folder = silent
    monkeypatch.setenv("TUNE_OR_PROMPT_CACHE", str(place / "cache"))
    lines = []
    threads = set()

    def progress(line):
        lines.append(line)
        threads.add(threading.current_thread())

    found = bench.run(
        place / "small.toml", **of_run(model=str(tiny_model), out=folder), progress=progress
    )
    assert "[1/3] majority: already done" in lines
    assert lines[-1].startswith("all trials done")
    assert threads == {threading.current_thread()}
    assert capfd.readouterr() == ("", "")
    done = run_command(
        "bench", "run", place / "small.toml", "--quick", "--only", "zero-shot", "--model",
        tiny_model, "--out", folder, "--json",
    )  # fmt: skip
    assert json.loads(done.stdout) == json.loads(json.dumps(found.to_json()))
    assert found.to_json() == bench.read(folder).to_json()
    assert "[1/3] majority: already done" in done.stderr


@pytest.mark.slow
def test_ctrl_c_says_how_to_resume_and_leaves_no_process(silent, place, tiny_model, monkeypatch):
    """It arrives while the third trial's process works."""
    monkeypatch.setenv("TUNE_OR_PROMPT_CACHE", str(place / "cache"))
    folder = place / "interrupted"
    before = set(psutil.Process().children(recursive=True))

    def interrupt(line):
        if line == "[3/3] zero-shot":
            main = threading.main_thread().ident
            threading.Timer(0.5, signal.pthread_kill, (main, signal.SIGINT)).start()

    with pytest.raises(bench.Interrupted, match=r"2 of 3 trials.*out=.*interrupted'") as raised:
        bench.run(
            place / "small.toml", **of_run(model=str(tiny_model), out=folder), progress=interrupt
        )
    assert raised.value.folder == Path(folder)
    assert set(psutil.Process().children(recursive=True)) == before
    assert not (folder / "record.json").exists()
    with pytest.raises(bench.UserError, match="record"):
        bench.read(folder)


@pytest.mark.parametrize("wrong", [{"only": ["few-shto"]}, {"budget": "soon"}])
def test_what_is_misspelt_is_rejected_before_a_scenario_is_written(tmp_path, wrong):
    rows = [f"text {i},{'ab'[i % 2]}" for i in range(60)]
    (tmp_path / "rows.csv").write_text("\n".join(["text,label", *rows]))
    with pytest.raises(bench.UserError, match=r"few-shot|soon"):
        bench.run(data=tmp_path / "rows.csv", out=tmp_path / "run", **wrong)
    assert [file.name for file in tmp_path.iterdir()] == ["rows.csv"]
