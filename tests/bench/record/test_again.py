"""The command that tests another model runs what was run, with that model prompted."""

import shlex
from dataclasses import replace

import pytest

import scenarios
from bench.engine.models import DEFAULT_MODEL
from bench.planning.make import MODES, make_plan, parse_settings
from bench.record.again import command
from scenarios.rows import Example, Split

SPLIT = Split(
    tuple(Example(str(i), f"text {i}", "negative", str(i)) for i in range(50)), (), (), "d", {}
)


def again(
    mode="default", rows=None, model="SmolLM2-135M-Instruct", price=None, scenario=None, **more
):
    mode = replace(MODES[mode], train_rows=rows) if rows else MODES[mode]
    more.setdefault("seed", 0)
    plan = make_plan(scenario or scenarios.load("sentiment"), SPLIT, mode, model=model, **more)
    return command(plan, "lora", price)


def test_a_run_with_nothing_named_is_repeated_with_its_tuned_arm():
    assert again() == "bench run sentiment --only few-shot@MODEL,lora"


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"mode": "quick"}, "--quick --only few-shot@MODEL,lora"),
        ({"mode": "full"}, "--full --only few-shot@MODEL,lora"),
        ({"rows": 40}, "--only few-shot@MODEL,lora --train-rows 40"),
        ({"model": "org/M"}, "--only few-shot@MODEL,lora --model org/M"),
        ({"seeds": (3, 4)}, "--only few-shot@MODEL,lora --seeds 3,4"),
        ({"seeds": (0,)}, "--only few-shot@MODEL,lora --seeds 1"),
        ({"model": "a-folder"}, "--only few-shot@MODEL,lora --model PATH/TO/a-folder"),
        ({"seed": 7}, "--only few-shot@MODEL,lora --seed 7"),
        ({"price": 2.5}, "--only few-shot@MODEL,lora --usd-per-hour 2.5"),
        (
            {"only": ("tf-idf", "zero-shot", "retrieved", "embeddings", "lora", "dora")},
            "--only few-shot@MODEL,embeddings,lora,dora",
        ),
        ({"only": ("zero-shot", "lora@./my tuned")}, "--only 'few-shot@MODEL,lora@./my tuned'"),
        (
            {"changed": parse_settings(["lora.rank=32", "few-shot.shots=2,4", "zero-shot.instructions=1"])},
            "--only few-shot@MODEL,lora --set few-shot.shots=2,4 --set lora.rank=32",
        ),
        (
            {"changed": parse_settings(["lora.targets=q_proj,v_proj; rm -rf x"])},
            "--only few-shot@MODEL,lora --set 'lora.targets=q_proj,v_proj; rm -rf x'",
        ),
    ],
)  # fmt: skip
def test_the_options_of_the_run_stay_and_are_quoted(asked, told):
    found = again(**asked)
    assert found == f"bench run sentiment {told}"
    assert shlex.join(shlex.split(found)) == found


def test_folds_and_looks_stay():
    scenario = scenarios.load("sentiment")
    decision = scenario.decision.model_copy(update={"looks": 2})
    scenario = scenario.model_copy(update={"decision": decision})
    counts = {"train": 50, "validation": 9, "test": 20, "test groups": 20}
    split = Split(SPLIT.train, (), (), "d", counts)
    plan = make_plan(scenario, [split] * 3, MODES["quick"], 0, "SmolLM2-135M-Instruct",
                     ("few-shot", "lora"), look=2)  # fmt: skip
    assert command(plan, "lora") == (
        "bench run sentiment --quick --only few-shot@MODEL,lora --cross-fit 3 --look 2"
    )


def test_a_scenario_of_the_users_is_named_by_its_file(small_scenario):
    own = small_scenario.rename(small_scenario.with_name("my own.toml"))
    scenario = scenarios.load(str(own))
    assert again(scenario=scenario).startswith("bench run './my own.toml' --only")
    rows = scenarios.load("sentiment").task.rows
    task = scenario.task.model_copy(update={"rows": rows})
    assert again(scenario=scenario.model_copy(update={"task": task})).startswith(
        "bench run './my own.toml' --only"
    )


def test_that_forgetting_was_asked_for_stays_and_a_full_run_asks_unasked():
    def asked(mode):
        plan = make_plan(scenarios.load("sentiment"), SPLIT, MODES[mode], 0, DEFAULT_MODEL)
        return command(replace(plan, forgetting=True), "lora")

    assert asked("quick") == "bench run sentiment --quick --only few-shot@MODEL,lora --forgetting"
    assert asked("full") == "bench run sentiment --full --only few-shot@MODEL,lora"
