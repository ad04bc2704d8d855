"""Quality against the number of labelled rows: bands, a fitted curve, and the crossover.

Arrays in, values out. An arm's `statistics` have shape (seeds, sizes, rows, k): for each seed's draw
of labelled rows and each size, every test row's sufficient statistics of a metric, whose `value` maps
(..., k) to (...). The test rows are the same for all arms, seeds and sizes, and all arms share the
seeds, so everything is resampled together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from bench.statistics.intervals import FEWEST_GROUPS, FEWEST_SEEDS, LEVEL, difference_of_methods
from scenarios.estimates import Estimate

Value = Callable[[np.ndarray], np.ndarray]
"""A metric's formula, from sums of shape (..., k) to (...)."""
RESAMPLES = 2000
FEWEST_SIZES = 4
"""A curve with three parameters fits any three points."""
SURE = (1 + LEVEL) / 2
"""The share of resamples that an answer needs: all except one tail of a two-sided interval."""
_EXPONENTS = (
    0.05,
    3.0,
)  # of the power law; learning curves' are about 0.1 to 1 (Hestness et al. 2017)


@dataclass(frozen=True)
class Drawn:
    """How often each group of test rows and each seed is drawn, (resamples, groups) and (resamples, seeds).

    Both are drawn independently of each other (Owen 2007, The pigeonhole bootstrap, Annals of Applied
    Statistics 1:386), one fewer of each than there are, which makes the variance of a mean right even
    for few seeds (Rao & Wu 1988, JASA 83:231).
    """

    rows: np.ndarray
    seeds: np.ndarray
    codes: np.ndarray  # each test row's group, (rows,)


def drawn(groups: np.ndarray, seeds: int, seed: int, resamples: int = RESAMPLES) -> Drawn:
    """Draws for test rows in these groups and for `seeds` seeds; the same for all arms of a curve."""
    rng = np.random.default_rng(seed)
    _, codes = np.unique(np.asarray(groups), return_inverse=True)
    return Drawn(_counts(codes.max() + 1, resamples, rng), _counts(seeds, resamples, rng), codes)


def _counts(of: int, resamples: int, rng: np.random.Generator) -> np.ndarray:
    if of == 1:
        return np.ones((resamples, 1))
    return rng.multinomial(of - 1, np.full(of, 1 / of), size=resamples).astype(float)


def points(statistics: np.ndarray, value: Value) -> np.ndarray:
    """The metric at each seed and size, shape (seeds, sizes)."""
    return value(np.asarray(statistics, dtype=float).sum(axis=2))


def resampled(statistics: np.ndarray, value: Value, draws: Drawn) -> np.ndarray:
    """The metric at each size, averaged over seeds, in each resample: shape (resamples, sizes)."""
    statistics = np.asarray(statistics, dtype=float)
    seeds, sizes, _, k = statistics.shape
    sums = np.zeros((draws.rows.shape[1], seeds, sizes, k))
    np.add.at(sums, draws.codes, np.moveaxis(statistics, 2, 0))
    found = draws.rows @ sums.reshape(len(sums), -1)
    values = value(found.reshape(-1, seeds, sizes, k))
    shares = draws.seeds / draws.seeds.sum(axis=1, keepdims=True)
    if shares.shape[1] != seeds:  # an arm that takes no labelled rows has only one
        return values.mean(axis=1)
    return np.einsum("rs,rsn->rn", shares, values)


def bands(
    statistics: np.ndarray, value: Value, groups: np.ndarray, resamples: np.ndarray, share: bool
) -> list[Estimate]:
    """The mean over seeds at each size, with a confidence interval for new draws and new test rows.

    With fewer than five seeds there is none. For a share of right rows (`share`): Student's t with the
    variances of rows and of seeds (`bench.statistics.intervals.split_variance`); for other metrics, the
    quantiles of the resamples. The band is pointwise: it holds at each size, not at all sizes jointly.
    """
    means = points(statistics, value).mean(axis=0)
    seeds, sizes, n = statistics.shape[:3]
    if seeds < FEWEST_SEEDS:
        are = "s are" if seeds > 1 else " is"
        reason = f"{seeds} seed{are} too few for a band; at least {FEWEST_SEEDS} are needed"
        return [Estimate(float(m), None, None, LEVEL, n, "none", reason) for m in means]
    if share:
        right = value(np.moveaxis(statistics, 1, 0))  # (sizes, seeds, rows)
        found = [difference_of_methods(np.zeros((1, n)), own, groups) for own in right]
        return [_clipped(one) for one in found]
    if len(np.unique(groups)) < FEWEST_GROUPS:
        count = len(np.unique(groups))
        reason = f"{count} groups are too few to resample; at least {FEWEST_GROUPS} are needed"
        return [Estimate(float(m), None, None, LEVEL, n, "none", reason) for m in means]
    low, high = _limits(resamples)
    method = "bootstrap over groups of rows and seeds"
    return [
        Estimate(float(means[i]), float(low[i]), float(high[i]), LEVEL, n, method)
        for i in range(sizes)
    ]


