"""What a learning curve's trials left on disk, as the record's `curve`: points, fits, the crossover."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from statistics import median
from typing import NamedTuple, cast

import numpy as np

from advisor.money.assumptions import assumed
from bench.core.files import Point
from bench.core.folder import RunFolder, point_name
from bench.core.plan import Curve, Plan, Trial
from bench.metrics import Metric, load_metric, texts
from bench.record.estimates import WHOLE, as_json
from bench.record.results import HeldOut, Results, Setting
from bench.record.types import (
    CrossoverEntry,
    CurveArm,
    CurveRecord,
    FitEntry,
    Labels,
    Place,
    PointEntry,
)
from bench.record.words import counted, listed
from bench.statistics import learning_curve
from bench.statistics.intervals import (
    LEVEL,
    Estimate,
    resampled,
    share,
    too_little_to_resample,
)
from bench.statistics.learning_curve import Crossover, Fit

FEWEST_DRAWS = 3
"""Of labelled rows, with which a crossover generalises beyond them."""


class Block(NamedTuple):
    """Seeds that all have the points of some sizes."""

    seeds: list[int]
    sizes: list[int]


@dataclass(frozen=True)
class Arm:
    """An arm's finished points. `predicted` holds the answers as texts, by seed and size."""

    name: str
    family: str
    model: str | None
    predicted: dict[tuple[int, int], np.ndarray]
    facts: dict[tuple[int, int], Point]

    @property
    def flat(self) -> bool:
        """Whether it uses no labelled rows, and is the same at each size."""
        return bool(self.predicted) and all(size == 0 for _, size in self.predicted)

    def block(self, seeds: Sequence[int], sizes: Sequence[int]) -> Block:
        """The seeds that have all of the first sizes, with most points; of equals with most sizes."""
        blocks = []
        for count in range(len(sizes), 0, -1):
            whole = [s for s in seeds if all((s, n) in self.predicted for n in sizes[:count])]
            blocks.append(Block(whole, list(sizes[:count])))
        found = max(blocks, key=lambda one: len(one.seeds) * len(one.sizes), default=Block([], []))
        return found if found.seeds else Block([], [])


def arms_of(folder: RunFolder, plan: Plan, ids: Sequence[str]) -> list[Arm]:
    """Every arm of the plan's curve, if it has one, with the points whose answers are complete."""
    found: dict[str, Arm] = {}
    for trial in plan.curve.trials if plan.curve else ():
        arm = found.setdefault(trial.name, Arm(trial.name, trial.family, trial.model, {}, {}))
        for size in trial.sizes:
            point = _point(folder, trial, size, ids)
            if point is not None:
                arm.predicted[trial.seed, size], arm.facts[trial.seed, size] = point
    return list(found.values())


def _point(
    folder: RunFolder, trial: Trial, size: int, ids: Sequence[str]
) -> tuple[np.ndarray, Point] | None:
    facts = folder.point(trial, size)
    answers = folder.answers(point_name(trial, size))
    if facts is None or answers.keys() != set(ids):
        return None
    return texts([answers[id_] for id_ in ids]), facts


@dataclass(frozen=True)
class _Setting(Setting):
    """What a curve's answers are counted by."""

    curve: Curve

    @property
    def margin(self) -> float:
        """By how much tuning must be ahead, as a share."""
        return self.plan.scenario.decision.margin

    def of_arm(self, arm: Arm, seeds: Sequence[int], sizes: Sequence[int]) -> np.ndarray:
        """Each row's part of the metric, shape (seeds, sizes, rows, k)."""
        own = [0] * len(sizes) if arm.flat else sizes
        return np.stack([[self.statistics(arm.predicted[s, n]) for n in own] for s in seeds])


def make_curve_record(plan: Plan, curve: Curve, arms: Sequence[Arm], test: HeldOut) -> CurveRecord:
    """The record's `curve`, as plain JSON values, without the outcomes of its `trials`."""
    setting = _Setting(plan, load_metric(plan.task.metrics[0]), test, curve)
    whole = not isinstance(setting.metric, Metric)
    shown = _shown(curve, arms)
    crossovers = [] if whole else _crossovers(setting, arms)
    return {
        "metric": setting.metric.name,
        "margin": setting.margin,
        "sizes": list(curve.sizes),
        "seeds": list(curve.seeds),
        "choices": curve.choices,
        "test_rows": test.count,
        "test_groups": test.group_count,
        "resamples": learning_curve.RESAMPLES,
        "level": LEVEL,
        "arms": [_arm(setting, arm, shown) for arm in arms],
        "crossovers": crossovers,
        "no_crossover": None if crossovers else _why_none(curve, arms, whole),
        "trials": [],
    }


