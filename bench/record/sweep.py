"""What a sweep showed: each combination vs its contender's first, and what became of a claim."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bench.core.outcome import Outcome
from bench.core.plan import Plan
from bench.planning.sweep import claimed
from bench.record.circumstances import Circumstances
from bench.record.measured import forgot_less
from bench.record.types import (
    ClaimEntry,
    Comparison,
    ContenderEntry,
    Part,
    SweepRecord,
    SweptContender,
    Verdict,
)
from bench.record.verdict import withheld
from bench.record.words import counted, gain, interval
from scenarios.schema import Claim

LEVEL = 0.05
"""Of the adjusted p-values below which two combinations are distinguished."""
Pairs = Mapping[tuple[str, str], Comparison]


def make_sweep_record(
    plan: Plan,
    contenders: Sequence[ContenderEntry],
    comparisons: Sequence[Comparison],
    outcomes: Mapping[str, Outcome],
) -> SweepRecord:
    """The record's `sweep`: its combinations, what each contender's showed, and of the claim if any."""
    assert plan.sweep is not None
    done = {entry["name"]: entry for entry in contenders if entry["status"] == "done"}
    pairs = {(c["baseline"], c["challenger"]): c for c in comparisons}
    variants = plan.sweep.variants
    claim = Claim.model_validate(plan.sweep.claim) if plan.sweep.claim else None
    names = dict.fromkeys(variant.contender for variant in variants.values())
    return {
        "axes": plan.sweep.axes,
        "variants": {
            name: {"contender": variant.contender, "values": variant.values}
            for name, variant in variants.items()
        },
        "claim": plan.sweep.claim,
        "contenders": [
            _of_contender(
                name, [v for v, of in variants.items() if of.contender == name], done, pairs
            )
            for name in names
        ],
        "claims": [_of_claim(pair, pairs) for pair in claimed(variants, claim)],
        "forgetting": forgot_less(plan, outcomes),
    }


def _of_contender(
    contender: str, variants: Sequence[str], done: Mapping[str, ContenderEntry], pairs: Pairs
) -> SweptContender:
    """Which combinations do better or worse than the first, and which of them is the winner.

    The winner is the combination that validation rows choose, where the test rows distinguish it from
    the first (or, if it is the first, distinguish all others from it); else there is none. They choose
    the one with the highest score, and none where several share it or none has a score.
    """
    first, *others = variants
    answers = {name: _distinguished(pairs.get((first, name))) for name in others}
    better, worse, open_ = (
        [name for name, answer in answers.items() if answer == wanted]
        for wanted in ("better", "worse", "cant_tell")
    )
    ended = [name for name in variants if name in done]
    leading = _leading({name: done[name]["validation_score"] for name in ended})
    chosen = leading[0] if len(leading) == 1 else None
    wins = chosen in better if chosen != first else others == worse
    found: SweptContender = {
        "contender": contender,
        "first": first,
        "better": better,
        "worse": worse,
        "cant_tell": open_,
        "chosen": chosen,
        "winner": chosen if chosen and others and wins else None,
        "sentence": "",
    }
    if not others:
        found["sentence"] = f"{contender}: none of the varied settings applies to it."
    elif not ended:
        found["sentence"] = f"{contender}: no combination finished, so there is nothing to compare."
    else:
        against = {name: pairs[first, name] for name in others if (first, name) in pairs}
        found["sentence"] = _sentence(found, leading, against)
    return found


def _leading(scores: Mapping[str, float | None]) -> list[str]:
    """Those with the highest score; means over seeds that differ only by rounding are equal."""
    known = {name: score for name, score in scores.items() if score is not None}
    best = max(known.values(), default=0.0)
    return [name for name, score in known.items() if best - score < 1e-9]


def _distinguished(comparison: Comparison | None) -> str:
    """`better` or `worse` than the first by the adjusted p-value, or `cant_tell`."""
    if comparison is None:
        return "cant_tell"
    return _answer(comparison["difference"], comparison["p_adjusted"])


def _answer(difference: float, p_adjusted: float | None) -> str:
    if p_adjusted is None or p_adjusted >= LEVEL:
        return "cant_tell"
    return "better" if difference > 0 else "worse"


def _sentence(
    found: SweptContender, leading: Sequence[str], against: Mapping[str, Comparison]
) -> str:
    """What is said of a contender's combinations; `against` are comparisons with the first."""
    first, chosen, winner = found["first"], found["chosen"], found["winner"]
    if winner == first:
        return f"{first} wins: every other combination does worse."
    if winner:
        return f"{winner} wins: {_gain(against[winner])} vs {first}."
    seen, asked = "", list(against.values())
    if chosen and chosen in against:
        seen, asked = f" ({_gain(against[chosen])} vs {first})", [against[chosen]]
    return (
        f"{found['contender']}: can't tell which combination is best; {_choice(leading)}{seen}"
        f"{_others(found)}{_visible(asked)}."
    )


