"""What a learning curve's trials left on disk, as the record's `curve`: points, fits, the crossover."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median

import numpy as np

from advisor.money.assumptions import assumed
from bench.core.folder import answers_in, point_file, point_name, read_or_none
from bench.metrics import Metric, load_metric, texts
from bench.planning.make import Plan, Trial
from bench.record.results import Results
from bench.statistics import learning_curve
from bench.statistics.intervals import LEVEL, Estimate, too_little_to_resample
from bench.statistics.learning_curve import Crossover
from scenarios.schema import Scenario

FEWEST_DRAWS = 3
"""Of labelled rows, with which a crossover speaks of more than these."""
WHOLE = "a metric of the evaluate library gives no sums to resample"


@dataclass(frozen=True)
class Arm:
    """An arm's finished points. `predicted` holds the answers as texts, by seed and size."""

    name: str
    family: str
    model: str | None
    predicted: dict[tuple[int, int], np.ndarray]
    facts: dict[tuple[int, int], dict]

    @property
    def flat(self) -> bool:
        """Whether it takes no labelled rows, and is the same at each size."""
        return bool(self.predicted) and all(size == 0 for _, size in self.predicted)

    def block(self, seeds: Sequence[int], sizes: Sequence[int]) -> tuple[list[int], list[int]]:
        """The seeds that have all of the first sizes, with most points; of equals with most sizes."""
        blocks = []
        for count in range(len(sizes), 0, -1):
            whole = [s for s in seeds if all((s, n) in self.predicted for n in sizes[:count])]
            blocks.append((whole, list(sizes[:count])))
        found = max(blocks, key=lambda block: len(block[0]) * len(block[1]), default=([], []))
        return found if found[0] else ([], [])


def arms_of(folder: Path, plan: Plan, ids: Sequence[str]) -> list[Arm]:
    """Every arm of the curve with the points whose answers are all there."""
    found: dict[str, Arm] = {}
    for trial in plan.curve.trials:
        arm = found.setdefault(trial.name, Arm(trial.name, trial.family, trial.model, {}, {}))
        for size in trial.sizes:
            point = _point(folder, trial, size, ids)
            if point is not None:
                arm.predicted[trial.seed, size], arm.facts[trial.seed, size] = point
    return list(found.values())


def _point(folder: Path, trial: Trial, size: int, ids: Sequence[str]):
    facts = read_or_none(point_file(folder, trial.slug, size))
    answers = answers_in(folder / "answers" / f"{point_name(trial.slug, size)}.jsonl")
    if facts is None or answers.keys() != set(ids):
        return None
    return texts([answers[id_] for id_ in ids]), facts


def make_curve_record(
    plan: Plan, arms: Sequence[Arm], outcomes: dict[str, dict], gold: np.ndarray, groups: np.ndarray
) -> dict:
    """The record's `curve`, as plain JSON values."""
    scenario = Scenario.model_validate(plan.scenario)
    metric = load_metric(scenario.task.metrics[0])
    curve = plan.curve
    whole = not isinstance(metric, Metric)
    shown = _shown(plan, arms)
    crossovers = [] if whole else _crossovers(plan, arms, metric, gold, groups, scenario)
    return {
        "metric": metric.name,
        "margin": scenario.decision.margin,
        "sizes": list(curve.sizes),
        "seeds": list(curve.seeds),
        "choices": curve.choices,
        "test_rows": len(gold),
        "test_groups": len(np.unique(groups)),
        "resamples": learning_curve.RESAMPLES,
        "level": LEVEL,
        "arms": [_told(plan, arm, metric, gold, groups, scenario, shown) for arm in arms],
        "crossovers": crossovers,
        "no_crossover": None if crossovers else _why_none(plan, arms, whole),
        "trials": [{**asdict(t), "outcome": outcomes[t.slug]} for t in curve.trials],
    }


def _shown(plan: Plan, arms: Sequence[Arm]) -> list[int]:
    """The places at which fitted curves are shown: the same for all."""
    done = {n for arm in arms for _, n in arm.predicted if n} or set(plan.curve.sizes)
    return learning_curve.places_to_show(sorted(done))


def _statistics(arm: Arm, seeds, sizes, metric: Metric, gold, labels) -> np.ndarray:
    """Shape (seeds, sizes, rows, k)."""
    own = [0] * len(sizes) if arm.flat else sizes
    return np.stack(
        [[metric.statistics(gold, arm.predicted[s, n], labels) for n in own] for s in seeds]
    )


