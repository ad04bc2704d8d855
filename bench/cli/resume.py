"""The command that resumes a run."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path


def resume_command(folder: Path) -> str:
    """The command as it was typed, with the folder of the run that it started as `--out`."""
    typed = [*_own_name(), *sys.argv[1:]]
    named = any(word == "--out" or word.startswith("--out=") for word in typed)
    return shlex.join(typed if named else [*typed, "--out", str(folder)])


def _own_name() -> list[str]:
    """The words that call `bench` again from the user's shell."""
    if shutil.which("bench"):
        return ["bench"]
    by_module = Path(sys.argv[0]).name == "__main__.py"
    return [sys.executable, "-m", "bench"] if by_module else [sys.argv[0]]
