"""A recommendation as a decision record in the layout of MADR 4 (adr.github.io/madr)."""

from __future__ import annotations

from datetime import date

from advisor.decision.decide import unknown_facts
from advisor.decision.recommend import Recommendation
from advisor.decision.rules import CHOICES
from advisor.text import recommend as said
from advisor.text.markdown import escaped, table

FACTS_LAST_MONTHS = 6
"""After this many months models, prices and published results should be reviewed."""
_CLEAR, _MOST_DRIVERS = 2, 6
_THRESHOLDS = ("quality_bar", "latency_target_p95_ms", "one_off_budget_usd", "monthly_budget_usd")
_CONSEQUENCES = {
    "fine_tune": (
        "Good, because form, vocabulary and style are in the weights, and requests need no examples",
        "Bad, because labels, training, evaluation and serving take work, again for each new base model",
    ),
    "prompt": (
        "Good, because it starts within days, and moving to a better model means changing one name",
        "Bad, because every request carries its instructions and examples, and a provider's model "
        "may change without notice",
    ),
    "undecided": (
        "Good, because nothing is spent on the weaker side",
        "Bad, because an experiment has to be run first",
    ),
}


def adr(found: Recommendation, today: date) -> str:
    """The record: context, options with their scores, decision, evidence, and what would reopen it."""
    sections = (
        _head(found, today),
        _context(found),
        _drivers(found),
        _considered(),
        _outcome(found),
        _consequences(found),
        _confirmation(found),
        _recipe(found),
        _options(found),
        _evidence(found),
        _reopens(found, today),
    )
    return "\n\n".join("\n".join(lines) for lines in sections if lines)


def _decision(found: Recommendation) -> str:
    if found.choice == "undecided":
        return "Undecided until an experiment is run"
    return ", together with ".join([said.WORDS[found.choice], *found.combine_with])


def _head(found: Recommendation, today: date) -> list[str]:
    title = escaped(found.scenario.title)
    return ["---", "status: proposed", f"date: {today.isoformat()}", "---", "",
            f"# {title}: {_decision(found)}"]  # fmt: skip


def _context(found: Recommendation) -> list[str]:
    scenario = found.scenario
    known = (
        (f"`{name}`", said.shown(value)) for name, value in scenario.profile if value is not None
    )
    missing = ", ".join(f"`{name}`" for name in unknown_facts(scenario.profile))
    return [
        "## Context and problem statement",
        "",
        escaped(scenario.summary) or "The facts below describe the situation.",
        "",
        "Should a model be prompted, given retrieved text, or fine-tuned, and where should it run?",
        "",
        *table(("fact", "value"), known),
        "",
        f"Unknown, which increases the uncertainty: {missing or 'nothing'}.",
    ]


def _drivers(found: Recommendation) -> list[str]:
    clear = [reason for reason in said.reasons(found) if abs(reason[0]) >= _CLEAR]
    lines = [
        f"* {escaped(said.sentence(why))} ({weight:+g} for {', '.join(options)})"
        for weight, options, why, _ in clear[:_MOST_DRIVERS]
    ]
    return ["## Decision drivers", "", *(lines or ["* No fact gives a clear reason."])]


def _considered() -> list[str]:
    return ["## Considered options", "", *(f"* {said.WORDS[o]} (`{o}`)" for o in CHOICES)]


def _outcome(found: Recommendation) -> list[str]:
    return [
        "## Decision outcome",
        "",
        f"**{_decision(found)}**; runs {said.PLACES[found.placement]}. Confidence: "
        f"{found.confidence} ({said.lead(found)}). The alternative: `{found.runner_up}`.",
        "",
        said.quality(found),
    ]


def _consequences(found: Recommendation) -> list[str]:
    lines = [f"* {line}" for line in _CONSEQUENCES[found.family]]
    if found.placement == "self-hosted":
        lines.append("* Neutral, because models run on your own machines whichever side is chosen")
    lines += [f"* Cost forecast: {escaped(line)}" for line in said.costs(found)]
    return ["### Consequences", "", *lines]


def _confirmation(found: Recommendation) -> list[str]:
    facts = {name: getattr(found.scenario.profile, name) for name in _THRESHOLDS}
    facts |= {name: value for name, value in found.scenario.decision if value is not None}
    rows = [(f"`{name}`", said.shown(value)) for name, value in facts.items() if value is not None]
    return [
        "### Confirmation",
        "",
        "Thresholds, set before any experiment. They must be met on held-out rows, which neither the "
        "prompt nor the training has seen, and by the confidence interval, not by the point estimate.",
        "",
        *table(("threshold", "value"), rows),
    ]


def _recipe(found: Recommendation) -> list[str]:
    return ["### Recipe", "", *said.recipe_table(found)] if found.recipe else []


def _options(found: Recommendation) -> list[str]:
    lines = ["## Pros and cons of the options", "", *said.scores_table(found)]
    for option in CHOICES:
        lines += ["", f"### {said.WORDS[option]}", ""]
        votes = [vote for vote in found.votes if vote.option == option]
        lines += [
            f"* {'Good' if vote.weight > 0 else 'Bad'} ({vote.weight:+g}), because "
            f"{escaped(vote.because)} [{escaped(vote.source)}]"
            for vote in votes
        ] or ["* Neutral, because no rule votes on it"]
    return lines


def _evidence(found: Recommendation) -> list[str]:
    shown = (
        "No experiment was given: the decision rests on the rules and published cases above."
        if found.evidence is None
        else escaped(said.evidence(found))
    )
    return ["## Evidence", "", shown, "", said.settle(found)]


def _reopens(found: Recommendation, today: date) -> list[str]:
    month = today.month - 1 + FACTS_LAST_MONTHS
    until = date(today.year + month // 12, month % 12 + 1, min(today.day, 28))
    return [
        "## What would reopen this decision",
        "",
        *said.flips_table(found),
        "",
        f"Prices, models and published results are as of {today.isoformat()}: review by "
        f"{until.isoformat()}, or when the base model or the prompted model is retired.",
    ]
