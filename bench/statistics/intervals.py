"""Confidence intervals and tests: arrays in, values out, each after its paper.

Rows that come in groups (sentences of one review) aren't independent draws: every function takes
the rows' groups, and resamples or sums by group. docs/statistics.md gives each method's coverage in
simulation, and why it was preferred to others.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike

from scenarios.estimates import Estimate

LEVEL = 0.95
RESAMPLES = 5000
POWER = 0.8
FEWEST_GROUPS = 10
FEWEST_TELLING_GROUPS = 5
"""Groups with an error (or, for two arms, with a row on which they differ) that a bootstrap needs:
with fewer, most resamples hardly contain what the interval is about."""
FEWEST_SEEDS = 5


def wilson(right: float, n: float, level: float = LEVEL) -> tuple[float, float]:
    """Score interval of a proportion (Wilson 1927); `n` may be an effective number of rows."""
    low, high = wilson_limits(right, n, level)
    return float(low), float(high)


def wilson_limits(
    right: ArrayLike, n: ArrayLike, level: float = LEVEL
) -> tuple[np.ndarray, np.ndarray]:
    """`wilson` for arrays of one shape."""
    z = _normal(level)
    right, n = np.asarray(right, dtype=float), np.asarray(n, dtype=float)
    share = right / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    spread = np.maximum(share * (1 - share), 0.0) / n + z * z / (4 * n * n)
    half = z / (1 + z * z / n) * np.sqrt(spread)
    return np.maximum(0.0, centre - half), np.minimum(1.0, centre + half)


def share(values: np.ndarray, groups: np.ndarray, level: float = LEVEL) -> Estimate:
    """The mean of values in 0..1, one per row, with a Wilson interval.

    Rows in groups count as fewer: n is divided by the design effect (Kish 1965), the clustered
    variance of the mean over that of independent rows, at least 1; and the normal quantile is
    replaced by Student's with groups - 1 degrees of freedom (Korn & Graubard 1998).
    """
    values = np.asarray(values, dtype=float)
    n, sizes = len(values), _sizes(groups)
    mean = float(values.mean())
    if n < 2 or len(sizes) < 2:
        return Estimate(mean, None, None, level, n, "none", "one row or one group has no interval")
    if len(sizes) == n and set(np.unique(values)) <= {0.0, 1.0}:
        return Estimate(mean, *wilson(values.sum(), n, level), level, n, "Wilson")
    if mean in (0.0, 1.0):  # no variance to estimate a design effect: each group counts once
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
    """Mean of challenger - baseline over the same rows, with a confidence interval.

    Independent rows, right (1) or wrong (0): Newcombe 1998, method 10, which in simulation errs
    less often on either side than Tango 1998 and is narrower (docs/statistics.md). Rows in groups,
    or means over several seeds: clustered standard error with Student's t (Miller 2024).
    """
    baseline, challenger = np.asarray(baseline, float), np.asarray(challenger, float)
    difference = challenger - baseline
    n, sizes = len(difference), _sizes(groups)
    value = float(difference.mean())
    if n < 2 or len(sizes) < 2:
        return Estimate(value, None, None, level, n, "none", "one row or one group has no interval")
    if _independent_binary(baseline, challenger, groups):
        low, high = newcombe_limits(*_table(baseline, challenger), level)
        return Estimate(value, float(low), float(high), level, n, "Newcombe, method 10")
    if not np.any(difference):
        reason = "both answer every row equally well: no variance to compute an interval from"
        return Estimate(value, None, None, level, n, "none", reason)
    variance = clustered_variance(difference, groups)
    if variance < 1e-18:
        reason = (
            "the differences are the same in every group: no variance to compute an interval from"
        )
        return Estimate(value, None, None, level, n, "none", reason)
    half = _student(level, len(sizes) - 1) * math.sqrt(variance)
    low, high = max(-1.0, value - half), min(1.0, value + half)
    return Estimate(value, low, high, level, n, "clustered t")


def newcombe_limits(
    both: ArrayLike,
    only_challenger: ArrayLike,
    only_baseline: ArrayLike,
    neither: ArrayLike,
    level: float = LEVEL,
) -> tuple[np.ndarray, np.ndarray]:
    """Score interval of a difference of paired proportions, challenger - baseline; arrays of one shape.

    Newcombe 1998 (Statistics in Medicine 17:2635), method 10: Wilson limits of both proportions,
    combined through the pairs' correlation phi, with a continuity correction where it is positive.
    """
    a, b, c, d = (np.asarray(x, float) for x in (both, only_challenger, only_baseline, neither))
    n = a + b + c + d
    p1, p2 = (a + b) / n, (a + c) / n
    (l1, u1), (l2, u2) = wilson_limits(a + b, n, level), wilson_limits(a + c, n, level)
    margins = (a + b) * (c + d) * (a + c) * (b + d)
    cross = a * d - b * c
    cross = np.where(cross > 0, np.maximum(cross - n / 2, 0), cross)
    phi = np.where(margins > 0, cross / np.sqrt(np.maximum(margins, 1)), 0.0)
    down = (p1 - l1) ** 2 - 2 * phi * (p1 - l1) * (u2 - p2) + (u2 - p2) ** 2
    up = (p2 - l2) ** 2 - 2 * phi * (p2 - l2) * (u1 - p1) + (u1 - p1) ** 2
    return p1 - p2 - np.sqrt(np.maximum(down, 0)), p1 - p2 + np.sqrt(np.maximum(up, 0))


def mcnemar_mid_p(only_baseline: int, only_challenger: int) -> float:
    """Two-sided mid-p McNemar test on the discordant pairs (Fagerland, Lydersen & Laake 2013)."""
    return float(mcnemar_mid_p_values(only_baseline, only_challenger))


def mcnemar_mid_p_values(only_baseline: ArrayLike, only_challenger: ArrayLike) -> np.ndarray:
    """`mcnemar_mid_p` for arrays of one shape."""
    from scipy.stats import binom

    b, c = np.asarray(only_baseline), np.asarray(only_challenger)
    n, smaller = b + c, np.minimum(b, c)
    at = binom.pmf(smaller, n, 0.5)
    unequal = np.minimum(1.0, 2 * binom.cdf(smaller, n, 0.5)) - at
    return np.where(n == 0, 1.0, np.where(b == c, 1 - 0.5 * at, unequal))


def sign_flip_p(
    difference: np.ndarray, groups: np.ndarray, seed: int, resamples: int = RESAMPLES
) -> float:
    """Two-sided permutation test of a mean difference, flipping the signs of whole groups.

    p = (b + 1) / (m + 1), where b of m flips are at least as far from 0 (Phipson & Smyth 2010).
    """
    sums = _by_group(np.asarray(difference, dtype=float), groups)
    totals = sums.sum() - 2 * (_swaps(len(sums), seed, resamples) @ sums)
    beyond = int((np.abs(totals) >= abs(sums.sum()) - 1e-9).sum())
    return (beyond + 1) / (resamples + 1)


def swap_p(
    statistics: np.ndarray,
    value: Callable[[np.ndarray], np.ndarray],
    groups: np.ndarray,
    seed: int,
) -> float:
    """Two-sided permutation test of a metric's difference, swapping the arms in whole groups.

    `statistics` has shape (rows, 2, ..., k), the arms on the second axis; `value` maps
    (..., 2, ..., k) to the difference. p = (b + 1) / (m + 1) as in `sign_flip_p` (Dror et al. 2018).
    """
    sums = _by_group(np.asarray(statistics, dtype=float), groups)
    change = (sums[:, ::-1] - sums).reshape(len(sums), -1)  # what swapping a group changes
    moved = _swaps(len(sums), seed, RESAMPLES) @ change
    totals = sums.sum(axis=0) + moved.reshape(RESAMPLES, *sums.shape[1:])
    seen = abs(float(value(sums.sum(axis=0))))
    beyond = int((np.abs(value(totals)) >= seen - 1e-9).sum())
    return (beyond + 1) / (RESAMPLES + 1)


def paired_p_value(
    baseline: np.ndarray, challenger: np.ndarray, groups: np.ndarray, seed: int
) -> tuple[float, str]:
    """The p-value under no difference and the test's name: McNemar, or sign flips for groups."""
    baseline, challenger = np.asarray(baseline, float), np.asarray(challenger, float)
    difference = challenger - baseline
    if _independent_binary(baseline, challenger, groups):
        p = mcnemar_mid_p(int((difference < 0).sum()), int((difference > 0).sum()))
        return p, "McNemar mid-p"
    return sign_flip_p(difference, groups, seed), "sign flips by group"


