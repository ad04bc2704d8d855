"""The command that tests another model runs what was run, with that model prompted."""

import shlex
from dataclasses import replace

import pytest

import scenarios
from bench.core.plan import MODES
from bench.models.local import DEFAULT_MODEL
from bench.planning.make import make_plan
from bench.planning.settings import parse_settings
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
    ("asked", "options"),
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
def test_the_options_of_the_run_are_kept_and_quoted(asked, options):
    found = again(**asked)
    assert found == f"bench run sentiment {options}"
    assert shlex.join(shlex.split(found)) == found


def test_folds_and_the_interim_analysis_are_kept():
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


def test_a_users_scenario_is_named_by_its_file(small_scenario):
    own = small_scenario.rename(small_scenario.with_name("my own.toml"))
    scenario = scenarios.load(str(own))
    assert again(scenario=scenario).startswith("bench run './my own.toml' --only")
    rows = scenarios.load("sentiment").task.rows
    task = scenario.task.model_copy(update={"rows": rows})
    assert again(scenario=scenario.model_copy(update={"task": task})).startswith(
        "bench run './my own.toml' --only"
    )


def test_forgetting_is_kept_where_it_was_asked_for_and_is_part_of_a_full_run():
    def asked(mode):
        plan = make_plan(scenarios.load("sentiment"), SPLIT, MODES[mode], 0, DEFAULT_MODEL)
        return command(replace(plan, forgetting=True), "lora")

    assert asked("quick") == "bench run sentiment --quick --only few-shot@MODEL,lora --forgetting"
    assert asked("full") == "bench run sentiment --full --only few-shot@MODEL,lora"
