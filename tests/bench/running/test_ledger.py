"""What of a budget has been spent, over all starts of a run."""

import json
from dataclasses import replace

from bench.core.folder import RunFolder
from bench.planning.budget import Allotted
from bench.planning.request import Budget
from bench.running import ledger
from bench.running.ledger import Ledger
from tests.bench.plans import a_curve


def test_the_ledger_counts_over_starts_and_in_dollars(tmp_path, monkeypatch):
    now = iter([100.0, 130.0, 500.0, 510.0])
    monkeypatch.setattr(ledger.time, "monotonic", lambda: next(now))
    first = Ledger(RunFolder(tmp_path), Budget("$1", 100.0, 1.0))
    first.tick()
    assert first.left == 70.0
    second = Ledger(RunFolder(tmp_path), Budget("$1", 100.0, 1.0))
    second.tick()
    assert second.left == 60.0
    kept = json.loads((tmp_path / "budget.json").read_text())
    assert (kept["spent_seconds"], kept["spent_usd"]) == (40.0, 0.4)


def test_60_seconds_ticked_every_5_are_charged_as_60(tmp_path, monkeypatch):
    now = iter(range(100, 161, 5))
    monkeypatch.setattr(ledger.time, "monotonic", lambda: float(next(now)))
    own = Ledger(RunFolder(tmp_path), Budget("2m", 120.0))
    for _ in range(12):
        own.tick()
    assert own.left == 60.0
    assert RunFolder(tmp_path).account()["spent_seconds"] == 60.0


def test_the_same_budget_resumes_what_it_had_planned_and_another_plans_anew(tmp_path):
    own = Ledger(RunFolder(tmp_path), Budget("1m", 60.0))
    assert own.planned_before() is None
    planned = Allotted(
        ("a", "b"),
        30.0,
        ({"trial": "c", "contender": "c", "seconds": 9.0, "reason": ""},),
        (32, 64),
        (128,),
    )
    own.take_in(planned)
    assert Ledger(RunFolder(tmp_path), Budget("1m", 60.0)).planned_before() == planned
    assert Ledger(RunFolder(tmp_path), Budget("2m", 120.0)).planned_before() is None
    assert Ledger(RunFolder(tmp_path), Budget("1m", 61.0)).planned_before() is None
    flat, rising = (replace(a_curve().curve.trials[0], sizes=n) for n in ((0,), (32, 64, 128)))
    assert RunFolder(tmp_path).sizes_left(flat) == [0]
    assert RunFolder(tmp_path).sizes_left(rising) == [32, 64]
