"""The processes of a run: one for each trial, and one that forecasts them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.planning.budget import Ledger

SPENT = -100
"""The exit code of a trial that was stopped since its budget was spent."""
_TICK_SECONDS = 5.0


class Processes:
    """Starts and ends the trials' processes of a run; none outlives it.

    A process is told its trial on its standard input, and leaves when that closes.
    """

    def __init__(self, folder: Path):
        self._folder = folder
        self._ready: subprocess.Popen | None = None

    def make_ready(self) -> None:
        """Start a process that imports what models need, while the run reads its rows."""
        self._ready = self._start("--ready")

    def do(self, slug: str, uses_model: bool, ledger: Ledger | None = None) -> int:
        """One step of a trial; its exit code, or `SPENT` where its budget ended before it did.

        All that a trial finishes is on disk at once, so it may be ended at any moment.
        """
        process = None
        if uses_model:
            process, self._ready = self._ready, None
        process = process or self._start()
        try:
            process.stdin.write(f"{slug}\n".encode())
            process.stdin.flush()
            return process.wait() if ledger is None else _within(ledger, process)
        except BrokenPipeError:  # it is gone already; its code tells
            return process.wait()
        finally:
            _end(process)

    def calibrate(self) -> int:
        """Forecast the plan's trials from a little of their work; its exit code."""
        process = self._start(module="bench.trial.calibration")
        try:
            return process.wait()
        finally:
            _end(process)

    def end(self) -> None:
        """End a process that was made ready and not needed."""
        if self._ready is not None:
            _end(self._ready)

    def _start(self, *more: str, module: str = "bench.trial.main") -> subprocess.Popen:
        command = [sys.executable, "-m", module, str(self._folder), *more]
        return subprocess.Popen(command, stdin=subprocess.PIPE)


def _within(ledger: Ledger, process: subprocess.Popen) -> int:
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


def _end(process: subprocess.Popen) -> None:
    if process.poll() is None:
        process.terminate()
        process.wait()
