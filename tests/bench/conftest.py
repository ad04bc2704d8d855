"""What the bench's tests share."""

import sys

import pytest


@pytest.fixture(autouse=True)
def _own_accelerator():
    """Accelerate keeps one number format a process; a trial has its own process, a test does not."""
    yield
    if "accelerate" in sys.modules:
        from accelerate.state import AcceleratorState

        AcceleratorState._reset_state(reset_partial_state=True)
