"""A recommendation as text for a terminal, or as Markdown."""

from __future__ import annotations

import textwrap

from advisor.decision.recommend import Recommendation
from advisor.decision.rules import CHOICES
from advisor.text.markdown import code, escaped, table
from scenarios.terminal import one_line

WORDS = {
    "prompt": "Prompt a model",
    "retrieval": "Prompt a model with retrieved text",
    "decision-api": "Use a decision interface (typed answers, no generated text)",
    "lora": "Fine-tune with LoRA",
    "qlora": "Fine-tune with QLoRA",
    "full": "Fine-tune all weights",
    "undecided": "Undecided: neither side is far enough ahead",
}
PLACES = {
    "self-hosted": "on your own machines, because the data may not leave",
    "hosted": "at a provider",
    "either": "at a provider or on your own machines",
}
_WIDTH = 96


def text(found: Recommendation) -> str:
    """The recommendation for a terminal."""
    lines = [
        one_line(found.scenario.title),
        "",
        f"{WORDS[found.choice]} ({found.confidence} confidence)",
        *(f"  together with {other}" for other in found.combine_with),
        f"  runs {PLACES[found.placement]}",
        f"  {'leader' if found.choice == 'undecided' else 'runner-up'}: {_named(found, found.runner_up)}",
        f"  {lead(found)}",
        "",
        "Why:",
        *_reasons(found),
        f"  sums: {sums(found)}",
        *(f"  ruled out: {option}: {why}" for option, why in found.decided.ruled_out.items()),
        "",
        *textwrap.wrap(quality(found), _WIDTH),
        "",
        "What it takes (forecast):",
        *(f"  {line}" for line in costs(found)),
        "",
        *_flips(found),
    ]
    if found.evidence is not None:
        lines += ["", *textwrap.wrap(evidence(found), _WIDTH)]
    if found.recipe:
        lines += ["", "Recipe:"]
        for advice in found.recipe:
            lines.append(f"  {advice.setting} {shown(advice.value)}: {advice.because}")
    lines += ["", settle(found)]
    return "\n".join(lines)


def markdown(found: Recommendation) -> str:
    """The recommendation as a Markdown document."""
    lines = [
        f"# {escaped(found.scenario.title)}",
        "",
        f"**{WORDS[found.choice]}** ({found.confidence} confidence)"
        + "".join(f", together with {other}" for other in found.combine_with)
        + f"; runs {PLACES[found.placement]}. {sentence(lead(found))}",
        "",
        quality(found),
        "",
        "## Why",
        "",
        *votes_table(found),
        "",
        *scores_table(found),
        "",
        "## What it takes (forecast)",
        "",
        *(f"- {escaped(line)}" for line in costs(found)),
        "",
        "## What would change this recommendation (one fact at a time)",
        "",
        *flips_table(found),
    ]
    if found.evidence is not None:
        lines += ["", "## Evidence", "", escaped(evidence(found))]
    if found.recipe:
        lines += ["", "## Recipe", "", *recipe_table(found)]
    return "\n".join([*lines, "", settle(found)])


def _named(found: Recommendation, option: str) -> str:
    return f"{option} (ruled out)" if option in found.decided.ruled_out else option


def lead(found: Recommendation) -> str:
    """How far the leading side is ahead, and how far it would have to be."""
    decided = found.decided
    if decided.ruled_out.keys() >= set(CHOICES):
        return "every option is ruled out"
    if decided.lead == float("inf"):
        return "the other side is ruled out"
    return (
        f"ahead by {decided.lead:.1f} points; {decided.doubt:.1f} would be needed "
        "given what is unknown"
    )


def sums(found: Recommendation) -> str:
    """The scores, best first."""
    ranked = sorted(found.scores.items(), key=lambda item: -item[1])
    return ", ".join(f"{option} {score:+.1f}" for option, score in ranked)


def quality(found: Recommendation) -> str:
    """The probability that tuning gives better quality, whatever the choice is."""
    p = found.p_tuning_better
    return (
        "On quality only, a small tuned model beats the prompted one with probability "
        f"{percent(p.value)} (95% CI {percent(p.low)} to {percent(p.high)}): {p.method}."
    )


def percent(chance: float) -> str:
    """A probability, never shown as certain."""
    return "over 99%" if chance > 0.995 else "under 1%" if chance < 0.005 else f"{chance:.0%}"


def evidence(found: Recommendation) -> str:
    """What the record said, and how it was used."""
    weighed = found.evidence
    e = weighed.evidence
    said = f"Evidence ({weighed.strength.replace('-', ' ')}): {e.challenger} vs {e.baseline}, {e.points}"
    if weighed.strength == "set-aside":
        return f"{said}; set aside because {weighed.because}."
    full = f"{said}; scope {e.scope}, tuned {e.model}, prompted {e.baseline_model}."
    return f"{full} Its learning curve: {e.crossover}" if e.crossover else full


