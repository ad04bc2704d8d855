"""Forecasts are graded by what was then measured."""

import pytest

from bench.core.meter import Usage
from bench.core.outcome import CurveDone, Done, Skipped
from bench.record.forecasts import graded

USAGE = Usage(2.0, None, 20, None, None, None, None)
DONE = Done(notes={}, setup=USAGE, serving=USAGE, rows=1, latencies_ms=[1.0], device=None)
FORECAST = {
    "trial": "a", "contender": "x", "reason": "",
    "seconds": {"value": 5.0, "low": 4.0, "high": 6.25},
    "peak_resident_bytes": {"value": 10, "low": 9, "high": 11}, "peak_gpu_bytes": None,
}  # fmt: skip


def grade(outcome, **changed):
    [found] = graded([FORECAST | changed], {"a": outcome})
    return found


def test_the_error_is_a_share_of_what_was_measured():
    """5 s forecast, 4 s measured: 25% too many, and 4 s is just within the range."""
    found = grade(Done(**(vars(DONE) | {"wall_seconds": 4.0})))
    assert found["measured_seconds"] == 4.0
    assert (found["seconds_error"], found["seconds_held"]) == (pytest.approx(0.25), True)
    assert found["seconds"] == FORECAST["seconds"]


def test_a_trial_that_was_resumed_after_an_interruption_is_graded_only_by_its_memory():
    found = grade(DONE)
    assert (found["seconds_error"], found["seconds_held"]) == (None, None)
    assert found["measured_peak_resident_bytes"] == 20
    assert (found["peak_resident_bytes_error"], found["peak_resident_bytes_held"]) == (-0.5, False)
    assert (found["measured_peak_gpu_bytes"], found["peak_gpu_bytes_held"]) == (None, None)


def test_a_trial_that_did_not_run_has_no_grade():
    found = grade(Skipped("dropped by the budget"))
    assert found["measured_seconds"] is None
    assert found["seconds_held"] is None
    assert found["seconds"] == FORECAST["seconds"]


def test_a_curve_with_fewer_sizes_is_graded_by_the_forecast_of_those():
    """1 s to start and 1 + 3 s for two sizes; without the larger one 2 of the 5 s."""
    curve = CurveDone(sizes=(8,), device=None, wall_seconds=2.0)
    found = grade(curve, start_seconds=1.0, by_size={"8": 1.0, "16": 3.0})
    assert found["seconds"] == pytest.approx({"value": 2.0, "low": 1.6, "high": 2.5})
    assert found["seconds_error"] == pytest.approx(0.0)
    whole = CurveDone(sizes=(8, 16), device=None, wall_seconds=5.0)
    same = grade(whole, start_seconds=1.0, by_size={"8": 1.0, "16": 3.0})
    assert same["seconds"] == FORECAST["seconds"]
