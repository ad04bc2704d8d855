"""From a profile to an answer: add up the votes, say how sure, and search for what would flip it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cache
from typing import get_args

from pydantic import ValidationError

from advisor.decision.budget import BUDGETS, SEARCHED, Along, over_budget
from advisor.decision.memory import METHODS, tuning_gib
from advisor.decision.recipe import Advice, recipe
from advisor.decision.rules import CHOICES, RULES, TUNING, Vote, bars
from advisor.evidence.factors import Factors
from advisor.evidence.quality import Probability, p_tuning_better
from advisor.evidence.records import Weighed, updated
from advisor.money import lines as cost
from advisor.money.lines import NO_MATTER_OF_COST, Money
from advisor.money.options import own_model
from advisor.sizes.models import shape_of
from scenarios.schema import Profile, Scenario

SCHEMA_VERSION = 1
EVIDENCE_RULE = "an-experiment-outranks-rules"
MONEY = (
    "hosted_model", "own_model", "demonstrations", "labelling_usd_per_example",
    "retrain_every_months", "base_model_lasts_months", "operations_hours_per_month",
    "staff_usd_per_hour", "replicas", "utilisation",
    "gpu_offer", "training_rows", "evaluation_rows", "training_trials", "evaluation_hours",
    "prompting_setup_hours", "tuning_setup_hours", "cache_hit_share",
)  # fmt: skip
"""Facts with defaults of their own: unknown, they widen no doubt."""
WEIGHED = tuple(name for name in Profile.model_fields if name not in MONEY)
TERMS = (
    "base_licence_fits",
    "labels_may_train",
)  # what they rule out, they rule out whatever it costs
LESS_IS_HARDER = (*BUDGETS, "latency_target_p95_ms", "horizon_months", "gpu_memory_gib")
"""Limits: of one that isn't known, the loosest that changes the choice is the nearest."""
_DOUBT = 0.5  # a lead of less says nothing, even where every fact is known
_DOUBT_OF_ALL_UNKNOWN = 2.0  # ... and with no fact known
_ALONE = math.inf  # the lead of a family whose rival is ruled out


@dataclass(frozen=True)
class Decided:
    """The sum and what follows from it.

    `lead` is the difference between the two families' best scores that aren't ruled out; below
    `doubt` the choice is `undecided`.
    """

    votes: tuple[Vote, ...]
    scores: dict[str, float]
    ruled_out: dict[str, str]
    choice: str
    lead: float
    doubt: float


@dataclass(frozen=True)
class Flip:
    """The nearest value of one factor, alone, that changes the choice."""

    factor: str
    from_: object
    to: object
    choice: str


@dataclass(frozen=True)
class Recommendation:
    """The choice, the sum behind it, and what would change it."""

    scenario: Scenario
    decided: Decided
    family: str
    combine_with: tuple[str, ...]
    placement: str
    p_tuning_better: Probability
    confidence: str
    runner_up: str
    flips_when: tuple[Flip, ...]
    recipe: tuple[Advice, ...]
    next_experiment: str
    evidence: Weighed | None
    forecasts: Forecasts

    @property
    def choice(self) -> str:
        """One of `CHOICES`, or `undecided`."""
        return self.decided.choice

    @property
    def scores(self) -> dict[str, float]:
        """Each choice's sum of votes."""
        return self.decided.scores

    @property
    def votes(self) -> tuple[Vote, ...]:
        """What each rule said, in the rules' order."""
        return self.decided.votes

    def to_json(self) -> dict:
        """The shape that scripts read."""
        lead = self.decided.lead
        return {
            "schema_version": SCHEMA_VERSION,
            "scenario": self.scenario.name,
            "family": self.family,
            "choice": self.choice,
            "combine_with": list(self.combine_with),
            "placement": self.placement,
            "scores": self.scores,
            "ruled_out": self.decided.ruled_out,
            "votes": [asdict(vote) for vote in self.votes],
            "lead": None if lead == _ALONE else lead,
            "doubt": self.decided.doubt,
            "p_tuning_better": {**asdict(self.p_tuning_better), "level": 0.95},
            "confidence": self.confidence,
            "runner_up": self.runner_up,
            "flips_when": [
                {"factor": f.factor, "from": f.from_, "to": f.to, "choice": f.choice}
                for f in self.flips_when
            ],
            "recipe": {a.setting: {"value": a.value, "because": a.because, "source": a.source}
                       for a in self.recipe} or None,
            "next_experiment": self.next_experiment,
            "forecasts": self.forecasts.to_json(),
            "evidence": None if self.evidence is None else asdict(self.evidence),
            "unknown": unknown_facts(self.scenario.profile),
        }  # fmt: skip


