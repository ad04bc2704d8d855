"""From a profile to an answer: add up the votes, say how sure, and search for what would flip it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import get_args

from pydantic import ValidationError

from advisor.factors import WEIGHED, Factors
from advisor.published import SOURCE, tuning_won
from advisor.rules import CHOICES, RULES, TUNING, Vote
from scenarios.errors import UserError, unknown
from scenarios.schema import Profile, Scenario, faults

SCHEMA_VERSION = 1
_DOUBT = 0.5  # a lead of less says nothing, even where every fact is known
_DOUBT_OF_ALL_UNKNOWN = 2.0  # ... and with no fact known


@dataclass(frozen=True)
class Flip:
    """The nearest value of one factor, alone, that changes the choice."""

    factor: str
    from_: object
    to: object
    choice: str


@dataclass(frozen=True)
class Recommendation:
    """The choice, the sum behind it, and what would change it.

    `lead` is the difference between the two families' best scores; below `doubt` the answer is
    `undecided`.
    """

    scenario: str
    family: str
    choice: str
    combine_with: tuple[str, ...]
    placement: str
    scores: dict[str, float]
    votes: tuple[Vote, ...]
    confidence: str
    runner_up: str
    lead: float
    doubt: float
    flips_when: tuple[Flip, ...]
    profile: Profile
    runnable: bool

    def to_json(self) -> dict:
        """The shape that scripts read."""
        share = tuning_won(self.profile.task_type)
        return {
            "schema_version": SCHEMA_VERSION,
            "scenario": self.scenario,
            "family": self.family,
            "choice": self.choice,
            "combine_with": list(self.combine_with),
            "placement": self.placement,
            "scores": self.scores,
            "votes": [asdict(vote) for vote in self.votes],
            "p_tuning_better": {
                "value": share.value,
                "low": share.low,
                "high": share.high,
                "n": share.sources,
                "method": SOURCE,
            },
            "confidence": self.confidence,
            "runner_up": self.runner_up,
            "flips_when": [
                {"factor": f.factor, "from": f.from_, "to": f.to, "choice": f.choice}
                for f in self.flips_when
            ],
            "recipe": None,
            "next_experiment": self.next_experiment,
            "forecasts": None,
        }

    @property
    def next_experiment(self) -> str | None:
        """A command that settles it, where the scenario has rows to run on."""
        return f"bench run {self.scenario}" if self.runnable else None


def recommend(scenario: Scenario) -> Recommendation:
    """The recommendation for a scenario's profile."""
    profile = scenario.profile
    votes, scores, choice, lead, doubt = _decide(profile)
    ranked = sorted(CHOICES, key=lambda option: -scores[option])
    leader = ranked[0]
    return Recommendation(
        scenario=scenario.name,
        family="undecided" if choice == "undecided" else family_of(choice),
        choice=choice,
        combine_with=_combined(profile, choice),
        placement=_placement(profile),
        scores=scores,
        votes=tuple(votes),
        confidence=_confidence(lead, doubt),
        runner_up=leader if choice == "undecided" else _runner_up(choice, ranked),
        lead=lead,
        doubt=doubt,
        flips_when=tuple(_flips(profile, choice)),
        profile=profile,
        runnable=scenario.task is not None,
    )


def family_of(choice: str) -> str:
    """`fine_tune` where weights change, else `prompt`."""
    return "fine_tune" if choice in TUNING else "prompt"


def with_settings(profile: Profile, settings: dict[str, str]) -> Profile:
    """A profile with some facts replaced, given as texts; `unknown` removes a fact.

    Raises `UserError` that names all wrong keys and values at once.
    """
    known = list(Profile.model_fields)
    for key in settings:
        if key not in known:
            raise unknown("factor", key, known)
    changed = {key: None if text == "unknown" else text for key, text in settings.items()}
    try:
        return Profile.model_validate({**dict(profile), **changed})
    except ValidationError as error:
        raise UserError(f"--set: {'; '.join(faults(error, Profile))}") from None


def _decide(profile: Profile) -> tuple[list[Vote], dict[str, float], str, float, float]:
    """Votes, scores, choice, the lead of the better family, and the doubt it must exceed."""
    factors = Factors(profile)
    votes = [vote for rule in RULES for vote in rule.votes(factors)]
    scores = {
        option: float(sum(vote.weight for vote in votes if vote.option == option))
        for option in CHOICES
    }
    best = {
        family: max((o for o in CHOICES if family_of(o) == family), key=scores.__getitem__)
        for family in ("prompt", "fine_tune")
    }
    lead = abs(scores[best["prompt"]] - scores[best["fine_tune"]])
    share = factors.unknown / len(WEIGHED)
    doubt = _DOUBT + (_DOUBT_OF_ALL_UNKNOWN - _DOUBT) * share
    choice = "undecided" if lead < doubt else max(best.values(), key=scores.__getitem__)
    return votes, scores, choice, lead, doubt


def _runner_up(choice: str, ranked: list[str]) -> str:
    """The best of the other family: the alternative that a review will ask about."""
    return next(option for option in ranked if family_of(option) != family_of(choice))


def _combined(profile: Profile, choice: str) -> tuple[str, ...]:
    """Retrieval beside a tuned model where facts change: tuning for form, retrieval for facts."""
    return ("retrieval",) if choice in TUNING and Factors(profile).knowledge_moves else ()


def _placement(profile: Profile) -> str:
    return "self-hosted" if profile.data_may_leave is False else "either"


def _confidence(lead: float, doubt: float) -> str:
    if lead >= 2 * doubt:
        return "high"
    return "medium" if lead >= 1.25 * doubt else "low"


def _flips(profile: Profile, choice: str) -> Iterator[Flip]:
    """For each factor the nearest value that alone gives another choice."""
    for factor in Profile.model_fields:
        current = getattr(profile, factor)
        for value in _nearest_first(factor, current):
            try:
                changed = Profile.model_validate({**dict(profile), factor: value})
            except ValidationError:
                continue
            other = _decide(changed)[2]
            if other != choice:
                yield Flip(factor, current, value, other)
                break


def _nearest_first(factor: str, current) -> list:
    """Other values of a factor: words in their order, numbers as 1, 2, 5, 10 ... by ratio."""
    words = _words(factor)
    if words:
        here = words.index(current) if current in words else 0
        return sorted((w for w in words if w != current), key=lambda w: abs(words.index(w) - here))
    steps = [digit * 10**power for power in range(10) for digit in (1, 2, 5)]
    start = current or 1
    return sorted((s for s in [0, *steps] if s != current), key=lambda s: _distance(s, start))


def _words(factor: str) -> list:
    """The values of a factor that is a choice of words or of true and false, else none."""
    kind = Profile.model_fields[factor].annotation
    for part in (kind, *get_args(kind)):
        if part is bool:
            return [True, False]
        if get_args(part) and all(isinstance(word, str) for word in get_args(part)):
            return list(get_args(part))
    return []


def _distance(one: float, other: float) -> float:
    return abs(math.log((one + 0.5) / (other + 0.5)))
