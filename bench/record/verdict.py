"""The verdict: drawn from the primary comparison's interval alone, never from a point."""

from __future__ import annotations

import math
from collections.abc import Sequence

from bench.checks import forgetting
from bench.planning.make import Plan
from bench.record.again import command
from bench.statistics.intervals import level_of_next_look, rows_to_narrow, rows_to_settle, wilson
from scenarios.schema import Decision, Scenario

SIDES = {"fine_tune": "fine-tuning", "prompt": "prompting"}
SPEEDS_APART = 1.25
"""Times by which the machine may have been faster for one arm than for the other: what is beyond it
can't be told from the arms' own difference."""


def make_verdict(
    plan: Plan,
    scenario: Scenario,
    contenders: list[dict],
    comparisons: list[dict],
    n: int,
    failed: Sequence[dict] = (),
    earlier: Sequence[str] = (),
    usd_per_hour: float | None = None,
    left_out: Sequence[str] = (),
    enough: float | None = None,
) -> dict:
    """Quality, latency, cost and overall, each `answer`, `sentence`, `would_settle`; and a scope.

    `failed` are canaries that sang, `earlier` runs that had looked at other rows of the scenario,
    `left_out` arms of the comparison that the budget left out, which would take `enough` seconds.
    `exploratory` says why the quality is no verdict of a first, declared look; None where it is.
    """
    primary = next((c for c in comparisons if c["primary"]), None)
    by_name = {contender["name"]: contender for contender in contenders}
    exploratory = _undeclared(plan, earlier) or _without(left_out)
    scope = _scope(plan, primary, by_name, n, usd_per_hour)
    if primary is None:
        quality = _missing(plan, left_out, enough)
        missing = _part("not_applicable", "There are no two arms to compare.", None)
        return {"quality": quality, "latency": missing, "cost": missing, "overall": quality,
                "scope": scope, "exploratory": exploratory}  # fmt: skip
    arms = by_name[primary["baseline"]], by_name[primary["challenger"]]
    quality = withheld(failed) or _with_bar(_quality(primary, plan), primary, arms, scenario, plan)
    if exploratory and quality["answer"] != "not_applicable":
        quality["sentence"] = f"Exploratory, since {exploratory}. {quality['sentence']}"
    latency = _latency(*arms, scenario.decision.latency_target_p95_ms)
    cost = _cost(*arms, scenario.decision)
    overall = _overall(quality, latency)
    if lost := forgetting.sentence(primary["challenger"], arms[1].get("forgetting")):
        overall = overall | {"sentence": f"{overall['sentence']} {lost}"}
    return {
        "quality": quality,
        "latency": latency,
        "cost": cost,
        "overall": overall,
        "scope": scope,
        "exploratory": exploratory,
    }


def curve_verdict(
    plan: Plan,
    comparisons: list[dict],
    n: int,
    size: int | None,
    seeds: Sequence[int],
    failed: Sequence[dict] = (),
    earlier: Sequence[str] = (),
    left_out: Sequence[str] = (),
    enough: float | None = None,
) -> dict:
    """As `make_verdict`, of a learning curve alone: on quality at its largest finished size."""
    primary = next((c for c in comparisons if c["primary"]), None)
    exploratory = _undeclared(plan, earlier) or _without(left_out)
    untimed = _part("not_applicable", "A learning curve times no requests.", "a run of the arms")
    title = plan.scenario["title"]
    if primary is None:
        quality = _missing(plan, left_out, enough)
        scope = f"{n} test rows of '{title}'; no two arms were compared."
    else:
        quality = withheld(failed) or _quality(primary, plan)
        if exploratory:
            quality["sentence"] = f"Exploratory, since {exploratory}. {quality['sentence']}"
        of = "the methods" if primary.get("scope") == "this-method" else "these prompts and weights"
        scope = (
            f"This speaks of {primary['baseline_model']} prompted and {primary['model']} tuned with {size} "
            f"labelled rows, choices included, on {n} test rows of '{title}' in {primary['groups']} "
            f"groups, with {len(seeds)} draw{'s' if len(seeds) > 1 else ''} of those rows, and of "
            f"{of}; it says nothing about larger or other models, or other instructions."
        )
    return {"quality": quality, "latency": untimed, "cost": untimed, "overall": quality,
            "scope": scope, "exploratory": exploratory}  # fmt: skip