def _clipped(found: Estimate) -> Estimate:
    """The same with limits between 0 and 1, as a share has."""
    if found.low is None:
        return found
    low, high = max(0.0, found.low), min(1.0, found.high)
    return Estimate(found.value, low, high, found.level, found.n, found.method)


def _limits(values: np.ndarray) -> np.ndarray:
    return np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)


@dataclass(frozen=True)
class Fit:
    """`a - b n^(-c)`: `a` is the asymptote, `b` and `c` say how far and how fast it rises.

    `curve` has `rows`, `value`, `low`, `high` and `extrapolated` for each place to show. The intervals
    come from the resamples.
    """

    a: Estimate
    b: Estimate
    c: Estimate
    curve: tuple[dict, ...]
    largest_miss: float
    """The largest distance of a point from the curve."""


def fit_curve(
    sizes: Sequence[int], values: np.ndarray, resamples: np.ndarray, show: Sequence[int]
) -> Fit | str:
    """The saturating curve fitted to an arm's means; or the reason why there is none, as a text.

    An inverse power law with an asymptote, by weighted least squares (Figueroa et al. 2012, BMC
    Medical Informatics and Decision Making 12:8), each size weighted by the inverse of its variance over
    the resamples. Each resample is fitted too, with the same weights. `show` are the places to show.
    """
    if len(sizes) < FEWEST_SIZES:
        return f"{len(sizes)} sizes are too few for a curve; at least {FEWEST_SIZES} are needed"
    spread = resamples.var(axis=0)
    weights = 1 / np.maximum(spread, max(float(spread.max()) / 100, 1e-8))
    a, drop, c = power_laws(sizes, np.asarray(values)[None], weights)
    all_a, all_drop, all_c = power_laws(sizes, resamples, weights)
    least = min(sizes)

    def at(places: Sequence[int], a: np.ndarray, drop: np.ndarray, c: np.ndarray) -> np.ndarray:
        ratio = np.asarray(places, dtype=float)[None] / least
        return a[:, None] - drop[:, None] * ratio ** -c[:, None]

    middle, (low, high) = at(show, a, drop, c)[0], _limits(at(show, all_a, all_drop, all_c))
    curve = tuple(
        {"rows": int(place), "value": float(middle[i]), "low": float(low[i]),
         "high": float(high[i]), "extrapolated": not least <= place <= max(sizes)}
        for i, place in enumerate(show)
    )  # fmt: skip
    miss = float(np.abs(at(sizes, a, drop, c)[0] - values).max())
    return Fit(
        _with_limits(a, all_a),
        _with_limits(drop * least**c, all_drop * least**all_c),
        _with_limits(c, all_c),
        curve,
        miss,
    )


def _with_limits(value: np.ndarray, resamples: np.ndarray) -> Estimate:
    low, high = map(float, _limits(resamples))
    method = "weighted least squares, resampled"
    return Estimate(float(value[0]), low, high, LEVEL, len(resamples), method)


