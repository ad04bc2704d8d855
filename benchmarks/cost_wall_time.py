"""How long `advisor cost` takes, including Python's start and 100,000 draws.

    python benchmarks/cost_wall_time.py --out docs/measurements/cost-wall-time.json

Times on this machine; run it on a quiet one. Wall time is what a user waits for; the processor time
next to it shows how much other work has stretched it.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

COMMANDS = (
    ("-c", "pass"),
    ("-c", "import click, pydantic, numpy"),
    ("-m", "advisor", "cost", "--scenario", "niche-domain"),
    ("-m", "advisor", "cost", "--scenario", "critical-latency", "--json"),
)
QUICK = """
import time
import scenarios
from advisor.money.quick import quick
profile = scenarios.load("niche-domain").profile
quick(profile)
start = time.perf_counter()
quick(profile)
print(time.perf_counter() - start)
"""


def timed(arguments: tuple[str, ...]) -> tuple[float, float]:
    """Wall time and processor time, in seconds."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
    wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--times", type=int, default=9)
    arguments = parser.parse_args()
    found = {"python": platform.python_version(), "cores": os.cpu_count(),
             "load_before": os.getloadavg(), "commands": {}}  # fmt: skip
    for command in COMMANDS:
        timed(command)  # once, so that the files are in the disk cache
        times = [timed(command) for _ in range(arguments.times)]
        entry = {}
        for name, seconds in zip(("wall_s", "processor_s"), zip(*times, strict=True), strict=True):
            entry[name] = {"median": statistics.median(seconds), "lowest": min(seconds),
                           "highest": max(seconds)}  # fmt: skip
        found["commands"][" ".join(command)] = entry
        print(f"{' '.join(command):<60} wall {entry['wall_s']['median']:.2f} s "
              f"({entry['wall_s']['lowest']:.2f}-{entry['wall_s']['highest']:.2f}), processor "
              f"{entry['processor_s']['median']:.2f} s")  # fmt: skip
    done = subprocess.run([sys.executable, "-c", QUICK], check=True, capture_output=True, text=True)
    found["quick_s"] = float(done.stdout)
    print(f"quick, excluding imports: {found['quick_s'] * 1000:.0f} ms")
    if arguments.out:
        arguments.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
