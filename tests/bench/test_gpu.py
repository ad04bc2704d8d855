"""What a card reports, with a simulated driver where there is no card."""

import sys
import time
from types import SimpleNamespace

import psutil
import pynvml
import pytest

from bench.core import gpu
from bench.core.gpu import Gpu
from bench.core.meter import Meter

OWN = psutil.Process().pid


class Driver:
    """NVML's functions over a card whose state the test sets; constants and errors are NVML's own."""

    def __init__(self):
        self.clock, self.degrees, self.reasons, self.millijoules = 1980, 41, 0, 5_000
        self.processes = {OWN: 3 * 2**30}
        self.lacks = set()

    def __getattr__(self, name):
        return getattr(pynvml, name)

    def _reported(self, name, value):
        if name in self.lacks:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)
        return value

    def nvmlInit(self):
        pass

    def nvmlDeviceGetHandleByUUID(self, uuid):
        assert uuid == b"GPU-abc"
        return "card"

    def nvmlDeviceGetTotalEnergyConsumption(self, card):
        return self._reported("energy", self.millijoules)

    def nvmlDeviceGetClockInfo(self, card, kind):
        assert kind == pynvml.NVML_CLOCK_SM
        return self.clock

    def nvmlDeviceGetMaxClockInfo(self, card, kind):
        return 1980

    def nvmlDeviceGetTemperature(self, card, sensor):
        return self.degrees

    def nvmlDeviceGetCurrentClocksEventReasons(self, card):
        return self.reasons

    def nvmlDeviceGetComputeRunningProcesses(self, card):
        found = [SimpleNamespace(pid=p, usedGpuMemory=m) for p, m in self.processes.items()]
        return self._reported("processes", found)


class Cuda:
    """Torch's counters, as far as the meter reads them."""

    def __init__(self):
        self.said = []

    def is_available(self):
        return True

    def synchronize(self):
        self.said.append("synchronize")

    def reset_peak_memory_stats(self):
        self.said.append("reset")

    def max_memory_allocated(self):
        return 2 * 2**30

    def max_memory_reserved(self):
        return 2**31 + 2**20

    def get_device_properties(self, index):
        return SimpleNamespace(uuid="abc")


@pytest.fixture
def card(monkeypatch):
    """A driver and torch with one card."""
    driver = Driver()
    driver.cuda = Cuda()
    monkeypatch.setitem(sys.modules, "pynvml", driver)
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=driver.cuda))
    monkeypatch.setattr(gpu, "SAMPLE_SECONDS", 0.01)
    return driver


def watched(card, change):
    """The figures of a stretch in which `change` happens."""
    found = Gpu.start()
    time.sleep(0.05)
    change(card)
    time.sleep(0.05)
    return found.stop()


def test_energy_is_what_the_cards_counter_gained(card):
    """From 5,000 to 95,000 millijoules are 90 joules."""
    assert watched(card, lambda c: setattr(c, "millijoules", 95_000))["joules"] == 90.0


def test_the_process_memory_is_its_highest_sample_and_not_its_last(card):
    card.processes = {OWN: 7 * 2**30}
    found = watched(card, lambda c: setattr(c, "processes", {OWN: 2**30}))
    assert found["process_gpu_bytes"] == 7 * 2**30


def test_other_processes_on_the_card_are_counted(card):
    found = watched(card, lambda c: setattr(c, "processes", {OWN: 1, 4: 10, 5: 20}))
    assert found["process_gpu_bytes"] == 3 * 2**30
    assert found["state"]["other_processes"] == 2
    assert found["state"]["other_processes_bytes"] == 30


def test_in_a_container_the_only_process_is_this_one_whatever_its_number(card):
    card.processes = {1: 5 * 2**30}
    found = watched(card, lambda c: None)
    assert found["process_gpu_bytes"] == 5 * 2**30
    assert found["state"]["other_processes"] == 0


def test_a_card_that_was_slowed_says_by_what_and_how_low_it_went(card):
    def slow(c):
        c.clock, c.degrees = 1200, 88
        c.reasons = (
            pynvml.nvmlClocksEventReasonSwPowerCap | pynvml.nvmlClocksEventReasonSwThermalSlowdown
        )

    state = watched(card, slow)["state"]
    assert state["slowed_by"] == ["heat (software)", "power limit"]
    assert (state["lowest_sm_clock_mhz"], state["highest_possible_sm_clock_mhz"]) == (1200, 1980)
    assert state["highest_celsius"] == 88


def test_an_idle_card_was_slowed_by_nothing(card):
    found = watched(card, lambda c: setattr(c, "reasons", pynvml.nvmlClocksEventReasonGpuIdle))
    assert found["state"]["slowed_by"] == []


def test_what_a_card_does_not_report_is_unknown_and_not_zero(card):
    card.lacks = {"energy", "processes"}
    found = watched(card, lambda c: None)
    assert found["joules"] is None
    assert found["process_gpu_bytes"] is None
    assert found["state"]["other_processes"] is None


def test_without_the_driver_torchs_own_counters_remain(card, monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert Gpu.start().stop() == {
        "peak_gpu_bytes": 2 * 2**30,
        "peak_gpu_reserved_bytes": 2**31 + 2**20,
    }


def test_peaks_are_reset_at_the_start_and_the_clock_is_read_after_the_card_has_finished(card):
    with Meter() as meter:
        pass
    assert card.cuda.said == ["synchronize", "reset", "synchronize"]
    assert meter.usage.peak_gpu_bytes == 2 * 2**30
    assert meter.usage.gpu_seconds == meter.usage.seconds
    assert meter.usage.gpu_state["sm_clock_mhz"] == 1980


@pytest.mark.gpu
def test_a_real_card_reports_its_memory_and_energy():
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    with Meter() as meter:
        held = torch.zeros(256 * 2**20, dtype=torch.uint8, device="cuda")
        for _ in range(200):
            held.add_(1)
        time.sleep(0.2)
    assert meter.usage.peak_gpu_bytes >= 256 * 2**20
    assert meter.usage.peak_gpu_reserved_bytes >= meter.usage.peak_gpu_bytes
    assert meter.usage.joules is None or meter.usage.joules > 0