def power_laws(
    sizes: Sequence[int], values: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The best fit of `a - d (n / smallest size)^(-c)` to each row of `values`, shape (curves, sizes).

    0 <= a <= 1, 0 <= d <= 1, 0.05 <= c <= 3. For a given c the least squares are linear, so c is
    searched on a grid that is then refined. Returns a, d and c, each of shape (curves,).
    """
    values = np.asarray(values, dtype=float)
    low, high = np.log(_EXPONENTS)
    grid = np.tile(np.linspace(low, high, 40), (len(values), 1))
    step = (high - low) / 39
    for _ in range(4):
        a, d, error = _linear(sizes, values, weights, np.exp(grid))
        best = error.argmin(axis=1)[:, None]
        centre = np.take_along_axis(grid, best, axis=1)
        found = [np.take_along_axis(part, best, axis=1)[:, 0] for part in (a, d, np.exp(grid))]
        grid = np.clip(centre + np.linspace(-step, step, 11), low, high)
        step /= 5
    a, d, c = found
    return a, d, c


def _linear(
    sizes: Sequence[int], values: np.ndarray, weights: np.ndarray, exponents: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weighted least squares of a - d x within the bounds, for each curve and exponent.

    The sum of squares is convex, so if the unconstrained optimum is outside, the best is on an edge.
    """
    x = (np.asarray(sizes, dtype=float) / min(sizes)) ** -exponents[..., None]
    y, w = values[:, None, :], np.asarray(weights) / np.sum(weights)
    mean_x, mean_y = (w * x).sum(-1), np.broadcast_to((w * y).sum(-1), x.shape[:2])
    spread = (w * (x - mean_x[..., None]) ** 2).sum(-1)
    together = (w * (x - mean_x[..., None]) * (y - mean_y[..., None])).sum(-1)
    d_free = -together / np.maximum(spread, 1e-12)
    a_free = mean_y + d_free * mean_x
    fits = (a_free >= 0) & (a_free <= 1) & (d_free >= 0) & (d_free <= 1)
    square, product = (w * x * x).sum(-1), (w * x * y).sum(-1)
    zero, one = np.zeros_like(mean_x), np.ones_like(mean_x)
    candidates = [
        (np.where(fits, a_free, np.nan), np.where(fits, d_free, np.nan)),
        (np.clip(mean_y, 0, 1), zero),
        (np.clip(mean_y + mean_x, 0, 1), one),
        (one, np.clip((mean_x - product) / square, 0, 1)),
        (zero, np.clip(-product / square, 0, 1)),
    ]
    a, d = (np.stack(part) for part in zip(*candidates, strict=True))
    error = (w * (y[None] - a[..., None] + d[..., None] * x[None]) ** 2).sum(-1)
    error = np.where(np.isnan(error), np.inf, error)
    best = error.argmin(axis=0)[None]
    a, d, error = (np.take_along_axis(part, best, axis=0)[0] for part in (a, d, error))
    return a, d, error


@dataclass(frozen=True)
class Crossover:
    """From how many rows on tuning is ahead of every prompting arm by more than the margin.

    `answer`: `bracket` (it overtakes in `after` < n <= `at_most`), `from_the_smallest`,
    `not_reached`, or `cant_tell`. `shares` gives the share of the resamples at each place: a dict of
    `after` (None: the smallest size), `at_most` (None: not reached) and `share`. `low` and `high` are
    the places that contain 95% of the resamples.
    """

    answer: str
    after: int | None
    at_most: int | None
    share: float
    shares: tuple[dict, ...]
    low: dict
    high: dict


def crossover(
    sizes: Sequence[int], tuned: np.ndarray, prompted: Sequence[np.ndarray], margin: float
) -> Crossover:
    """Where tuning overtakes: the first size from which it stays ahead through the largest.

    `tuned` and each arm of `prompted` have shape (resamples, sizes), from the same draws; an arm that
    needs no labelled rows has the same value at each size. Being ahead of the best prompt means being
    ahead of every prompt, so no prompt is chosen on the test rows. An answer needs the agreement of
    97.5% of the resamples; it is `bracket` if in that many tuning overtakes somewhere, and names the
    most frequent place.
    """
    best = np.max(np.stack(prompted), axis=0)
    ahead = tuned - best > margin + 1e-9  # a lead equal to the margin isn't more than it
    stays = np.logical_and.accumulate(ahead[:, ::-1], axis=1)[:, ::-1]
    first = len(sizes) - stays.sum(axis=1)  # len(sizes): not reached
    counted = np.bincount(first, minlength=len(sizes) + 1) / len(first)
    places = [
        {"after": sizes[i - 1] if i else None, "at_most": sizes[i] if i < len(sizes) else None,
         "share": float(counted[i])}
        for i in range(len(sizes) + 1)
    ]  # fmt: skip
    ends = np.quantile(first, [1 - SURE, SURE], method="inverted_cdf").astype(int)
    answer, place = _answer(counted)
    return Crossover(
        answer,
        places[place]["after"],
        places[place]["at_most"],
        places[place]["share"],
        tuple(places),
        *(places[end] for end in ends),
    )


def _answer(shares: np.ndarray) -> tuple[str, int]:
    """What the resamples say, and the place it refers to."""
    last = len(shares) - 1
    if shares[0] >= SURE:
        return "from_the_smallest", 0
    if shares[last] >= SURE:
        return "not_reached", last
    if shares[last] > 1 - SURE:
        return "cant_tell", int(shares.argmax())
    return "bracket", int(shares[:last].argmax())


def places_to_show(sizes: Sequence[int], count: int = 25, beyond: float = 4.0) -> list[int]:
    """Sizes from the smallest to `beyond` times the largest, evenly spaced on a logarithmic axis."""
    ends = np.log([min(sizes), beyond * max(sizes)])
    spaced = np.exp(np.linspace(*ends, count)).round().astype(int).tolist()
    return sorted({*spaced, *sizes})