def _told(plan, arm: Arm, metric, gold, groups, scenario, shown) -> dict:
    told = {"name": arm.name, "family": arm.family, "model": arm.model, "flat": arm.flat}
    sizes = [0] if arm.flat else list(plan.curve.sizes)
    seeds, sizes = arm.block(plan.curve.seeds, sizes)
    labels = scenario.task.labels
    if not seeds:
        return told | {"points": [], "fit": None, "fit_reason": "no size is finished"}
    if not isinstance(metric, Metric):
        values = [[metric.of(gold, arm.predicted[s, n], labels) for n in sizes] for s in seeds]
        estimates = [
            Estimate(float(v), None, None, LEVEL, len(gold), "none", WHOLE)
            for v in np.mean(values, axis=0)
        ]
        points = _points(arm, seeds, sizes, estimates, metric, gold, labels)
        return told | {"points": points, "fit": None, "fit_reason": WHOLE}
    statistics = _statistics(arm, seeds, sizes, metric, gold, labels)
    draws = learning_curve.drawn(groups, len(seeds), plan.seed)
    resamples = learning_curve.resampled(statistics, metric.value, draws)
    if arm.flat:
        from bench.statistics.intervals import resampled, share

        wrong = arm.predicted[seeds[0], 0] != gold
        estimates = [
            share(metric.value(statistics[0, 0]), groups)
            if metric.share
            else resampled(statistics[0, 0], metric.value, groups, plan.seed, wrong)
        ]
        points = _points(arm, seeds, sizes, estimates, metric, gold, labels)
        return told | {"points": points, "fit": None, "fit_reason": "it takes no labelled rows"}
    estimates = learning_curve.bands(statistics, metric.value, groups, resamples, metric.share)
    means = learning_curve.points(statistics, metric.value).mean(axis=0)
    fit = learning_curve.fit_curve(sizes, means, resamples, shown)
    points = _points(arm, seeds, sizes, estimates, metric, gold, labels)
    known = not isinstance(fit, str)
    return told | {
        "seeds": seeds,
        "points": points,
        "fit": asdict(fit) if known else None,
        "fit_reason": None if known else fit,
    }


def _points(arm: Arm, seeds, sizes, estimates, metric, gold, labels) -> list[dict]:
    """Each size's mean with its band, each seed's value, and what the labels were used for."""
    found = []
    for size, estimate in zip(sizes, estimates, strict=True):
        facts = [arm.facts[s, size] for s in seeds]
        found.append(
            {
                "size": size,
                **asdict(estimate),
                "by_seed": {
                    str(s): float(metric.of(gold, arm.predicted[s, size], labels)) for s in seeds
                },
                **{key: median(f[key] for f in facts)
                   for key in ("learnt_from", "chosen_by", "looked_through", "fit_seconds",
                               "answer_seconds")},
            }
        )  # fmt: skip
    return found


def _crossovers(plan, arms, metric: Metric, gold, groups, scenario) -> list[dict]:
    """One a tuned arm, the primary comparison's first; none where a side has no points."""
    prompts = [arm for arm in arms if arm.family == "prompt" and arm.predicted]
    tuned = [arm for arm in arms if arm.family == "fine_tune" and arm.predicted]
    first = plan.curve.compared["challenger"]
    found = []
    for arm in sorted(tuned, key=lambda arm: arm.name != first):
        together = [arm, *(p for p in prompts if not p.flat)]
        seeds, sizes = _common(together, plan.curve.seeds, plan.curve.sizes)
        if prompts and len(sizes) > 1:
            found.append(
                _crossover(plan, arm, prompts, seeds, sizes, metric, gold, groups, scenario)
            )
    return found


def _common(arms: Sequence[Arm], seeds, sizes) -> tuple[list[int], list[int]]:
    """The block of seeds and sizes that all of some arms have."""
    shared = set.intersection(*(set(arm.predicted) for arm in arms))
    merged = Arm("", "", None, dict.fromkeys(shared), {})
    return merged.block(seeds, sizes)


def _crossover(plan, arm, prompts, seeds, sizes, metric, gold, groups, scenario) -> dict:
    draws = learning_curve.drawn(groups, len(seeds), plan.seed)
    labels = scenario.task.labels

    def resamples(one: Arm) -> np.ndarray:
        own = [s for s in plan.curve.seeds if (s, 0) in one.predicted][:1] if one.flat else seeds
        statistics = _statistics(one, own, sizes, metric, gold, labels)
        return learning_curve.resampled(statistics, metric.value, draws)

    found = learning_curve.crossover(
        sizes, resamples(arm), [resamples(one) for one in prompts], scenario.decision.margin
    )
    reason = too_little_to_resample(groups, _differ(arm, prompts, seeds, sizes))
    if reason:
        found = replace(found, answer="cant_tell")
    told = asdict(found) | {
        "reason": reason,
        "challenger": arm.name,
        "prompts": [one.name for one in prompts],
        "sizes": sizes,
        "seeds": seeds,
        "margin": scenario.decision.margin,
        "labels": _labels(found, arm, seeds, sizes, scenario),
    }
    return told | {"sentence": sentence(told)}


