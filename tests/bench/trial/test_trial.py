"""Trials of a run without --quick, in the test's own process: searched, served in three ways."""

import importlib.util
import json
import re

import pytest

import bench
import scenarios
from bench.core.folder import RunFolder
from bench.core.plan import MODES
from bench.planning.make import make_plan
from bench.planning.settings import parse_settings
from bench.trial import main as trial
from bench.trial.serving import WAYS_REQUESTS
from scenarios.rows import load_split

SETTINGS = ["few-shot.shots=2", "few-shot.draws=1", "lora.epochs=1", "lora.search_rows=16"]


@pytest.fixture
def outcome(tmp_path, small_scenario, tiny_model, cache):
    """Does a trial as a run would, step by step; gives its outcome."""
    scenario = scenarios.load(str(small_scenario))
    split = load_split(scenario.task, 0)

    def of(name, mode="default"):
        plan = make_plan(
            scenario,
            split,
            MODES[mode],
            0,
            str(tiny_model),
            (name,),
            parse_settings([one for one in SETTINGS if one.startswith(f"{name}.")]),
        )
        own = next(t for t in plan.trials if t.name == name)
        folder = RunFolder(tmp_path)
        folder.make_parts()
        folder.make_adapter_folder(own)
        folder.keep_plan(plan)
        folder.keep_split(split, None)
        file = folder.outcome_file(own)
        for _ in range(2):
            if not file.exists():
                trial.main(folder, own.slug)
        found = json.loads(file.read_text())
        assert found["status"] == "done", found
        return found

    return of


def test_a_tuned_model_is_timed_attached_merged_and_in_4_bit(outcome):
    found = outcome("lora")
    ways = {way["way"]: way for way in found["ways"]}
    assert list(ways) == ["attached", "merged", "4-bit"]
    assert ways["attached"]["weight_bytes"] > ways["merged"]["weight_bytes"]
    assert ways["merged"]["alike"] >= 0.9
    for way in ("attached", "merged"):
        assert len(ways[way]["latencies_ms"]) == WAYS_REQUESTS
    assert len(found["notes"]["tried"]) == 5  # three rates, and then two
    assert found["machine_gflops"] > 0


@pytest.mark.skipif(
    importlib.util.find_spec("bitsandbytes") is None, reason="needs the extra 'qlora'"
)
def test_a_tuned_model_in_4_bit_has_smaller_weights(outcome):
    ways = {way["way"]: way for way in outcome("lora")["ways"]}
    assert ways["4-bit"]["weight_bytes"] < ways["merged"]["weight_bytes"]
    assert len(ways["4-bit"]["latencies_ms"]) == WAYS_REQUESTS


def test_a_way_that_isnt_available_is_skipped_with_its_reason(outcome, monkeypatch):
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *a: None if name == "bitsandbytes" else real(name, *a),
    )
    way = outcome("lora")["ways"][-1]
    assert (way["way"], way["status"]) == ("4-bit", "skipped")
    assert "bitsandbytes isn't installed" in way["reason"]


def test_a_quick_trial_is_served_in_its_one_way(outcome):
    assert "ways" not in outcome("lora", "quick")


def test_demonstrations_are_tried_in_several_orders_and_calibrations(outcome):
    tried = outcome("few-shot")["notes"]["tried"]
    assert [one["order"] for one in tried] == [0, 1]
    assert set(tried[0]["scores"]) == {"none", "contextual", "batch"}


TUNED = '''
from dataclasses import dataclass
from typing import ClassVar
import sys
import bench

@dataclass(frozen=True)
class Contender(bench.Contender):
    """Says that it tunes, and leaves nothing in its folder."""
    family: ClassVar = "fine_tune"
    restores: ClassVar = %s

    def fit(self, ground, seed):
        assert sys.stdin.read() == ""  # and doesn't wait for the run
        return Says()

    def restore(self, ground, notes):
        return Says()

class Says:
    notes = {}
    def answer(self, examples, done=()):
        yield [bench.Answer(row.id, "good") for row in examples]
'''


@pytest.mark.parametrize(
    ("restores", "status", "words"),
    [
        (False, "done", "left no tuned weights"),
        (True, "failed", r"declares restores.*left nothing in ground\.folder"),
    ],
)
def test_one_that_tunes_and_leaves_no_weights_has_figures_and_a_reason(
    small_scenario, cache, tmp_path, restores, status, words
):
    (tmp_path / "tuned.py").write_text(TUNED % restores)
    found = bench.run(
        small_scenario, quick=True, only=["tuned"], contenders=[tmp_path / "tuned.py"],
        forgetting=True, out=tmp_path / "run",
    )  # fmt: skip
    entry = next(one for one in found.record["contenders"] if one["name"] == "tuned")
    assert entry["status"] == status
    reason = entry["reason"] or entry["forgetting"]["reason"]
    assert re.search(words, reason), reason