def _shown(curve: Curve, arms: Sequence[Arm]) -> list[int]:
    """The places at which fitted curves are shown: the same for all."""
    done = {n for arm in arms for _, n in arm.predicted if n} or set(curve.sizes)
    return learning_curve.places_to_show(sorted(done))


def _arm(setting: _Setting, arm: Arm, shown: Sequence[int]) -> CurveArm:
    """An arm's points and its fitted curve, or why there is none."""
    found: CurveArm = {
        "name": arm.name,
        "family": arm.family,
        "model": arm.model,
        "flat": arm.flat,
        "points": [],
        "fit": None,
        "fit_reason": None,
    }
    block = arm.block(setting.curve.seeds, [0] if arm.flat else setting.curve.sizes)
    if not block.seeds:
        return {**found, "fit_reason": "no size has finished"}
    if not isinstance(setting.metric, Metric):
        points = _points(setting, arm, block, _values_alone(setting, arm, block))
        return {**found, "points": points, "fit_reason": WHOLE}
    if arm.flat:
        points = _points(setting, arm, block, [_of_flat(setting, arm, block.seeds[0])])
        return {**found, "points": points, "fit_reason": "it uses no labelled rows"}
    metric, groups = setting.metric, setting.test.groups
    statistics = setting.of_arm(arm, *block)
    draws = learning_curve.drawn(groups, len(block.seeds), setting.plan.seed)
    resamples = learning_curve.resampled(statistics, metric.value, draws)
    estimates = learning_curve.bands(statistics, metric.value, groups, resamples, metric.share)
    means = learning_curve.points(statistics, metric.value).mean(axis=0)
    fit = learning_curve.fit_curve(block.sizes, means, resamples, shown)
    return {
        **found,
        "seeds": block.seeds,
        "points": _points(setting, arm, block, estimates),
        "fit": cast(FitEntry, asdict(fit)) if isinstance(fit, Fit) else None,
        "fit_reason": None if isinstance(fit, Fit) else fit,
    }


def _values_alone(setting: _Setting, arm: Arm, block: Block) -> list[Estimate]:
    """Means over the seeds, without intervals, of a metric that can't be resampled."""
    values = [[setting.value(arm.predicted[s, n]) for n in block.sizes] for s in block.seeds]
    n = setting.test.count
    return [
        Estimate(float(mean), None, None, LEVEL, n, "none", WHOLE)
        for mean in np.mean(values, axis=0)
    ]


def _of_flat(setting: _Setting, arm: Arm, seed: int) -> Estimate:
    """The metric of an arm that uses no labelled rows."""
    metric, test, predicted = setting.summed, setting.test, arm.predicted[seed, 0]
    statistics = setting.statistics(predicted)
    if metric.share:
        return share(metric.value(statistics), test.groups)
    wrong = predicted != test.gold
    return resampled(statistics, metric.value, test.groups, setting.plan.seed, wrong)


def _points(
    setting: _Setting, arm: Arm, block: Block, estimates: Sequence[Estimate]
) -> list[PointEntry]:
    """Each size's mean with its band, each seed's value, and what the labels were used for."""
    found: list[PointEntry] = []
    for size, estimate in zip(block.sizes, estimates, strict=True):
        facts = [arm.facts[seed, size] for seed in block.seeds]
        found.append(
            {
                "size": size,
                **as_json(estimate),
                "by_seed": {
                    str(seed): setting.value(arm.predicted[seed, size]) for seed in block.seeds
                },
                "learnt_from": median(one["learnt_from"] for one in facts),
                "chosen_by": median(one["chosen_by"] for one in facts),
                "looked_through": median(one["looked_through"] for one in facts),
                "fit_seconds": median(one["fit_seconds"] for one in facts),
                "answer_seconds": median(one["answer_seconds"] for one in facts),
            }
        )
    return found


