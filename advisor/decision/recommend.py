"""The recommendation: the choice, the confidence in it, what it takes, and the next experiment."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from advisor.decision.decide import ALONE, Decided, decide, family_of, unknown_facts
from advisor.decision.flips import Flip, flips
from advisor.decision.memory import METHODS, tuning_gib
from advisor.decision.recipe import Setting, recipe
from advisor.decision.rules import CHOICES, TUNING, Vote
from advisor.evidence.factors import Factors
from advisor.evidence.quality import Probability, p_tuning_better
from advisor.evidence.records import Weighed, updated
from advisor.money.options import own_model
from advisor.money.quick import Money, quick
from advisor.sizes.models import shape_of
from scenarios.schema import Profile, Scenario

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Recommendation:
    """The choice, the sums behind it, and what would change it."""

    scenario: Scenario
    decided: Decided
    family: str
    combine_with: tuple[str, ...]
    placement: str
    p_tuning_better: Probability
    confidence: str
    runner_up: str
    flips_when: tuple[Flip, ...]
    recipe: tuple[Setting, ...]
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
        """What each rule said, in the order of the rules."""
        return self.decided.votes

    @property
    def ruled_out(self) -> dict[str, str]:
        """Choices that can't be, each with the reason."""
        return self.decided.ruled_out

    @property
    def lead(self) -> float | None:
        """By how much the best family leads; None if the other one is ruled out."""
        return None if self.decided.lead == ALONE else self.decided.lead

    @property
    def doubt(self) -> float:
        """The lead needed, given what is unknown."""
        return self.decided.doubt

    @property
    def unknown(self) -> list[str]:
        """Facts that weren't given and increase the uncertainty."""
        return unknown_facts(self.scenario.profile)

    def to_json(self) -> dict:
        """The shape that scripts read."""
        return {
            "schema_version": SCHEMA_VERSION,
            "scenario": self.scenario.name,
            "family": self.family,
            "choice": self.choice,
            "combine_with": list(self.combine_with),
            "placement": self.placement,
            "scores": self.scores,
            "ruled_out": self.ruled_out,
            "votes": [asdict(vote) for vote in self.votes],
            "lead": self.lead,
            "doubt": self.doubt,
            "p_tuning_better": {**asdict(self.p_tuning_better), "level": 0.95},
            "confidence": self.confidence,
            "runner_up": self.runner_up,
            "flips_when": [flip.to_json() for flip in self.flips_when],
            "recipe": {a.setting: {"value": a.value, "because": a.because, "source": a.source}
                       for a in self.recipe} or None,
            "next_experiment": self.next_experiment,
            "forecasts": self.forecasts.to_json(),
            "evidence": None if self.evidence is None else asdict(self.evidence),
            "unknown": self.unknown,
        }  # fmt: skip


def recommend(scenario: Scenario, evidence: Weighed | None = None) -> Recommendation:
    """The recommendation for a scenario's profile, with an experiment's evidence if given."""
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
        flips_when=tuple(flips(profile, evidence, choice, sorted(read))),
        recipe=advised,
        next_experiment=next_experiment(scenario),
        evidence=evidence,
        forecasts=forecasts(profile),
    )


def next_experiment(scenario: Scenario) -> str:
    """A command that would settle the choice on the scenario's rows, or starts from your own rows."""
    if scenario.task is not None:
        ours = not scenario.task.rows.path
        return f"bench run {scenario.name}" if ours else f"bench run ./{scenario.name}.toml"
    return "bench init YOUR-ROWS.jsonl"


@dataclass(frozen=True)
class Forecasts:
    """What each choice takes: GiB to tune your own model, and dollars one-off and per month.

    `money` is empty if the load isn't known. Staff time isn't counted here; `advisor cost` counts it.
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
    """Memory and money for the named own model, or for a representative one of the available size.

    Raises `UserError` for a hosted or own model that isn't known.
    """
    model = own_model(profile)
    size = shape_of(model).total_parameters / 1e9
    return Forecasts(
        own_model=model,
        billion_parameters=size,
        tuning_memory_gib={method: tuning_gib(method, size) for method in METHODS},
        money={} if profile.requests_per_month is None else quick(profile),
    )


def _runner_up(decided: Decided) -> str:
    """The best of the other family: the alternative that a review will ask about.

    If the choice is undecided, the leader. Options that are ruled out come last.
    """
    ranked = sorted(CHOICES, key=lambda o: (o in decided.ruled_out, -decided.scores[o]))
    if decided.choice == "undecided":
        return ranked[0]
    return next(option for option in ranked if family_of(option) != family_of(decided.choice))


def _combined(profile: Profile, decided: Decided) -> tuple[str, ...]:
    """Retrieval alongside a tuned model for facts that change; tuning alongside retrieval for form."""
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
    if decided.lead == ALONE:
        return "medium"  # nothing else is possible, which doesn't say how well it will work
    if decided.lead >= 2 * decided.doubt:
        return "high"
    return "medium" if decided.lead >= 1.25 * decided.doubt else "low"
