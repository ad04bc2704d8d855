"""The backtest: the advice on quality, compared with what published experiments found.

Tuning is predicted to win a case if `p_tuning_better` is at least a half; a tie counts as correct
either way. Cases from one source share models, authors and habits, so figures are balanced by
source, and confidence intervals resample whole sources. On the shipped cases, each source is
predicted by weights that were fitted without it; another file is judged by the shipped weights.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from advisor.evidence.cases import Case
from advisor.evidence.quality import PRIOR, Weights, p_tuning_better, shipped_weights, traits
from scenarios.estimates import Estimate

SCHEMA_VERSION = 1
PRIOR_STRENGTH = 10.0
"""Precision of the prior weights: a standard deviation of 0.32 log-odds each. Of 1, 3, 10, 30 and
100, the smallest whose source-balanced Brier score, leaving one source out, is within 0.001 of the best."""
RESAMPLES, SEED, LEVEL = 10_000, 0, 0.95
BINS = ((0.0, 1 / 3), (1 / 3, 2 / 3), (2 / 3, 1.0))
CAVEATS = (
    "The traits and their prior weights were written after reading these cases, so the figures for "
    "the shipped cases are optimistic even with each source left out; the real test is a file of "
    "other sources.",
    "Only about a quarter of the cases use LoRA or QLoRA, so LoRA vs full tuning isn't tested.",
)


@dataclass(frozen=True)
class Backtest:
    """How the advice compared with the cases."""

    cases: int
    sources: int
    agreement: float
    source_balanced_agreement: Estimate
    brier: float
    source_balanced_brier: float
    by_task_type: dict[str, dict]
    reliability: list[dict]
    baselines: dict[str, dict]
    protocol: str

    def to_json(self) -> dict:
        """The shape that scripts read."""
        return {"schema_version": SCHEMA_VERSION, **asdict(self), "caveats": list(CAVEATS)}


def backtest(cases: Sequence[Case], shipped: bool, strength: float = PRIOR_STRENGTH) -> Backtest:
    """Agreement, Brier score and reliability of `p_tuning_better`, compared with simple rules.

    `shipped` cases are those that the weights were fitted on: each source is left out in turn, and
    `strength` is that of the prior.
    """
    sources = np.array([case.source for case in cases])
    outcome = np.array([case.outcome for case in cases])
    if shipped:
        protocol = "each source predicted by weights fitted without it"
        chances = _left_out(cases, lambda rest: _predictor(fit(rest, strength)))
    else:
        protocol = "shipped weights, not refitted"
        chances = np.array([_predictor(shipped_weights())(case) for case in cases])
    right = _right(chances, outcome)
    return Backtest(
        cases=len(cases),
        sources=len(set(sources)),
        agreement=float(right.mean()),
        source_balanced_agreement=_balanced(right, sources),
        brier=float(((chances - outcome) ** 2).mean()),
        source_balanced_brier=float(_by_source((chances - outcome) ** 2, sources).mean()),
        by_task_type={
            kind: _of_type(kind, cases, right, outcome, sources)
            for kind in sorted({case.task_type for case in cases})
        },
        reliability=_reliability(chances, outcome, sources),
        baselines=_baselines(cases, outcome, sources, shipped),
        protocol=protocol,
    )


def fit(cases: Sequence[Case], strength: float = PRIOR_STRENGTH) -> Weights:
    """Weights by penalised logistic regression from `PRIOR`, each source with a total weight of 1.

    Maximises the sum over cases of (y ln p + (1 - y) ln(1 - p)) / cases of the source, less
    strength / 2 x the squared distance from the prior, by Newton's method; a tie is y = 1/2. The
    covariance is the inverse of the Hessian there (Laplace's approximation).
    """
    names = tuple(PRIOR)
    prior = np.array([PRIOR[name][0] for name in names])
    x = np.array([[traits(case.profile)[name] for name in names] for case in cases])
    y = np.array([case.outcome for case in cases])
    sources = [case.source for case in cases]
    share = np.array([1 / sources.count(source) for source in sources])
    weights = prior.copy()
    for _ in range(50):
        p = 1 / (1 + np.exp(-x @ weights))
        hessian = (x * (share * p * (1 - p))[:, None]).T @ x + strength * np.eye(len(names))
        step = np.linalg.solve(hessian, x.T @ (share * (y - p)) - strength * (weights - prior))
        weights += step
        if np.abs(step).max() < 1e-10:
            break
    covariance = np.linalg.inv(hessian)
    return Weights(names, tuple(weights.tolist()), tuple(map(tuple, covariance.tolist())))


def _predictor(weights: Weights) -> Callable[[Case], float]:
    return lambda case: p_tuning_better(case.profile, weights).value


def _left_out(cases: Sequence[Case], learn: Callable[[list[Case]], Callable]) -> np.ndarray:
    """Each case's prediction, learned from the other sources."""
    found = {}
    for source in dict.fromkeys(case.source for case in cases):
        predict = learn([case for case in cases if case.source != source])
        found |= {case.id: predict(case) for case in cases if case.source == source}
    return np.array([found[case.id] for case in cases], dtype=float)


def _right(chances: np.ndarray, outcome: np.ndarray) -> np.ndarray:
    """1 if the predicted side won, or the two were tied."""
    return ((outcome == 0.5) | ((chances >= 0.5) == (outcome > 0.5))).astype(float)


def _by_source(values: np.ndarray, sources: np.ndarray) -> np.ndarray:
    """The mean of each source, in the order of their names."""
    return np.array([values[sources == source].mean() for source in sorted(set(sources))])


def _balanced(values: np.ndarray, sources: np.ndarray) -> Estimate:
    """Each source counted once, with a bootstrap confidence interval that resamples whole sources."""
    means = _by_source(values, sources)
    value, count = float(means.mean()), len(means)
    if count < 2 or np.ptp(means) == 0:
        reason = "one source has no spread" if count < 2 else "every source has the same share"
        return Estimate(value, None, None, LEVEL, count, "none", reason)
    draws = np.random.default_rng(SEED).integers(0, count, size=(RESAMPLES, count))
    low, high = np.quantile(means[draws].mean(axis=1), [0.5 - LEVEL / 2, 0.5 + LEVEL / 2])
    return Estimate(
        value, float(low), float(high), LEVEL, count, "percentile bootstrap over sources"
    )


def _of_type(kind: str, cases, right, outcome, sources) -> dict:
    chosen = np.array([case.task_type == kind for case in cases])
    return {
        "cases": int(chosen.sum()),
        "sources": len(set(sources[chosen])),
        "agreement": float(right[chosen].mean()),
        "source_balanced_agreement": float(_by_source(right[chosen], sources[chosen]).mean()),
        "tuning_won": float(outcome[chosen].mean()),
    }


def _reliability(chances, outcome, sources) -> list[dict]:
    """The share of cases that tuning won in each bin of the probability; each source counts once."""
    share = np.array([1 / (sources == source).sum() for source in sources])
    table = []
    for low, high in BINS:
        chosen = (chances >= low) & ((chances < high) | (high == 1.0))
        if chosen.any():
            table.append(
                {
                    "from": low,
                    "to": high,
                    "cases": int(chosen.sum()),
                    "sources": len(set(sources[chosen])),
                    "predicted": float(np.average(chances[chosen], weights=share[chosen])),
                    "tuning_won": float(np.average(outcome[chosen], weights=share[chosen])),
                }
            )
    return table


def _baselines(cases, outcome, sources, shipped: bool) -> dict[str, dict]:
    """Simple rules under the same protocol, by row and with each source counted once."""
    tuned, prompted = np.ones(len(cases)), np.zeros(len(cases))
    thought = np.array([case.task_type in ("reasoning", "knowledge") for case in cases])
    if shipped:
        majority = _left_out(cases, _majority_of_type)
    else:
        from advisor.evidence.cases import shipped_cases

        predict = _majority_of_type(shipped_cases())
        majority = np.array([predict(case) for case in cases])
    rules = {
        "always tune": tuned,
        "always prompt": prompted,
        "reasoning and knowledge to prompting, else tune": np.where(thought, 0.0, 1.0),
        "the task type's majority": majority,
    }
    found = {}
    for name, chances in rules.items():
        right = _right(chances, outcome)
        balanced = float(_by_source(right, sources).mean())
        found[name] = {"agreement": float(right.mean()), "source_balanced_agreement": balanced}
    return found


def _majority_of_type(cases: Sequence[Case]) -> Callable[[Case], float]:
    """What won more often on the type, each source counting once; on all types if the type is new."""

    def won(chosen: Sequence[Case]) -> float:
        sources = np.array([case.source for case in chosen])
        return float(_by_source(np.array([case.outcome for case in chosen]), sources).mean())

    overall = won(cases)
    by_type = {
        kind: won([case for case in cases if case.task_type == kind])
        for kind in {case.task_type for case in cases}
    }
    return lambda case: by_type.get(case.task_type, overall)
