"""Canaries pass in a sound run, and fail where a fault is planted."""

import dataclasses

import pytest

import scenarios
from bench.checks import canaries
from bench.core.contender import Answer, Ground
from bench.core.kept import Kept
from bench.engine import models
from bench.engine.models import Device
from scenarios.rows import Example, Split, load_split

WORDS = "a rather long sentence about the battery of this camera and its lens"


def split(**parts):
    rows = {
        name: (Example(name, f"{name * 9} {i}", "good", f"{name}{i}"),)
        for i, name in enumerate(("train", "validation", "test"))
    }
    return Split(**(rows | parts), digest="d", counts={})


def failed(found):
    return [canary["name"] for canary in found if not canary["passed"]]


def test_parts_without_shared_groups_or_near_duplicates_pass():
    assert failed(canaries.of_split(split())) == []


def test_a_group_in_two_parts_is_found():
    test = (Example("t", "quite another text", "good", "train0"),)
    assert failed(canaries.of_split(split(test=test))) == ["groups apart"]


def test_a_near_duplicate_in_two_parts_is_found():
    train = (Example("a", WORDS, "good", "a"),)
    test = (Example("b", WORDS + "!", "good", "b"),)
    assert failed(canaries.of_split(split(train=train, test=test))) == ["copies apart"]


def test_an_adapter_that_leaves_a_trace_is_found():
    assert canaries.adapter_off([-1.0, -2.0], [-1.0, -2.0])["passed"]
    found = canaries.adapter_off([-1.0, -2.0], [-1.0, -2.0001])
    assert not found["passed"]
    assert canaries.adapter_off([-1.0], [-1.05], four_bit=True)["passed"]


@pytest.fixture
def ground(tmp_path, small_scenario, tiny_model, cache):
    task = scenarios.load(str(small_scenario)).task
    rows = load_split(task, 0)
    model = models.load("tiny", tiny_model, Device("cpu", "float32", "test"))
    return Ground(task, rows.train, rows.validation, lambda: model, tmp_path, Kept(tmp_path / "k"))


def test_a_prompt_that_evaluation_renders_differently_is_found(ground, monkeypatch):
    assert canaries.of_prompts(ground)["passed"]
    from bench.engine import prompts

    rows = prompts.Prompts.rows
    monkeypatch.setattr(prompts.Prompts, "rows", lambda *a: [r[1:] for r in rows(*a)])
    assert not canaries.of_prompts(ground)["passed"]


@pytest.mark.parametrize(("right", "passed"), [(10, True), (17, True), (18, False), (20, False)])
def test_shuffled_labels_reach_no_more_than_chance(ground, right, passed):
    """20 balanced rows: chance is 1/2, and 99.95% of binomial draws have at most 17 right."""
    other = {"good": "bad", "bad": "good"}
    answers = [
        Answer(e.id, e.gold if i < right else other[e.gold], 1, 1, 0.0)
        for i, e in enumerate(ground.validation)
    ]
    assert canaries.shuffled(answers, ground)["passed"] is passed


@pytest.mark.parametrize(("right", "passed"), [(30, True), (38, True), (39, False)])
def test_chance_is_the_share_of_the_most_frequent_label(ground, right, passed):
    """30 of 40 rows are good, so always saying so is right on 30; 99.95% of draws have at most 38."""
    golds = ["good"] * 30 + ["bad"] * 10
    rows = tuple(Example(f"v{i}", f"text {i}", gold, f"v{i}") for i, gold in enumerate(golds))
    ground = dataclasses.replace(ground, validation=rows)
    answers = [
        Answer(row.id, row.gold if i < right else "neither", 1, 1, 0.0)
        for i, row in enumerate(rows)
    ]
    assert canaries.shuffled(answers, ground)["passed"] is passed


def test_labels_are_shuffled_and_not_changed(ground):
    mixed = canaries.with_shuffled_labels(ground.train, 0)
    assert sorted(e.gold for e in mixed) == sorted(e.gold for e in ground.train)
    assert [e.text for e in mixed] == [e.text for e in ground.train]
    assert [e.gold for e in mixed] != [e.gold for e in ground.train]


def test_a_full_run_trains_on_shuffled_labels_too(ground):
    from bench.contenders.lora import Contender

    lora = Contender(epochs=1, learning_rates=(1e-3,))
    ground = dataclasses.replace(ground, train=ground.train[:32], shuffled_canary=True)
    names = [canary["name"] for canary in lora.fit(ground, 0).notes["canaries"]]
    assert names == ["prompts alike", "adapter off", "shuffled labels"]
