"""What the rules look at: a profile's facts, and a few that follow from them, with units."""

from __future__ import annotations

from dataclasses import dataclass

from scenarios.schema import Profile

FRONTIER_BILLIONS = 1000.0
"""Assumed size of a frontier model, which no provider publishes."""


@dataclass(frozen=True)
class Factors:
    """A profile and what follows from it; None is unknown, and a rule that needs it doesn't vote."""

    profile: Profile

    @property
    def whole(self) -> Profile:
        """The whole profile, for a forecast that uses all of it."""
        unwrapped = getattr(self.profile, "unwrapped", None)
        return unwrapped() if unwrapped else self.profile

    @property
    def labels_per_class(self) -> float | None:
        """Labelled examples per class; None if the task has no classes, or either number is unknown."""
        examples, classes = self.profile.labelled_examples, self.profile.classes
        if examples is None or classes is None or self.profile.task_type != "classification":
            return None
        return examples / classes

    @property
    def monthly_tokens(self) -> int | None:
        """Tokens read and written per month."""
        load = self.profile.requests_per_month, self.profile.prompt_tokens
        if None in load:
            return None
        return load[0] * (load[1] + (self.profile.completion_tokens or 0))

    @property
    def knowledge_moves(self) -> bool:
        """Whether facts change faster than a model is likely to be retrained."""
        return self.profile.knowledge_changes in ("monthly", "weekly", "daily")

    @property
    def prompted_billions(self) -> float | None:
        """Size of the model that would be prompted; if the data may not leave, your own model."""
        if self.profile.prompted_model_billion_parameters is not None:
            return self.profile.prompted_model_billion_parameters
        if self.profile.data_may_leave is False:
            return self.profile.largest_own_model_billion_parameters
        return None
