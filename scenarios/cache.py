"""One folder for what is downloaded or converted once; nothing half-written is ever used."""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from scenarios.progress import say

CACHE_VARIABLE = "TUNE_OR_PROMPT_CACHE"
DISK_ERRORS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM})
"""Error numbers for a disk that is full or a folder that isn't writable."""

PATH_ERRORS = frozenset(
    {errno.ENOENT, errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.ENAMETOOLONG}
)
"""Error numbers for a path that can't be used as intended."""


def cache_folder() -> Path:
    """The cache folder: `TUNE_OR_PROMPT_CACHE`, or else the platform's usual place for caches."""
    if chosen := os.environ.get(CACHE_VARIABLE):
        return Path(chosen).expanduser().absolute()
    from platformdirs import user_cache_path

    return user_cache_path("tune-or-prompt", appauthor=False)


def build_once(folder: Path, build: Callable[[Path], None], what: str) -> Path:
    """The folder, filled by `build` if it isn't there yet.

    `build` writes into a folder of its own, which takes the final name in one step when it is
    complete. A second process waits for the first; what a process leaves behind when it dies is
    removed by the next one. `what` names for a waiting user what is being prepared.
    """
    from filelock import FileLock, Timeout

    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder.with_name(folder.name + ".lock"))
    try:
        lock.acquire(timeout=0.1)
    except Timeout:
        say(f"waiting for another process that is preparing {what}")
        lock.acquire()
    try:
        if folder.is_dir():
            return folder
        partial = folder.with_name(folder.name + ".partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        build(partial)
        for file in partial.rglob("*"):
            if file.is_file():
                sync(file)
        partial.replace(folder)
        sync(folder.parent)
        return folder
    finally:
        lock.release()


@contextmanager
def disk_errors_as_os_errors() -> Iterator[None]:
    """Raises disk errors as `OSError`, where safetensors reports them as errors of its own."""
    from safetensors import SafetensorError

    try:
        yield
    except SafetensorError as error:
        number = re.search(r"\(os error (\d+)\)", str(error))
        if number is None:
            raise
        raise OSError(int(number[1]), os.strerror(int(number[1]))) from error


def write_atomically(path: Path, text: str) -> None:
    """Write a text file in one step: it is complete afterwards, or still as it was."""
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text, encoding="utf-8", newline="\n")
    sync(partial)
    partial.replace(path)
    sync(path.parent)


def sync(path: Path) -> None:
    """Flush a file or folder to the disk."""
    if path.is_dir() and os.name == "nt":  # Windows can't open a folder
        return
    handle = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