def resampled(
    statistics: np.ndarray,
    value: Callable[[np.ndarray], np.ndarray],
    groups: np.ndarray,
    seed: int,
    telling: np.ndarray | None = None,
    level: float = LEVEL,
) -> Estimate:
    """A metric of sums with a BCa bootstrap interval over groups (Efron 1987).

    `statistics` has shape (rows, ..., k); `value` maps (..., k) to numbers. `telling` marks each row
    that is an error or, for two arms, on which they differ. There is no interval with fewer than 10
    groups, or fewer than 5 groups with such a row.
    """
    statistics = np.asarray(statistics, dtype=float)
    sums = _by_group(statistics, groups)
    n, point = len(statistics), float(value(statistics.sum(axis=0)))
    reason = too_little_to_resample(groups, telling)
    if reason is None:
        low, high = _bca(sums, value, point, seed, level)
        if math.isfinite(low) and math.isfinite(high) and high > low:
            return Estimate(point, low, high, level, n, "BCa bootstrap by group")
        reason = "every resample gives the same value"
    return Estimate(point, None, None, level, n, "none", reason)


def too_little_to_resample(groups: np.ndarray, telling: np.ndarray | None) -> str | None:
    """Why these rows are too few for a bootstrap; None where they suffice."""
    count = len(_sizes(groups))
    if count < FEWEST_GROUPS:
        return f"{count} groups are too few to resample; at least {FEWEST_GROUPS} are needed"
    if telling is None:
        return None
    informative = len(np.unique(np.asarray(groups)[np.asarray(telling, bool)]))
    if informative < FEWEST_TELLING_GROUPS:
        return (
            f"only {informative} of {count} groups contain an error or a difference; a bootstrap "
            f"needs {FEWEST_TELLING_GROUPS}"
        )
    return None