def _without(left_out: Sequence[str]) -> str | None:
    """Why a comparison isn't the declared one, where the budget left out an arm of it."""
    return f"the budget left out {', '.join(left_out)}" if left_out else None


def _missing(plan: Plan, left_out: Sequence[str], enough: float | None) -> dict:
    """No comparison, and what would make one: `enough` seconds for what was left out."""
    quality = _quality(None, plan)
    if not left_out:
        return quality
    told = ", ".join(left_out)
    sentence = f"{quality['sentence'][:-1]}; the budget left out {told}."
    more = "" if enough is None else f" by about {max(1, round(enough / 60))} min"
    settles = f"the same command with --out and this run's folder, its --budget larger{more}"
    return quality | {"sentence": sentence, "would_settle": settles}


def _part(answer: str, sentence: str, would_settle: str | None) -> dict:
    return {"answer": answer, "sentence": sentence, "would_settle": would_settle}


def percent_of(level: float) -> str:
    """A level in percent, never rounded up to certainty: 99.9988 % is told as 99.99."""
    return f"{math.floor(level * 1e4 + 1e-6) / 100:g}"


def _points(share: float) -> str:
    return f"{abs(share) * 100:.1f} points"


def _undeclared(plan: Plan, earlier: Sequence[str]) -> str | None:
    """Why this is no declared look at rows as they are: earlier ones, or labels made wrong."""
    noise = max((trial.label_noise for trial in plan.trials), default=0.0)
    if noise:
        return f"{noise * 100:g} % of the training labels were made wrong on purpose"
    if len(earlier) < plan.look["looks"]:
        return None
    if plan.look["looks"] > 1:
        return (
            f"{len(earlier)} looks at other rows of this scenario came before this one "
            f"({', '.join(earlier)}) and [decision] declares {plan.look['looks']}"
        )
    return (
        f"other rows of this scenario were looked at before ({', '.join(earlier)}) and [decision] "
        "declares one look"
    )


def withheld(failed: Sequence[dict]) -> dict | None:
    """No verdict where a canary sang."""
    if not failed:
        return None
    told = "; ".join(f"{canary['name']}: {canary['sentence']}" for canary in failed)
    return _part("cant_tell", f"Withheld, since a check of the run itself failed: {told}.",
                 "a run whose checks hold")  # fmt: skip


def _quality(primary: dict | None, plan: Plan) -> dict:
    """Is tuning better by more than the margin: yes (`fine_tune`), no (`prompt`), or can't tell."""
    if primary is None:
        why = "no run of both a prompting and a tuning arm is done"
        return _part("not_applicable", f"Nothing was compared: {why}.", "a run of both arms")
    margin, low, high = primary["margin"], primary["low"], primary["high"]
    names = f"{primary['challenger']} against {primary['baseline']}"
    if low is None:
        return _part("cant_tell", f"{names}: no interval, since {primary['reason']}.",
                     "other test rows")  # fmt: skip
    interval = (
        f"{names}: {primary['metric']} {primary['difference'] * 100:+.1f} points, "
        f"{percent_of(primary.get('level', 0.95))} % interval {low * 100:+.1f} to {high * 100:+.1f}, "
        f"on {primary['n']} rows"
    )
    if low > margin:
        return _part("fine_tune", f"{interval}: better by more than the margin of "
                     f"{_points(margin)}.", None)  # fmt: skip
    if high < -margin:
        return _part("prompt", f"{interval}: prompting is better by more than the margin of "
                     f"{_points(margin)}.", None)  # fmt: skip
    if high < margin:
        alike = "; nor is it worse by as much" if low > -margin else ""
        return _part("prompt", f"{interval}: tuning doesn't gain the margin of "
                     f"{_points(margin)} that would pay for it{alike}.", None)  # fmt: skip
    sentence = f"{interval}: the margin of {_points(margin)} lies inside, so these rows can't tell"
    sentence += "; tuning isn't worse by the margin." if low > -margin else "."
    return _part("cant_tell", sentence, _rows_that_settle(primary, plan))


