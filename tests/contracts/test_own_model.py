"""A user's model that can only write does whole runs, from a plan to a report, like any other."""

import json

import pytest

import scenarios
from bench.core.plan import MODES
from bench.planning.request import Request
from bench.record.read import read_record
from bench.running.executor import Ended
from bench.running.run import run
from bench.trial import calibration
from bench.trial import main as trial
from reports.page import page, write_report
from scenarios.errors import UserError
from tests.contracts.grounds import rows

MODEL = "parrot:x"
SCENARIO = """
title = "Small"
[profile]
task_type = "classification"
[task]
instruction = "Is it good or bad?"
labels = ["good", "bad"]
test_rows = 40
validation_rows = 20
[task.rows]
path = "rows.jsonl"
format = "jsonl"
label = "label"
"""


class Here:
    """Trials in this process, which knows the user's own files."""

    def __init__(self, folder):
        self._folder = folder

    def make_ready(self):
        """Nothing is started."""

    def forecast(self):
        calibration.main(self._folder)
        return True

    def finish(self, one, ledger):
        trial.main(self._folder, one.slug)
        return Ended("finished")

    def end(self):
        """Nothing was started."""


@pytest.fixture(scope="module")
def scenario(tmp_path_factory):
    """Two labels over 160 rows; each text holds a word of its label's."""
    folder = tmp_path_factory.mktemp("scenario")
    lines = [json.dumps({"text": row.text, "label": row.gold}) for row in rows("r", 160)]
    (folder / "rows.jsonl").write_text("\n".join(lines))
    (folder / "small.toml").write_text(SCENARIO)
    return scenarios.load(str(folder / "small.toml"))


@pytest.fixture(scope="module")
def done(scenario, tmp_path_factory):
    only = (f"zero-shot@{MODEL}", f"few-shot@{MODEL}", f"retrieved@{MODEL}", "keyword-rules")
    changed = {"retrieved": {"encoders": ("tf-idf",)}}
    request = Request(
        scenario,
        MODES["default"],
        only=only,
        changed=changed,
        out=tmp_path_factory.mktemp("run") / "run",
    )
    return run(request, start=Here)


def test_every_contender_that_needs_no_more_than_writing_runs_with_it(done):
    folder, record = done
    prompts = {f"{kind}@{MODEL}" for kind in ("zero-shot", "few-shot", "retrieved")}
    statuses = {c["name"]: c["status"] for c in record["contenders"]}
    assert statuses.keys() == {"majority", "tf-idf", "keyword-rules"} | prompts
    assert set(statuses.values()) == {"done"}
    shots = next(c for c in record["contenders"] if c["name"] == f"few-shot@{MODEL}")
    zero = next(c for c in record["contenders"] if c["name"] == f"zero-shot@{MODEL}")
    assert shots["accuracy"]["value"] > zero["accuracy"]["value"] == 0.5
    assert record == read_record(folder)


def test_its_record_holds_its_price_and_no_digest_and_its_report_says_so(done):
    folder, record = done
    facts = record["models"][MODEL]
    assert facts["sha256"] is None
    assert facts["price"]["input_usd_per_mtok"] == 1.0
    assert record["environment"]["device"] is None
    html = page(record)
    assert MODEL in html
    assert "None" not in html
    assert write_report(folder).exists()


def test_its_trials_are_forecast_and_measured_without_a_device(done):
    _, record = done
    for entry in record["trials"]:
        assert entry["outcome"]["device"] is None
    known = {one["contender"]: one["seconds"] for one in record["forecasts"]}
    assert all(known[f"{kind}@{MODEL}"]["value"] > 0 for kind in ("zero-shot", "few-shot"))


@pytest.mark.parametrize("kind", ["lora", "embeddings", "setfit"])
def test_contenders_that_need_more_are_refused_before_anything_runs(scenario, tmp_path, kind):
    request = Request(scenario, MODES["default"], only=(f"{kind}@{MODEL}",), out=tmp_path / "run")
    with pytest.raises(UserError, match=rf"{kind} needs .*'{MODEL}' can only write.*--only"):
        run(request, start=Here)
    assert not (tmp_path / "run").exists()


def test_its_answers_are_on_disk_with_their_tokens(done):
    folder, record = done
    slug = next(t["slug"] for t in record["trials"] if t["name"] == f"few-shot@{MODEL}")
    lines = (folder / "answers" / f"{slug}.jsonl").read_text().splitlines()
    answers = [json.loads(line) for line in lines]
    assert len(answers) == 40
    assert all(answer["tokens_in"] > 6 and answer["tokens_out"] == 1 for answer in answers)
    assert all(answer["scores"] == [] for answer in answers)
