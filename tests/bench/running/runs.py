"""Whole runs on a tiny model and generated rows, for tests: their files, their starts and their ends."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.conftest import write_small_scenario

WITHOUT_FORECAST = {
    "trial": "01-majority-s0", "contender": "majority", "seconds": None, "peak_resident_bytes": None,
    "peak_gpu_bytes": None, "reason": "it takes no time",
}  # fmt: skip


def make_small(folder: Path) -> None:
    """The small scenario's files, for fixtures that outlive a test."""
    write_small_scenario(folder)


def without_forecast(out: Path) -> Path:
    """A run's folder that has its forecasts already, so that the run spends no time on them."""
    out.mkdir(exist_ok=True)
    if not (out / "forecasts.json").exists():
        (out / "forecasts.json").write_text(json.dumps([WITHOUT_FORECAST]))
    return out


def start(command, folder, tiny_model, *more):
    """A command on the small scenario, as a process that Ctrl-C reaches though these tests may ignore it.

    It is in a session of its own, and works in the folder's `out`.
    """
    return subprocess.Popen(
        [sys.executable, "-m", "bench", command, str(folder / "small.toml"), *more, "--model",
         str(tiny_model), "--out", str(folder / "out")],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        env={**os.environ, "TUNE_OR_PROMPT_CACHE": str(folder / "cache")},
    )  # fmt: skip


def wait_for(condition, process=None, seconds=120):
    """Wait until the condition holds; a process that has ended will never meet it."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        assert process is None or process.poll() is None, process.communicate()
        time.sleep(0.02)