def _crossovers(setting: _Setting, arms: Sequence[Arm]) -> list[CrossoverEntry]:
    """One for each tuned arm, the primary comparison's first; none where a side has no points."""
    curve = setting.curve
    prompts = [arm for arm in arms if arm.family == "prompt" and arm.predicted]
    tuned = [arm for arm in arms if arm.family == "fine_tune" and arm.predicted]
    found = []
    for arm in sorted(tuned, key=lambda arm: arm.name != curve.compared.challenger):
        together = [arm, *(p for p in prompts if not p.flat)]
        block = _common(together, curve.seeds, curve.sizes)
        if prompts and len(block.sizes) > 1:
            found.append(_crossover(setting, arm, prompts, block))
    return found


def _common(arms: Sequence[Arm], seeds: Sequence[int], sizes: Sequence[int]) -> Block:
    """The block of seeds and sizes that all of some arms have."""
    shared = set.intersection(*(set(arm.predicted) for arm in arms))
    merged = Arm("", "", None, dict.fromkeys(shared, np.empty(0)), {})
    return merged.block(seeds, sizes)


def _crossover(setting: _Setting, arm: Arm, prompts: Sequence[Arm], block: Block) -> CrossoverEntry:
    """Where a tuned arm overtakes every prompting arm."""
    groups = setting.test.groups
    draws = learning_curve.drawn(groups, len(block.seeds), setting.plan.seed)

    def resamples(one: Arm) -> np.ndarray:
        own = block.seeds
        if one.flat:
            own = [s for s in setting.curve.seeds if (s, 0) in one.predicted][:1]
        statistics = setting.of_arm(one, own, block.sizes)
        return learning_curve.resampled(statistics, setting.summed.value, draws)

    found = learning_curve.crossover(
        block.sizes, resamples(arm), [resamples(one) for one in prompts], setting.margin
    )
    reason = too_little_to_resample(groups, _differ(arm, prompts, block))
    if reason:
        found = replace(found, answer="cant_tell")
    entry: CrossoverEntry = {
        "answer": found.answer,
        "after": found.after,
        "at_most": found.at_most,
        "share": found.share,
        "shares": cast(list[Place], list(found.shares)),
        "low": cast(Place, found.low),
        "high": cast(Place, found.high),
        "reason": reason,
        "challenger": arm.name,
        "prompts": [one.name for one in prompts],
        "sizes": block.sizes,
        "seeds": block.seeds,
        "margin": setting.margin,
        "labels": _labels(setting, found, arm, block),
        "sentence": "",
    }
    entry["sentence"] = sentence(entry)
    return entry


def _differ(arm: Arm, prompts: Sequence[Arm], block: Block) -> np.ndarray:
    """Test rows that the tuned arm and some prompt answer differently, at some size and seed."""
    asked = [
        (arm.predicted[s, n], next(iter(one.predicted.values())) if one.flat else one.predicted[s, n])
        for one in prompts for s in block.seeds for n in block.sizes
    ]  # fmt: skip
    return np.any([ours != theirs for ours, theirs in asked], axis=0)


def _labels(setting: _Setting, found: Crossover, arm: Arm, block: Block) -> Labels:
    """What labelling the rows up to the crossover costs, or all rows of the curve without one.

    By the price of a label that `advisor cost` takes. The upper end also counts rows that are looked
    through to balance the labels.
    """
    rows, least = block.sizes[-1], block.sizes[-1]
    if found.answer in ("bracket", "from_the_smallest"):
        assert found.at_most is not None
        rows = least = found.at_most
    if found.answer == "bracket":
        least = (found.after or 0) + 1
    through = int(max(arm.facts[seed, rows]["looked_through"] for seed in block.seeds))
    price = assumed(setting.plan.scenario.profile)["labelling_usd_per_example"]
    return {
        "rows": rows,
        "rows_looked_through": through,
        "usd": rows * price.range.value,
        "usd_low": least * price.range.low,
        "usd_high": max(rows, through) * price.range.high,
        "usd_per_label": price.range.value,
        "source": price.source,
        "as_of": price.as_of.isoformat() if price.as_of else None,
    }