def _rows_that_settle(primary: dict, plan: Plan) -> str:
    """How many rows, from the margin and how much the arms disagree, never from the gain seen."""
    n, margin, look = primary["n"], primary["margin"], plan.look
    level = level_of_next_look(look["look"], look["looks"])
    if primary.get("scope") == "this-method":
        return ("more seeds and more test rows; which of the two, the split of the variance in the report "
                "says")  # fmt: skip
    if primary["discordant_share"] is None:
        half_width = (primary["high"] - primary["low"]) / 2
        rows = rows_to_narrow(n, half_width, margin, 1 - look["error"], level)
        found = (
            f"about {max(rows, n + 1):,} independent test rows, which narrow the interval enough"
        )
    else:
        discordance = wilson(primary["discordant_share"] * n, n)[1]  # at most, by these rows
        rows = rows_to_settle(discordance, margin, level)
        found = (
            f"about {max(rows, n + 1):,} independent test rows, or fewer if the arms disagree on "
            f"less than {discordance:.0%} of them"
        )
        effect = primary.get("design_effect") or 1.0
        if effect > 1.1:
            more = rows_to_settle(discordance, margin, level, effect)
            found += f" (about {max(more, n + 1):,} in groups like these)"
    if look["looks"] > look["look"]:
        found += (
            f"; look {look['look'] + 1} of the {look['looks']} that were declared may take them, at "
            f"{percent_of(level)} %"
        )
    return found


def _with_bar(
    quality: dict, primary: dict, arms: tuple[dict, dict], scenario: Scenario, plan: Plan
) -> dict:
    """The quality with what the bar of [decision] says: an arm below it is of no use.

    The bar may decide what the comparison can't, and overrule it, where only one arm reaches it. Each
    arm's interval is of the look's level, as the comparison's is.
    """
    bar = scenario.decision.quality_bar
    if bar is None:
        return quality
    states, told = {}, []
    for side, arm in zip(("prompt", "fine_tune"), arms, strict=True):
        found = primary["arms"][side]
        states[side] = _against_bar(found, bar)
        told.append(f"{arm['name']} {states[side]} it")
    sentence = f"{quality['sentence']} Against the bar of {bar * 100:g} %: {', '.join(told)}."
    if plan.look["looks"] > 1:
        sentence += f" (Intervals of {percent_of(1 - plan.look['error'])} %, for this look.)"
    if primary.get("scope") == "this-method":
        return quality | {
            "sentence": f"{sentence} That decides nothing here, since it counts no chance but the rows'."
        }
    reaching = [side for side, state in states.items() if state == "reaches"]
    if set(states.values()) == {"misses"}:
        return _part("not_applicable", f"{sentence} Neither arm is of use.",
                     "a larger model, or more rows to train on")  # fmt: skip
    if len(reaching) == 1 and "misses" in states.values():
        return _part(reaching[0], f"{sentence} Only {SIDES[reaching[0]]} reaches it.", None)
    if quality["answer"] in SIDES and states[quality["answer"]] != "reaches":
        return _part("cant_tell", sentence, "more test rows, until the interval leaves the bar")
    return quality | {"sentence": sentence}


def _against_bar(found: dict, bar: float) -> str:
    if found["low"] is None:
        return "can't be told from"
    if found["low"] >= bar:
        return "reaches"
    return "misses" if found["high"] < bar else "can't be told from"


def _latency(prompt: dict, tuned: dict, target_ms: float | None) -> dict:
    """Whether each arm's p95 of single requests meets the target that the scenario sets."""
    seen = (
        f"p95 of single requests: {prompt['name']} {prompt['p95_latency_ms']:.0f} ms, "
        f"{tuned['name']} {tuned['p95_latency_ms']:.0f} ms"
    )
    changed = _speed_changed(prompt, tuned)
    if target_ms is None:
        return _part("not_applicable", f"{seen}; the scenario sets no target.{changed or ''}",
                     "latency_target_p95_ms in [decision]")  # fmt: skip
    if changed:
        return _part("cant_tell", f"{seen}.{changed}", "a run on a machine that does nothing else")
    meets = [_meets(arm, target_ms) for arm in (prompt, tuned)]
    if None in meets:
        return _part("cant_tell", f"{seen}; so few requests can't tell that from {target_ms:g} ms.",
                     "more timed requests (a run without --quick times 100)")  # fmt: skip
    if meets[0] != meets[1]:
        answer = "fine_tune" if meets[1] else "prompt"
        return _part(answer, f"{seen}; only {SIDES[answer]} meets {target_ms:g} ms.", None)
    both = "both meet" if meets[0] else "neither meets"
    return _part("not_applicable", f"{seen}; {both} the target of {target_ms:g} ms.", None)


