"""Estimates add up what the trials answered, by row and by group; comparisons pair it."""

import pytest

from tests.reports import records


@pytest.fixture(scope="module")
def record():
    return records.finished()


@pytest.fixture(scope="module")
def five_seeds():
    return records.finished(seeds=(0, 1, 2, 3, 4))


def test_accuracy_is_the_share_of_right_answers(record):
    """0.55 x 60 = 33 right answers."""
    found = {c["name"]: c["accuracy"]["value"] for c in record["contenders"]}
    assert found == pytest.approx(
        {"majority": 0.5, "tf-idf": 0.55, "zero-shot": 0.5, "few-shot": 0.6, "lora": 0.65}
    )


def test_the_primary_arms_are_chosen_by_validation_and_come_first(record):
    first = record["comparisons"][0]
    assert (first["baseline"], first["challenger"], first["primary"]) == ("few-shot", "lora", True)
    assert first["difference"] == pytest.approx(0.05)
    assert (first["n"], first["groups"]) == (60, 20)
    assert first["p_adjusted"] == first["p_value"]


def test_baselines_are_not_compared_but_reported(record):
    named = {name for c in record["comparisons"] for name in (c["baseline"], c["challenger"])}
    assert named == {"zero-shot", "few-shot", "lora"}


def test_every_interval_holds_its_value(record):
    found = [c[metric] for c in record["contenders"] for metric in ("accuracy", "macro_f1")]
    assert len(found) == 10
    for one in found:
        assert one["low"] <= one["value"] <= one["high"]


def test_a_comparison_says_what_difference_it_could_have_shown(record):
    """The arms differ on 3 of 60 rows; 2.80 sqrt(0.05 x design effect / 60)."""
    first = record["comparisons"][0]
    expected = 2.8016 * (first["discordant_share"] * first["design_effect"] / 60) ** 0.5
    assert first["smallest_visible"] == pytest.approx(expected, rel=1e-3)
    assert first["scope"] == "this-model"
    assert (first["baseline_family"], first["challenger_family"]) == ("prompt", "fine_tune")


def test_five_seeds_give_an_interval_of_the_methods_and_where_its_variance_comes_from(five_seeds):
    first = five_seeds["comparisons"][0]
    assert first["scope"] == "this-method"
    assert first["method"] == "clustered t over rows and seeds; t"
    assert set(first["variance"]) == {"sampling", "seed", "draw"}
    assert first["low"] < first["difference"] < first["high"]
    assert "for the methods" in five_seeds["verdict"]["scope"]


def test_the_arms_own_estimates_have_the_level_of_the_interim_analysis(record):
    """The first of two may spend 0.557% of the 5%."""
    looked = records.finished(looks=2)
    for found, level in ((record, 0.95), (looked, 1 - 0.00557)):
        for arm in found["comparisons"][0]["arms"].values():
            assert arm["level"] == pytest.approx(level, abs=1e-5)
    once, twice = (f["comparisons"][0]["arms"]["fine_tune"] for f in (record, looked))
    assert twice["low"] < once["low"] < once["high"] < twice["high"]
    assert looked["estimates"]["lora"]["accuracy"]["level"] == 0.95


def test_p_values_are_compared_with_5_percent_at_every_interim_analysis(record):
    """The first of two may spend 0.557% of the 5%: each p counts 0.05 / 0.00557 = 8.97 times."""
    one, two = record["comparisons"], records.finished(looks=2)["comparisons"]
    assert [c["p_value"] for c in one] == [c["p_value"] for c in two]
    for before, after in zip(one, two, strict=True):
        assert after["p_adjusted"] == pytest.approx(min(1, before["p_value"] * 8.97), rel=1e-3)
    assert one[0]["p_adjusted"] == one[0]["p_value"]
    assert [c["adjustment"] for c in one] == ["none", "after Holm over 1"]
    assert [c["adjustment"] for c in two] == [
        "for look 1 of 2",
        "for look 1 of 2, after Holm over 1",
    ]
    assert two[0]["level"] == pytest.approx(1 - 0.00557, abs=1e-5)
