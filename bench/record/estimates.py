"""Metrics with their confidence intervals, and the comparisons of contenders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bench.core.plan import Look, Plan
from bench.metrics import Metric, load_metric
from bench.record.results import HeldOut, Results, Setting
from bench.record.types import Comparison, EstimateDict, Variance
from bench.statistics import intervals as statistics
from bench.statistics.intervals import Estimate

WHOLE = "a metric of the evaluate library has no per-row sums to resample"


def as_json(estimate: Estimate) -> EstimateDict:
    """An estimate as the record holds it."""
    return {
        "value": estimate.value,
        "low": estimate.low,
        "high": estimate.high,
        "level": estimate.level,
        "n": estimate.n,
        "method": estimate.method,
        "reason": estimate.reason,
    }


def estimates_of(
    plan: Plan, results: Mapping[str, Results], test: HeldOut
) -> dict[str, dict[str, EstimateDict]]:
    """Each metric of each contender with its confidence interval."""
    settings = [Setting(plan, load_metric(name), test) for name in plan.task.metrics]
    return {
        name: {setting.metric.name: as_json(_estimate(setting, arm)) for setting in settings}
        for name, arm in results.items()
    }


def _estimate(setting: Setting, arm: Results, level: float = statistics.LEVEL) -> Estimate:
    """A metric over the test rows, averaged over the seeds row by row."""
    test = setting.test
    if not isinstance(setting.metric, Metric):
        value = float(np.mean([setting.value(seed) for seed in arm.predicted]))
        return Estimate(value, None, None, level, test.count, "none", WHOLE)
    metric = setting.metric
    if metric.share:
        right = _right_by_seed(setting, arm).mean(axis=0)
        return statistics.share(right, test.groups, level)
    wrong = (arm.predicted != test.gold).any(axis=0)

    def mean(sums: np.ndarray) -> np.ndarray:
        return metric.value(sums).mean(axis=-1)

    sums = _statistics(setting, arm)
    return statistics.resampled(sums, mean, test.groups, setting.plan.seed, wrong, level)


def _statistics(setting: Setting, arm: Results) -> np.ndarray:
    """Shape (rows, seeds, k): a seed's formula first, then their mean."""
    return np.stack([setting.statistics(seed) for seed in arm.predicted], axis=1)


def _right_by_seed(setting: Setting, arm: Results) -> np.ndarray:
    """Whether each seed answered each row correctly, shape (seeds, rows)."""
    return setting.summed.value(_statistics(setting, arm)).T


def comparisons_of(plan: Plan, results: Mapping[str, Results], test: HeldOut) -> list[Comparison]:
    """The primary comparison, and the plan's family of exploratory ones, Holm-adjusted.

    `p_adjusted` is to be compared with 0.05, whichever interim analysis this is. The primary one's
    `arms` are each arm's own estimate at the level of this analysis.
    """
    primary = _primary_pair(plan, results)
    setting = Setting(plan, load_metric(plan.task.metrics[0]), test)
    found = []
    for pair in plan.family:
        if not set(pair) <= results.keys():
            continue
        baseline, challenger = results[pair[0]], results[pair[1]]
        comparison = _compared(setting, baseline, challenger, primary=pair == primary)
        if pair == primary:
            level = 1 - plan.look.error
            comparison["arms"] = {
                "prompt": as_json(_estimate(setting, baseline, level)),
                "fine_tune": as_json(_estimate(setting, challenger, level)),
            }
        found.append(comparison)
    _adjust(found, plan.look)
    return sorted(found, key=lambda comparison: not comparison["primary"])


def between_sides(comparison: Comparison) -> bool:
    """Whether neither arm is a classifier between prompting and tuning."""
    return "between" not in (comparison["baseline_family"], comparison["challenger_family"])


def _primary_pair(plan: Plan, results: Mapping[str, Results]) -> tuple[str, str] | None:
    """The prompting arm and the tuned arm with the highest score on the validation rows."""
    if plan.primary is None:
        return None
    pair = []
    for names in (plan.primary.baseline, plan.primary.challenger):
        arms = [results[name] for name in names if name in results]
        if not arms:
            return None
        pair.append(max(arms, key=lambda arm: arm.validation_score or 0.0).name)
    return pair[0], pair[1]


def _adjust(comparisons: Sequence[Comparison], look: Look) -> None:
    """Set what each p-value is after the interim analyses and the exploratory family."""
    of_look = f"for look {look.look} of {look.looks}" if look.looks > 1 else ""
    for comparison in comparisons:
        p_value = comparison["p_value"]
        if p_value is not None:
            p_value = statistics.p_at_look(p_value, look.look, look.looks)
        comparison["p_adjusted"] = p_value
        comparison["adjustment"] = of_look or "none"
    others = [c for c in comparisons if not c["primary"] and c["p_value"] is not None]
    p_values = [c["p_adjusted"] for c in others if c["p_adjusted"] is not None]
    for comparison, p_value in zip(others, statistics.holm(p_values), strict=True):
        how = f"after Holm over {len(others)}"
        comparison["p_adjusted"] = p_value
        comparison["adjustment"] = f"{of_look}, {how}" if of_look else how


