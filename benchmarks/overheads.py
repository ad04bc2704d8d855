"""What the product itself costs: reading a large file, resuming a run, meters, commands' starts.

    python benchmarks/overheads.py --out docs/measurements/overheads-cpu.json

Times on this machine; run it on a quiet one. The run that is killed and resumed is one of `sentiment`,
whose model and rows are downloaded first if necessary.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

from bench.core.meter import Meter
from bench.record.environment import processor

STARTS = (
    ("-c", "pass"),
    ("-c", "import advisor"),
    ("-c", "import bench"),
    ("-m", "advisor", "--help"),
    ("-m", "bench", "--help"),
    ("-m", "advisor", "size", "Llama-3.1-70B", "--gpu", "L4"),
    ("-m", "advisor", "recommend", "--scenario", "niche-domain"),
)

ANY_TRIAL = """
from bench.engine import models
from bench.models import local
from bench.trial.process import import_ahead
import_ahead()
models.load("m", local.folder_of(local.DEFAULT_MODEL), models.best_device())
"""  # the imports and loading that every trial with a model pays for, interrupted or not

LARGE_FILE = """
import json, resource, sys, time
from pathlib import Path
from scenarios.infer import infer
from scenarios.rows import load_split
from scenarios.schema import parse
file = Path(sys.argv[1])
start = time.perf_counter()
task = parse(infer(file).toml, "large", "large.toml", file.parent).task
inferred = time.perf_counter()
split = load_split(task, 0)
done = time.perf_counter()
print(json.dumps({
    "infer_seconds": inferred - start,
    "read_and_split_seconds": done - inferred,
    "peak_resident_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    "counts": split.counts,
}))
"""


def main() -> None:
    """Measure, print, and save the figures where --out says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        found = {
            "date": time.strftime("%Y-%m-%d"),
            "command": f"python benchmarks/overheads.py --rows {options.rows} --repeats {options.repeats}",
            "processor": processor(),
            "cores": os.cpu_count(),
            "python": platform.python_version(),
            "versions": {p: version(p) for p in ("tune-or-prompt", "torch", "datasets", "pyarrow")},
            "large_file": _large_file(Path(name), options),
            "resume": _resume(Path(name), options.repeats),
            "start_seconds": {
                " ".join(command): _start_seconds(command, options.repeats) for command in STARTS
            },
            "meter_seconds": _spread([_meter_seconds() for _ in range(options.repeats)]),
        }
    print(json.dumps(found, indent=1))
    if options.out:
        options.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def _start_seconds(command: tuple[str, ...], repeats: int) -> dict:
    """Seconds of a whole command, including Python's start."""
    times = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        subprocess.run([sys.executable, *command], check=True, capture_output=True)
        times.append(time.perf_counter() - start)
    return _spread(times[1:])  # the first one warms the disk cache


def _spread(values: list[float]) -> dict:
    return {"median": statistics.median(values), "low": min(values), "high": max(values)}


def _large_file(folder: Path, options) -> dict:
    """Rows of 5 to 40 words with three labels; a tenth are copies, or copies except for a word."""
    rng = random.Random(0)
    words = [
        "".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=rng.randint(2, 9)))
        for _ in range(20_000)
    ]
    file = folder / "large.jsonl"
    texts: list[str] = []
    with open(file, "w", encoding="utf-8") as out:
        for i in range(options.rows):
            text = " ".join(rng.choices(words, k=rng.randint(5, 40)))
            if texts and i % 10 == 0:
                text = rng.choice(texts) + rng.choice(("", " too"))
            if len(texts) < 10_000:
                texts.append(text)
            out.write(json.dumps({"text": text, "label": ("a", "b", "c")[i % 3]}) + "\n")
    runs = []
    for number in range(options.repeats):
        environment = {**os.environ, "TUNE_OR_PROMPT_CACHE": str(folder / f"cache-{number}")}
        done = subprocess.run([sys.executable, "-c", LARGE_FILE, str(file)], env=environment,
                              capture_output=True, text=True, check=True)  # fmt: skip
        runs.append(json.loads(done.stdout))
    return {
        "rows": options.rows,
        "bytes": file.stat().st_size,
        **{key: _spread([run[key] for run in runs]) for key in runs[0] if key != "counts"},
        "counts": runs[0]["counts"],
    }


def _resume(folder: Path, repeats: int) -> dict:
    """Seconds from a start until a training killed after its first epoch resumes with the second."""
    command = [sys.executable, "-m", "bench", "run", "sentiment", "--quick", "--only", "lora",
               "--train-rows", "64", "--out", str(folder / "run")]  # fmt: skip
    epochs = folder / "run" / "fitted" / "03-lora-s0" / "epochs.json"
    times = []
    for number in range(repeats + 1):
        start = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                   start_new_session=True)  # fmt: skip
        said = b""
        while number and b"training, epoch 2" not in said:
            said += os.read(process.stderr.fileno(), 4096)
        times.append(time.perf_counter() - start)
        while not epochs.exists():
            os.read(process.stderr.fileno(), 4096)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    return {
        "until_training_goes_on_seconds": _spread(times[1:]),
        "any_trials_start_seconds": _start_seconds(("-c", ANY_TRIAL), repeats),
    }


def _meter_seconds() -> float:
    """Seconds of entering and leaving one meter."""
    count = 200
    start = time.perf_counter()
    for _ in range(count):
        with Meter():
            pass
    return (time.perf_counter() - start) / count


if __name__ == "__main__":
    main()
