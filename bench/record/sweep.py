"""What a sweep showed: each combination against its contender's first, and what became of a claim."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bench.planning.make import Plan
from bench.planning.sweep import _claimed
from bench.record.verdict import percent_of, withheld
from scenarios.schema import Claim

LEVEL = 0.05
"""Of the adjusted p-values below which two combinations are told apart."""


def outcome_of(plan: Plan, contenders: Sequence[dict], comparisons: Sequence[dict]) -> dict:
    """What the sweep showed: of each contender and, where there is one, of the claim."""
    done = {entry["name"]: entry for entry in contenders if entry["status"] == "done"}
    pairs = {(c["baseline"], c["challenger"]): c for c in comparisons}
    variants = plan.sweep["variants"]
    claim = plan.sweep["claim"] and Claim.model_validate(plan.sweep["claim"])
    names = dict.fromkeys(v["contender"] for v in variants.values())
    return {
        **plan.sweep,
        "contenders": [
            _of_contender(c, [n for n, v in variants.items() if v["contender"] == c], done, pairs)
            for c in names
        ],
        "claims": [_of_claim(pair, pairs) for pair in _claimed(variants, claim)],
    }


def _of_contender(contender: str, variants: Sequence[str], done: dict, pairs: dict) -> dict:
    """Which combinations do better or worse than the first, and which of them is the winner.

    The winner is the combination that validation rows choose, where the test rows tell it from
    the first (or, if it is the first, tell all others from it); else there is none. They choose the
    one with the highest score, and none where several share it or none has a score.
    """
    first, *others = variants
    told = {name: _told_apart(pairs.get((first, name))) for name in others}
    lists = {
        answer: [name for name, found in told.items() if found == answer]
        for answer in ("better", "worse", "cant_tell")
    }
    ended = [name for name in variants if name in done]
    leading = _leading({name: done[name]["validation_score"] for name in ended})
    chosen = leading[0] if len(leading) == 1 else None
    wins = chosen in lists["better"] if chosen != first else others == lists["worse"]
    winner = chosen if chosen and others and wins else None
    found = {
        "contender": contender, "first": first, **lists, "chosen": chosen, "winner": winner,
    }  # fmt: skip
    if not others:
        sentence = f"{contender}: none of what was varied is a setting of its own."
    elif not ended:
        sentence = f"{contender}: no combination ended well, so nothing can be told."
    else:
        against = {name: pairs[first, name] for name in others if (first, name) in pairs}
        sentence = _sentence(found, leading, against)
    return {**found, "sentence": sentence}


def _leading(scores: Mapping[str, float | None]) -> list[str]:
    """Those with the highest score; means over seeds that differ by rounding alone are equal."""
    known = {name: score for name, score in scores.items() if score is not None}
    best = max(known.values(), default=0.0)
    return [name for name, score in known.items() if best - score < 1e-9]


def _told_apart(comparison: dict | None) -> str:
    """`better` or `worse` than the first by the adjusted p-value, or `cant_tell`."""
    if comparison is None or comparison["p_adjusted"] is None or comparison["p_adjusted"] >= LEVEL:
        return "cant_tell"
    return "better" if comparison["difference"] > 0 else "worse"


def _sentence(found: dict, leading: Sequence[str], against: Mapping[str, dict]) -> str:
    """What is said of a contender's combinations; `against` are comparisons with the first."""
    first, chosen, winner = found["first"], found["chosen"], found["winner"]
    if winner == first:
        return f"{first} wins: every other combination does worse."
    if winner:
        return f"{winner} wins: {_interval(against[winner])} against {first}."
    told = [f"{len(found[word])} {word}" for word in ("better", "worse") if found[word]]
    beside = f"; of the others {' and '.join(told)} than {first}" if told else ""
    seen = f", {_interval(against[chosen])} against {first}" if chosen in against else ""
    asked = [against[chosen]] if chosen in against else list(against.values())
    return (
        f"{found['contender']}: can't tell which combination is best; {_choice(leading)}{seen}{beside}"
        f"{_visible(asked)}."
    )


