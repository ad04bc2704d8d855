"""An experiment's record outranks rules of thumb: what is strong, what shifts, what is set aside."""

import json
import re
from pathlib import Path

import pytest

import scenarios
from advisor.decision.recommend import recommend
from advisor.evidence.quality import Probability
from advisor.evidence.records import DECIDES, read_evidence, size_in_name, updated, weigh
from scenarios.errors import UserError
from scenarios.schema import Profile, Scenario
from tests.conftest import run_command

PRIMARY = {
    "metric": "accuracy", "baseline": "few-shot", "challenger": "lora", "difference": 0.1,
    "low": 0.06, "high": 0.14, "level": 0.95, "n": 300, "groups": 40, "method": "clustered t",
    "p_value": 0.001, "p_adjusted": 0.001, "primary": True, "margin": 0.03, "scope": "this-model",
    "model": "HuggingFaceTB/SmolLM2-135M-Instruct", "task": "sentiment",
    "baseline_model": "HuggingFaceTB/SmolLM2-135M-Instruct",
    "baseline_family": "prompt",
    "challenger_family": "fine_tune",
}  # fmt: skip
RECORD = Path("docs/measurements/2026-11-24-quick-cpu.json")


def record(tmp_path, **changed):
    file = tmp_path / "record.json"
    others = {
        k: changed.pop(k) for k in ("canaries", "verdict", "contenders", "curve") if k in changed
    }
    file.write_text(json.dumps({"schema_version": 1, "comparisons": [PRIMARY | changed], **others}))
    return read_evidence(file)


def sentiment(**facts):
    found = scenarios.load("sentiment")
    return found.model_copy(update={"profile": found.profile.model_copy(update=facts)})


@pytest.mark.parametrize(
    ("low", "difference", "high", "strength", "sign"),
    [
        (0.06, 0.10, 0.14, "strong", 1),
        (-0.05, 0.00, 0.029, "strong", -1),
        (-0.10, -0.06, -0.02, "strong", -1),
        (0.01, 0.05, 0.09, "weak", 1),
        (-0.04, 0.00, 0.04, "weak", -1),
    ],
)
def test_an_interval_clear_of_the_margin_is_strong_and_one_that_contains_it_shifts(
    tmp_path, low, difference, high, strength, sign
):
    found = weigh(record(tmp_path, low=low, difference=difference, high=high), sentiment())
    assert found.strength == strength
    assert found.weight * sign > 0
    assert abs(found.weight) == DECIDES if strength == "strong" else abs(found.weight) <= 1.5


def test_a_weak_one_shifts_by_its_distance_from_the_margin():
    """5 points, 1 to 9, margin 3: (5 - 3) / 4 = +0.5."""
    found = weigh(read({"low": 0.01, "difference": 0.05, "high": 0.09}), sentiment())
    assert found.weight == 0.5


def read(changed):
    from advisor.evidence.records import Evidence

    names = Evidence.__dataclass_fields__
    return Evidence(**{k: v for k, v in (PRIMARY | changed).items() if k in names})


@pytest.mark.parametrize(
    "name", ["specific-format", "niche-domain", "writing-style", "critical-latency"]
)
@pytest.mark.parametrize(("difference", "family"), [(0.2, "fine_tune"), (-0.2, "prompt")])
def test_a_strong_record_decides_against_any_rule_of_thumb(name, difference, family):
    evidence = read({"task": name, "difference": difference, "low": difference - 0.05,
                     "high": difference + 0.05, "model": None, "baseline_model": None})  # fmt: skip
    scenario = scenarios.load(name)
    assert recommend(scenario, weigh(evidence, scenario)).family == family


def test_no_record_overrides_what_is_ruled_out():
    evidence = read({"difference": 0.5, "low": 0.4, "high": 0.6})
    scenario = sentiment(labels_may_train=False)
    assert recommend(scenario, weigh(evidence, scenario)).family == "prompt"


