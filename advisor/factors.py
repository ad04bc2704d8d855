"""What the rules look at: a profile's facts, and a few that follow from them, with units."""

from __future__ import annotations

from dataclasses import dataclass

from scenarios.schema import Profile

WEIGHED = (
    "task_type", "classes", "labelled_examples", "label_quality", "vocabulary", "format_strictness",
    "style_consistency", "knowledge_changes", "requests_per_month", "prompt_tokens",
    "completion_tokens", "latency_target_p95_ms", "one_off_budget_usd", "monthly_budget_usd",
    "data_may_leave", "gpu_memory_gib", "largest_own_model_billion_parameters", "team_practice",
)  # fmt: skip
"""The facts that widen the doubt where they are unknown."""


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
        """How many of the weighed facts are unknown."""
        return sum(getattr(self.profile, name) is None for name in WEIGHED)


def weights_gib(billion_parameters: float, bytes_each: float) -> float:
    """Memory of a model's weights in GiB."""
    return billion_parameters * 1e9 * bytes_each / 2**30
