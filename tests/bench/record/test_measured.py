"""What a contender's entry says of its speed, memory and money."""

from dataclasses import replace

import pytest

from bench.core.meter import Usage
from bench.core.outcome import Done, Failed, Skipped
from bench.core.plan import MODES
from bench.planning.make import make_plan
from bench.record.measured import contenders_of
from scenarios.rows import Example, Split
from scenarios.schema import parse
from tests.reports import records

ROWS = tuple(Example(str(i), f"text {i}", "good", str(i)) for i in range(9))
PLAN = make_plan(
    parse(records.SCENARIO, "small", "small.toml"),
    Split(ROWS, ROWS, ROWS, "d", {}),
    MODES["quick"], 0, "M", ("few-shot", "lora"), seeds=(0, 1, 2),
)  # fmt: skip


def usage(seconds=2.0, resident=100, gpu=None):
    return Usage(seconds, None, resident, gpu, None, None, None)


def done(**changed):
    figures = {
        "notes": {}, "loading": usage(), "setup": usage(), "serving": usage(), "rows": 60,
        "latencies_ms": [10.0], "device": None,
    }  # fmt: skip
    return Done(**(figures | changed))


def lora(*outcomes, price=None):
    """The entry of a contender with three trials; one outcome is that of all."""
    trials = [trial.slug for trial in PLAN.trials if trial.name == "lora"]
    own = outcomes if len(outcomes) == 3 else outcomes * 3
    found = {trial.slug: done() for trial in PLAN.trials} | dict(zip(trials, own, strict=True))
    return next(c for c in contenders_of(PLAN, found, {}, price) if c["name"] == "lora")


@pytest.fixture(scope="module")
def record():
    return records.finished()


def test_latency_is_by_percentile_and_throughput_by_the_serving_time(record):
    found = record["contenders"][-1]
    assert found["p50_latency_ms"] == 12.0
    assert found["throughput_rows_per_s"] == 30.0  # 60 rows in 2 s
    assert found["usd_per_1000_requests"] is None
    assert "--usd-per-hour" in found["usd_reason"]


def test_p95_of_1_to_100_ms_is_95_05_since_percentiles_are_interpolated():
    """Place 0.95 x 99 = 94.05 from the smallest: a twentieth of the way from 95 to 96 ms."""
    found = lora(done(latencies_ms=[float(ms) for ms in range(1, 101)]))
    assert found["p95_latency_ms"] == pytest.approx(95.05)
    assert found["p50_latency_ms"] == pytest.approx(50.5)
    assert found["latency_requests"] == 300


def test_the_memory_of_serving_is_that_of_restoring_and_serving_only():
    stages = {
        "loading": usage(resident=900), "setup": usage(resident=800, gpu=7),
        "restoring": usage(resident=300), "serving": usage(resident=200, gpu=5),
    }  # fmt: skip
    found = lora(done(**stages))
    assert (found["peak_resident_bytes"], found["serving_peak_resident_bytes"]) == (900, 300)
    assert found["peak_gpu_bytes"] == 7
    assert found["process_gpu_bytes"] is None


def test_dollars_are_the_machines_price_for_the_time_of_1000_requests():
    """$3.60 an hour is $0.001 a second; 30 rows a second are 33.3 s for 1,000, and set-up is 2 s."""
    found = lora(done(), price=3.6)
    assert found["usd_per_1000_requests"] == pytest.approx(1000 / 30 * 0.001)
    assert found["setup_usd"] == pytest.approx(0.002)
    assert found["usd_reason"]


def test_speed_and_set_up_are_medians_over_the_trials():
    """60 rows in 1, 2 and 6 s, and fitted in 10, 20 and 60 s."""
    each = [done(serving=usage(s), setup=usage(10 * s)) for s in (1.0, 2.0, 6.0)]
    found = lora(*each)
    assert (found["throughput_rows_per_s"], found["train_seconds"]) == (30.0, 20.0)


def test_the_speed_of_the_machine_is_a_median_of_the_trials_that_know_it():
    each = [done(machine_gflops=g) for g in (None, 100.0, 120.0)]
    assert lora(*each)["machine_gflops"] == 110.0
    assert lora(done())["machine_gflops"] is None


def test_an_entry_counts_the_seeds_that_ended_well_and_gives_the_reason_of_the_others():
    found = lora(done(), Failed("the loss became nan"), done())
    assert (found["status"], found["seeds"]) == ("done", 2)
    assert found["reason"] == "the loss became nan"


def test_a_contender_without_figures_has_its_status_and_reason_only():
    found = lora(Skipped("needs a GPU"))
    assert (found["status"], found["reason"], found["seeds"]) == ("skipped", "needs a GPU", 0)
    assert "p95_latency_ms" not in found
    assert "forgetting" not in found


def test_the_score_on_the_validation_rows_is_the_mean_over_the_seeds():
    """Seeds 0 to 4 of lora reach 0.65, 0.66, ... 0.69; tf-idf is run once."""
    record = records.finished(seeds=(0, 1, 2, 3, 4))
    found = {c["name"]: c["validation_score"] for c in record["contenders"]}
    assert (found["lora"], found["tf-idf"]) == pytest.approx((0.67, 0.55))
    one = done(notes={"validation_score": 0.5})
    assert lora(one, one, replace(one, notes={}))["validation_score"] is None
