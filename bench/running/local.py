"""Trials as processes of this machine: one for each step of a trial, and one that forecasts them all."""

from __future__ import annotations

import subprocess
import sys
from typing import IO

from bench.core.folder import NO_ROOM, RunFolder
from bench.core.plan import Trial
from bench.running.executor import Ended
from bench.running.ledger import Ledger

SPENT = -100
"""In place of an exit code: the process was stopped since the budget was spent."""
_KILLED = -9
_TICK_SECONDS = 5.0
_STEPS = 3
"""Of a trial: it is fitted, served by a fresh process, and asked what it forgot."""


class LocalProcesses:
    """Starts and ends the trials' processes of a run; none outlives it.

    A process reads its trial from standard input, and leaves when that closes. All that a trial
    finishes is on disk immediately, so its process may be ended at any moment.
    """

    def __init__(self, folder: RunFolder):
        self._folder = folder
        self._ready: subprocess.Popen[bytes] | None = None

    def make_ready(self) -> None:
        """Start a process that imports what models need, while the run reads its rows."""
        self._ready = self._start("--ready")

    def forecast(self) -> bool:
        """Forecast the plan's trials from a little of their work."""
        process = self._start(module="bench.trial.calibration")
        try:
            return process.wait() == 0
        finally:
            _end(process)

    def finish(self, trial: Trial, ledger: Ledger | None) -> Ended:
        """One process a step, until the outcome is there."""
        file = self._folder.outcome_file(trial)
        code = 0
        for step in range(_STEPS):
            if code == 0 and not file.exists():
                code = self._do(trial, trial.model is not None or step > 0, ledger)
        if code == NO_ROOM:
            return Ended("no_room")
        if file.exists():
            return Ended("finished")
        if code == SPENT:
            return Ended("spent")
        if code == _KILLED:
            return Ended("crashed", "ended by the system, most likely out of memory")
        return Ended("crashed", f"its process ended with code {code}; see its messages above")

    def end(self) -> None:
        """End a process that was made ready and not needed."""
        if self._ready is not None:
            _end(self._ready)

    def _do(self, trial: Trial, uses_model: bool, ledger: Ledger | None) -> int:
        """One step of a trial; its exit code, or `SPENT` where its budget ended before it did."""
        process = None
        if uses_model:
            process, self._ready = self._ready, None
        process = process or self._start()
        stdin = process.stdin
        assert stdin is not None
        try:
            _write(stdin, f"{trial.slug}\n")
            return process.wait() if ledger is None else wait_within(ledger, process)
        except BrokenPipeError:  # it has left already; its code says why
            return process.wait()
        finally:
            _end(process)

    def _start(self, *more: str, module: str = "bench.trial.main") -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", module, str(self._folder.path), *more]
        return subprocess.Popen(command, stdin=subprocess.PIPE)


def _write(stdin: IO[bytes], text: str) -> None:
    stdin.write(text.encode())
    stdin.flush()


def wait_within(ledger: Ledger, process: subprocess.Popen[bytes]) -> int:
    """Wait for a process as long as the budget lasts, counting the time as spent."""
    while True:
        try:
            code = process.wait(min(_TICK_SECONDS, max(ledger.left, 0.01)))
            ledger.tick()
            return code
        except subprocess.TimeoutExpired:
            ledger.tick()
            if ledger.left <= 0:
                return SPENT


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        process.wait()
