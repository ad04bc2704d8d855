"""The decision: the sums of all votes, the choice, and how far ahead it has to be."""

from __future__ import annotations

import math
from dataclasses import dataclass

from advisor.decision.budget import BUDGETS
from advisor.decision.rules import CHOICES, RULES, TUNING, Vote, bars
from advisor.evidence.factors import Factors
from advisor.evidence.records import Weighed
from scenarios.schema import Profile

EVIDENCE_RULE = "an-experiment-outranks-rules"
MONEY = (
    "hosted_model", "own_model", "demonstrations", "labelling_usd_per_example",
    "retrain_every_months", "base_model_lasts_months", "operations_hours_per_month",
    "staff_usd_per_hour", "replicas", "utilisation",
    "gpu_offer", "training_rows", "evaluation_rows", "training_trials", "evaluation_hours",
    "prompting_setup_hours", "tuning_setup_hours", "cache_hit_share",
)  # fmt: skip
"""Facts with their own defaults: leaving them unknown adds no uncertainty."""
WEIGHED = tuple(name for name in Profile.model_fields if name not in MONEY)
ALONE = math.inf  # the lead of a family when the other one is ruled out
_DOUBT = 0.5  # a smaller lead says nothing, even with every fact known
_DOUBT_OF_ALL_UNKNOWN = 2.0  # ... and with no fact known


@dataclass(frozen=True)
class Decided:
    """The sums and what follows from them.

    `lead` is the difference between the best scores of the two families, among options that aren't
    ruled out. Below `doubt`, the uncertainty threshold, the choice is `undecided`.
    """

    votes: tuple[Vote, ...]
    scores: dict[str, float]
    ruled_out: dict[str, str]
    choice: str
    lead: float
    doubt: float


def decide(
    profile: Profile,
    evidence: Weighed | None = None,
    read: set[str] | None = None,
    over: dict[str, str] | None = None,
) -> Decided:
    """The votes of all rules and of the evidence, their sums, and the choice.

    `read` collects the names of the facts that were looked at: no other single fact can change the
    choice. `over` is what the budgets rule out, if already known.
    """
    seen = _Watched(profile, read) if read is not None else profile
    factors = Factors(seen)
    votes = [vote for rule in RULES for vote in rule.votes(factors)]
    if evidence is not None and evidence.weight:
        votes += [Vote(EVIDENCE_RULE, option, evidence.weight, evidence.because, evidence.source)
                  for option in TUNING]  # fmt: skip
    scores = {
        option: round(sum(vote.weight for vote in votes if vote.option == option), 6)
        for option in CHOICES
    }
    ruled_out = bars(factors, over)
    best = [
        max(able, key=scores.__getitem__)
        for family in ("prompt", "fine_tune")
        if (able := [o for o in CHOICES if family_of(o) == family and o not in ruled_out])
    ]
    lead = abs(scores[best[0]] - scores[best[1]]) if len(best) == 2 else ALONE
    doubt = _doubt(profile)
    if not best:
        choice, lead = "undecided", 0.0
    else:
        choice = "undecided" if lead < doubt else max(best, key=scores.__getitem__)
    return Decided(tuple(votes), scores, ruled_out, choice, lead, doubt)


class _Watched:
    """A profile that records which of its facts are looked at."""

    def __init__(self, profile: Profile, read: set[str]):
        self._profile, self._read = profile, read

    def __getattr__(self, name: str):
        self._read.add(name)
        return getattr(self._profile, name)

    def unwrapped(self) -> Profile:
        """The profile itself, for the budgets: with a budget, every fact counts as looked at."""
        budgets = [getattr(self._profile, name) for name in BUDGETS]
        self._read.update(BUDGETS if budgets == [None, None] else Profile.model_fields)
        return self._profile


def family_of(choice: str) -> str:
    """`fine_tune` where weights change, else `prompt`."""
    return "fine_tune" if choice in TUNING else "prompt"


def unknown_facts(profile: Profile) -> list[str]:
    """The names of the facts that are unknown and increase the uncertainty."""
    return [name for name in WEIGHED if getattr(profile, name) is None]


def _doubt(profile: Profile) -> float:
    """The uncertainty threshold: the lead needed, which grows with the number of unknown facts."""
    share = len(unknown_facts(profile)) / len(WEIGHED)
    return _DOUBT + (_DOUBT_OF_ALL_UNKNOWN - _DOUBT) * share
