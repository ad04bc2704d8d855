"""The verdict: drawn from the primary comparison's confidence interval, never from a point."""

from __future__ import annotations

from collections.abc import Sequence

from bench.checks import forgetting
from bench.core.plan import Plan
from bench.record.again import command
from bench.record.circumstances import Circumstances
from bench.record.curve import Block
from bench.record.types import (
    Answer,
    Canary,
    Comparison,
    ContenderEntry,
    EstimateDict,
    Part,
    Verdict,
)
from bench.record.words import counted, gain, interval, listed, margin_of, percent_of
from bench.statistics.intervals import level_of_next_look, rows_to_narrow, rows_to_settle, wilson
from scenarios.schema import Decision

SIDES: dict[Answer, str] = {"fine_tune": "fine-tuning", "prompt": "prompting"}
SPEEDS_APART = 1.25
"""Times by which the machine may have been faster for one arm than for the other; beyond it, the arms
can't be compared."""
IDLE = "a run on an otherwise idle machine"


def make_verdict(
    plan: Plan,
    contenders: Sequence[ContenderEntry],
    comparisons: Sequence[Comparison],
    around: Circumstances,
    usd_per_hour: float | None = None,
) -> Verdict:
    """Quality, latency, cost and overall, each `answer`, `sentence`, `would_settle`; and a scope.

    `exploratory` says why the quality isn't the verdict of a declared interim analysis; None where it is.
    """
    primary = _primary(comparisons)
    exploratory = _undeclared(plan, around.earlier) or _without(around.left_out)
    if primary is None:
        quality = _missing(plan, around)
        missing = _part("not_applicable", "There are no two arms to compare.", None)
        scope = _nothing_compared(plan, around)
        return {"quality": quality, "latency": missing, "cost": missing, "overall": quality,
                "scope": scope, "exploratory": exploratory}  # fmt: skip
    by_name = {contender["name"]: contender for contender in contenders}
    arms = by_name[primary["baseline"]], by_name[primary["challenger"]]
    decision = plan.scenario.decision
    quality = withheld(around.failed) or _with_bar(_quality(primary, plan), primary, plan)
    quality = _as_exploratory(quality, exploratory)
    latency = _latency(*arms, decision.latency_target_p95_ms)
    cost = _cost(*arms, decision)
    overall = _overall(quality, latency)
    if lost := forgetting.sentence(primary["challenger"], _forgot(arms[1])):
        overall = {**overall, "sentence": f"{overall['sentence']} {lost}"}
    return {
        "quality": quality,
        "latency": latency,
        "cost": cost,
        "overall": overall,
        "scope": _scope(plan, primary, arms[1], around, usd_per_hour),
        "exploratory": exploratory,
    }


def curve_verdict(
    plan: Plan, comparisons: Sequence[Comparison], around: Circumstances, block: Block | None
) -> Verdict:
    """As `make_verdict`, for a learning curve without a run: on quality at its largest finished size."""
    primary = _primary(comparisons)
    exploratory = _undeclared(plan, around.earlier) or _without(around.left_out)
    untimed = _part("not_applicable", "A learning curve times no requests.", "a run of the arms")
    if primary is None or block is None:
        quality, scope = _missing(plan, around), _nothing_compared(plan, around)
    else:
        quality = _as_exploratory(withheld(around.failed) or _quality(primary, plan), exploratory)
        scope = _curve_scope(plan, primary, around, block)
    return {"quality": quality, "latency": untimed, "cost": untimed, "overall": quality,
            "scope": scope, "exploratory": exploratory}  # fmt: skip


def _primary(comparisons: Sequence[Comparison]) -> Comparison | None:
    return next((comparison for comparison in comparisons if comparison["primary"]), None)


def _part(answer: Answer, sentence: str, would_settle: str | None) -> Part:
    return {"answer": answer, "sentence": sentence, "would_settle": would_settle}


def _forgot(arm: ContenderEntry) -> dict | None:
    found = arm.get("forgetting")
    return dict(found) if found else None


# Why a verdict is missing, withheld, or exploratory.


