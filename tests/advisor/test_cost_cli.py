"""`advisor cost`: what it prints, its error messages, and what it imports."""

import importlib.metadata
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import run_command


def cost(*arguments):
    return run_command("advisor", "cost", *arguments)


def test_json_holds_each_options_cost_with_its_range_and_the_assumptions():
    found = json.loads(cost("--scenario", "critical-latency", "--json").stdout)
    assert (found["schema_version"], found["scenario"], found["draws"]) == (
        1,
        "critical-latency",
        100_000,
    )
    assert "hosted-few-shot-batch" in found["left_out"]
    for option in found["options"].values():
        for key in ("per_request_usd", "monthly_usd", "horizon_usd"):
            money = option[key]
            assert 0 <= money["low"] <= money["value"] <= money["high"]
        assert sum(option["breakdown"].values()) == pytest.approx(option["horizon_usd"]["value"])
    even = found["break_even"]
    volume = even["requests_per_month"]
    assert even["answer"] == "volume"
    assert volume["low"] < volume["value"] < volume["high"]
    assert even["tornado"][0]["assumption"]
    assert set(even["by_prompting"]) <= set(found["options"])
    for assumption in found["assumptions"]:
        assert assumption["source"]
        assert assumption["as_of"] or assumption["stated"]
    package = found["prices_as_of"]["package"]
    assert package["version"] == importlib.metadata.version(package["name"])
    assert all(entry["as_of"] for entry in found["prices_as_of"]["entries"])


def test_text_shows_the_costs_the_break_even_and_the_assumptions():
    text = cost("--scenario", "niche-domain").stdout
    for part in ("20,000 requests a month over 12 months", "self-hosted-qlora", "Break-even",
                 "Conditional on equal quality", "What moves it most", "GPU hours a month reserved",
                 "Assumptions (value, low to high)", "judgement, not measured", "Prices of "):  # fmt: skip
        assert part in text, part


def test_never_and_from_the_first_request_are_answers(tmp_path):
    dear = json.loads(cost("--scenario", "niche-domain", "--json").stdout)["break_even"]
    assert (dear["answer"], dear["requests_per_month"]["value"]) == ("never", None)
    assert 0 < dear["share_never"] <= 1
    ours = tmp_path / "ours.toml"
    ours.write_text('[[hosted]]\nmodel = "dear"\ninput_usd_per_mtok = 1000000\noutput_usd_per_mtok = 1\n'
                    'source = "x"\nas_of = 2026-11-20\n')  # fmt: skip
    cheap = cost(
        "--scenario", "niche-domain", "--prices", ours, "--set", "hosted_model=dear", "--json"
    )
    found = json.loads(cheap.stdout)["break_even"]
    assert found["requests_per_month"]["value"] < 100


def test_old_prices_give_a_warning_on_stderr_and_in_the_json(tmp_path):
    old = tmp_path / "old.toml"
    old.write_text(
        '[[gpu]]\ngpu = "A100"\nusd_per_gpu_hour = 1\nsource = "x"\nas_of = 2025-01-01\n'
    )
    done = cost("--scenario", "niche-domain", "--prices", old, "--json")
    assert "warning: A100-80GB: x is dated 2025-01-01" in done.stderr
    assert "--prices" in done.stderr
    assert any("2025-01-01" in warning for warning in json.loads(done.stdout)["warnings"])


def test_a_user_s_own_profile_is_priced(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text("[profile]\nrequests_per_month = 0\ndata_may_leave = true\n")
    found = json.loads(cost("--profile", path, "--json").stdout)
    assert found["scenario"] == "mine"
    assert found["options"]["self-hosted-lora"]["per_request_usd"] is None


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ([], "--scenario NAME and --profile FILE"),
        (["--scenario", "niche-domian"], "did you mean 'niche-domain'?"),
        (["--scenario", "niche-domain", "--set", "requests_per_month=-1"],
         "requests_per_month: input should be greater than or equal to 0"),
        (["--scenario", "niche-domain", "--set", "horizon_months=0"],
         "horizon_months: input should be greater than or equal to 1"),
        (["--scenario", "niche-domain", "--set", "hosted_model=gpt-6-lune"], "did you mean 'gpt-6-luna'?"),
        (["--scenario", "niche-domain", "--set", "own_model=Qwn2.5-7B"], "did you mean 'Qwen/Qwen2.5-7B'?"),
        (["--scenario", "niche-domain", "--prices", "nowhere.toml"],
         "'nowhere.toml': No such file or directory; give a TOML file"),
        (["--scenario", "data-privacy", "--set", "gpu_memory_gib=4"], "can't be served on your own GPU; try a smaller one with --set own_model=NAME"),
        (["--scenario", "niche-domain", "--set", "staff_usd_per_hour=1e308"],
         "staff_usd_per_hour: input should be less than or equal to 1000000000"),
        (["--scenario", "sentiment", "--evidence", "nowhere"], "no record at 'nowhere'"),
    ],
)  # fmt: skip
def test_a_user_error_is_one_line_and_exit_code_2(arguments, line):
    done = cost(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert line in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    "facts",
    [["prompt_tokens=0", "completion_tokens=0"], ["requests_per_month=1000000000000000"],
     ["prompt_tokens=100000"], ["tenants=1000000"], ["demonstrations=0"],
     ["horizon_months=120", "retrain_every_months=1", "base_model_lasts_months=1"],
     ["own_model=HuggingFaceTB/SmolLM2-135M", "replicas=1000"], ["utilisation=0.001"]],
)  # fmt: skip
def test_odd_facts_are_priced_without_a_bug(facts):
    done = cost("--scenario", "niche-domain", *(f"--set={fact}" for fact in facts), "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["options"]


def test_a_forecast_imports_neither_torch_nor_a_network_client():
    code = (
        "import sys; sys.argv = ['advisor', 'cost', '--scenario', 'niche-domain']\n"
        "from advisor.cli import main\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code\n"
        "heavy = {'torch', 'scipy', 'pandas', 'httpx', 'httpx2', 'requests', 'http.client', 'ssl', 'asyncio'}\n"
        "print('heavy:', sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "heavy: []"


def test_a_break_even_with_evidence_is_of_the_method_that_was_measured():
    """The record tuned with LoRA: full tuning may not replace it, however cheap."""
    found = json.loads(
        cost(
            "--scenario", "sentiment", "--json",
            "--evidence", "docs/measurements/2026-11-24-quick-cpu.json",
        ).stdout
    )  # fmt: skip
    assert found["break_even"]["tuned"] == "self-hosted-lora"


def test_a_record_whose_contenders_are_none_is_read_for_what_it_has(tmp_path):
    record = json.loads(Path("docs/measurements/2026-11-24-quick-cpu.json").read_text())
    record["comparisons"][0] |= {"baseline_family": "prompt", "challenger_family": "fine_tune"}
    for contenders in (
        7,
        [{"name": "lora", "family": "fine_tune", "throughput_rows_per_s": 10**400}],
    ):
        file = tmp_path / "record.json"
        file.write_text(json.dumps(record | {"contenders": contenders}))
        done = cost("--scenario", "sentiment", "--evidence", file)
        assert done.returncode == 0, done.stderr
        assert "no throughput of a tuned model" in done.stdout
