"""`advisor` answers immediately, with reasons, and without torch."""

import json
import subprocess
import sys

import pytest

import scenarios
from tests.conftest import run_command


def advisor(*arguments):
    return run_command("advisor", *arguments)


def test_a_recommendation_says_what_why_how_sure_and_what_would_change_it():
    text = advisor("recommend", "--scenario", "niche-domain").stdout
    for part in ("Fine-tune with LoRA (high confidence)", "runner-up: prompt", "vocabulary",
                 "arXiv:", "What would change this recommendation", "labelled_examples 2500 -> "):  # fmt: skip
        assert part in text


def test_json_is_the_only_thing_on_stdout():
    done = advisor("recommend", "--scenario", "data-privacy", "--json")
    assert json.loads(done.stdout)["family"] == "fine_tune"
    assert done.stderr == ""


def test_a_fact_can_be_replaced():
    done = advisor(
        "recommend", "--scenario", "niche-domain", "--set", "labelled_examples=20", "--json"
    )
    assert json.loads(done.stdout)["family"] == "prompt"


def test_a_user_s_own_profile_is_advised_on(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text('title = "Mine"\n[profile]\ntask_type = "style"\nstyle_consistency = "essential"\n'
                    "labelled_examples = 900\n")  # fmt: skip
    done = advisor("recommend", "--scenario", path, "--json")
    found = json.loads(done.stdout)
    assert (found["scenario"], found["family"]) == ("mine", "fine_tune")


def test_scenarios_are_listed():
    found = json.loads(advisor("scenarios", "--json").stdout)["scenarios"]
    assert [s["name"] for s in found] == scenarios.names()
    assert "niche-domain" in advisor("scenarios").stdout


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["recommend", "--scenario", "niche-domian"],
         ("'niche-domian'", "did you mean 'niche-domain'?")),
        (["recommend", "--scenario", "niche-domain", "--set", "labels"],
         ("--set", "FACTOR=VALUE", "'labels'")),
        (["recommend", "--scenario", "niche-domain", "--set", "labelled_exmples=3"],
         ("'labelled_exmples'", "did you mean 'labelled_examples'?")),
        (["recommend"], ("--scenario NAME", "--profile FILE")),
    ],
)  # fmt: skip
def test_a_user_error_is_one_line_and_exit_code_2(arguments, parts):
    done = advisor(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.strip().splitlines()) == 1
    for part in ("error: ", *parts):
        assert part in done.stderr


def test_advice_imports_neither_torch_nor_a_network_client():
    code = (
        "import sys; sys.argv = ['advisor', 'recommend', '--scenario', 'niche-domain']\n"
        "from advisor.cli import main\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code\n"
        "heavy = {'torch', 'transformers', 'requests', 'httpx', 'http.client', 'ssl', 'numpy', 'datasets'}\n"
        "print('heavy:', sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "heavy: []"