def _bca(
    sums: np.ndarray, value: Callable, point: float, seed: int, level: float
) -> tuple[float, float]:
    """Limits of the BCa interval; NaN where all resamples are on one side of the point."""
    from scipy.special import ndtr, ndtri

    flat = sums.reshape(len(sums), -1)
    drawn = (_weights(len(sums), seed) @ flat).reshape(RESAMPLES, *sums.shape[1:])
    values = np.sort(value(drawn))
    below = ((values < point - 1e-12).sum() + (values <= point + 1e-12).sum()) / (2 * len(values))
    bias = ndtri(below)
    left_out = value(sums.sum(axis=0) - sums)
    influence = left_out.mean() - left_out  # of each group, by the jackknife
    spread = (influence**2).sum() ** 1.5
    skew = (influence**3).sum() / (6 * spread) if spread > 0 else 0.0
    z = bias + np.array([-1, 1]) * _normal(level)
    low, high = np.quantile(values, ndtr(bias + z / (1 - skew * z)))
    return float(low), float(high)


@lru_cache(maxsize=4)
def _weights(count: int, seed: int) -> np.ndarray:
    """How often each of `count` groups is drawn in each resample; the same for all metrics of a run."""
    drawn = np.random.default_rng(seed).integers(0, count, size=(RESAMPLES, count))
    drawn += np.arange(RESAMPLES)[:, None] * count
    return np.bincount(drawn.ravel(), minlength=RESAMPLES * count).reshape(RESAMPLES, count) * 1.0


@lru_cache(maxsize=4)
def _swaps(count: int, seed: int, resamples: int) -> np.ndarray:
    """Which of `count` groups are swapped in each permutation; the same for all pairs of a run."""
    return np.random.default_rng(seed).integers(0, 2, size=(resamples, count)) * 1.0


def holm(p_values: list[float]) -> list[float]:
    """Adjusted p-values of a family, in the given order (Holm 1979)."""
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    adjusted, highest = [0.0] * len(p_values), 0.0
    for rank, i in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[i]))
        adjusted[i] = highest
    return adjusted


def design_effect(difference: np.ndarray, groups: np.ndarray) -> float:
    """Variance of a mean of rows in groups over that of as many independent rows (Kish 1965)."""
    difference = np.asarray(difference, dtype=float)
    independent = difference.var(ddof=1) / len(difference)
    if len(_sizes(groups)) < 2 or independent == 0:
        return 1.0
    return clustered_variance(difference, groups) / independent


