"""A separate process for each case of a benchmark, so that its memory peaks are its own.

Processes are forked from one that has imported the libraries but not used a GPU, so that no case spends
seconds on imports.
"""

from __future__ import annotations

import multiprocessing
import os
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection

IMPORTED = ("torch", "transformers.models.llama.modeling_llama", "accelerate")
"""None of these initialises CUDA on import, since a forked process couldn't use it afterwards."""


def measured_apart(work: Callable[..., dict], *arguments, seconds: float) -> dict:
    """What `work` returns in a separate process, or the reason why it failed, as `failed`."""
    os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"] = "1"  # counts devices without touching them
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(IMPORTED))
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(theirs, work, arguments))
    process.start()
    theirs.close()
    try:
        if not ours.poll(seconds):
            return {"failed": f"not finished after {seconds:g} s"}
        return ours.recv()
    except EOFError:
        process.join()
        return {"failed": f"ended with exit code {process.exitcode}"}
    finally:
        process.kill()
        process.join()


def _work(answer: Connection, work: Callable[..., dict], arguments: tuple) -> None:
    try:
        answer.send(work(*arguments))
    except BaseException as error:
        traceback.print_exc()
        answer.send({"failed": traceback.format_exception_only(error)[-1].strip()})
