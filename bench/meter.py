"""What a stretch of work took, in physical units; money is derived from these later."""

from __future__ import annotations

import sys
import threading
import time
from dataclasses import dataclass

import psutil


@dataclass(frozen=True)
class Usage:
    """Physical units only. What a machine can't measure is None.

    `peak_resident_bytes` is the process's own; `peak_gpu_bytes` what torch had allocated at
    most; `process_gpu_bytes` what the driver (NVML) saw of this process at the end; `joules`
    the whole card's energy.
    """

    seconds: float
    gpu_seconds: float | None
    peak_resident_bytes: int
    peak_gpu_bytes: int | None
    process_gpu_bytes: int | None
    joules: float | None
    tokens_in: int | None = None
    tokens_out: int | None = None


class Meter:
    """`with Meter() as meter: work()`, then `meter.usage`."""

    usage: Usage

    def __enter__(self) -> Meter:
        self._memory = _PeakResident()
        self._gpu = _Gpu.start()
        self._start = time.perf_counter()
        return self

    def __exit__(self, *_) -> None:
        gpu = self._gpu.stop() if self._gpu else {}
        seconds = time.perf_counter() - self._start
        self.usage = Usage(
            seconds=seconds,
            gpu_seconds=seconds if self._gpu else None,
            peak_resident_bytes=self._memory.stop(),
            peak_gpu_bytes=gpu.get("peak_gpu_bytes"),
            process_gpu_bytes=gpu.get("process_gpu_bytes"),
            joules=gpu.get("joules"),
        )


class _PeakResident:
    """The highest resident memory since the start: the kernel's own mark on Linux, else samples."""

    def __init__(self):
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


class _Gpu:
    """Torch's and NVML's counters of the first CUDA device."""

    @classmethod
    def start(cls) -> _Gpu | None:
        torch = sys.modules.get("torch")  # a contender without torch uses no GPU
        return cls(torch) if torch is not None and torch.cuda.is_available() else None

    def __init__(self, torch):
        self._cuda = torch.cuda
        self._cuda.synchronize()
        self._cuda.reset_peak_memory_stats()
        self._nvml, self._handle = _nvml_handle(torch)
        self._before = self._millijoules()

    def _millijoules(self) -> int | None:
        if self._handle is None:
            return None
        try:
            return self._nvml.nvmlDeviceGetTotalEnergyConsumption(self._handle)
        except self._nvml.NVMLError:
            return None

    def _process_bytes(self) -> int | None:
        if self._handle is None:
            return None
        try:
            processes = self._nvml.nvmlDeviceGetComputeRunningProcesses(self._handle)
        except self._nvml.NVMLError:
            return None
        own = psutil.Process().pid
        return next((p.usedGpuMemory for p in processes if p.pid == own), None)

    def stop(self) -> dict:
        self._cuda.synchronize()
        after = self._millijoules()
        known = after is not None and self._before is not None
        return {
            "peak_gpu_bytes": self._cuda.max_memory_allocated(),
            "process_gpu_bytes": self._process_bytes(),
            "joules": (after - self._before) / 1000 if known else None,
        }


def _nvml_handle(torch):
    """NVML's module and its handle of torch's first device, found by its UUID; or None twice."""
    try:
        import pynvml

        pynvml.nvmlInit()
        uuid = f"GPU-{torch.cuda.get_device_properties(0).uuid}"
        return pynvml, pynvml.nvmlDeviceGetHandleByUUID(uuid.encode())
    except Exception:  # no NVML on this system, or an older driver: the figures stay None
        return None, None