def _compared(
    setting: Setting, baseline: Results, challenger: Results, primary: bool
) -> Comparison:
    """The challenger's gain over the baseline, before p-values are adjusted."""
    plan, metric = setting.plan, setting.metric
    difference = _difference(setting, baseline, challenger)
    estimate, split = difference.estimate, difference.split
    method = f"{estimate.method}; {difference.test}" if difference.test else estimate.method
    variance: Variance | None = None
    if split is not None:
        variance = {"sampling": split.sampling, "seed": split.seed, "draw": split.draw}
    return {
        "metric": metric.name,
        "baseline": baseline.name,
        "challenger": challenger.name,
        "baseline_family": baseline.family,
        "challenger_family": challenger.family,
        "groups": setting.test.group_count,
        "primary": primary,
        "margin": plan.scenario.decision.margin,
        "model": challenger.model,
        "baseline_model": baseline.model,
        "task": plan.scenario.name,
        "difference": estimate.value,
        "low": estimate.low,
        "high": estimate.high,
        "reason": estimate.reason,
        "level": estimate.level,
        "n": estimate.n,
        "method": method,
        "p_value": difference.p_value,
        "scope": difference.scope,
        "discordant_share": difference.discordant,
        "design_effect": difference.effect,
        "smallest_visible": difference.visible,
        "variance": variance,
        "p_adjusted": None,
    }


@dataclass(frozen=True)
class _Difference:
    """A gain with its test; `discordant`, `effect` and `visible` say what could have been seen.

    `split` is the variance by where it comes from, `scope` whether it holds for the method or only for
    these prompts and weights.
    """

    estimate: Estimate
    p_value: float | None = None
    test: str | None = None
    discordant: float | None = None
    effect: float | None = None
    visible: float | None = None
    split: statistics.Split | None = None
    scope: str = "this-model"


def _difference(setting: Setting, baseline: Results, challenger: Results) -> _Difference:
    """The challenger's gain over the baseline, with everything its interval and test say."""
    level = 1 - setting.plan.look.error
    if not isinstance(setting.metric, Metric):
        before, after = (
            np.mean([setting.value(seed) for seed in arm.predicted])
            for arm in (baseline, challenger)
        )
        n = setting.test.count
        return _Difference(Estimate(float(after - before), None, None, level, n, "none", WHOLE))
    if setting.metric.share:
        return _difference_of_shares(setting, baseline, challenger, level)
    return _difference_of_sums(setting, baseline, challenger, level)


def _difference_of_sums(
    setting: Setting, baseline: Results, challenger: Results, level: float
) -> _Difference:
    """Of a metric that is a formula over sums: by resampling, and by swapping the arms."""
    metric, groups, seed = setting.summed, setting.test.groups, setting.plan.seed

    def gain(sums: np.ndarray) -> np.ndarray:
        values = metric.value(sums).mean(axis=-1)
        return values[..., 1] - values[..., 0]

    seeds = max(len(arm.predicted) for arm in (baseline, challenger))
    each = [_statistics(setting, arm) for arm in (baseline, challenger)]
    even = [s[:, np.arange(seeds) % s.shape[1]] for s in each]  # an arm without seeds has one
    both = np.stack(even, axis=1)
    telling = (both[:, 0] != both[:, 1]).reshape(len(both), -1).any(axis=1)
    found = statistics.resampled(both, gain, groups, seed, telling, level)
    p_value = statistics.swap_p(both, gain, groups, seed)
    return _Difference(found, p_value, "arms swapped by group", visible=_visible(found, level))


def _visible(found: Estimate, level: float) -> float | None:
    """The smallest difference that could have been seen, by the interval's width."""
    if found.low is None or found.high is None:
        return None
    return statistics.smallest_visible_by_width((found.high - found.low) / 2, level)


def _difference_of_shares(
    setting: Setting, baseline: Results, challenger: Results, level: float
) -> _Difference:
    """Of a metric that is a share of right rows: of the methods with five seeds, else of the models."""
    groups, plan = setting.test.groups, setting.plan
    before, after = _right_by_seed(setting, baseline), _right_by_seed(setting, challenger)
    rows_before, rows_after = before.mean(axis=0), after.mean(axis=0)
    discordant = float(np.abs(rows_before - rows_after).mean())
    effect = statistics.design_effect(rows_after - rows_before, groups)
    seeded = []
    for arm in (baseline, challenger):
        planned = {trial.seed for trial in plan.trials if trial.name == arm.name}
        if len(planned) > 1 or len(arm.predicted) > 1:
            seeded.append(len(arm.predicted))
    split = statistics.split_variance(before, after, groups) if seeded else None
    if seeded and min(seeded) >= statistics.FEWEST_SEEDS:
        found = statistics.difference_of_methods(before, after, groups, level)
        p_value = statistics.methods_p_value(before, after, groups)
        visible = _visible(found, level)
        return _Difference(
            found, p_value, "t", discordant, effect, visible, split, scope="this-method"
        )
    found = statistics.paired_difference(rows_before, rows_after, groups, level)
    p_value, test = statistics.paired_p_value(rows_before, rows_after, groups, plan.seed)
    visible = statistics.smallest_visible(discordant, setting.test.count, effect, level)
    return _Difference(found, p_value, test, discordant, effect, visible, split)