def _meets(arm: dict, target_ms: float) -> bool | None:
    """By the interval of the p95 where it is known; None where the target lies inside."""
    low, high = arm.get("p95_latency_interval_ms") or (arm["p95_latency_ms"],) * 2
    if high is not None and high <= target_ms:
        return True
    return False if low is not None and low > target_ms else None


def _speed_changed(prompt: dict, tuned: dict) -> str | None:
    """Whether the machine was faster for one arm than for the other, by a fixed piece of work."""
    speeds = prompt.get("machine_gflops"), tuned.get("machine_gflops")
    if None in speeds or max(speeds) <= SPEEDS_APART * min(speeds):
        return None
    return (
        f" The machine's speed changed between the two: the same product ran at {speeds[0]:.0f} "
        f"and {speeds[1]:.0f} GFLOP/s, so other work can't be told from the arms'."
    )


def _cost(prompt: dict, tuned: dict, decision: Decision) -> dict:
    """Dollars of 1,000 requests, or of all requests of the horizon with the set-up."""
    prices = prompt["usd_per_1000_requests"], tuned["usd_per_1000_requests"]
    if None in prices:
        return _part(
            "not_applicable",
            "No price for this machine was given.",
            "this machine's price, by --usd-per-hour",
        )
    sentence = (
        f"1,000 requests on this machine: {prompt['name']} ${prices[0]:.4f}, "
        f"{tuned['name']} ${prices[1]:.4f}, before training and labels."
    )
    volume, months = decision.requests_per_month, decision.horizon_months
    if volume and months:
        prices = tuple(
            arm["usd_per_1000_requests"] * volume * months / 1000 + arm["setup_usd"]
            for arm in (prompt, tuned)
        )
        sentence = (
            f"{volume:,} requests a month over {months:g} months, with choosing and training, on "
            f"this machine: {prompt['name']} ${prices[0]:,.2f}, {tuned['name']} ${prices[1]:,.2f}, "
            "before labels and people's time."
        )
    if changed := _speed_changed(prompt, tuned):
        return _part(
            "cant_tell", f"{sentence}{changed}", "a run on a machine that does nothing else"
        )
    answer = "fine_tune" if prices[1] < prices[0] else "prompt"
    return _part(answer, sentence, "several runs, for the spread")


def _overall(quality: dict, latency: dict) -> dict:
    """Quality decides; an arm that misses the latency target alone can't be chosen."""
    answer = quality["answer"]
    if latency["answer"] in SIDES and answer in SIDES and latency["answer"] != answer:
        return _part(
            "cant_tell",
            f"Quality speaks for {SIDES[answer]}, but only the other arm is fast enough.",
            "a faster model or machine for the better arm, or another latency target",
        )
    return _part(answer, quality["sentence"], quality["would_settle"])


def _scope(
    plan: Plan,
    primary: dict | None,
    by_name: dict[str, dict],
    n: int,
    usd_per_hour: float | None,
) -> str:
    """Which models and rows this speaks of, so that nobody reads more into it."""
    title = plan.scenario["title"]
    if primary is None:
        return f"{n} test rows of '{title}'; no two arms were compared."
    prompted, tuned = primary["baseline_model"], primary["model"]
    arms = f"{tuned}, prompted and tuned," if prompted == tuned else (
        f"{prompted} prompted and {tuned} tuned"
    )  # fmt: skip
    planned = len({t.seed for t in plan.trials if t.name == primary["challenger"]})
    seeds = min(
        planned, by_name[primary["challenger"]].get("seeds", planned)
    )  # those that ended well
    of = "the methods" if primary.get("scope") == "this-method" else "these prompts and weights"
    return (
        f"This speaks of {arms} on {n} test rows of '{title}' in "
        f"{primary['groups']} groups, with {seeds} training seed{'s' if seeds > 1 else ''} of "
        f"{next(t.n_train for t in plan.trials if t.name == primary['challenger'])} rows, and of "
        f"{of}; it says nothing about larger or other models: run few-shot@MODEL to test one, as in "
        f"`{command(plan, primary['challenger'], usd_per_hour)}`."
    )
