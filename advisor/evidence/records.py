"""What an experiment's record says about a decision: read strictly, weighed by its interval and scope."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from advisor.evidence.quality import Probability
from scenarios.cache import DISK_ERRORS, PATH_ERRORS
from scenarios.errors import UserError
from scenarios.schema import Scenario
from scenarios.terminal import one_line

READABLE = (
    1,
    2,
)  # versions of records (`bench.core.plan.READABLE`, which the advisor can't import)
DECIDES = 12.0
"""The weight of an experiment whose confidence interval clears the margin: more than all rules together."""
MOST_SHIFT = 1.5  # the largest weight of one whose interval contains the margin
SIDES = ("prompt", "fine_tune")  # of the baseline and of the challenger
_EFFECT_SD = 0.10  # usual difference between arms, in the metric's unit: a prior for the odds
_MOST_RATIO = 100.0  # an experiment can have faults too, so it multiplies the odds by no more
_MOST_WORDS = 400  # characters of a record's sentence that are passed on
_SAME_SIZE = 2.0  # results carry over between models within this ratio of sizes


@dataclass(frozen=True)
class Evidence:
    """A record's primary comparison: the challenger (tuning) minus the baseline (prompting)."""

    metric: str
    baseline: str
    challenger: str
    difference: float
    low: float | None
    high: float | None
    n: int
    groups: int
    method: str
    p_value: float | None
    margin: float
    scope: str
    model: str | None
    baseline_model: str | None
    task: str
    withheld: str | None = None
    exploratory: str | None = None
    crossover: str | None = None
    place: str = ""

    @property
    def points(self) -> str:
        """`+27.7 points (CI +19.5 to +35.8, n = 300)`."""
        seen = f"{self.difference * 100:+.1f} points"
        if self.low is None:
            return f"{seen} (no CI, n = {self.n})"
        return f"{seen} (CI {self.low * 100:+.1f} to {self.high * 100:+.1f}, n = {self.n})"


@dataclass(frozen=True)
class Weighed:
    """Evidence as it is used in a decision.

    `strength` is `strong` (its confidence interval clears the margin), `weak` (it contains the margin,
    or the interim analysis wasn't declared) or `set-aside` (it is about something else). `weight` is
    what it adds to every tuning option.
    """

    evidence: Evidence
    strength: str
    weight: float
    because: str

    @property
    def source(self) -> str:
        """Its source, for the vote."""
        e = self.evidence
        return f"record {e.place}: {e.challenger} vs {e.baseline}, {e.metric}, {e.method}"


@dataclass(frozen=True)
class Given:
    """A record as it was given: its JSON value, its name in messages, and its place in sources."""

    record: dict
    name: str
    place: str

    @classmethod
    def read(cls, path: Path) -> Given:
        """A record from its file or its run's folder. Raises `UserError` if there is none."""
        file = path / "record.json" if path.is_dir() else path
        record = _read(file)
        named = file.name == "record.json" and file.parent.name
        place = file.parent.name if named else file.name
        return cls(record if isinstance(record, dict) else {}, f"'{file}'", place)

    @classmethod
    def of(cls, record: dict) -> Given:
        """A record that was read elsewhere, named by its scenario and its time."""
        known = [record[key] for key in ("scenario", "created") if isinstance(record.get(key), str)]
        place = one_line(" of ".join(known))[:_MOST_WORDS] or "without a name"
        return cls(record, f"the record {place}", place)


def read_evidence(path: Path) -> Evidence:
    """The primary comparison of a record, from its file or its run's folder.

    Raises `UserError` as `Given.read` and `evidence_in` do.
    """
    return evidence_in(Given.read(path))


def evidence_in(given: Given) -> Evidence:
    """The primary comparison of a record.

    Raises `UserError` if it isn't a record, or is another version's, or has no such comparison.
    """
    record, name = given.record, given.name
    version = record.get("schema_version")
    if version is None:
        raise UserError(
            f"{name} isn't a record of `bench run`: it has no schema_version; "
            "give the record.json of a finished run"
        )
    if version not in READABLE or isinstance(version, bool):
        known = " and ".join(map(str, READABLE))
        raise UserError(
            f"{name} has schema_version {version}, but this version reads {known}; "
            "run the experiment again with this version"
        )
    comparisons = record.get("comparisons")
    if not isinstance(comparisons, list) or not all(isinstance(c, dict) for c in comparisons):
        raise UserError(
            f"{name} isn't a record: it has no list of comparisons; give the record.json of a run"
        )
    if record.get("sweep"):
        raise UserError(
            f"{name} is the record of a sweep, which compares settings, not prompting with tuning; "
            "give that of a `bench run` or `bench curve`"
        )
    primary = next((c for c in comparisons if c.get("primary") is True), None)
    if primary is None:
        raise UserError(f"{name} has no primary comparison; run both a prompting and a tuning arm")
    verdict = record.get("verdict")
    exploratory = verdict.get("exploratory") if isinstance(verdict, dict) else None
    own = {
        "withheld": _withheld(record),
        "exploratory": str(exploratory) if exploratory else None,
        "crossover": _crossover(record, primary),
        "place": given.place,
    }
    _check_sides(primary, record, name)
    return _evidence(primary, name, own)


