"""The first CUDA device: torch's counters, the driver's own (NVML), and the card's state."""

from __future__ import annotations

import statistics
import sys
import threading
from typing import Any

import psutil

SAMPLE_SECONDS = 0.5

SLOWED_BY = {
    "nvmlClocksEventReasonSwPowerCap": "power limit",
    "nvmlClocksEventReasonHwSlowdown": "hardware slowdown",
    "nvmlClocksEventReasonHwThermalSlowdown": "heat (hardware)",
    "nvmlClocksEventReasonHwPowerBrakeSlowdown": "power brake",
    "nvmlClocksEventReasonSwThermalSlowdown": "heat (software)",
}
"""NVML's constants for the reasons why clocks are below their maximum."""


class Gpu:
    """Counters of torch's first CUDA device between `start` and `stop`.

    `stop` returns `peak_gpu_bytes` and `peak_gpu_reserved_bytes` (torch's allocator),
    `process_gpu_bytes` (NVML: this process's highest, including its CUDA context), `joules` (NVML: the
    whole card) and `state`: clocks, what slowed them, temperature, and other processes.
    """

    @classmethod
    def start(cls) -> Gpu | None:
        """None where torch wasn't imported or sees no CUDA device."""
        torch = sys.modules.get("torch")
        return cls(torch) if torch is not None and torch.cuda.is_available() else None

    def __init__(self, torch: Any) -> None:
        self._cuda = torch.cuda
        self._cuda.synchronize()
        self._cuda.reset_peak_memory_stats()
        self._card = _Card.of(torch)

    def stop(self) -> dict[str, Any]:
        """The counters; values that this card or driver doesn't report are missing."""
        self._cuda.synchronize()
        return {
            "peak_gpu_bytes": self._cuda.max_memory_allocated(),
            "peak_gpu_reserved_bytes": self._cuda.max_memory_reserved(),
            **(self._card.stop() if self._card else {}),
        }


class _Card:
    """A card as seen by NVML, sampled twice a second in a separate thread."""

    @classmethod
    def of(cls, torch: Any) -> _Card | None:
        """Torch's first device, found by its UUID; None where NVML isn't available for it."""
        try:
            import pynvml

            pynvml.nvmlInit()
            uuid = f"GPU-{torch.cuda.get_device_properties(0).uuid}"
            return cls(pynvml, pynvml.nvmlDeviceGetHandleByUUID(uuid.encode()))
        except Exception:  # no NVML on this system, or an older driver: the figures stay None
            return None

    def __init__(self, nvml: Any, handle: Any) -> None:
        self._nvml, self._handle = nvml, handle
        self._clocks: list[int] = []
        self._degrees: list[int] = []
        self._slowed_by: set[str] = set()
        self._own_bytes: list[int] = []
        self._others: list[tuple[int, int]] = []
        self._before = self._ask("nvmlDeviceGetTotalEnergyConsumption")
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> dict[str, Any]:
        """Peaks and the card's state since the start."""
        self._stopped.set()
        self._thread.join()
        self._sample()
        after = self._ask("nvmlDeviceGetTotalEnergyConsumption")
        known = None not in (after, self._before)
        return {
            "process_gpu_bytes": max(self._own_bytes, default=None),
            "joules": (after - self._before) / 1000 if known else None,
            "state": {
                "sm_clock_mhz": statistics.median(self._clocks) if self._clocks else None,
                "lowest_sm_clock_mhz": min(self._clocks, default=None),
                "highest_possible_sm_clock_mhz": self._ask(
                    "nvmlDeviceGetMaxClockInfo", self._nvml.NVML_CLOCK_SM
                ),
                "highest_celsius": max(self._degrees, default=None),
                "slowed_by": sorted(self._slowed_by),
                "other_processes": max((count for count, _ in self._others), default=None),
                "other_processes_bytes": max((size for _, size in self._others), default=None),
            },
        }

    def _watch(self) -> None:
        while not self._stopped.wait(SAMPLE_SECONDS):
            self._sample()

    def _sample(self) -> None:
        nvml = self._nvml
        clock = self._ask("nvmlDeviceGetClockInfo", nvml.NVML_CLOCK_SM)
        degrees = self._ask("nvmlDeviceGetTemperature", nvml.NVML_TEMPERATURE_GPU)
        self._clocks += [clock] if clock is not None else []
        self._degrees += [degrees] if degrees is not None else []
        bits = self._ask("nvmlDeviceGetCurrentClocksEventReasons") or 0
        self._slowed_by |= {
            name for constant, name in SLOWED_BY.items() if bits & getattr(nvml, constant, 0)
        }
        self._count_processes()

    def _count_processes(self) -> None:
        found = self._ask("nvmlDeviceGetComputeRunningProcesses")
        if found is None:
            return
        own = psutil.Process().pid
        sizes = {process.pid: process.usedGpuMemory or 0 for process in found}
        if own not in sizes and len(sizes) == 1:
            own = next(iter(sizes))  # in a container the driver sees another process id
        if own in sizes:
            self._own_bytes.append(sizes.pop(own))
        self._others.append((len(sizes), sum(sizes.values())))

    def _ask(self, function: str, *more: Any) -> Any:
        """The result of an NVML function, or None where this card or driver doesn't support it."""
        try:
            return getattr(self._nvml, function)(self._handle, *more)
        except (self._nvml.NVMLError, AttributeError):
            return None
