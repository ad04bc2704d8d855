"""A disk that fills up, or turns read-only, stops a run with one line and loses nothing."""

import os
import subprocess
import sys

import pytest

from tests.bench.running.runs import without_forecast

MOUNTED = subprocess.run(
    ["unshare", "--mount", "--map-root-user", "true"], capture_output=True, check=False
) if sys.platform == "linux" else None  # fmt: skip
pytestmark = pytest.mark.skipif(
    MOUNTED is None or MOUNTED.returncode != 0, reason="no small disk can be mounted here"
)

SCRIPT = """
set -e
try() {
    code=0
    "$PYTHON" -m bench run small.toml --quick --model "$MODEL" --only lora --set lora.epochs=1 \
        --out disk/out 2>errors >/dev/null || code=$?
    echo "$code, $(ls disk/out/outcomes | wc -l) trials done, $(grep -c 'already done' errors || true) \
of them before: $(tr '\\r' '\\n' < errors | tail -n 1)"
}
mkdir disk
mount -t tmpfs -o size=2m tmpfs disk
mkdir disk/out disk/out/answers disk/out/outcomes disk/out/fitted disk/out/adapters
cp "$FORECASTS" disk/out
room=$(df --output=avail disk | tail -n 1)
head -c $(( (room - ROOM) * 1024 )) /dev/zero > disk/filler
try
rm disk/filler
mount -o remount,ro disk
try
mount -o remount,rw disk
try
test -s disk/out/report.html
"""


@pytest.mark.parametrize(("room_kib", "done"), [(16, 0), (120, 2)])
def test_a_run_stops_with_one_line_and_is_resumed_when_there_is_room(
    tmp_path, small_scenario, tiny_model, room_kib, done
):
    """With 16 KiB not even the rows fit; with 120 the two baselines, but not LoRA's adapter and moments."""
    forecasts = without_forecast(tmp_path / "before") / "forecasts.json"
    environment = {**os.environ, "PYTHON": sys.executable, "MODEL": str(tiny_model),
                   "FORECASTS": str(forecasts), "ROOM": str(room_kib), "TUNE_OR_PROMPT_CACHE": str(tmp_path / "cache")}  # fmt: skip
    ran = subprocess.run(
        ["unshare", "--mount", "--map-root-user", "sh", "-c", SCRIPT],
        cwd=tmp_path, env=environment, capture_output=True, text=True,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    full, read_only, after = ran.stdout.strip().split("\n")
    assert full.startswith(
        f"2, {done} trials done, 0 of them before: error: can't write to 'disk/out'"
    )
    assert "--out disk/out; finished work is kept" in full
    assert read_only.startswith(f"2, {done} trials done, 0 of them before: error: can't write to '")
    assert "Read-only file system" in read_only
    assert after.startswith(f"0, 3 trials done, {done} of them before: ")
