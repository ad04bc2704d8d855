"""A profile from a scenario or from a file of facts, with some of them replaced."""

import pytest

import scenarios
from advisor.decision.memory import tuning_gib
from advisor.profiles import load, with_settings
from scenarios.errors import UserError
from scenarios.schema import Profile


def test_a_scenario_of_ours_with_a_fact_replaced():
    found = load("niche-domain", None, ["labelled_examples=20", "team_practice=unknown"])
    assert (found.profile.labelled_examples, found.profile.team_practice) == (20, None)
    assert found.title == scenarios.load("niche-domain").title


@pytest.mark.parametrize(
    "text",
    ['task_type = "style"\n', '[profile]\ntask_type = "style"\n',
     'title = "Mine"\n[profile]\ntask_type = "style"\n[decision]\nmargin = 0.05\n'],
)  # fmt: skip
def test_a_file_of_facts_needs_no_more_than_its_facts(tmp_path, text):
    file = tmp_path / "my_case.toml"
    file.write_text(text)
    found = load(None, file)
    assert (found.name, found.profile.task_type) == ("my-case", "style")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("task_type = \n", "isn't TOML"),
        ('task_typ = "style"\nclasses = 1\n', "did you mean 'task_type'"),
        ('[profile]\nclasses = 1\nlabelled_examples = -3\n', "line 3, profile.labelled_examples"),
        ('[profile]\nlatency_target_p95_ms = "fast"\n', "latency_target_p95_ms"),
        ("[profile]\nquality_bar = 90\n", "less than or equal to 1, not 90"),
        ("[profile]\nhorizon_months = 0\n", "greater than or equal to 1, not 0"),
    ],
)  # fmt: skip
def test_all_faults_of_a_file_are_one_line(tmp_path, text, why):
    file = tmp_path / "mine.toml"
    file.write_text(text)
    with pytest.raises(UserError) as raised:
        load(None, file)
    assert why in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("name", "file", "settings", "why"),
    [
        (None, None, [], "--scenario NAME and --profile FILE"),
        ("niche-domain", "x.toml", [], "exactly one"),
        (None, "missing.toml", [], "no file"),
        ("niche-domain", None, ["classes=3", "classes=4"], "--set gives classes twice"),
        ("niche-domain", None, ["classes"], "--set takes FACTOR=VALUE"),
    ],
)
def test_user_errors_name_the_option(tmp_path, name, file, settings, why):
    with pytest.raises(UserError, match=why):
        load(name, tmp_path / file if file else None, settings)


def test_memory_by_size_is_what_the_forecasts_say():
    """The kept table equals the forecasts; between two models they are interpolated."""
    import importlib.util
    import json
    from importlib import resources
    from pathlib import Path

    script = Path(__file__).parents[2] / "benchmarks" / "memory_by_size.py"
    spec = importlib.util.spec_from_file_location("memory_by_size", script)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    kept = json.loads((resources.files("advisor") / "catalog" / "memory_by_size.json").read_text())
    assert kept == json.loads(json.dumps(module.table()))
    (low, _), (high, _) = tuning_gib("lora", 7.248), tuning_gib("lora", 8.03)
    between = tuning_gib("lora", (7.248 + 8.03) / 2)[0]
    assert between == pytest.approx((low + high) / 2, rel=1e-3)
    assert tuning_gib("qlora", 140)[0] > 1.9 * tuning_gib("qlora", 70.554)[0]


@pytest.mark.parametrize("fact", ["largest_own_model_billion_parameters", "latency_target_p95_ms"])
@pytest.mark.parametrize("value", ["1e300", "1e-300", "0", "nan"])
def test_impossible_values_are_rejected(fact, value):
    with pytest.raises(UserError, match=fact):
        with_settings(Profile(), {fact: value})


def test_all_wrong_settings_are_reported_together():
    with pytest.raises(UserError) as raised:
        with_settings(Profile(), {"clases": "3", "vocabulary": "odd", "labelled_examples": "-1"})
    for part in (
        "no factor named 'clases'; did you mean 'classes'?",
        "vocabulary",
        "labelled_examples",
    ):
        assert part in str(raised.value)