def _others(found: SweptContender) -> str:
    """How many combinations were distinguished from the first."""
    counts = [("better", len(found["better"])), ("worse", len(found["worse"]))]
    said = [f"{n} {'is' if n == 1 else 'are'} {word}" for word, n in counts if n]
    return f"; of the others, {' and '.join(said)} than {found['first']}" if said else ""


def _choice(leading: Sequence[str]) -> str:
    """What validation rows choose, or why they choose nothing."""
    if not leading:
        return "no combination has a score on validation rows, so none is chosen"
    if len(leading) > 1:
        return f"the validation rows choose none, since {len(leading)} combinations share the best score"
    return f"the validation rows choose {leading[0]}"


def _visible(comparisons: Sequence[Comparison]) -> str:
    """The smallest difference that the test rows could have shown, of several pairs in any of them."""
    needed = max((c.get("smallest_visible") or 0.0 for c in comparisons), default=0.0)
    if needed < 0.0005:  # arms that answer alike show nothing, and no 0.0 points
        return ""
    return (
        f"; these {counted(comparisons[0]['n'], 'test row')} can show a difference of about "
        f"{needed * 100:.1f} points (before p-values are adjusted)"
    )


def _gain(comparison: Comparison) -> str:
    """A difference in points with its confidence interval and adjusted p-value."""
    text = gain(comparison["metric"], comparison["difference"])
    low, high, p_value = comparison["low"], comparison["high"], comparison["p_adjusted"]
    if low is None or high is None:
        return text
    p = "" if p_value is None else f", adjusted p {_p(p_value)}"
    return f"{text} ({interval(comparison['level'], low, high)}{p})"


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"= {value:.3f}"


def _of_claim(pair: tuple[str, str], pairs: Pairs) -> ClaimEntry:
    """Whether the combination that is claimed to be better is; the difference is its gain."""
    better, worse = pair
    entry: ClaimEntry = {
        "better": better,
        "worse": worse,
        "answer": "cant_tell",
        "difference": None,
        "low": None,
        "high": None,
        "p_adjusted": None,
        "sentence": f"{better} and {worse} didn't both finish.",
    }
    gained = _gained(pair, pairs)
    if gained is None:
        return entry
    answer = _answer(gained["difference"], gained["p_adjusted"])
    words = {
        "better": "the claim holds", "worse": "the opposite holds", "cant_tell": "can't tell",
    }  # fmt: skip
    return {
        **entry,
        "answer": {"better": "holds", "worse": "fails"}.get(answer, "cant_tell"),
        "difference": gained["difference"],
        "low": gained["low"],
        "high": gained["high"],
        "p_adjusted": gained["p_adjusted"],
        "sentence": f"{better} vs {worse}: {_gain(gained)}: {words[answer]}.",
    }


def _gained(pair: tuple[str, str], pairs: Pairs) -> Comparison | None:
    """The comparison of a pair as the gain of its first, whichever of the two was the baseline."""
    better, worse = pair
    if (worse, better) in pairs and pair not in pairs:
        return pairs[worse, better]
    if pair not in pairs:
        return None
    found = pairs[pair]
    low, high = found["low"], found["high"]
    return {
        **found,
        "difference": -found["difference"],
        "low": None if high is None else -high,
        "high": None if low is None else -low,
    }


def sweep_verdict(plan: Plan, swept: SweepRecord, around: Circumstances) -> Verdict:
    """A sweep's place in the record's verdict: it compares settings, not prompting with tuning.

    Where canaries have failed it is withheld.
    """
    said = [one["sentence"] for one in swept["contenders"]]
    if swept["claims"] and swept["claim"]:
        said.append(f"The claim: {swept['claim']['text']}.")
        said += [claim["sentence"] for claim in swept["claims"]]
    quality = withheld(around.failed) or _not_applicable(" ".join(said))
    missing = _not_applicable("A sweep compares settings of one side.")
    return {
        "quality": quality,
        "latency": missing,
        "cost": missing,
        "overall": quality,
        "scope": _scope(plan, swept, around),
        "exploratory": None,
    }


def _not_applicable(sentence: str) -> Part:
    return {"answer": "not_applicable", "sentence": sentence, "would_settle": None}


def _scope(plan: Plan, swept: SweepRecord, around: Circumstances) -> str:
    """Which models and rows a sweep's answers hold for."""
    models = ", ".join(dict.fromkeys(t.model for t in plan.trials if t.model))
    seeds = max(
        len({t.seed for t in plan.trials if t.name == variant}) for variant in swept["variants"]
    )
    forgot = " The p-values for forgetting aren't adjusted." if plan.forgetting else ""
    return (
        f"This holds for {f'{models} on ' if models else ''}{counted(around.test_rows, 'test row')} of "
        f"'{plan.scenario.title}' in {counted(around.groups, 'group')}, with {counted(seeds, 'seed')}. "
        f"All comparisons are exploratory, with Holm-adjusted p-values.{forgot}"
    )
