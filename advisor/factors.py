"""What the rules look at: a profile's facts, and a few that follow from them, with units."""

from __future__ import annotations

from dataclasses import dataclass

from scenarios.schema import Profile


@dataclass(frozen=True)
class Factors:
    """A profile and what follows from it; None is unknown, and a rule that needs it is silent."""

    profile: Profile

    @property
    def labels_per_class(self) -> float | None:
        """Labelled examples of each class, or all of them where the task picks no class."""
        examples, classes = self.profile.labelled_examples, self.profile.classes
        if examples is None or classes is None or self.profile.task_type != "classification":
            return examples
        return examples / classes

    @property
    def monthly_tokens(self) -> int | None:
        """Tokens read and written in a month."""
        load = self.profile.requests_per_month, self.profile.prompt_tokens
        if None in load:
            return None
        return load[0] * (load[1] + (self.profile.completion_tokens or 0))

    @property
    def knowledge_moves(self) -> bool:
        """Whether facts change faster than a model is likely to be trained again."""
        return self.profile.knowledge_changes in ("monthly", "weekly", "daily")

    @property
    def unknown(self) -> int:
        """How many facts of the profile are unknown."""
        return sum(value is None for value in dict(self.profile).values())


def weights_gib(billion_parameters: float, bytes_each: float) -> float:
    """Memory of a model's weights in GiB."""
    return billion_parameters * 1e9 * bytes_each / 2**30
