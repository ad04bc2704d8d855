"""The plan as a value: to and from JSON, of this version and of earlier ones, and compared."""

import json
from dataclasses import replace

import pytest

from bench.core.plan import SCHEMA_VERSION, Look, Plan, UnreadableVersion
from tests.bench.plans import a_curve, run_plan
from tests.conftest import ROOT

KEPT = sorted((ROOT / "docs" / "measurements").glob("*.json"))
FOLDERS = sorted((ROOT / "tests" / "data" / "runs").glob("version-1-*"))


def kept_plans():
    """Every plan in a kept record, and in a kept folder of a run."""
    for file in KEPT:
        found = json.loads(file.read_text(encoding="utf-8"))
        if isinstance(found, dict) and "plan" in found:
            yield pytest.param(found["plan"], id=file.stem)
    for folder in FOLDERS:
        text = (folder / "plan.json").read_text(encoding="utf-8")
        yield pytest.param(json.loads(text), id=folder.name)


def as_json(plan):
    return json.loads(json.dumps(plan.to_json()))


@pytest.mark.parametrize("plan", [run_plan(), run_plan("full", seeds=(1, 2)), a_curve()])
def test_a_plan_comes_back_from_its_json(plan):
    assert Plan.from_json(as_json(plan)) == plan


@pytest.mark.parametrize("values", list(kept_plans()))
def test_every_plan_that_was_ever_written_is_read_with_its_values_unchanged(values):
    plan = Plan.from_json(values)
    again = as_json(plan)
    added = {k for k in again if k not in values}
    assert added <= {"family", "look", "choosing", "asked", "curve", "sweep", "forgetting"}
    for key in values.keys() - {"schema_version", "scenario", "mode", "trials", "primary", "curve"}:
        assert again[key] == values[key], key
    for own, before in zip(again["trials"], values["trials"], strict=True):
        assert own | before == own
    assert again["mode"] | values["mode"] == again["mode"]
    assert plan.schema_version == SCHEMA_VERSION


def test_the_first_plans_knew_no_interim_analyses_and_chose_on_validation_rows():
    values = json.loads((FOLDERS[0] / "plan.json").read_text())
    assert FOLDERS[0].name == "version-1-first"
    assert not {"look", "choosing", "asked", "family"} & values.keys()
    plan = Plan.from_json(values)
    assert plan.look == Look(1, 1, 0.05)
    assert (plan.choosing.folds, plan.choosing.rows) == (0, 20)
    assert plan.primary.scope == "this-model"
    assert {trial.fold for trial in plan.trials} == {None}


def test_settings_with_several_values_are_tuples_again():
    plan = Plan.from_json(as_json(run_plan()))
    lora = plan.trial("05-lora-s0")
    assert isinstance(lora.settings["learning_rates"], tuple)


@pytest.mark.parametrize("version", [None, 0, "2", True, 2.5])
def test_a_plan_without_a_version_is_refused(version):
    with pytest.raises(ValueError, match="schema_version"):
        Plan.from_json(as_json(run_plan()) | {"schema_version": version})


def test_a_newer_versions_plan_is_refused_by_its_number():
    with pytest.raises(UnreadableVersion) as refused:
        Plan.from_json(as_json(run_plan()) | {"schema_version": SCHEMA_VERSION + 1})
    assert refused.value.version == 3


@pytest.mark.parametrize(
    "values",
    [{"schema_version": 1}, {"schema_version": 1, "rows": [], "mode": {}},
     {"schema_version": 1, "rows": {"counts": {}}, "mode": []}],
)  # fmt: skip
def test_a_damaged_plan_of_version_1_is_refused(values):
    with pytest.raises(ValueError, match=r"missing or wrong"):
        Plan.from_json(values)


def test_a_plan_of_this_version_that_lacks_a_part_is_refused():
    values = as_json(run_plan())
    del values["look"]
    with pytest.raises(ValueError, match="look"):
        Plan.from_json(values)


def test_plans_differ_in_what_they_do_and_not_in_how_it_is_worded():
    plan = run_plan()
    worded = replace(
        plan,
        schema_version=1,
        choosing=replace(plan.choosing, sentence="in other words"),
        primary=replace(plan.primary, chosen_by="in other words"),
    )
    assert plan.differences(worded) == []
    curve = a_curve()
    worded = replace(curve, curve=replace(curve.curve, choices="in other words"))
    assert curve.differences(worded) == []
    titled = replace(plan, scenario=plan.scenario.model_copy(update={"title": "Another"}))
    assert plan.differences(titled) == []
    assert plan.differences(replace(plan, seed=1, look=Look(1, 2, 0.01))) == ["seed", "look"]
    assert plan.differences(run_plan(only=("lora",))) != []


def test_a_task_with_other_rows_or_wordings_is_another_plan():
    plan = run_plan()
    task = plan.task.model_copy(update={"instruction": "Another one."})
    other = replace(plan, scenario=plan.scenario.model_copy(update={"task": task}))
    assert plan.differences(other) == ["scenario"]
