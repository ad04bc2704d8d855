"""The meter sees the peak of its own piece of work, and nothing from before."""

import time

import pytest
import torch

from bench.core.meter import Meter


def test_the_peak_is_only_that_of_the_metered_work():
    before = bytearray(300 * 2**20)
    del before
    with Meter() as quiet:
        pass
    with Meter() as busy:
        held = bytearray(b"x" * (200 * 2**20))
        del held
    difference = busy.usage.peak_resident_bytes - quiet.usage.peak_resident_bytes
    assert 190 * 2**20 < difference < 430 * 2**20


def test_seconds_are_wall_time():
    with Meter() as meter:
        time.sleep(0.05)
    assert 0.05 <= meter.usage.seconds < 1


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_without_a_gpu_its_figures_are_unknown_and_not_zero():
    with Meter() as meter:
        pass
    assert meter.usage.peak_gpu_bytes is None
    assert meter.usage.gpu_seconds is None