def _differ(arm: Arm, prompts: Sequence[Arm], seeds, sizes) -> np.ndarray:
    """Test rows that the tuned arm and some prompt answer differently, at some size and seed."""
    asked = [
        (arm.predicted[s, n], next(iter(one.predicted.values())) if one.flat else one.predicted[s, n])
        for one in prompts for s in seeds for n in sizes
    ]  # fmt: skip
    return np.any([ours != theirs for ours, theirs in asked], axis=0)


def _labels(found: Crossover, arm: Arm, seeds, sizes, scenario: Scenario) -> dict:
    """What labelling the rows up to the crossover costs, or all rows of the curve without one.

    By the price of a label that `advisor cost` takes. The upper end also counts rows that are looked
    through to have labels in balance.
    """
    rows = found.at_most if found.answer in ("bracket", "from_the_smallest") else sizes[-1]
    least = (found.after or 0) + 1 if found.answer == "bracket" else rows
    through = int(max(arm.facts[s, rows]["looked_through"] for s in seeds))
    price = assumed(scenario.profile)["labelling_usd_per_example"]
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


def sentence(found: dict) -> str:
    """The crossover in words, with the share of resamples behind it."""
    margin = f"{found['margin'] * 100:g} points"
    seeds = len(found["seeds"])
    prompts = ", ".join(found["prompts"])
    behind = (
        f"of the resamples of test rows and {seeds} seeds"
        if seeds > 1
        else "of the resamples of test rows; one draw of labelled rows"
    )
    if seeds < FEWEST_DRAWS:
        behind += (
            ", and speaks of no other draw" if seeds == 1 else ", and speaks of no other draws"
        )
    ahead = f"{found['challenger']} is ahead of {prompts} by more than {margin}"
    share = f"{found['share'] * 100:.1f} %"
    largest = found["sizes"][-1]
    if found["answer"] == "from_the_smallest":
        return f"{ahead} from the smallest size of {found['at_most']} labelled rows on ({share} {behind})."
    if found["answer"] == "not_reached":
        return f"Not reached with these rows: at {largest} labelled rows {found['challenger']} isn't ahead of {prompts} by more than {margin} ({share} {behind})."
    missed = next(p["share"] for p in found["shares"] if p["at_most"] is None)
    if found["reason"]:
        return f"Can't tell from how many labelled rows on {found['challenger']} is ahead: {found['reason']}."
    if found["answer"] == "cant_tell":
        return (
            f"Can't tell: whether {found['challenger']} is ahead of {prompts} by more than {margin} at "
            f"{largest} labelled rows holds in {(1 - missed) * 100:.1f} % {behind}, and "
            f"{learning_curve.SURE * 100:g} % would be needed, for or against."
        )
    ends = _end(found["low"]), _end(found["high"])
    spread = "" if ends[0] == ends[1] else f"; 95 % of them lie from {ends[0]} to {ends[1]}"
    told = f"({share} {behind}{spread})"
    if found["after"] is None:
        return f"{ahead}, most likely from {found['at_most']} labelled rows, the smallest size, on {told}."
    return f"{ahead} from somewhere above {found['after']} and up to {found['at_most']} labelled rows on {told}."


def _end(place: dict) -> str:
    """A place's upper end, in labelled rows."""
    return "never" if place["at_most"] is None else str(place["at_most"])


def _why_none(plan: Plan, arms: Sequence[Arm], whole: bool) -> str:
    if whole:
        return WHOLE
    for family, side in (("prompt", "prompting"), ("fine_tune", "tuning")):
        if not any(trial.family == family for trial in plan.curve.trials):
            return f"no {side} arm was asked for; name one in --only"
        if not any(arm.family == family and arm.predicted for arm in arms):
            return f"no {side} arm has finished a size"
    return "fewer than two sizes are finished by both sides"


def largest(plan: Plan, arms: Sequence[Arm]) -> tuple[int | None, list[int]]:
    """The largest size that the primary comparison's arms share, and the seeds that have it."""
    pair = plan.curve.compared["baseline"], plan.curve.compared["challenger"]
    own = [arm for arm in arms if arm.name in pair and arm.predicted and not arm.flat]
    if not own:
        return None, []
    seeds, sizes = _common(own, plan.curve.seeds, plan.curve.sizes)
    return (sizes[-1], seeds) if sizes else (None, [])


def results_at(plan: Plan, arms: Sequence[Arm], size: int, seeds: Sequence[int]) -> dict:
    """The arms' answers at one size, as a run's results: texts of shape (seeds, rows)."""
    found = {}
    for arm in arms:
        if arm.flat:
            predicted = [next(iter(arm.predicted.values()))]
        else:
            predicted = [arm.predicted[s, size] for s in seeds if (s, size) in arm.predicted]
        if predicted:
            found[arm.name] = Results(arm.name, arm.family, arm.model, np.stack(predicted), None)
    return found