def _missing(plan: Plan, around: Circumstances) -> Part:
    """No comparison, and what would make one."""
    families = {trial.family for trial in plan.all_trials}
    sides = {"prompt": "no prompting arm", "fine_tune": "no tuning arm"}
    if absent := [words for family, words in sides.items() if family not in families]:
        return _part("not_applicable", f"Nothing was compared: the run has {listed(absent)}.",
                     "a run with an arm of each side, as in --only few-shot,lora")  # fmt: skip
    why = "Nothing was compared: the run has no finished prompting arm and tuning arm to compare"
    if not around.left_out:
        return _part("not_applicable", f"{why}.", "a run in which both arms finish")
    more = "a larger --budget"
    if around.enough is not None:
        more = f"a --budget about {max(1, round(around.enough / 60))} min larger"
    return _part(
        "not_applicable",
        f"{why}; the budget left out {', '.join(around.left_out)}.",
        f"the same command with --out set to this run's folder and {more}",
    )


def withheld(failed: Sequence[Canary]) -> Part | None:
    """No verdict where a canary failed."""
    if not failed:
        return None
    checks = "; ".join(canary["sentence"] for canary in failed)
    return _part("cant_tell", f"Withheld, since a check of the run itself failed: {checks}.",
                 "a run that passes its checks")  # fmt: skip


def _as_exploratory(quality: Part, exploratory: str | None) -> Part:
    """A quality with the reason why it is only exploratory, if there is one."""
    if not exploratory or quality["answer"] == "not_applicable":
        return quality
    return {**quality, "sentence": f"Exploratory, since {exploratory}. {quality['sentence']}"}


def _without(left_out: Sequence[str]) -> str | None:
    """Why a comparison isn't the declared one, where the budget left out an arm of it."""
    return f"the budget left out {', '.join(left_out)}" if left_out else None


def _undeclared(plan: Plan, earlier: Sequence[str]) -> str | None:
    """Why this is no declared analysis of rows as they are: earlier ones, or labels made wrong."""
    noise = max((trial.label_noise for trial in plan.trials), default=0.0)
    if noise:
        return f"{noise * 100:g}% of the training labels were made wrong on purpose"
    looks = plan.look.looks
    if len(earlier) < looks:
        return None
    return (
        f"other test rows of this scenario were analysed before ({', '.join(earlier)}), and [decision] "
        f"declares looks = {looks}"
    )


# Quality.


def _quality(primary: Comparison, plan: Plan) -> Part:
    """Is tuning better by more than the margin: yes (`fine_tune`), no (`prompt`), or can't tell."""
    margin, low, high = primary["margin"], primary["low"], primary["high"]
    names = f"{primary['challenger']} vs {primary['baseline']}"
    if low is None or high is None:
        return _part("cant_tell", f"{names}: no confidence interval, since {primary['reason']}.",
                     "other test rows")  # fmt: skip
    seen = (
        f"{names}: {gain(primary['metric'], primary['difference'])} "
        f"({interval(primary['level'], low, high)}, n = {primary['n']})"
    )
    not_worse = low > -margin
    if low > margin:
        return _part("fine_tune", f"{seen}, better by more than the {margin_of(margin)}.", None)
    if high < -margin:
        sentence = f"{seen}: prompting is better by more than the {margin_of(margin)}."
        return _part("prompt", sentence, None)
    if high < margin:
        alike = ", and isn't worse by that much either" if not_worse else ""
        sentence = (
            f"{seen}: tuning gains less than the {margin_of(margin)} that would justify it{alike}."
        )
        return _part("prompt", sentence, None)
    sentence = f"{seen}: the {margin_of(margin)} is inside the interval, so these rows can't tell"
    sentence += ", but tuning isn't worse by the margin." if not_worse else "."
    return _part("cant_tell", sentence, _rows_that_settle(primary, plan))


def _rows_that_settle(primary: Comparison, plan: Plan) -> str:
    """How many rows, from the margin and how much the arms disagree, never from the gain seen."""
    n, margin, look = primary["n"], primary["margin"], plan.look
    level = level_of_next_look(look.look, look.looks)
    low, high, discordant = primary["low"], primary["high"], primary["discordant_share"]
    if primary["scope"] == "this-method":
        return "more seeds or more test rows (the report's split of the variance shows which matters more)"
    if discordant is None:
        assert low is not None
        assert high is not None
        rows = rows_to_narrow(n, (high - low) / 2, margin, 1 - look.error, level)
        found = f"about {max(rows, n + 1):,} independent test rows, to narrow the interval enough"
    else:
        discordance = wilson(discordant * n, n)[1]  # at most, by these rows
        rows = rows_to_settle(discordance, margin, level)
        found = (
            f"about {max(rows, n + 1):,} independent test rows, or fewer if the arms disagree on "
            f"less than {discordance:.0%} of them"
        )
        effect = primary.get("design_effect") or 1.0
        if effect > 1.1:
            more = rows_to_settle(discordance, margin, level, effect)
            found += f" (about {max(more, n + 1):,} in groups like these)"
    if look.looks > look.look:
        found += (
            f"; interim analysis {look.look + 1} of the {look.looks} declared may use them, at the "
            f"{percent_of(level)}% level"
        )
    return found


