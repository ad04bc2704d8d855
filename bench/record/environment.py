"""Where a run was made: versions, hardware and the state of the code."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import cast

from bench.core.outcome import CurveDone, Done, Outcome
from bench.record.types import Device, Environment

PACKAGES = ("tune-or-prompt", "torch", "transformers", "peft", "accelerate", "datasets",
            "evaluate", "scikit-learn", "numpy", "scipy", "tokenizers")  # fmt: skip


def environment(outcomes: Iterable[Outcome]) -> Environment:
    """Versions, hardware and the state of the code; nothing that names the user or the machine."""
    import psutil

    devices = [o.device for o in outcomes if isinstance(o, Done | CurveDone) and o.device]
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()}",
        "processor": processor(),
        "cores": os.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
        "device": cast(Device, devices[0]) if devices else None,
        "versions": {package: _version(package) for package in PACKAGES},
        "git": _git_state(),
    }


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def processor() -> str:
    """The processor's name, or its architecture where the system doesn't say."""
    try:
        with open("/proc/cpuinfo") as file:
            names = [
                line.split(":", 1)[1].strip() for line in file if line.startswith("model name")
            ]
        return names[0] if names else platform.machine()
    except OSError:
        return platform.processor() or platform.machine()


def _git_state() -> str | None:
    """The commit of the code if it runs from a checkout, with `-dirty` where it was changed."""
    here = str(Path(__file__).parent)
    command = ["git", "-C", here, "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, timeout=5)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return found.stdout.strip() or None