def _crossover(record: dict, primary: dict) -> str | None:
    """From how many labelled rows the record's tuned arm is ahead, in the record's own words."""
    curve = record.get("curve")
    found = curve.get("crossovers") if isinstance(curve, dict) else None
    for one in found if isinstance(found, list) else []:
        if isinstance(one, dict) and one.get("challenger") == primary.get("challenger"):
            said = one.get("sentence")
            return one_line(said)[:_MOST_WORDS] if isinstance(said, str) else None
    return None


def _read(file: Path):
    try:
        return json.loads(file.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise UserError(f"no record at '{file}'; give the record.json of a finished run") from None
    except (ValueError, RecursionError):
        raise UserError(
            f"'{file}' isn't a record: it isn't JSON that can be read; give the record.json of a finished run"
        ) from None
    except OSError as error:
        if error.errno in (*PATH_ERRORS, *DISK_ERRORS):
            raise UserError(f"can't read '{file}': {error.strerror}") from None
        raise


def _check_sides(primary: dict, record: dict, name: str) -> None:
    """Reject a comparison that isn't of tuning with prompting. Raises `UserError`."""
    contenders = record.get("contenders")
    families = {
        c.get("name"): c.get("family")
        for c in (contenders if isinstance(contenders, list) else [])
        if isinstance(c, dict) and isinstance(c.get("name"), str)
    }
    arms = [str(primary.get(arm)) for arm in ("baseline", "challenger")]
    found = tuple(
        primary.get(f"{key}_family") or families.get(arm)
        for key, arm in zip(("baseline", "challenger"), arms, strict=True)
    )
    if found != SIDES:
        raise UserError(
            f"{name}: its primary comparison, {arms[1]} vs {arms[0]}, doesn't compare tuning "
            "with prompting, according to the record"
        )


def _withheld(record: dict) -> str | None:
    """Why the record's own verdict was withheld, if it was: the canaries that failed."""
    canaries = record.get("canaries")
    failed = [c for c in canaries if isinstance(c, dict) and c.get("passed") is False] if isinstance(
        canaries, list) else []  # fmt: skip
    return ", ".join(str(c.get("name")) for c in failed) or None


def _evidence(found: dict, name: str, own: dict[str, str | None]) -> Evidence:
    """The checked comparison: a record may come from anywhere. Raises `UserError`."""
    numbers = {"difference": float, "n": int, "groups": int, "margin": float}
    optional = ("low", "high", "p_value")
    wrong = [
        key
        for key in (*numbers, *optional)
        if not _is_number(found.get(key)) and not (key in optional and found.get(key) is None)
    ]
    texts = ("metric", "baseline", "challenger", "method", "scope", "task")
    wrong += [key for key in texts if not isinstance(found.get(key), str)]
    wrong += [n for n in ("model", "baseline_model") if not isinstance(found.get(n), str | None)]
    if wrong:
        raise UserError(f"{name}: missing or invalid in its primary comparison: {', '.join(wrong)}")
    for fault, holds in _CHECKS.items():
        if not holds(found):
            raise UserError(f"{name}: in its primary comparison {fault}")
    keys = {field.name for field in fields(Evidence)} - own.keys()
    return Evidence(**{key: found.get(key) for key in keys}, **own)


_CHECKS = {
    "the limits of the interval aren't valid": lambda c: (
        (c["low"] is None) == (c["high"] is None)
        and (c["low"] is None or -1 <= c["low"] < c["high"] <= 1)
    ),
    "the interval doesn't match the difference": lambda c: (
        c["low"] is None or 2 * c["low"] - c["high"] <= c["difference"] <= 2 * c["high"] - c["low"]
    ),
    "the difference isn't one of two shares": lambda c: -1 <= c["difference"] <= 1,
    "the margin isn't between 0 and 1": lambda c: 0 < c["margin"] < 1,
    "n and groups aren't counts of rows": lambda c: (
        isinstance(c["n"], int) and isinstance(c["groups"], int) and 1 <= c["groups"] <= c["n"]
    ),
}
"""What a comparison must satisfy, by the fault if it doesn't."""


def _is_number(value) -> bool:
    usable = isinstance(value, int | float) and not isinstance(value, bool)
    return usable and -1e15 < value < 1e15


def weigh(evidence: Evidence, scenario: Scenario) -> Weighed:
    """How much the evidence counts for this scenario's decision, and why."""
    if reason := _is_about_something_else(evidence, scenario):
        return Weighed(evidence, "set-aside", 0.0, reason)
    names = f"{evidence.challenger} vs {evidence.baseline}: {evidence.points}"
    margin = f"the {evidence.margin * 100:g}-point margin"
    if evidence.exploratory:
        sign = (evidence.difference > evidence.margin) - (evidence.difference < evidence.margin)
        why = f"measured, {names}, exploratory only: {evidence.exploratory}"
        return Weighed(evidence, "weak", sign * MOST_SHIFT / 2, why)
    if evidence.low > evidence.margin:
        return Weighed(
            evidence, "strong", DECIDES, f"measured, {names}, better by more than {margin}"
        )
    if evidence.high < evidence.margin:
        return Weighed(
            evidence, "strong", -DECIDES, f"measured, {names}, not better by as much as {margin}"
        )
    half = (evidence.high - evidence.low) / 2
    shift = (evidence.difference - evidence.margin) / half
    weight = round(max(-MOST_SHIFT, min(MOST_SHIFT, shift)), 1)
    return Weighed(evidence, "weak", weight, f"measured, {names}, which includes {margin}")


def weighed_of(given: Sequence[Given], scenario: Scenario) -> tuple[Weighed, Given]:
    """The one record that counts for this scenario's decision; the first if each is set aside.

    Raises `UserError` if several count: choosing one by its result would be an interim analysis
    that no confidence interval accounts for.
    """
    found = [(weigh(evidence_in(each), scenario), each) for each in given]
    counts = [pair for pair in found if pair[0].strength != "set-aside"]
    if len(counts) > 1:
        names = ", ".join(each.name for _, each in counts)
        raise UserError(
            f"{len(counts)} of the records are about '{scenario.name}' ({names}); give the one that "
            "was planned to decide it"
        )
    return counts[0] if counts else found[0]


def _is_about_something_else(evidence: Evidence, scenario: Scenario) -> str | None:
    """Why the evidence is set aside; None if it applies."""
    profile = scenario.profile
    if evidence.withheld:
        return f"its own checks failed ({evidence.withheld})"
    if evidence.task != scenario.name:
        return (
            f"it is about '{evidence.task}' and this decision is about '{scenario.name}' (if they are the "
            f"same, give the file of '{evidence.task}' as --scenario, and the facts with --set)"
        )
    if evidence.low is None:
        return "it has no confidence interval"
    pairs = (
        ("tuned", evidence.model, profile.own_model, profile.largest_own_model_billion_parameters),
        ("prompted", evidence.baseline_model, profile.hosted_model,
         profile.prompted_model_billion_parameters),
    )  # fmt: skip
    for side, measured, named, billions in pairs:
        if measured and named and not _same_model(measured, named):
            return f"it {side} {measured}, but the profile names {named}"
        size = size_in_name(measured)
        if size and billions and not 1 / _SAME_SIZE <= size / billions <= _SAME_SIZE:
            return f"it {side} a model of {size:g}B, but the profile has one of {billions:g}B"
    return None


def _same_model(one: str, other: str) -> bool:
    """Equal except for case and the provider or owner before the name."""
    return re.split(r"[/:]", one.lower())[-1] == re.split(r"[/:]", other.lower())[-1]


def size_in_name(model: str | None) -> float | None:
    """Billions of parameters, if the model's name says so: `SmolLM2-135M` has 0.135."""
    match = re.search(r"(?<![\w.])(\d+(?:\.\d+)?)\s*([bm])(?![a-z0-9])", model or "", re.I)
    if not match:
        return None
    return float(match[1]) / (1000 if match[2].lower() == "m" else 1) or None


def updated(before: Probability, weighed: Weighed) -> Probability:
    """`p_tuning_better` after the evidence: prior odds times the likelihood ratio of the result.

    With a prior of N(0, tau^2) on the true difference, tau = 0.1, and a standard error s, the odds
    that the difference d is above 0 are those of Phi(d tau / (s sqrt(tau^2 + s^2))). The ratio is
    limited to between 1/100 and 100.
    """
    evidence = weighed.evidence
    if weighed.strength == "set-aside":
        return before
    error = max((evidence.high - evidence.low) / (2 * 1.959964), 1e-6)
    z = evidence.difference * _EFFECT_SD / (error * math.hypot(_EFFECT_SD, error))
    above = 0.5 * math.erfc(-z / math.sqrt(2))
    ratio = min(max(above / max(1 - above, 1e-9), 1 / _MOST_RATIO), _MOST_RATIO)

    def times(p: float) -> float:
        odds = p / (1 - p) * ratio
        return odds / (1 + odds)

    method = f"{before.method}; then the measured {evidence.points}"
    return Probability(times(before.value), times(before.low), times(before.high), method)
