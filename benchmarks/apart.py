"""A process of its own for each case of a benchmark, so that its peaks of memory are its own.

Processes are forked from one that has imported the libraries and touched no GPU: a case then takes no
seconds of imports.
"""

from __future__ import annotations

import multiprocessing
import os
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection

IMPORTED = ("torch", "transformers.models.llama.modeling_llama", "accelerate")
"""Nothing that asks CUDA for its device while it is imported: a fork couldn't use it any more."""


def measured_apart(work: Callable[..., dict], *arguments, seconds: float) -> dict:
    """What `work` returns in a process of its own, or why there is nothing, as `failed`."""
    os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"] = "1"  # counts devices without touching them
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(IMPORTED))
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(theirs, work, arguments))
    process.start()
    theirs.close()
    try:
        if not ours.poll(seconds):
            return {"failed": f"not done after {seconds:g} s"}
        return ours.recv()
    except EOFError:
        process.join()
        return {"failed": f"ended with {process.exitcode}"}
    finally:
        process.kill()
        process.join()


def _work(answer: Connection, work: Callable[..., dict], arguments: tuple) -> None:
    try:
        answer.send(work(*arguments))
    except BaseException as error:
        traceback.print_exc()
        answer.send({"failed": traceback.format_exception_only(error)[-1].strip()})
