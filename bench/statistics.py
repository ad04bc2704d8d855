"""Intervals and tests: arrays in, values out, each by its paper.

Rows that come in groups (sentences of one review) are no independent draws: every function
takes the rows' groups, and resamples or sums by group.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass

import numpy as np

LEVEL = 0.95
RESAMPLES = 5000
_POWER = 0.8


@dataclass(frozen=True)
class Estimate:
    """A value and its interval; `low` and `high` are None where none can be given, with `reason`."""

    value: float
    low: float | None
    high: float | None
    level: float
    n: int
    method: str
    reason: str | None = None


def wilson(right: float, n: float, level: float = LEVEL) -> tuple[float, float]:
    """Score interval of a share (Wilson 1927); `n` may be an effective number of rows."""
    z = _normal(level)
    share = right / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)


def share(values: np.ndarray, groups: np.ndarray, level: float = LEVEL) -> Estimate:
    """The mean of values in 0..1, one a row, with a Wilson interval.

    Rows in groups count as fewer: n is divided by the design effect, the clustered variance of
    the mean over that of independent rows (Kish 1965), never less than 1, and the normal
    quantile becomes Student's with groups - 1 degrees of freedom (Korn & Graubard 1998).
    """
    values = np.asarray(values, dtype=float)
    n, sizes = len(values), _sizes(groups)
    mean = float(values.mean())
    if n < 2 or len(sizes) < 2:
        return Estimate(mean, None, None, level, n, "none", "one row or one group has no interval")
    if len(sizes) == n and set(np.unique(values)) <= {0.0, 1.0}:
        return Estimate(mean, *wilson(values.sum(), n, level), level, n, "Wilson")
    if mean in (0.0, 1.0):  # no variance to tell a design effect from: each group counts once
        effective = float(len(sizes))
    else:
        variance = clustered_variance(values, groups)
        effective = min(float(n), mean * (1 - mean) / variance) if variance > 0 else float(n)
        effective *= (_normal(level) / _student(level, len(sizes) - 1)) ** 2
    low, high = wilson(mean * effective, effective, level)
    method = "Wilson, effective rows by group"
    return Estimate(mean, low, high, level, n, method)


def clustered_variance(values: np.ndarray, groups: np.ndarray) -> float:
    """Variance of a mean of rows in groups (Liang & Zeger 1986, with G / (G - 1))."""
    residual = np.asarray(values, dtype=float) - np.mean(values)
    sums = _by_group(residual, groups)
    count = len(sums)
    return float(count / (count - 1) * (sums**2).sum() / len(residual) ** 2)


def paired_difference(
    baseline: np.ndarray, challenger: np.ndarray, groups: np.ndarray, level: float = LEVEL
) -> Estimate:
    """Mean of challenger - baseline over the same rows, with an interval.

    Independent rows of right (1) and wrong (0): Newcombe 1998, method 10. Rows in groups, or
    means over several seeds: clustered standard error with Student's t (Miller 2024).
    """
    baseline, challenger = np.asarray(baseline, float), np.asarray(challenger, float)
    difference = challenger - baseline
    n, sizes = len(difference), _sizes(groups)
    value = float(difference.mean())
    if n < 2 or len(sizes) < 2:
        return Estimate(value, None, None, level, n, "none", "one row or one group has no interval")
    binary = set(np.unique(np.concatenate([baseline, challenger]))) <= {0.0, 1.0}
    if len(sizes) == n and binary:
        low, high = newcombe(baseline, challenger, level)
        return Estimate(value, low, high, level, n, "Newcombe, method 10")
    if not np.any(difference):
        reason = "the two answer every row equally well: no variance to build an interval on"
        return Estimate(value, None, None, level, n, "none", reason)
    half = _student(level, len(sizes) - 1) * math.sqrt(clustered_variance(difference, groups))
    low, high = max(-1.0, value - half), min(1.0, value + half)
    return Estimate(value, low, high, level, n, "clustered t")


def newcombe(
    baseline: np.ndarray, challenger: np.ndarray, level: float = LEVEL
) -> tuple[float, float]:
    """Score interval of a difference of paired shares, challenger - baseline.

    Newcombe 1998 (Statistics in Medicine 17:2635), method 10: Wilson limits of both shares,
    joined by the pairs' correlation phi with a continuity correction where it is positive.
    """
    a, b = np.asarray(challenger, bool), np.asarray(baseline, bool)
    n = len(a)
    both, only_a, only_b, neither = (
        int((a & b).sum()), int((a & ~b).sum()), int((~a & b).sum()), int((~a & ~b).sum())
    )  # fmt: skip
    p1, p2 = (both + only_a) / n, (both + only_b) / n
    (l1, u1), (l2, u2) = wilson(p1 * n, n, level), wilson(p2 * n, n, level)
    margins = (both + only_a) * (only_b + neither) * (both + only_b) * (only_a + neither)
    phi = 0.0
    if margins > 0:
        cross = both * neither - only_a * only_b
        if cross > 0:
            cross = max(cross - n / 2, 0)
        phi = cross / math.sqrt(margins)
    d = p1 - p2
    down = (p1 - l1) ** 2 - 2 * phi * (p1 - l1) * (u2 - p2) + (u2 - p2) ** 2
    up = (p2 - l2) ** 2 - 2 * phi * (p2 - l2) * (u1 - p1) + (u1 - p1) ** 2
    return d - math.sqrt(max(down, 0.0)), d + math.sqrt(max(up, 0.0))


def mcnemar_mid_p(only_baseline: int, only_challenger: int) -> float:
    """Two-sided mid-p McNemar test of the discordant pairs (Fagerland, Lydersen & Laake 2013)."""
    from scipy.stats import binom

    n, smaller = only_baseline + only_challenger, min(only_baseline, only_challenger)
    if n == 0:
        return 1.0
    exact = min(1.0, 2 * binom.cdf(smaller, n, 0.5))
    if only_baseline == only_challenger:
        return float(1 - 0.5 * binom.pmf(smaller, n, 0.5))
    return float(exact - binom.pmf(smaller, n, 0.5))


def sign_flip_p(
    difference: np.ndarray, groups: np.ndarray, seed: int, resamples: int = RESAMPLES
) -> float:
    """Two-sided permutation test of a mean difference, signs flipped by whole groups.

    (b + 1) / (m + 1) of the flips are at least as far from 0 (Phipson & Smyth 2010).
    """
    sums = _by_group(np.asarray(difference, dtype=float), groups)
    flips = np.random.default_rng(seed).choice((-1.0, 1.0), size=(resamples, len(sums)))
    seen = abs(sums.sum())
    beyond = int((np.abs(flips @ sums) >= seen - 1e-9).sum())
    return (beyond + 1) / (resamples + 1)


def swap_p(statistics: np.ndarray, value, groups: np.ndarray, seed: int) -> float:
    """Two-sided permutation test of a metric's difference, the arms swapped by whole groups.

    `statistics` has shape (rows, 2, ..., k), the arms on the second axis; `value` takes
    (..., 2, ..., k) to the difference. (b + 1) / (m + 1) as above (Dror et al. 2018).
    """
    sums = _by_group(np.asarray(statistics, dtype=float), groups)
    swapped = np.random.default_rng(seed).integers(0, 2, size=(RESAMPLES, len(sums)))
    apart = (sums[:, ::-1] - sums).reshape(len(sums), -1)
    totals = sums.sum(axis=0) + (swapped @ apart).reshape(RESAMPLES, *sums.shape[1:])
    seen = abs(float(value(sums.sum(axis=0))))
    beyond = int((np.abs(value(totals)) >= seen - 1e-9).sum())
    return (beyond + 1) / (RESAMPLES + 1)


def paired_p_value(
    baseline: np.ndarray, challenger: np.ndarray, groups: np.ndarray, seed: int
) -> tuple[float, str]:
    """The p-value of no difference and its test's name: McNemar, or sign flips where in groups."""
    baseline, challenger = np.asarray(baseline, float), np.asarray(challenger, float)
    difference = challenger - baseline
    binary = set(np.unique(np.concatenate([baseline, challenger]))) <= {0.0, 1.0}
    if binary and len(_sizes(groups)) == len(difference):
        p = mcnemar_mid_p(int((difference < 0).sum()), int((difference > 0).sum()))
        return p, "McNemar mid-p"
    return sign_flip_p(difference, groups, seed), "sign flips by group"


