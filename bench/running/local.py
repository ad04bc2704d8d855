"""Trials as processes of this machine: one for each step of a trial, and one that forecasts them all."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from contextlib import suppress
from typing import IO

from bench.core.folder import NO_ROOM, RunFolder
from bench.core.plan import Trial
from bench.core.progress import say
from bench.core.variables import VARIABLES
from bench.running.executor import Ended
from bench.running.ledger import Ledger
from bench.trial.given import Given
from scenarios.terminal import plain

SPENT = -100
"""In place of an exit code: the process was stopped since the budget was spent."""
_KILLED = -9
_TICK_SECONDS = 5.0
_STEPS = 3
"""Of a trial: it is fitted, served by a fresh process, and asked what it forgot."""
_MOST_BYTES = 8192
_LONGEST_REASON = 300


class LocalProcesses:
    """Starts and ends the trials' processes of a run; none outlives it.

    A process reads its trial from standard input, and leaves when that closes. All that a trial
    finishes is on disk immediately, so its process may be ended at any moment. What the processes
    print is `shown` on this process's streams; otherwise only the last line of one that crashed is
    used, as its reason. `own` is what `bench.core.own.Own.parcel` packed.
    """

    def __init__(self, folder: RunFolder, shown: bool = True, own: str = ""):
        self._folder = folder
        self._own = own
        self._shown = shown
        self._printed: dict[subprocess.Popen[bytes], IO[bytes]] = {}
        self._ready: subprocess.Popen[bytes] | None = None
        self._last_line = ""

    def make_ready(self) -> None:
        """Start a process that imports what models need, while the run reads its rows."""
        self._ready = self._start("--ready")

    def forecast(self) -> bool:
        """Forecast the plan's trials from a little of their work."""
        process = self._start(module="bench.trial.calibration")
        try:
            worked = self._given(process, "") == 0
        finally:
            self._end(process)
        if not worked and self._last_line:
            say(self._last_line)
        return worked

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
        why = f": {self._last_line}" if self._last_line else ""
        if self._shown:
            why = "; see its messages above"
        return Ended("crashed", f"its process ended with code {code}{why}")

    def end(self) -> None:
        """End a process that was made ready and not needed."""
        if self._ready is not None:
            self._end(self._ready)

    def _do(self, trial: Trial, uses_model: bool, ledger: Ledger | None) -> int:
        """One step of a trial; its exit code, or `SPENT` where its budget ended before it did."""
        process = None
        if uses_model:
            process, self._ready = self._ready, None
        process = process or self._start()
        try:
            return self._given(process, trial.slug, ledger)
        finally:
            self._end(process)

    def _given(
        self, process: subprocess.Popen[bytes], slug: str, ledger: Ledger | None = None
    ) -> int:
        """Give a process its line, and wait for its exit code."""
        assert process.stdin is not None
        try:
            process.stdin.write(Given(slug, self._own).to_line().encode())
            process.stdin.flush()
        except OSError:  # it has left already; its code says why
            return process.wait()
        return process.wait() if ledger is None else wait_within(ledger, process)

    def _start(self, *more: str, module: str = "bench.trial.main") -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", module, str(self._folder.path), *more]
        environment = VARIABLES | os.environ
        if self._shown:
            return subprocess.Popen(command, stdin=subprocess.PIPE, env=environment)
        printed = tempfile.TemporaryFile()  # noqa: SIM115  # closed by `_end`
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=printed,
            env={"TQDM_DISABLE": "1"} | environment,
        )  # fmt: skip
        self._printed[process] = printed
        return process

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        """End a process if it hasn't ended, and keep the last line that it printed unseen."""
        if process.poll() is None:
            process.terminate()
            process.wait()
        if process.stdin is not None:
            with suppress(OSError):  # what wasn't written is of no use any more
                process.stdin.close()
        self._last_line = ""
        if (printed := self._printed.pop(process, None)) is not None:
            with printed:
                self._last_line = _last_line(printed)


def _last_line(printed: IO[bytes]) -> str:
    """The last line with text in it, in which Python names an error; cut where it is very long."""
    length = printed.seek(0, os.SEEK_END)
    printed.seek(max(0, length - _MOST_BYTES))
    lines = [line.strip() for line in printed.read().decode(errors="replace").splitlines()]
    return next((plain(line)[:_LONGEST_REASON] for line in reversed(lines) if line), "")


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
