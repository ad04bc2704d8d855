"""A real run is killed at seeded random moments and resumed; its record must equal an undisturbed one.

Two runs of the real model on the real reviews, each from an empty cache: one is undisturbed, the
other's whole process group gets SIGKILL at random moments of download, conversion, prompting,
training and recording, and is started again with the same command. Both records must be equal
except for times and memory.

    python benchmarks/kill_and_resume.py --kills 20 --out docs/measurements/2026-11-24-kill-and-resume.json
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ARGUMENTS = ["--quick", "--train-rows", "64", "--only", "few-shot,lora", "--set", "few-shot.shots=3,6",
             "--set", "few-shot.draws=2", "--set", "lora.epochs=2"]  # fmt: skip
PASSING = re.compile(r"seconds|gflops|_ms$|_bytes|joules|throughput|created|usd|latenc|cost")


def main() -> int:
    """Do both runs, print and save the table of kills; 0 if the records are equal."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument(
        "--longest",
        type=float,
        default=12.0,
        help="seconds until a start is killed, at most, at first",
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        scenario = _small_scenario(work)
        whole, seconds = _undisturbed(work / "whole", scenario)
        kills, again = _killed(work / "killed", scenario, options)
        differ = list(_differences(whole, again))
        found = {
            "date": time.strftime("%Y-%m-%d"),
            "command": f"bench run sentiment {' '.join(ARGUMENTS)} (60 test, 30 validation rows)",
            "seed": options.seed,
            "undisturbed_seconds": seconds,
            "kills": kills,
            "differences": differ,
        }
    print(f"{'kill':>4}  {'after':>7}  in flight")
    for number, kill in enumerate(kills, start=1):
        print(f"{number:>4}  {kill['after_seconds']:>5.1f} s  {kill['in_flight']}")
    print(f"differences except for times and memory: {differ or 'none'}")
    if options.out:
        options.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return 1 if differ else 0


def _small_scenario(work: Path) -> Path:
    import scenarios

    text = (Path(scenarios.__file__).parent / "sentiment.toml").read_text(encoding="utf-8")
    text = text.replace("test_rows = 300", "test_rows = 60")
    path = work / "sentiment.toml"
    path.write_text(text.replace("validation_rows = 90", "validation_rows = 30"), encoding="utf-8")
    return path


def _start(folder: Path, scenario: Path, log) -> subprocess.Popen:
    command = [sys.executable, "-m", "bench", "run", str(scenario), *ARGUMENTS, "--out",
               str(folder / "run")]  # fmt: skip
    return subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=log,
        start_new_session=True,
        env={**os.environ, "TUNE_OR_PROMPT_CACHE": str(folder / "cache")},
    )


def _undisturbed(folder: Path, scenario: Path) -> tuple[dict, float]:
    folder.mkdir()
    start = time.perf_counter()
    with open(folder / "log", "w") as log:
        code = _start(folder, scenario, log).wait()
    if code != 0:
        raise SystemExit((folder / "log").read_text())
    return _record(folder), time.perf_counter() - start


def _killed(folder: Path, scenario: Path, options) -> tuple[list[dict], dict]:
    """Start, kill, start again ...; then a last, undisturbed start."""
    folder.mkdir()
    rng = random.Random(options.seed)
    kills: list[dict] = []
    longest = options.longest
    while True:
        log_file = folder / f"log-{len(kills)}"
        with open(log_file, "w") as log:
            process = _start(folder, scenario, log)
            after = rng.uniform(0.3, longest)
            try:
                code = process.wait(timeout=after if len(kills) < options.kills else None)
            except subprocess.TimeoutExpired:
                in_flight = _in_flight(folder, log_file)
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                stuck = bool(kills) and kills[-1]["in_flight"] == in_flight
                longest = longest * 1.5 if stuck else options.longest
                kills.append({"after_seconds": after, "in_flight": in_flight})
                continue
        if code != 0:
            raise SystemExit(f"start {len(kills)} ended with {code}:\n{log_file.read_text()}")
        if len(kills) < options.kills:  # finished early: a new run takes the remaining kills
            record = _record(folder)
            shutil.rmtree(folder / "run")
            kills.append({"after_seconds": after, "in_flight": "nothing: the run was done"})
            if len(kills) < options.kills:
                continue
            return kills, record
        return kills, _record(folder)


def _in_flight(folder: Path, log: Path) -> str:
    """What the killed start printed last: its step, or the progress bar that was moving."""
    said = [part.strip() for part in re.split(r"[\r\n]", log.read_text(errors="replace"))]
    said = [part for part in said if part]
    if not said:
        return "start"
    if "download" in said[-1]:
        return "download"
    return re.sub(r":\s+\d+%.*", "", said[-1])[:60]


def _record(folder: Path) -> dict:
    return json.loads((folder / "run" / "record.json").read_text(encoding="utf-8"))


def _differences(one, other, path: str = ""):
    """The places where two records differ, except for values that vary with time."""
    if PASSING.search(path.rsplit(".", 1)[-1]):
        return
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted(set(one) | set(other)):
            yield from _differences(one.get(key), other.get(key), f"{path}.{key}")
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for i, pair in enumerate(zip(one, other, strict=True)):
            yield from _differences(*pair, f"{path}[{i}]")
    elif one != other:
        yield f"{path}: {one!r} and {other!r}"


if __name__ == "__main__":
    sys.exit(main())