def resampled(statistics: np.ndarray, value, groups: np.ndarray, seed: int) -> Estimate:
    """A metric of sums with a BCa bootstrap interval over groups (Efron 1987).

    `statistics` has shape (rows, ..., k); `value` takes (..., k) to a number.
    """
    from scipy.stats import bootstrap

    statistics = np.asarray(statistics, dtype=float)
    sums = _by_group(statistics, groups)
    n, point = len(statistics), float(value(statistics.sum(axis=0)))
    if len(sums) < 10:
        reason = f"{len(sums)} groups are too few to resample"
        return Estimate(point, None, None, LEVEL, n, "none", reason)

    def of_groups(index: np.ndarray, axis: int) -> np.ndarray:
        drawn = sums[index.astype(int)]  # (resamples, groups, ...): scipy's axis is the index's own
        return value(drawn.sum(axis=index.ndim - 1))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of samples without variance, which are told below
        found = bootstrap(
            (np.arange(len(sums)),),
            of_groups,
            n_resamples=RESAMPLES,
            confidence_level=LEVEL,
            method="BCa",
            vectorized=True,
            batch=500,
            rng=np.random.default_rng(seed),
        )
    low, high = found.confidence_interval
    if not (math.isfinite(low) and math.isfinite(high)) or found.standard_error == 0:
        reason = "every resample gives the same value"
        return Estimate(point, None, None, LEVEL, n, "none", reason)
    return Estimate(point, float(low), float(high), LEVEL, n, "BCa bootstrap by group")


def holm(p_values: list[float]) -> list[float]:
    """Adjusted p-values of a family, in its order (Holm 1979)."""
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    adjusted, highest = [0.0] * len(p_values), 0.0
    for rank, i in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[i]))
        adjusted[i] = highest
    return adjusted


def rows_to_settle(discordant_share: float, margin: float, level: float = LEVEL) -> int:
    """Rows with which a difference of `margin` is told from none, four times in five.

    n = (z_alpha/2 + z_power)^2 x discordant share / margin^2 (Miller 2024): at 10 % discordance
    and margins of 5, 3 and 2 points 314, 873 and 1,963.
    """
    z = _normal(level) + _normal(2 * _POWER - 1)
    return math.ceil(z * z * discordant_share / margin**2)


def rows_to_narrow(n: int, half_width: float, margin: float) -> int:
    """Rows with which an interval of this half width on `n` rows would be half a margin wide."""
    return math.ceil(n * (half_width / (margin / 2)) ** 2)


def _by_group(values: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Sums over the rows of each group, shape (groups, ...)."""
    _, codes = np.unique(np.asarray(groups), return_inverse=True)
    sums = np.zeros((codes.max() + 1, *values.shape[1:]))
    np.add.at(sums, codes, values)
    return sums


def _sizes(groups: np.ndarray) -> np.ndarray:
    return np.unique(np.asarray(groups), return_counts=True)[1]


def _normal(level: float) -> float:
    from scipy.special import ndtri

    return float(ndtri(0.5 + level / 2))


def _student(level: float, degrees: int) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(degrees, 0.5 + level / 2))
