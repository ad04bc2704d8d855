"""How a trial ended, to and from the JSON of its file and of records."""

import json

import pytest

from bench.core import outcome as outcomes
from bench.core.meter import Usage
from bench.core.outcome import CurveDone, Done, Failed, Skipped

USAGE = Usage(2.0, None, 5 * 10**8, None, None, None, None, None, 1200, 60)


def done(**more):
    return Done(
        notes={"shots": [1]}, setup=USAGE, serving=USAGE, rows=3, latencies_ms=[1.0], device=None, **more
    )  # fmt: skip


@pytest.mark.parametrize(
    "outcome",
    [
        done(),
        done(restoring=USAGE, ways=[{"way": "merged"}], wrong_labels=0, wall_seconds=1.5),
        CurveDone(sizes=(32, 64), loading=USAGE, setup=USAGE, device={"kind": "cpu"}),
        CurveDone(sizes=(0,), device=None),
        Skipped("no GPU"),
        Failed("out of memory"),
    ],
)
def test_an_outcome_comes_back_from_its_json(outcome):
    assert outcomes.from_json(json.loads(json.dumps(outcomes.to_json(outcome)))) == outcome


def test_what_was_not_measured_is_left_out_but_that_no_model_was_used_is_said():
    found = outcomes.to_json(done())
    assert found["device"] is None
    assert not {"ways", "restoring", "forgetting", "wall_seconds", "wrong_labels"} & found.keys()
    assert outcomes.to_json(done(wrong_labels=0))["wrong_labels"] == 0


def test_the_status_comes_first():
    assert next(iter(outcomes.to_json(done()).items())) == ("status", "done")
    assert outcomes.to_json(Skipped("x")) == {"status": "skipped", "reason": "x"}


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"status": "finished"},
        {"status": "done"},
        {"status": "done", "sizes": "many", "device": None},
        {"status": "failed"},
        {"status": ["done"]},
    ],
)
def test_what_is_no_outcome_is_refused(values):
    with pytest.raises(ValueError, match=r"status|field|valid"):
        outcomes.from_json(values)