def recommend(scenario: Scenario, evidence: Weighed | None = None) -> Recommendation:
    """The recommendation for a scenario's profile, with the evidence of an experiment if given."""
    profile = scenario.profile
    read: set[str] = set()
    decided = decide(profile, evidence, read)
    choice = decided.choice
    chance = p_tuning_better(profile)
    advised = tuple(recipe(profile, choice)) if choice in TUNING else ()
    return Recommendation(
        scenario=scenario,
        decided=decided,
        family="undecided" if choice == "undecided" else family_of(choice),
        combine_with=_combined(profile, decided),
        placement=_placement(profile),
        p_tuning_better=updated(chance, evidence) if evidence else chance,
        confidence=_confidence(decided),
        runner_up=_runner_up(decided),
        flips_when=tuple(_flips(profile, evidence, choice, sorted(read))),
        recipe=advised,
        next_experiment=next_experiment(scenario),
        evidence=evidence,
        forecasts=forecasts(profile),
    )


def decide(
    profile: Profile,
    evidence: Weighed | None = None,
    read: set[str] | None = None,
    over: dict[str, str] | None = None,
) -> Decided:
    """The votes of all rules and of the evidence, their sums, and the choice.

    `read` takes the names of the facts that were looked at: no other fact, alone, can change it.
    `over` is what the budgets rule out, where it is known.
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
    lead = abs(scores[best[0]] - scores[best[1]]) if len(best) == 2 else _ALONE
    doubt = _doubt(profile)
    if not best:
        choice, lead = "undecided", 0.0
    else:
        choice = "undecided" if lead < doubt else max(best, key=scores.__getitem__)
    return Decided(tuple(votes), scores, ruled_out, choice, lead, doubt)


class _Watched:
    """A profile that notes which of its facts are looked at."""

    def __init__(self, profile: Profile, read: set[str]):
        self._profile, self._read = profile, read

    def __getattr__(self, name: str):
        self._read.add(name)
        return getattr(self._profile, name)

    def unwrapped(self) -> Profile:
        """The profile itself, for the budgets: all of it is looked at where there is a budget."""
        budgets = [getattr(self._profile, name) for name in BUDGETS]
        self._read.update(BUDGETS if budgets == [None, None] else Profile.model_fields)
        return self._profile


def family_of(choice: str) -> str:
    """`fine_tune` where weights change, else `prompt`."""
    return "fine_tune" if choice in TUNING else "prompt"


def unknown_facts(profile: Profile) -> list[str]:
    """The names of the facts that are unknown and widen the doubt."""
    return [name for name in WEIGHED if getattr(profile, name) is None]


def next_experiment(scenario: Scenario) -> str:
    """A command that settles it on the scenario's rows, or begins with rows of one's own."""
    if scenario.task is not None:
        ours = not scenario.task.rows.path
        return f"bench run {scenario.name}" if ours else f"bench run ./{scenario.name}.toml"
    return "bench init YOUR-ROWS.jsonl"


@dataclass(frozen=True)
class Forecasts:
    """What each way takes: GiB to tune the model of one's own, and dollars once and a month.

    `money` is empty where the load isn't known. Hours of staff aren't counted; `advisor cost` does.
    """

    own_model: str
    billion_parameters: float
    tuning_memory_gib: dict[str, tuple[float, float]]
    money: dict[str, Money]

    def to_json(self) -> dict:
        """The shape that scripts read."""
        return {
            "own_model": self.own_model,
            "billion_parameters": self.billion_parameters,
            "tuning_memory_gib": {
                method: {"low": low, "high": high}
                for method, (low, high) in self.tuning_memory_gib.items()
            },
            "cost": {choice: asdict(money) for choice, money in self.money.items()} or None,
        }


def forecasts(profile: Profile) -> Forecasts:
    """Memory and money of the own model that is named, or that stands for one of the size at hand.

    Raises `UserError` for a hosted or own model that isn't known.
    """
    model = own_model(profile)
    size = shape_of(model).total_parameters / 1e9
    return Forecasts(
        own_model=model,
        billion_parameters=size,
        tuning_memory_gib={method: tuning_gib(method, size) for method in METHODS},
        money={} if profile.requests_per_month is None else cost.quick(profile),
    )


def _doubt(profile: Profile) -> float:
    """How far the sides must lie apart: the more, the more facts are unknown."""
    share = len(unknown_facts(profile)) / len(WEIGHED)
    return _DOUBT + (_DOUBT_OF_ALL_UNKNOWN - _DOUBT) * share


def _runner_up(decided: Decided) -> str:
    """The best of the other family: the alternative that a review will ask about.

    Where the choice is undecided, the leader. What is ruled out comes last.
    """
    ranked = sorted(CHOICES, key=lambda o: (o in decided.ruled_out, -decided.scores[o]))
    if decided.choice == "undecided":
        return ranked[0]
    return next(option for option in ranked if family_of(option) != family_of(decided.choice))


def _combined(profile: Profile, decided: Decided) -> tuple[str, ...]:
    """Retrieval for facts that change beside a tuned model, and tuning for form beside retrieval."""
    if decided.choice in TUNING:
        wanted = Factors(profile).knowledge_moves and "retrieval" not in decided.ruled_out
        return ("retrieval",) if wanted else ()
    form = profile.style_consistency == "essential" or profile.vocabulary == "specialised"
    tuned = max((o for o in TUNING), key=decided.scores.__getitem__)
    if decided.choice == "retrieval" and form and tuned not in decided.ruled_out:
        return (tuned,) if decided.scores[tuned] > decided.doubt else ()
    return ()


def _placement(profile: Profile) -> str:
    return "self-hosted" if profile.data_may_leave is False else "either"


def _confidence(decided: Decided) -> str:
    if decided.lead == _ALONE:
        return "medium"  # nothing else is possible, which says nothing of how well it will do
    if decided.lead >= 2 * decided.doubt:
        return "high"
    return "medium" if decided.lead >= 1.25 * decided.doubt else "low"


def _flips(
    profile: Profile, evidence: Weighed | None, choice: str, read: list[str]
) -> Iterator[Flip]:
    """For each factor that was looked at, the nearest value that alone gives another choice."""
    over = over_budget(profile)
    for factor in Profile.model_fields:
        if factor not in read or factor in MONEY:  # `advisor cost` tells what moves money
            continue
        for value, decided in alternatives(profile, factor, over, evidence):
            if decided.choice == choice:
                continue
            other = decide(profile.model_copy(update={factor: value}), evidence).choice
            if other != choice:
                yield Flip(factor, getattr(profile, factor), value, other)
                break


def alternatives(
    profile: Profile, factor: str, over: dict[str, str], evidence: Weighed | None = None
) -> Iterator[tuple[object, Decided]]:
    """What would be decided at each other value of a factor, nearest values first.

    `over` is what the budgets rule out now.
    """
    values = nearest_first(factor, getattr(profile, factor))
    over_at = _over_at(profile, factor, values, over)
    for value in values:
        changed = profile.model_copy(update={factor: value})
        yield value, decide(changed, evidence, over=over_at(value))


def _over_at(profile: Profile, factor: str, values: list, over: dict[str, str]):
    """What the budgets rule out at another value of a factor, by as few forecasts as will do."""
    if [getattr(profile, name) for name in BUDGETS] == [None, None] and factor not in BUDGETS:
        return lambda value: over
    if factor in SEARCHED:
        return Along(profile, factor, values)
    if factor in BUDGETS or (words(factor) and factor not in (*NO_MATTER_OF_COST, *TERMS)):
        return lambda value: over_budget(profile.model_copy(update={factor: value}))
    return lambda value: over


def nearest_first(factor: str, current) -> list:
    """Other values of a factor: words in their order, numbers as 1, 2, 5, 10 ... by ratio.

    Of an unknown number from 1 on, and of an unknown limit from the loosest.
    """
    found = words(factor)
    if found:
        here = found.index(current) if current in found else 0
        return sorted((w for w in found if w != current), key=lambda w: abs(found.index(w) - here))
    if current is None and factor in LESS_IS_HARDER:
        return sorted(_steps(factor), reverse=True)
    start = current or 1
    return sorted((v for v in _steps(factor) if v != current), key=lambda v: _distance(v, start))


@cache
def words(factor: str) -> list:
    """The values of a factor that is a choice of words or of true and false, else none."""
    kind = Profile.model_fields[factor].annotation
    for part in (kind, *get_args(kind)):
        if part is bool:
            return [True, False]
        if get_args(part) and all(isinstance(word, str) for word in get_args(part)):
            return list(get_args(part))
    return []


@cache
def _steps(factor: str) -> tuple:
    """The numbers that a factor may have, as `Profile` reads them: 0, shares, 1, 2, 5, 10 and so on."""
    if "model" in factor and "billion" not in factor:
        return ()  # a model's name
    shares = [0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.99]
    candidates = [0, *shares, *(d * 10**power for power in range(10) for d in (1, 2, 5))]
    found = []
    for value in candidates:
        try:
            read = getattr(Profile.model_validate({factor: value}), factor)
        except ValidationError:
            continue
        if read == value:
            found.append(read)
    return tuple(found)


def _distance(one: float, other: float) -> float:
    return abs(math.log((one + 0.01) / (other + 0.01)))
