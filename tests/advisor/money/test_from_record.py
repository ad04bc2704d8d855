"""What a run measured replaces assumptions: quality, throughput, and the models compared."""

import json

import pytest

import scenarios
from advisor.evidence.records import read_evidence, weigh
from advisor.money import prices
from advisor.money.report import report
from tests.advisor.money.plans import TODAY
from tests.conftest import ROOT

RECORD = ROOT / "docs" / "measurements" / "2026-11-24-quick-cpu.json"


def evidence(tmp_path, **changed):
    record = json.loads(RECORD.read_text())
    record["comparisons"][0].update(changed)
    path = tmp_path / "record.json"
    path.write_text(json.dumps(record))
    scenario = scenarios.load("sentiment")
    weighed = weigh(read_evidence(path), scenario)
    return report(scenario, prices.catalog(TODAY), weighed, record)


def test_tuning_that_was_measured_to_be_worse_has_no_break_even(tmp_path):
    found = evidence(tmp_path, difference=-0.2, low=-0.3, high=-0.1).to_json()["break_even"]
    assert (found["answer"], found["requests_per_month"]) == ("not-applicable", None)
    assert "worse by more than the 3-point margin" in found["reason"]


def test_quality_that_was_measured_to_be_equal_is_no_longer_a_condition(tmp_path):
    found = evidence(tmp_path).break_even
    assert found.condition.startswith("measured, lora vs few-shot: +27.7 points")
    assert found.compared_with.prompting == ("self-hosted-prompt",)


def test_evidence_that_settles_nothing_leaves_the_condition(tmp_path):
    found = evidence(tmp_path, difference=0.0, low=-0.1, high=0.1).break_even
    assert "conditional on equal quality" in found.condition


def test_a_throughput_measured_on_a_gpu_takes_the_forecasts_place(tmp_path):
    record = json.loads(RECORD.read_text())
    for contender in record["contenders"]:
        contender["device"] = {"kind": "cuda", "gpu": "NVIDIA A100-SXM4-80GB"}
    path = tmp_path / "record.json"
    path.write_text(json.dumps(record))
    scenario = scenarios.load("sentiment")
    weighed = weigh(read_evidence(path), scenario)
    plan = report(scenario, prices.catalog(TODAY), weighed, record).plan
    assert plan.server.gpu.name == "A100-80GB"
    assert plan.assumptions["rows_per_s tuned"].range.value == pytest.approx(
        next(c["throughput_rows_per_s"] for c in record["contenders"] if c["name"] == "lora")
    )
    assert plan.own.name == "HuggingFaceTB/SmolLM2-135M-Instruct"


def test_a_throughput_of_a_model_that_is_not_priced_is_not_used(tmp_path):
    record = json.loads(RECORD.read_text())
    record["comparisons"][0]["model"] = "./my-model"
    for contender in record["contenders"]:
        contender |= {"device": {"kind": "cuda", "gpu": "NVIDIA L4"}, "model": "./my-model"}
    path = tmp_path / "record.json"
    path.write_text(json.dumps(record))
    scenario = scenarios.load("sentiment")
    plan = report(
        scenario, prices.catalog(TODAY), weigh(read_evidence(path), scenario), record
    ).plan
    assert "rows_per_s tuned" not in plan.assumptions
    assert any("my-model" in note and "isn't in the catalog" in note for note in plan.notes)


def test_a_throughput_measured_on_a_cpu_is_reported_and_not_priced():
    scenario = scenarios.load("sentiment")
    weighed = weigh(read_evidence(RECORD), scenario)
    notes = report(
        scenario, prices.catalog(TODAY), weighed, json.loads(RECORD.read_text())
    ).plan.notes
    assert any("requests a second were measured on cpu" in note for note in notes)
