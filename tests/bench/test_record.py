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