@pytest.mark.parametrize(
    ("changed", "facts", "why"),
    [
        ({"task": "spam"}, {}, "it is about 'spam'.*'sentiment'.*--scenario"),
        ({"low": None, "high": None}, {}, "no confidence interval"),
        ({}, {"own_model": "meta-llama/Llama-3.1-8B"}, "the profile names meta-llama/Llama-3.1-8B"),
        ({}, {"hosted_model": "gpt-6-luna"}, "the profile names gpt-6-luna"),
        (
            {},
            {"prompted_model_billion_parameters": 1000.0},
            "0.135B.*profile.*1000B",
        ),
        (
            {"canaries": [{"name": "shuffled labels", "passed": False}]},
            {},
            r"checks failed \(shuffled",
        ),
    ],
)
def test_evidence_about_something_else_is_set_aside_with_the_reason(tmp_path, changed, facts, why):
    scenario = sentiment(**facts)
    found = weigh(record(tmp_path, **changed), scenario)
    assert (found.strength, found.weight) == ("set-aside", 0)
    assert re.search(why, found.because)
    with_it, without = recommend(scenario, found), recommend(scenario)
    assert with_it.scores == without.scores
    assert with_it.p_tuning_better == without.p_tuning_better


def test_the_same_model_under_another_owner_is_the_same(tmp_path):
    found = weigh(record(tmp_path), sentiment(own_model="smollm2-135m-instruct"))
    assert found.strength == "strong"


def test_the_probability_is_updated_by_the_odds_of_what_was_seen():
    """d = 0.1, s = 0.0204, tau = 0.1: z = 4.80, so the ratio is capped at 100: odds 1 become 100."""
    before = Probability(0.5, 0.2, 0.8)
    after = updated(before, weigh(read({}), sentiment()))
    assert after.value == pytest.approx(100 / 101, abs=1e-6)
    assert (after.low, after.high) == pytest.approx((25 / 26, 400 / 401))
    level = updated(
        before, weigh(read({"difference": 0.0, "low": -0.04, "high": 0.04}), sentiment())
    )
    assert level.value == pytest.approx(0.5)


def test_a_kept_record_settles_its_own_scenario():
    found = json.loads(
        run_command(
            "advisor", "recommend", "--scenario", "sentiment", "--evidence", RECORD, "--json"
        ).stdout
    )
    assert (found["family"], found["evidence"]["strength"]) == ("fine_tune", "strong")
    assert found["p_tuning_better"]["value"] > 0.99
    assert found["votes"][-1]["rule"] == "an-experiment-outranks-rules"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (None, "no record at"),
        ("[]", "isn't a record of `bench run`: it has no schema_version"),
        ("{", "isn't a record"),
        ('{"schema_version": 7}', "schema_version 7.* reads 1 and 2; run .* again"),
        ('{"schema_version": 1}', "no list of comparisons"),
        ('{"schema_version": 1, "comparisons": []}', "no primary comparison"),
        ('{"schema_version": 1, "comparisons": [], "sweep": {"axes": []}}', "sweep.*`bench run` or `bench curve`"),
        (json.dumps({"schema_version": 1, "comparisons": [{"primary": True, "metric": 3, "baseline_family": "prompt",
                                                            "challenger_family": "fine_tune"}]}),
         "primary comparison.*difference, n, groups, margin"),
        (json.dumps({"schema_version": 1, "comparisons": [PRIMARY | {"low": 0.2}]}), "primary comparison.*limits of the interval"),
        (json.dumps({"schema_version": 1, "comparisons": [PRIMARY | {"low": float("nan")}]}), "primary comparison: low"),
    ],
)  # fmt: skip
def test_what_is_not_a_record_is_reported_in_one_line(tmp_path, text, why):
    file = tmp_path / "record.json"
    if text is not None:
        file.write_text(text)
    with pytest.raises(UserError) as raised:
        read_evidence(file)
    assert re.search(why, str(raised.value))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("model", "size"),
    [("SmolLM2-135M-Instruct", 0.135), ("meta-llama/Llama-3.1-8B", 8), ("Qwen2.5-0.5B", 0.5),
     ("gpt-6-luna", None), (None, None)],
)  # fmt: skip
def test_a_size_is_read_from_a_models_name(model, size):
    assert size_in_name(model) == size


