"""Why a trial ends without figures: it can't run here, or it can't continue."""

from __future__ import annotations


class TrialSkipped(Exception):
    """A contender can't run here; the trial becomes `skipped` with this reason."""


class TrialFailed(Exception):
    """A contender can't continue; the trial becomes `failed` with this reason."""


class PromptTooLong(TrialFailed):
    """A prompt that doesn't fit the model's context."""
