"""What a piece of work took, in physical units; costs are derived from them later."""

from __future__ import annotations

import sys
import threading
import time
from dataclasses import dataclass

import psutil

from bench.core.gpu import Gpu


@dataclass(frozen=True)
class Usage:
    """Time, memory and energy, in physical units only. What a machine can't measure is None.

    `peak_resident_bytes` is the process's own. On a GPU: the peaks of what torch had allocated and
    reserved, the peak that the driver (NVML) saw for this process, the whole card's `joules`, and the
    state of the card during the stretch (`bench.core.gpu.Gpu`).
    """

    seconds: float
    gpu_seconds: float | None
    peak_resident_bytes: int
    peak_gpu_bytes: int | None
    peak_gpu_reserved_bytes: int | None
    process_gpu_bytes: int | None
    joules: float | None
    gpu_state: dict | None = None
    tokens_in: int | None = None
    tokens_out: int | None = None


class Meter:
    """`with Meter() as meter: work()`, then `meter.usage`. Meters don't nest: each resets the peaks."""

    usage: Usage

    def __enter__(self) -> Meter:
        self._memory = _PeakResident()
        self._gpu = Gpu.start()
        self._start = time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        gpu = self._gpu.stop() if self._gpu else {}
        seconds = time.perf_counter() - self._start
        self.usage = Usage(
            seconds=seconds,
            gpu_seconds=seconds if self._gpu else None,
            peak_resident_bytes=self._memory.stop(),
            peak_gpu_bytes=gpu.get("peak_gpu_bytes"),
            peak_gpu_reserved_bytes=gpu.get("peak_gpu_reserved_bytes"),
            process_gpu_bytes=gpu.get("process_gpu_bytes"),
            joules=gpu.get("joules"),
            gpu_state=gpu.get("state"),
        )


def synchronise() -> None:
    """Wait until the GPU has finished its queued work, so that a clock read now is correct."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.synchronize()


class _PeakResident:
    """The peak resident memory since the start: the kernel's high-water mark on Linux, else samples."""

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._peak = self._process.memory_info().rss
        self._exact = self._reset_mark()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        if not self._exact:
            self._thread.start()

    @staticmethod
    def _reset_mark() -> bool:
        try:
            with open("/proc/self/clear_refs", "w") as file:
                file.write("5")  # resets VmHWM: see proc_pid_clear_refs(5)
            return True
        except OSError:
            return False

    def _sample(self) -> None:
        while not self._stopped.wait(0.02):
            self._peak = max(self._peak, self._process.memory_info().rss)

    def stop(self) -> int:
        if self._exact:
            with open("/proc/self/status") as file:
                marks = dict(line.split(":", 1) for line in file)
            return int(marks["VmHWM"].split()[0]) * 1024
        self._stopped.set()
        self._thread.join()
        return max(self._peak, self._process.memory_info().rss)