def test_evidence_on_nothing_known_still_says_how_sure():
    scenario = Scenario(name="sentiment", title="x", profile=Profile())
    found = recommend(scenario, weigh(read({}), scenario))
    assert (found.family, found.confidence) == ("fine_tune", "high")


def test_an_undeclared_interim_analysis_shifts_and_does_not_decide(tmp_path):
    found = weigh(
        record(tmp_path, verdict={"exploratory": "other rows were looked at"}), sentiment()
    )
    assert (found.strength, found.weight) == ("weak", 0.75)
    assert "other rows were looked at" in found.because


@pytest.mark.parametrize(
    "changed",
    [
        {"difference": -0.9},
        {"difference": 5.0, "low": 4.0, "high": 6.0},
        {"low": 0.03, "difference": 0.03, "high": 0.03},
        {"margin": -1.0},
        {"margin": 5.0},
        {"n": 0},
        {"n": 3.5},
        {"n": 10**400},
        {"groups": 301},
        {"difference": 1e300},
    ],
    ids=lambda changed: "-".join(changed),
)
def test_impossible_numbers_in_a_comparison_are_rejected(tmp_path, changed):
    with pytest.raises(UserError, match="primary comparison"):
        record(tmp_path, **changed)


@pytest.mark.parametrize(
    ("baseline", "challenger"),
    [("prompt", "prompt"), ("fine_tune", "prompt"), ("floor", "fine_tune")],
)
def test_what_compares_other_sides_says_nothing_of_tuning(tmp_path, baseline, challenger):
    with pytest.raises(UserError, match=r"primary comparison, lora vs few-shot.*tuning"):
        record(tmp_path, baseline_family=baseline, challenger_family=challenger)


def test_the_sides_of_a_record_that_names_none_are_those_of_its_contenders(tmp_path):
    unsaid = {"baseline_family": None, "challenger_family": None}
    arms = [{"name": "few-shot", "family": "prompt"}, {"name": "lora", "family": "fine_tune"}]
    assert record(tmp_path, **unsaid, contenders=arms).challenger == "lora"
    with pytest.raises(UserError, match=r"primary comparison, lora vs few-shot.*tuning"):
        record(tmp_path, **unsaid, contenders=7)


def test_a_learning_curve_says_from_how_many_rows_on(tmp_path):
    said = "lora is ahead of few-shot by more than 3 points from 64 labelled rows on."
    crossovers = [
        {"challenger": "dora", "sentence": "no"},
        {"challenger": "lora", "sentence": said},
    ]
    found = record(tmp_path, curve={"crossovers": crossovers})
    assert found.crossover == said
    done = run_command("advisor", "recommend", "--scenario", "sentiment", "--evidence", tmp_path)
    assert "Its learning curve: lora is ahead of few-shot" in " ".join(done.stdout.split())


@pytest.mark.parametrize(
    "curve", [None, 3, {}, {"crossovers": None}, {"crossovers": [3, {"challenger": "lora"}]},
              {"crossovers": [{"challenger": "lora", "sentence": ["x"]}]}]
)  # fmt: skip
def test_an_invalid_curve_breaks_nothing(tmp_path, curve):
    assert record(tmp_path, curve=curve).crossover is None


def test_a_curves_sentence_is_one_line_without_what_a_terminal_obeys(tmp_path):
    said = "a\n\x1b[31mb" + "c" * 1000
    found = record(tmp_path, curve={"crossovers": [{"challenger": "lora", "sentence": said}]})
    assert found.crossover.startswith("a \ufffd[31mb")
    assert len(found.crossover) == 400
