"""A record adds up what the trials left, by row and by group."""

import pytest

from tests.reports import records


@pytest.fixture(scope="module")
def record():
    return records.finished()


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


def test_floors_are_not_compared_but_reported(record):
    named = {name for c in record["comparisons"] for name in (c["baseline"], c["challenger"])}
    assert named == {"zero-shot", "few-shot", "lora"}


def test_every_interval_holds_its_value(record):
    seen = 0
    for contender in record["contenders"]:
        for metric in ("accuracy", "macro_f1"):
            found = contender[metric]
            if found["low"] is not None:
                assert found["low"] <= found["value"] <= found["high"]
                seen += 1
    assert seen >= 8


def test_latency_is_by_percentile_and_throughput_by_the_serving_time(record):
    found = record["contenders"][-1]
    assert found["p50_latency_ms"] == 12.0
    assert found["throughput_rows_per_s"] == 30.0  # 60 rows in 2 s
    assert found["usd_per_1000_requests"] is None
    assert "no price" in found["usd_reason"]


def test_nothing_in_the_record_names_the_user_or_the_machine(record, monkeypatch):
    import getpass
    import json
    import socket
    from pathlib import Path

    text = json.dumps(record)
    for private in (str(Path.home()), socket.gethostname()):
        assert len(private) < 4 or private not in text
    assert f'"{getpass.getuser()}"' not in text


def test_what_could_have_been_seen_stands_beside_what_was(record):
    """The arms differ on 3 of 60 rows; 2.80 sqrt(0.05 x design effect / 60)."""
    first = record["comparisons"][0]
    expected = 2.8016 * (first["discordant_share"] * first["design_effect"] / 60) ** 0.5
    assert first["smallest_visible"] == pytest.approx(expected, rel=1e-3)
    assert first["scope"] == "this-model"
    assert (first["baseline_family"], first["challenger_family"]) == ("prompt", "fine_tune")


def test_checks_of_the_split_stand_in_every_record(record):
    found = [(c["name"], c.get("trial"), c["passed"]) for c in record["canaries"]]
    assert found[0] == ("groups apart", None, True)
    assert found[1][0] == "copies apart"
    assert found[2] == ("adapter off", "05-lora-s0", True)
    assert record["verdict"]["exploratory"] is None


def test_a_run_beside_it_that_saw_other_rows_is_an_earlier_look(tmp_path, record):
    import json

    from bench.planning.make import MODES, make_plan
    from bench.record.make import earlier_looks
    from scenarios.rows import Example, Split
    from scenarios.schema import parse
    from tests.reports.records import SCENARIO

    rows = tuple(Example(str(i), f"text {i}", "good", str(i)) for i in range(9))
    split = Split(rows, rows, rows, "d", {"test": 100})
    plan = make_plan(parse(SCENARIO, "small", "small.toml"), split, MODES["quick"], 0, "M")
    for name, text in (("one", json.dumps(record)), ("two", "{"), ("three", '{"scenario": "x"}')):
        (tmp_path / name).mkdir()
        (tmp_path / name / "record.json").write_text(text)
    assert earlier_looks(tmp_path / "own", plan) == ["one (60 test rows)"]
    assert earlier_looks(tmp_path / "one", plan) == []


@pytest.fixture(scope="module")
def five_seeds():
    return records.finished(seeds=(0, 1, 2, 3, 4))


def test_five_seeds_give_an_interval_of_the_methods_and_where_its_variance_comes_from(five_seeds):
    first = five_seeds["comparisons"][0]
    assert first["scope"] == "this-method"
    assert first["method"] == "clustered t over rows and seeds; t"
    assert set(first["variance"]) == {"sampling", "seed", "draw"}
    assert first["low"] < first["difference"] < first["high"]
    assert "and of the methods" in five_seeds["verdict"]["scope"]


def test_the_score_on_the_validation_rows_is_the_mean_over_the_seeds(five_seeds):
    """Seeds 0 to 4 of lora reach 0.65, 0.66, ... 0.69; tf-idf is run once."""
    found = {c["name"]: c["validation_score"] for c in five_seeds["contenders"]}
    assert (found["lora"], found["tf-idf"]) == pytest.approx((0.67, 0.55))


def test_the_answers_of_all_folds_are_one_contenders():
    """Three folds of 20 rows: 60 tested rows, with the accuracies of the whole."""
    found = records.finished(folds=3)
    assert {c["name"]: c["accuracy"]["n"] for c in found["contenders"]}["lora"] == 60
    assert found["comparisons"][0]["n"] == 60
    assert {c["seeds"] for c in found["contenders"]} == {1}
    assert found["contenders"][-1]["accuracy"]["value"] == pytest.approx(0.65, abs=0.02)


def test_p_values_are_held_against_5_percent_at_every_look_as_intervals_are(record):
    """The first of two looks may spend 0.56 %: each p counts 0.05 / 0.00557 = 8.97 times."""
    looked = records.finished(looks=2)
    one, two = record["comparisons"], looked["comparisons"]
    assert [c["p_value"] for c in one] == [c["p_value"] for c in two]
    primary = two[0]
    assert primary["p_adjusted"] == pytest.approx(min(1, primary["p_value"] * 8.97), rel=1e-3)
    assert (one[0]["adjustment"], primary["adjustment"]) == ("none", "for look 1 of 2")
    assert one[0]["p_adjusted"] == one[0]["p_value"]
    assert two[1]["adjustment"] == "for look 1 of 2, after Holm over 1"
    assert two[1]["p_adjusted"] == pytest.approx(min(1, two[1]["p_value"] * 8.97), rel=1e-3)
    assert primary["level"] == pytest.approx(1 - 0.00557, abs=1e-5)


def test_the_arms_estimates_for_the_bar_are_of_the_looks_level(record):
    looked = records.finished(looks=2)
    for found, level in ((record, 0.95), (looked, 1 - 0.00557)):
        for arm in found["comparisons"][0]["arms"].values():
            assert arm["level"] == pytest.approx(level, abs=1e-5)
    once, twice = (f["comparisons"][0]["arms"]["fine_tune"] for f in (record, looked))
    assert twice["low"] < once["low"] < once["high"] < twice["high"]
    assert looked["estimates"]["lora"]["accuracy"]["level"] == 0.95
