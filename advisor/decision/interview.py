"""The interview: asks for the facts that could still change the advice, most informative first."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Container
from dataclasses import dataclass

from advisor.decision.budget import BUDGETS, over_budget
from advisor.decision.decide import MONEY, Decided, decide, family_of
from advisor.decision.flips import alternatives, words
from advisor.decision.rules import CHOICES
from advisor.profiles import kinds, with_settings
from scenarios.errors import UserError
from scenarios.schema import Profile

_FAR = 1000.0  # used as the lead of a family when the other one is ruled out


@dataclass(frozen=True)
class Question:
    """A fact to ask for: the question, and the possible answers."""

    fact: str
    asks: str
    answers: str


def next_question(profile: Profile, asked: Container[str] = ()) -> Question | None:
    """The most informative unknown fact: its values lead to the most choices, then to the widest leads.

    None if no single fact can change the choice and, while it is undecided, none changes the lead.
    """
    read: set[str] = set()
    now, over = decide(profile, read=read), over_budget(profile)
    best, most = None, (False, 0, 0.0)
    for fact in Profile.model_fields:
        if fact not in read or fact in asked or fact in MONEY or getattr(profile, fact) is not None:
            continue
        found = [decided for _, decided in alternatives(profile, fact, over)]
        gain = _information(now, found)
        if not any(gain):
            continue
        if (fact not in BUDGETS, *gain) > most:  # a budget only rules out, so it is asked for last
            best, most = fact, (fact not in BUDGETS, *gain)
    return question(best) if best else None


def _information(now: Decided, found: list[Decided]) -> tuple[int, float]:
    """How many other choices a fact's values lead to, and how widely the leads spread."""
    choices = {decided.choice for decided in found} - {now.choice}
    if not choices and now.choice != "undecided":
        return 0, 0.0
    leads = [_signed_lead(decided) for decided in (now, *found)]
    return len(choices), round(max(leads) - min(leads), 6)


def _signed_lead(decided: Decided) -> float:
    """How far tuning is ahead; negative if prompting is."""
    best = {
        family: max((decided.scores[o] for o in CHOICES
                     if family_of(o) == family and o not in decided.ruled_out), default=-math.inf)
        for family in ("prompt", "fine_tune")
    }  # fmt: skip
    lead = best["fine_tune"] - best["prompt"]
    return 0.0 if math.isnan(lead) else max(-_FAR, min(_FAR, lead))


def question(fact: str) -> Question:
    """How to ask for a fact."""
    field = Profile.model_fields[fact]
    known = words(fact)
    if known == [True, False]:
        answers = "true, false"
    elif known:
        answers = ", ".join(known)
    else:
        answers = "a whole number" if int in kinds(field.annotation) else "a number"
    return Question(fact, field.description, answers)


def interview(
    profile: Profile,
    ask: Callable[[Question, str | None], str | None],
    keep: Callable[[Profile], None],
) -> tuple[Profile, bool]:
    """The profile with the answers, and whether everything was asked; `keep` is called after each answer.

    `ask` takes a question and what was wrong with the last answer, and returns the answer: empty or
    `unknown` leaves the fact unknown, None ends the interview.
    """
    asked: set[str] = set()
    while (found := next_question(profile, asked)) is not None:
        wrong = None
        while True:
            answer = ask(found, wrong)
            if answer is None:
                return profile, False
            try:
                given = answer.strip() or "unknown"
                profile = with_settings(profile, {found.fact: given})
                break
            except UserError as error:
                wrong = str(error).removeprefix("--set: ")
        asked.add(found.fact)
        keep(profile)
    return profile, True


def to_toml(title: str, profile: Profile) -> str:
    """A scenario file that holds the profile's known facts."""
    lines = [f"title = {_basic_string(title)}", "", "[profile]"]
    for name, value in profile:
        if value is None:
            continue
        text = _basic_string(value) if isinstance(value, str) else json.dumps(value)
        lines.append(f"{name} = {text}")
    return "\n".join(lines) + "\n"


def _basic_string(text: str) -> str:
    """TOML's basic strings are JSON's, except for the delete character."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
