"""What a trial has finished, on disk before it continues, so that a killed trial repeats nothing."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from scenarios.cache import disk_errors_as_os_errors, sync, write_atomically


class Kept:
    """A folder of finished steps: JSON values by name, and tensors (safetensors, never a pickle).

    It also counts the seconds that all starts of the trial have spent up to their last step.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._started = time.perf_counter()
        self.seconds_before: float = self.value("seconds") or 0.0

    def value(self, name: str) -> Any:
        """What was kept under a name, or None if it is missing or damaged."""
        try:
            return json.loads((self._folder / f"{name}.json").read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return None

    def keep(self, name: str, value: Any) -> None:
        """Put a JSON value on disk before anything else happens."""
        self._folder.mkdir(parents=True, exist_ok=True)
        write_atomically(self._folder / f"{name}.json", json.dumps(value))
        spent = self.seconds_before + time.perf_counter() - self._started
        write_atomically(self._folder / "seconds.json", json.dumps(spent))

    def once(self, name: str, work: Callable[[], Any]) -> Any:
        """The value kept under a name, or the result of `work`, which is then kept."""
        found = self.value(name)
        if found is None:
            found = work()
            self.keep(name, found)
        return found

    def tensors(self, name: str) -> dict[str, Any] | None:
        """Tensors kept under a name; None if they are missing or damaged."""
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            return load_file(self._folder / f"{name}.safetensors")
        except (FileNotFoundError, SafetensorError):
            return None

    def keep_tensors(self, name: str, tensors: dict[str, Any]) -> None:
        """Put tensors on disk under a name, whole or not at all."""
        from safetensors.torch import save_file

        self._folder.mkdir(parents=True, exist_ok=True)
        partial = self._folder / f"{name}.partial"
        with disk_errors_as_os_errors():
            save_file({key: value.contiguous() for key, value in tensors.items()}, partial)
        sync(partial)
        partial.replace(self._folder / f"{name}.safetensors")

    def drop_tensors(self, name: str) -> None:
        """Remove tensors that are no longer needed."""
        (self._folder / f"{name}.safetensors").unlink(missing_ok=True)


class Unkept(Kept):
    """Keeps nothing, where a piece of work is only timed."""

    def __init__(self) -> None:
        self.seconds_before = 0.0

    def value(self, name: str) -> None:
        """None."""

    def keep(self, name: str, value: Any) -> None:
        """Does nothing."""

    def tensors(self, name: str) -> None:
        """None."""

    def keep_tensors(self, name: str, tensors: dict[str, Any]) -> None:
        """Does nothing."""

    def drop_tensors(self, name: str) -> None:
        """Does nothing."""
