"""A trial's process: what it imports ahead, and when it leaves."""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module

from bench.core.folder import NO_ROOM
from scenarios.cache import DISK_ERRORS


def leave_as_asked(work: Callable[[], None]) -> None:
    """Do the work; leave with the exit codes that the run expects of a Ctrl-C and of a full disk."""
    try:
        work()
    except KeyboardInterrupt:
        sys.exit(130)
    except OSError as error:
        if error.errno not in DISK_ERRORS:
            raise
        sys.exit(NO_ROOM)


def quiet_libraries() -> None:
    """PEFT imports bitsandbytes wherever it is installed, which then logs that it lacks a kernel."""
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)


def import_ahead() -> None:
    """Import what trials with models need: most of the time that such a process takes to start."""
    from bench.engine.models import no_search_for_garbage

    with no_search_for_garbage(), _without_four_bit():
        import peft
        import transformers
        from transformers.conversion_mapping import get_checkpoint_conversion_mapping

        from bench.engine import (
            answering,  # noqa: F401
            training,  # noqa: F401
        )

        _ = transformers.AutoModelForCausalLM, transformers.AutoTokenizer, peft.LoraConfig
        get_checkpoint_conversion_mapping("llama")  # hundreds of patterns, compiled once
        import_module("transformers.models.llama.modeling_llama")


@contextmanager
def _without_four_bit() -> Iterator[None]:
    """Hide bitsandbytes within the context: it would be imported, and a compiler with it, to no use.

    PEFT imports it when an adapter is made, if it hasn't been imported by then.
    """
    import torch

    idle = "bitsandbytes" not in sys.modules and not torch.cuda.is_available()
    if idle:
        sys.modules["bitsandbytes"] = None  # type: ignore[assignment]  # an import of it fails
    try:
        yield
    finally:
        if idle:
            del sys.modules["bitsandbytes"]


def end_with_parent() -> None:
    """Leave at once when standard input closes, as it does when the run's process is gone.

    Code that reads standard input finds it empty from now on.
    """
    pipe = os.dup(0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)

    def wait() -> None:
        while os.read(pipe, 1):
            pass
        os._exit(130)

    threading.Thread(target=wait, daemon=True).start()