def sentence(found: CrossoverEntry) -> str:
    """The crossover in words, with the share of resamples behind it."""
    tuned, prompts, seeds = found["challenger"], listed(found["prompts"]), len(found["seeds"])
    margin, largest_size = (
        f"{found['margin'] * 100:g} points",
        f"{found['sizes'][-1]} labelled rows",
    )
    if found.get("reason"):
        return f"Can't tell how many labelled rows {tuned} needs to be ahead: {found['reason']}."
    drawn = f"test rows and {counted(seeds, 'seed')}" if seeds > 1 else "test rows"
    behind = f"{found['share'] * 100:.1f}% of the resamples of {drawn}"
    ahead = f"{tuned} is ahead of {prompts} by more than {margin}"
    if found["answer"] == "from_the_smallest":
        said = (
            f"{ahead} from the smallest size, {found['at_most']} labelled rows, onwards ({behind})."
        )
    elif found["answer"] == "not_reached":
        said = (
            f"Not reached with these rows: at {largest_size} {tuned} isn't ahead of {prompts} by more "
            f"than {margin} ({behind})."
        )
    elif found["answer"] == "cant_tell":
        said = _open(found, f"{ahead} at {largest_size}", drawn)
    else:
        said = _bracket(found, ahead, behind)
    return said + _of_few_draws(seeds)


def _open(found: CrossoverEntry, ahead: str, drawn: str) -> str:
    """That the resamples disagree, and how many would have to agree."""
    missed = next(place["share"] for place in found["shares"] if place["at_most"] is None)
    return (
        f"Can't tell whether {ahead}: that holds in {(1 - missed) * 100:.1f}% of the resamples of "
        f"{drawn}, and {learning_curve.SURE * 100:g}% would have to agree, for or against."
    )


def _bracket(found: CrossoverEntry, ahead: str, behind: str) -> str:
    """Between which sizes tuning overtakes, with the places that hold 95% of the resamples."""
    low, high = _end(found["low"]), _end(found["high"])
    spread = "" if low == high else f"; 95% of them between {low} and {high}"
    if found["after"] is None:
        return (
            f"{ahead}, most likely from the smallest size, {found['at_most']} labelled rows, onwards "
            f"({behind}{spread})."
        )
    return (
        f"{ahead} from a size between {found['after'] + 1} and {found['at_most']} labelled rows onwards "
        f"({behind}{spread})."
    )


def _of_few_draws(seeds: int) -> str:
    """That a crossover from few draws of the labelled rows holds for these only."""
    if seeds >= FEWEST_DRAWS:
        return ""
    draws = counted(seeds, "draw")
    return f" With {draws} of labelled rows, this doesn't generalise to other draws."


def _end(place: Place) -> str:
    """A place's upper end, in labelled rows."""
    return "never" if place["at_most"] is None else str(place["at_most"])


def _why_none(curve: Curve, arms: Sequence[Arm], whole: bool) -> str:
    if whole:
        return WHOLE
    for family, side in (("prompt", "prompting"), ("fine_tune", "tuning")):
        if not any(trial.family == family for trial in curve.trials):
            return f"no {side} arm was asked for; name one in --only"
        if not any(arm.family == family and arm.predicted for arm in arms):
            return f"no {side} arm has finished a size"
    return "both sides have finished fewer than two sizes in common"


def largest(plan: Plan, arms: Sequence[Arm]) -> Block | None:
    """The largest size that the primary comparison's arms share, with the seeds that have it."""
    assert plan.curve is not None
    compared = plan.curve.compared
    pair = compared.baseline, compared.challenger
    own = [arm for arm in arms if arm.name in pair and arm.predicted and not arm.flat]
    if not own:
        return None
    block = _common(own, plan.curve.seeds, plan.curve.sizes)
    return Block(block.seeds, block.sizes[-1:]) if block.sizes else None


def results_at(arms: Sequence[Arm], block: Block | None) -> dict[str, Results]:
    """The arms' answers at a block's largest size, as a run's results; none without a block."""
    if block is None:
        return {}
    size = block.sizes[-1]
    found = {}
    for arm in arms:
        if arm.flat:
            predicted = [next(iter(arm.predicted.values()))]
        else:
            predicted = [arm.predicted[s, size] for s in block.seeds if (s, size) in arm.predicted]
        if predicted:
            found[arm.name] = Results(arm.name, arm.family, arm.model, np.stack(predicted), None)
    return found