def _with_bar(quality: Part, primary: Comparison, plan: Plan) -> Part:
    """The quality with what the bar of [decision] says: an arm below it is of no use.

    The bar may decide what the comparison can't, and overrule it, where only one arm reaches it. Each
    arm's interval has the level of this interim analysis, as the comparison's has.
    """
    bar = plan.scenario.decision.quality_bar
    if bar is None:
        return quality
    arms = primary["arms"]
    states: dict[Answer, str] = {
        "prompt": _against_bar(arms["prompt"], bar),
        "fine_tune": _against_bar(arms["fine_tune"], bar),
    }
    sentence = (
        f"{quality['sentence']} Quality bar of {bar * 100:g}%: {primary['baseline']} "
        f"{states['prompt']} it, {primary['challenger']} {states['fine_tune']} it."
    )
    if plan.look.looks > 1:
        level = percent_of(1 - plan.look.error)
        sentence += f" (Each by its {level}% CI, for this interim analysis.)"
    if primary["scope"] == "this-method":
        return {
            **quality,
            "sentence": f"{sentence} The bar decides nothing here, since these intervals count only the "
            "chance in the test rows, not that in the seeds.",
        }
    reaching = [side for side, state in states.items() if state == "reaches"]
    if set(states.values()) == {"misses"}:
        return _part("not_applicable", f"{sentence} Neither arm is good enough.",
                     "a larger model, or more training rows")  # fmt: skip
    if len(reaching) == 1 and "misses" in states.values():
        return _part(reaching[0], f"{sentence} Only {SIDES[reaching[0]]} reaches it.", None)
    if quality["answer"] in SIDES and states[quality["answer"]] != "reaches":
        return _part("cant_tell", sentence, "more test rows, until the interval excludes the bar")
    return {**quality, "sentence": sentence}


def _against_bar(found: EstimateDict, bar: float) -> str:
    low, high = found["low"], found["high"]
    if low is not None and low >= bar:
        return "reaches"
    return "misses" if high is not None and high < bar else "may or may not reach"


# Latency and cost.


def _latency(prompt: ContenderEntry, tuned: ContenderEntry, target_ms: float | None) -> Part:
    """Whether each arm's p95 of single requests meets the target that the scenario sets."""
    seen = (
        f"p95 latency of single requests: {prompt['name']} {prompt['p95_latency_ms']:.0f} ms, "
        f"{tuned['name']} {tuned['p95_latency_ms']:.0f} ms"
    )
    changed = _speed_changed(prompt, tuned)
    if target_ms is None:
        return _part("not_applicable", f"{seen}; the scenario sets no target.{changed or ''}",
                     "a latency target (latency_target_p95_ms in [decision])")  # fmt: skip
    if changed:
        return _part("cant_tell", f"{seen}.{changed}", IDLE)
    meets = [_meets(arm, target_ms) for arm in (prompt, tuned)]
    if None in meets:
        sentence = (
            f"{seen}; too few requests were timed to tell whether both meet {target_ms:g} ms."
        )
        return _part("cant_tell", sentence,
                     "more timed requests (a run without --quick times 100)")  # fmt: skip
    if meets[0] != meets[1]:
        answer: Answer = "fine_tune" if meets[1] else "prompt"
        return _part(answer, f"{seen}; only {SIDES[answer]} meets {target_ms:g} ms.", None)
    both = "both meet" if meets[0] else "neither meets"
    return _part("not_applicable", f"{seen}; {both} the {target_ms:g} ms target.", None)


def _meets(arm: ContenderEntry, target_ms: float) -> bool | None:
    """By the interval of the p95 where it is known; None where the target is inside it."""
    low, high = arm.get("p95_latency_interval_ms") or (arm["p95_latency_ms"],) * 2
    if high is not None and high <= target_ms:
        return True
    return False if low is not None and low > target_ms else None


