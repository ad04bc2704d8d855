"""The verdict: drawn from the primary comparison's interval alone, never from a point."""

from __future__ import annotations

from bench.plan import Plan
from bench.statistics import rows_to_narrow, rows_to_settle, wilson
from scenarios.schema import Scenario

SIDES = {"fine_tune": "fine-tuning", "prompt": "prompting"}


def make_verdict(
    plan: Plan, scenario: Scenario, contenders: list[dict], comparisons: list[dict], n: int
) -> dict:
    """Quality, latency, cost and overall, each `answer`, `sentence`, `would_settle`; and a scope."""
    primary = next((c for c in comparisons if c["primary"]), None)
    by_name = {contender["name"]: contender for contender in contenders}
    quality = _quality(primary, plan)
    if primary is None:
        missing = _part("not_applicable", "There are no two arms to compare.", None)
        return {"quality": quality, "latency": missing, "cost": missing, "overall": quality,
                "scope": _scope(plan, primary, n)}  # fmt: skip
    arms = by_name[primary["baseline"]], by_name[primary["challenger"]]
    latency = _latency(*arms, scenario.decision.latency_target_p95_ms)
    cost = _cost(*arms)
    return {
        "quality": quality,
        "latency": latency,
        "cost": cost,
        "overall": _overall(quality, latency, cost),
        "scope": _scope(plan, primary, n),
    }


def _part(answer: str, sentence: str, would_settle: str | None) -> dict:
    return {"answer": answer, "sentence": sentence, "would_settle": would_settle}


def _points(share: float) -> str:
    return f"{abs(share) * 100:.1f} points"


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
        f"95 % interval {low * 100:+.1f} to {high * 100:+.1f}, on {primary['n']} rows"
    )
    if low > margin:
        return _part("fine_tune", f"{interval}: better by more than the margin of "
                     f"{_points(margin)}.", None)  # fmt: skip
    if high < margin:
        return _part("prompt", f"{interval}: tuning doesn't gain the margin of "
                     f"{_points(margin)} that would pay for it.", None)  # fmt: skip
    sentence = f"{interval}: the margin of {_points(margin)} lies inside, so these rows can't tell."
    return _part("cant_tell", sentence, _rows_that_settle(primary))


def _rows_that_settle(primary: dict) -> str:
    """How many rows, from the margin and how much the arms disagree, never from the gain seen."""
    n, margin = primary["n"], primary["margin"]
    if primary["discordant_share"] is None:
        rows = rows_to_narrow(n, (primary["high"] - primary["low"]) / 2, margin)
        return f"about {max(rows, n + 1):,} independent test rows, which narrow the interval enough"
    discordance = wilson(primary["discordant_share"] * n, n)[1]  # at most, by these rows
    rows = rows_to_settle(discordance, margin)
    return (
        f"about {max(rows, n + 1):,} independent test rows, or fewer if the arms disagree on less "
        f"than {discordance:.0%} of them"
    )


def _latency(prompt: dict, tuned: dict, target_ms: float | None) -> dict:
    """Whether each arm's p95 of single requests meets the target that the scenario sets."""
    seen = (
        f"p95 of single requests: {prompt['name']} {prompt['p95_latency_ms']:.0f} ms, "
        f"{tuned['name']} {tuned['p95_latency_ms']:.0f} ms"
    )
    if target_ms is None:
        return _part("not_applicable", f"{seen}; the scenario sets no target.",
                     "latency_target_p95_ms in [decision]")  # fmt: skip
    meets = [arm["p95_latency_ms"] <= target_ms for arm in (prompt, tuned)]
    if meets[0] != meets[1]:
        answer = "fine_tune" if meets[1] else "prompt"
        return _part(answer, f"{seen}; only {SIDES[answer]} meets {target_ms:g} ms.", None)
    both = "both meet" if meets[0] else "neither meets"
    return _part("not_applicable", f"{seen}; {both} the target of {target_ms:g} ms.", None)


def _cost(prompt: dict, tuned: dict) -> dict:
    prices = prompt["usd_per_1000_requests"], tuned["usd_per_1000_requests"]
    if None in prices:
        return _part(
            "not_applicable",
            "No price for this machine was given.",
            "this machine's price, by --usd-per-hour",
        )
    answer = "fine_tune" if prices[1] < prices[0] else "prompt"
    sentence = (
        f"1,000 requests on this machine: {prompt['name']} ${prices[0]:.4f}, "
        f"{tuned['name']} ${prices[1]:.4f}, before training and labels."
    )
    return _part(answer, sentence, "several runs, for the spread")


def _overall(quality: dict, latency: dict, cost: dict) -> dict:
    """Quality decides; an arm that misses the latency target alone can't be chosen."""
    answer = quality["answer"]
    if latency["answer"] in SIDES and answer in SIDES and latency["answer"] != answer:
        return _part(
            "cant_tell",
            f"Quality speaks for {SIDES[answer]}, but only the other arm is fast enough.",
            "a faster model or machine for the better arm, or another latency target",
        )
    if answer in SIDES:
        return _part(answer, quality["sentence"], None)
    return _part(answer, quality["sentence"], quality["would_settle"])


def _scope(plan: Plan, primary: dict | None, n: int) -> str:
    """Which models and rows this speaks of, so that nobody reads more into it."""
    title = plan.scenario["title"]
    if primary is None:
        return f"{n} test rows of '{title}'; no two arms were compared."
    prompted, tuned = primary["baseline_model"], primary["model"]
    arms = f"{tuned}, prompted and tuned," if prompted == tuned else (
        f"{prompted} prompted and {tuned} tuned"
    )  # fmt: skip
    seeds = len({t.seed for t in plan.trials if t.name == primary["challenger"]})
    return (
        f"This speaks of {arms} on {n} test rows of '{title}' in "
        f"{primary['groups']} groups, with {seeds} training seed{'s' if seeds > 1 else ''} of "
        f"{next(t.n_train for t in plan.trials if t.name == primary['challenger'])} rows; it "
        "says nothing about larger or other models: run few-shot@MODEL to test one."
    )