def _choice(leading: Sequence[str]) -> str:
    """What validation rows choose, or why they choose nothing."""
    if not leading:
        return "no validation rows choose here, since no combination has a score on them"
    if len(leading) > 1:
        return (
            f"validation rows choose none, since {len(leading)} combinations share the best score"
        )
    return f"validation rows choose {leading[0]}"


def _visible(comparisons: Sequence[dict]) -> str:
    """The smallest difference that the test rows could have shown, of several pairs in any of them."""
    needed = max((c["smallest_visible"] or 0.0 for c in comparisons), default=0.0)
    if needed < 0.0005:  # arms that answer alike show nothing, and no 0.0 points
        return ""
    return (
        f"; these {comparisons[0]['n']:,} test rows could show a difference of about "
        f"{needed * 100:.1f} points (before the adjustment)"
    )


def _interval(comparison: dict) -> str:
    """A difference in points with its interval and adjusted p-value."""
    text = f"{comparison['metric']} {comparison['difference'] * 100:+.1f} points"
    if comparison["low"] is not None:
        level = percent_of(comparison["level"])
        low, high = comparison["low"] * 100, comparison["high"] * 100
        text += f" ({level} % interval {low:+.1f} to {high:+.1f}"
        p_value = comparison["p_adjusted"]
        text += ")" if p_value is None else f", adjusted p {_p(p_value)})"
    return text


def _p(value: float) -> str:
    return "below 0.001" if value < 0.001 else f"{value:.3f}"


def _of_claim(pair: tuple[str, str], pairs: dict) -> dict:
    """Whether the combination that is claimed to be better is; the difference is its gain."""
    better, worse = pair
    found = pairs.get(pair)
    sign = -1
    if found is None and pair[::-1] in pairs:
        found, sign = pairs[pair[::-1]], 1
    empty = {"difference": None, "low": None, "high": None, "p_adjusted": None}
    if found is None:
        return {"better": better, "worse": worse, "answer": "cant_tell", **empty,
                "sentence": f"{better} and {worse} weren't both answered."}  # fmt: skip
    ends = (
        sorted(sign * found[key] for key in ("low", "high")) if found["low"] is not None else None
    )
    gain = {
        "difference": sign * found["difference"],
        "low": ends and ends[0],
        "high": ends and ends[1],
        "p_adjusted": found["p_adjusted"],
    }
    told = _told_apart(found | {"difference": gain["difference"]})
    answer = {"better": "holds", "worse": "fails"}.get(told, "cant_tell")
    words = {"holds": "it holds", "fails": "the contrary holds", "cant_tell": "can't tell"}
    return {
        "better": better,
        "worse": worse,
        "answer": answer,
        **gain,
        "sentence": f"{better} against {worse}: {_interval({**found, **gain})}: {words[answer]}.",
    }


def verdict_of(
    plan: Plan, outcome: dict, rows: int, groups: int, failed: Sequence[dict] = ()
) -> dict:
    """A sweep's place in the record's verdict: it compares settings, and no two sides.

    Where canaries have `failed` it is withheld.
    """
    told = [one["sentence"] for one in outcome["contenders"]]
    if outcome["claims"]:
        told.append(f"The claim: {outcome['claim']['text']}.")
        told += [claim["sentence"] for claim in outcome["claims"]]
    quality = withheld(failed) or {
        "answer": "not_applicable", "sentence": " ".join(told), "would_settle": None
    }  # fmt: skip
    missing = {"answer": "not_applicable", "sentence": "A sweep compares settings of one side.",
               "would_settle": None}  # fmt: skip
    used = [t.model for t in plan.trials if t.model]
    on = f"{', '.join(dict.fromkeys(used))} on " if used else ""
    apart = " Those of what was forgotten aren't adjusted." if plan.forgetting else ""
    seeds = max(
        len({t.seed for t in plan.trials if t.name == name}) for name in plan.sweep["variants"]
    )
    return {
        "quality": quality,
        "latency": missing,
        "cost": missing,
        "overall": quality,
        "scope": f"This speaks of {on}{rows:,} test rows of '{plan.scenario['title']}' in "
        f"{groups:,} groups, with {seeds} seed{'s' if seeds > 1 else ''}. All comparisons are "
        f"exploratory, their p-values adjusted after Holm.{apart}",
        "exploratory": None,
    }
