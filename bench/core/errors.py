"""Why a trial ends without figures, and why a run ends early."""

from __future__ import annotations

from pathlib import Path


class TrialSkipped(Exception):
    """A contender can't run here; the trial becomes `skipped` with this reason."""


class TrialFailed(Exception):
    """A contender can't continue; the trial becomes `failed` with this reason."""


class PromptTooLong(TrialFailed):
    """A prompt that doesn't fit the model's context."""


class Interrupted(Exception):
    """Ctrl-C; the message says how much is saved (`saved`), where (`folder`), and how to resume."""

    def __init__(self, saved: str, folder: Path):
        super().__init__(f"{saved}; resume with the same call and out={str(folder)!r}")
        self.saved = saved
        self.folder = folder