def _speed_changed(prompt: ContenderEntry, tuned: ContenderEntry) -> str | None:
    """That the machine was faster for one arm than for the other, by a fixed piece of work."""
    one, other = prompt["machine_gflops"], tuned["machine_gflops"]
    if one is None or other is None or max(one, other) <= SPEEDS_APART * min(one, other):
        return None
    return (
        f" The machine's speed changed between the two: the same product ran at {one:.0f} and "
        f"{other:.0f} GFLOP/s, so the difference between the arms may be due to the machine."
    )


def _cost(prompt: ContenderEntry, tuned: ContenderEntry, decision: Decision) -> Part:
    """Dollars of 1,000 requests, or of all requests of the horizon with the set-up."""
    one, other = prompt["usd_per_1000_requests"], tuned["usd_per_1000_requests"]
    if one is None or other is None:
        return _part(
            "not_applicable",
            "No price for this machine was given.",
            "this machine's price (--usd-per-hour)",
        )
    sentence = (
        f"1,000 requests on this machine: {prompt['name']} ${one:.4f}, {tuned['name']} ${other:.4f}, "
        "excluding training and labels."
    )
    volume, months = decision.requests_per_month, decision.horizon_months
    if volume and months:
        one = one * volume * months / 1000 + (prompt["setup_usd"] or 0.0)
        other = other * volume * months / 1000 + (tuned["setup_usd"] or 0.0)
        sentence = (
            f"{volume:,} requests a month over {months:g} months on this machine, including "
            f"choosing and training: {prompt['name']} ${one:,.2f}, {tuned['name']} ${other:,.2f}, "
            "excluding labels and staff time."
        )
    if changed := _speed_changed(prompt, tuned):
        return _part("cant_tell", f"{sentence}{changed}", IDLE)
    answer: Answer = "fine_tune" if other < one else "prompt"
    return _part(answer, sentence, "several runs, to see the spread")


def _overall(quality: Part, latency: Part) -> Part:
    """Quality decides; an arm that misses the latency target on its own can't be chosen."""
    answer = quality["answer"]
    if latency["answer"] in SIDES and answer in SIDES and latency["answer"] != answer:
        return _part(
            "cant_tell",
            f"Quality favours {SIDES[answer]}, but only the other arm is fast enough.",
            "a faster model or machine for the better arm, or another latency target",
        )
    return _part(answer, quality["sentence"], quality["would_settle"])


# What a verdict holds for.


def _scope(
    plan: Plan,
    primary: Comparison,
    challenger: ContenderEntry,
    around: Circumstances,
    usd_per_hour: float | None,
) -> str:
    """Which models and rows this holds for, so that nobody reads more into it."""
    prompted, tuned = primary["baseline_model"], primary["model"]
    arms = f"{tuned}, prompted and tuned," if prompted == tuned else (
        f"{prompted} prompted and {tuned} tuned"
    )  # fmt: skip
    own = [trial for trial in plan.trials if trial.name == primary["challenger"]]
    ended_well = min(len({trial.seed for trial in own}), challenger["seeds"])
    return (
        f"This holds for {arms} on {_rows(plan, primary, around)} "
        f"({counted(ended_well, 'training seed')}, {counted(own[0].n_train, 'training row')}), "
        f"{_generality(primary)}. It does not generalise to larger or other models: to test one, run "
        f"`{command(plan, primary['challenger'], usd_per_hour)}`."
    )


def _curve_scope(plan: Plan, primary: Comparison, around: Circumstances, block: Block) -> str:
    """The same, for a curve's largest size."""
    return (
        f"This holds for {primary['baseline_model']} prompted and {primary['model']} tuned with "
        f"{block.sizes[-1]} labelled rows, choices included, on {_rows(plan, primary, around)} "
        f"({counted(len(block.seeds), 'draw')} of the labelled rows), {_generality(primary)}. It does "
        "not generalise to larger or other models, or to other instructions."
    )


def _rows(plan: Plan, primary: Comparison, around: Circumstances) -> str:
    rows, groups = counted(around.test_rows, "test row"), counted(primary["groups"], "group")
    return f"{rows} of '{plan.scenario.title}' in {groups}"


def _generality(primary: Comparison) -> str:
    if primary["scope"] == "this-method":
        return "and for the methods, not only these prompts and weights"
    return "with these prompts and weights"


def _nothing_compared(plan: Plan, around: Circumstances) -> str:
    rows = counted(around.test_rows, "test row")
    return f"{rows} of '{plan.scenario.title}'; no two arms were compared."