def smallest_visible(
    discordant_share: float, n: int, effect: float = 1.0, level: float = LEVEL
) -> float:
    """The minimum detectable difference: a test on `n` rows detects it with 80% power.

    (z_alpha/2 + z_power) sqrt(discordant share x design effect / n), as in Miller 2024 and Card et
    al. 2020: from how often the arms disagree, never from the difference that was observed.
    """
    return _both_quantiles(level) * math.sqrt(discordant_share * effect / n)


def smallest_visible_by_width(half_width: float, level: float = LEVEL) -> float:
    """The same for a metric without discordant rows: from half the width of its interval."""
    return half_width * _both_quantiles(level) / _normal(level)


def rows_to_settle(
    discordant_share: float, margin: float, level: float = LEVEL, effect: float = 1.0
) -> int:
    """Rows with which a difference of `margin` is detected with 80% power.

    n = (z_alpha/2 + z_power)^2 x discordant share x design effect / margin^2 (Miller 2024): at 10%
    discordance and margins of 5, 3 and 2 points 314, 873 and 1,963 rows.
    """
    return math.ceil(_both_quantiles(level) ** 2 * discordant_share * effect / margin**2)


def rows_to_narrow(
    n: int, half_width: float, margin: float, level: float = LEVEL, next_level: float = LEVEL
) -> int:
    """Rows with which an interval of this half width on `n` rows would have a half width of half a margin.

    The half width is at `level`; the interval on more rows will be at `next_level`.
    """
    half_width *= _normal(next_level) / _normal(level)
    return math.ceil(n * (half_width / (margin / 2)) ** 2)


@dataclass(frozen=True)
class Split:
    """The variance of a mean difference, split by source; the parts add up to `total`.

    `sampling` comes from the test rows (including the residual), `seed` from the challenger's training
    seeds, `draw` from the baseline's draws; `degrees` are the degrees of freedom of Student's t.
    """

    sampling: float
    seed: float
    draw: float
    degrees: float

    @property
    def total(self) -> float:
        """Variance of the mean difference."""
        return self.sampling + self.seed + self.draw


def split_variance(baseline: np.ndarray, challenger: np.ndarray, groups: np.ndarray) -> Split:
    """Where the uncertainty of a mean difference comes from; arms of shape (seeds, rows).

    Rows and seeds are crossed random effects, estimated by the method of moments (Henderson 1953;
    Searle, Casella & McCulloch 1992, ch. 4): the seeds' means vary by the effect of seeds and by the
    interaction of rows and seeds, which is subtracted, by groups. An arm that was run once has no
    such part. Degrees of freedom after Satterthwaite 1946.
    """
    arms = [np.atleast_2d(np.asarray(arm, dtype=float)) for arm in (challenger, baseline)]
    rows = arms[0].mean(axis=0) - arms[1].mean(axis=0)
    parts = [(clustered_variance(rows, groups), len(_sizes(groups)) - 1)]
    parts += [(_of_seeds(arm, groups), max(len(arm) - 1, 1)) for arm in arms]
    total = sum(variance for variance, _ in parts)
    spread = sum(variance**2 / degrees for variance, degrees in parts)
    degrees = total**2 / spread if spread > 0 else float(parts[0][1])
    return Split(*(variance for variance, _ in parts), degrees)


def _of_seeds(arm: np.ndarray, groups: np.ndarray) -> float:
    """What seeds add to the variance of an arm's mean over them; `arm` has shape (seeds, rows)."""
    seeds = len(arm)
    if seeds < 2:
        return 0.0
    rest = arm - arm.mean(axis=0)  # minus each row's mean, and then each seed's
    rest = rest - rest.mean(axis=1, keepdims=True)
    interaction = np.mean([clustered_variance(row, groups) for row in rest]) * seeds / (seeds - 1)
    return max(0.0, float(arm.mean(axis=1).var(ddof=1) - interaction)) / seeds