def costs(found: Recommendation) -> list[str]:
    """What the choice and its alternative take in memory and money."""
    ahead = found.forecasts
    barred = found.decided.ruled_out
    shown_choices = [
        o for o in (found.choice, found.runner_up) if o != "undecided" and o not in barred
    ]
    lines = []
    for choice in shown_choices:
        parts = []
        if choice in ahead.tuning_memory_gib:
            low, high = ahead.tuning_memory_gib[choice]
            parts.append(f"{low:.0f} to {high:.0f} GiB to tune {ahead.own_model}")
        if choice in ahead.money:
            once, monthly = ahead.money[choice].one_off_usd, ahead.money[choice].monthly_usd
            parts.append(
                f"{_usd(once)} one-off, {_usd(monthly)} a month including retraining, "
                "excluding staff time"
            )
        if parts:
            lines.append(f"{choice}: {'; '.join(parts)}")
    if found.scenario.profile.requests_per_month is None:
        lines.append("set requests_per_month to see what it costs, or run `advisor cost`")
    elif any(choice not in ahead.money for choice in shown_choices):
        lines.append("an option without a price here can't be priced; `advisor cost` says why")
    elif len(shown_choices) == 2:
        one, other = (ahead.money[choice].monthly_usd.value for choice in shown_choices)
        if one > _FAR_DEARER * other > 0:
            lines.append(f"{shown_choices[0]} costs {one / other:,.0f} times as much a month: you pay for "
                         "quality, it saves no money")  # fmt: skip
    return lines


_FAR_DEARER = 3.0


def _usd(spent) -> str:
    """`$61 ($9 to $403)`."""

    def dollars(usd: float) -> str:
        return f"${usd:,.0f}" if usd >= 100 else f"${usd:,.2f}"

    return f"{dollars(spent.value)} ({dollars(spent.low)} to {dollars(spent.high)})"


def settle(found: Recommendation) -> str:
    """The experiment that would settle the choice."""
    command = code(found.next_experiment)
    if found.scenario.task is not None:
        return f"Settle it by experiment: {command}"
    return (
        f"Settle it by experiment: {command} writes a scenario from a file of your rows, "
        "and `bench run` runs it."
    )


def reasons(found: Recommendation) -> list[tuple[float, list[str], str, str]]:
    """Weight, options, reason and source of each vote, strongest first."""
    said: dict[tuple, list[str]] = {}
    for vote in found.votes:
        said.setdefault((vote.weight, vote.because, vote.source), []).append(vote.option)
    ranked = sorted(said.items(), key=lambda item: -abs(item[0][0]))
    return [(weight, options, because, source) for (weight, because, source), options in ranked]


def _reasons(found: Recommendation) -> list[str]:
    lines = []
    for weight, options, because, source in reasons(found):
        lines.append(f"  {weight:+g} {', '.join(options)}: {one_line(because)}")
        lines += textwrap.wrap(
            f"[{one_line(source)}]", _WIDTH, initial_indent="     ", subsequent_indent="      "
        )
    return lines


def _flips(found: Recommendation) -> list[str]:
    if not found.flips_when:
        return ["No single fact would change this recommendation."]
    lines = ["What would change this recommendation (one fact at a time):"]
    for flip in found.flips_when:
        was = "unknown" if flip.from_ is None else shown(flip.from_)
        lines.append(f"  {flip.factor} {was} -> {shown(flip.to)}: {flip.choice}")
    return lines


def shown(value) -> str:
    """A fact as it is written for `--set`."""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def sentence(words: str) -> str:
    """With a capital letter and a full stop."""
    return f"{words[0].upper()}{words[1:]}."


def votes_table(found: Recommendation) -> list[str]:
    """Every vote, strongest first."""
    return table(
        ("weight", "for", "because", "source"),
        (
            (f"{w:+g}", ", ".join(options), why, source)
            for w, options, why, source in reasons(found)
        ),
    )


def scores_table(found: Recommendation) -> list[str]:
    """Each option's sum, and whether it is ruled out."""
    ranked = sorted(CHOICES, key=lambda option: -found.scores[option])
    return table(
        ("option", "sum", "ruled out because"),
        ((o, f"{found.scores[o]:+.1f}", found.decided.ruled_out.get(o, "")) for o in ranked),
    )


def flips_table(found: Recommendation) -> list[str]:
    """The nearest value of each factor that changes the choice."""
    if not found.flips_when:
        return ["No single fact would."]
    return table(
        ("fact", "now", "would have to be", "choice"),
        (
            (
                f"`{f.factor}`",
                "unknown" if f.from_ is None else shown(f.from_),
                shown(f.to),
                f.choice,
            )
            for f in found.flips_when
        ),
    )


def recipe_table(found: Recommendation) -> list[str]:
    """Each setting with its reason and source."""
    return table(
        ("setting", "value", "because", "source"),
        ((f"`{a.setting}`", shown(a.value), a.because, a.source) for a in found.recipe),
    )
