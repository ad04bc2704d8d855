"""Trials as processes of this machine: how they are waited for, and how their ends are understood."""

import json
import subprocess
import sys
import time

import pytest

from bench.core.folder import RunFolder
from bench.planning.request import Budget
from bench.running.ledger import Ledger
from bench.running.local import SPENT, LocalProcesses, wait_within
from tests.bench.plans import run_plan


@pytest.mark.parametrize(("sleeps", "budget_seconds", "code"), [(30, 0.2, SPENT), (0, 20, 0)])
def test_a_trial_is_waited_for_as_long_as_the_budget_lasts(tmp_path, sleeps, budget_seconds, code):
    process = subprocess.Popen([sys.executable, "-c", f"import time; time.sleep({sleeps})"])
    start = time.monotonic()
    ledger = Ledger(RunFolder(tmp_path), Budget("x", budget_seconds))
    try:
        assert wait_within(ledger, process) == code
    finally:
        process.kill()
        process.wait()
    assert time.monotonic() - start < 15
    assert json.loads((tmp_path / "budget.json").read_text())["spent_seconds"] > 0


@pytest.mark.parametrize(
    ("code", "how", "reason"),
    [(74, "no_room", ""), (-9, "crashed", "out of memory"), (3, "crashed", "code 3")],
)
def test_the_exit_codes_of_a_trial_without_an_outcome(tmp_path, monkeypatch, code, how, reason):
    processes = LocalProcesses(RunFolder(tmp_path))
    kill = "os.kill(os.getpid(), 9)" if code == -9 else f"sys.exit({code})"
    command = [sys.executable, "-c", f"import os, sys; sys.stdin.readline(); {kill}"]
    monkeypatch.setattr(
        processes, "_start", lambda *_: subprocess.Popen(command, stdin=subprocess.PIPE)
    )
    ended = processes.finish(run_plan().trials[0], None)
    assert ended.how == how
    assert reason in ended.reason


def test_a_trial_is_begun_again_in_a_fresh_process_until_its_outcome_is_there(
    tmp_path, monkeypatch
):
    """A trial that is fitted, served and asked what it forgot takes three processes."""
    folder = RunFolder(tmp_path)
    folder.make_parts()
    trial = run_plan().trials[0]
    processes, started = LocalProcesses(folder), []

    def start(*_):
        started.append(1)
        name = folder.outcome_file(trial)
        write = f"open({str(name)!r}, 'w').close()" if len(started) == 3 else "pass"
        return subprocess.Popen([sys.executable, "-c", write], stdin=subprocess.PIPE)

    monkeypatch.setattr(processes, "_start", start)
    assert processes.finish(trial, None).how == "finished"
    assert len(started) == 3