def difference_of_methods(
    baseline: np.ndarray, challenger: np.ndarray, groups: np.ndarray, level: float = LEVEL
) -> Estimate:
    """Mean difference of two methods over seeds and rows; arms of shape (seeds, rows).

    It generalises to new seeds and new rows. An arm that depends on chance needs five seeds.
    """
    split = split_variance(baseline, challenger, groups)
    value = float(np.mean(challenger) - np.mean(baseline))
    n, seeds = baseline.shape[-1], max(len(np.atleast_2d(baseline)), len(np.atleast_2d(challenger)))
    if seeds < FEWEST_SEEDS:
        reason = f"{seeds} seeds are too few to compare methods; at least {FEWEST_SEEDS} are needed"
        return Estimate(value, None, None, level, n, "none", reason)
    if split.total == 0:
        return Estimate(value, None, None, level, n, "none", "rows and seeds show no variance")
    half = _student(level, split.degrees) * math.sqrt(split.total)
    low, high = max(-1.0, value - half), min(1.0, value + half)
    return Estimate(value, low, high, level, n, "clustered t over rows and seeds")


def methods_p_value(baseline: np.ndarray, challenger: np.ndarray, groups: np.ndarray) -> float:
    """Two-sided t-test of no difference between two methods, by the variance over rows and seeds."""
    from scipy.special import stdtr

    split = split_variance(baseline, challenger, groups)
    if split.total == 0:
        return 1.0
    t = abs(float(np.mean(challenger) - np.mean(baseline))) / math.sqrt(split.total)
    return float(2 * stdtr(split.degrees, -t))


def quantile_interval(
    values: Sequence[float], share: float, level: float = LEVEL
) -> tuple[float | None, float | None]:
    """Limits of a quantile by order statistics (Conover 1999); None where there are too few values."""
    from scipy.stats import binom

    ordered, n = sorted(values), len(values)
    low = int(binom.ppf((1 - level) / 2, n, share)) - 1
    high = int(binom.ppf((1 + level) / 2, n, share))
    return (ordered[low] if low >= 0 else None), (ordered[high] if high < n else None)


def error_of_look(look: int, looks: int, alpha: float = 1 - LEVEL) -> float:
    """The part of `alpha` that the k-th of several declared interim analyses may spend; the parts add up.

    Lan & DeMets' spending function of the O'Brien-Fleming type (Biometrika 1983, 70:659) at equal
    steps of information, its increments used as Bonferroni shares: valid under any dependence between
    the analyses, and a little conservative since they are dependent.
    """
    from scipy.special import ndtr, ndtri

    def spent(k: int) -> float:
        return 2 * float(ndtr(ndtri(alpha / 2) / math.sqrt(k / looks))) if k else 0.0

    return spent(look) - spent(look - 1)


def level_of_next_look(look: int, looks: int) -> float:
    """The confidence level of the next interim analysis; after the last, that of a new plan."""
    return 1 - error_of_look(look + 1, looks) if look < looks else LEVEL


def p_at_look(p_value: float, look: int, looks: int, alpha: float = 1 - LEVEL) -> float:
    """A p-value adjusted to be at most `alpha` where the interim analysis's part of the error rejects.

    p x alpha / part: the Bonferroni-adjusted p-value with unequal shares of the error (Rosenthal & Rubin
    1983, Psychological Bulletin 94:540; Wright 1992, Biometrics 48:1005). So it is compared with 0.05 at
    every interim analysis, as the interval at that analysis's level is with 0. A resampling test can't
    get below 1 in 5,001, more than the first of many analyses may spend: it never rejects there.
    """
    return p_value if looks == 1 else min(1.0, p_value * alpha / error_of_look(look, looks, alpha))


def _independent_binary(baseline: np.ndarray, challenger: np.ndarray, groups: np.ndarray) -> bool:
    """Whether every row is right or wrong, and no two rows share a group."""
    binary = set(np.unique(np.concatenate([baseline, challenger]))) <= {0.0, 1.0}
    return binary and len(_sizes(groups)) == len(baseline)


def _table(baseline: np.ndarray, challenger: np.ndarray) -> tuple[int, int, int, int]:
    """Rows that both, only the challenger, only the baseline, and neither answered correctly."""
    a, b = challenger > 0, baseline > 0
    return int((a & b).sum()), int((a & ~b).sum()), int((~a & b).sum()), int((~a & ~b).sum())


def _both_quantiles(level: float) -> float:
    return _normal(level) + _normal(2 * POWER - 1)


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


def _student(level: float, degrees: float) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(degrees, 0.5 + level / 2))
