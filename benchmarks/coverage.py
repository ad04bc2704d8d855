"""How often intervals contain the truth, and tests raise false alarms: the tables of docs/statistics.md.

`python benchmarks/coverage.py [--out FILE.json] [--runs 20000]`; a minute on one core. The tests
run the same functions with fewer repetitions and fixed seeds.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri

from bench.metrics import load_metric
from bench.statistics import intervals as statistics

SIZES = (30, 100, 300, 2000)
SHARES = (0.5, 0.8, 0.95)
TRUTHS = ((0.0, 0.1), (0.0, 0.3), (0.03, 0.05), (0.05, 0.1), (0.1, 0.2))
"""True differences of paired proportions, and the share of rows on which the arms disagree."""


def error_of(share: float, runs: int) -> float:
    """The simulation's own standard error."""
    return math.sqrt(max(share * (1 - share), 1e-4) / runs)


def covered(limits, truth: float) -> float:
    """Share of runs whose interval contains the truth."""
    return float(((limits[0] <= truth) & (truth <= limits[1])).mean())


def of_share(n: int, share: float, runs: int, seed: int) -> float:
    """Coverage of Wilson's interval."""
    right = np.random.default_rng(seed).binomial(n, share, runs)
    return covered(statistics.wilson_limits(right, n), share)


def tables(n: int, share: float, truth: float, discordant: float, runs: int, seed: int):
    """Paired tables (both, only challenger, only baseline, neither), one per run; None if impossible.

    `share` is the challenger's.
    """
    b, c = (discordant + truth) / 2, (discordant - truth) / 2
    cells = [share - b, b, c, 1 - share - c]
    if min(cells) < -1e-9:
        return None
    cells = np.maximum(cells, 0)
    return np.random.default_rng(seed).multinomial(n, cells / cells.sum(), runs).T


def tango_limits(
    only_challenger: ArrayLike, only_baseline: ArrayLike, n: int, level: float = statistics.LEVEL
) -> tuple[np.ndarray, np.ndarray]:
    """Score interval of a difference of paired proportions from the discordant pairs; arrays of one shape.

    Tango 1998 (Statistics in Medicine 17:891): the differences that the score test doesn't reject,
    with the other discordant share at its maximum likelihood under each. Found by bisection.
    """
    b, c = np.broadcast_arrays(
        *(np.asarray(x, dtype=float) for x in (only_challenger, only_baseline))
    )
    z, value = float(ndtri(0.5 + level / 2)), (b - c) / n

    def too_far(d: np.ndarray) -> np.ndarray:
        linear = -b - c + (2 * n - b + c) * d
        root = np.sqrt(np.maximum(linear**2 + 8 * n * c * d * (1 - d), 0.0))
        share = np.maximum((root - linear) / (4 * n), 0.0)
        variance = np.maximum(n * (2 * share + d * (1 - d)), 0.0)
        return np.abs(b - c - n * d) > z * np.sqrt(variance)

    return _edge(too_far, value, -np.ones_like(value)), _edge(too_far, value, np.ones_like(value))


def _edge(outside: Callable, inside: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Where `outside` begins, between a point inside and an end that may be outside (bisection)."""
    near, far = inside.copy(), end.copy()
    for _ in range(50):
        middle = (near + far) / 2
        out = outside(middle)
        near, far = np.where(out, near, middle), np.where(out, middle, far)
    return far


def of_difference(n: int, found, truth: float) -> dict:
    """For Newcombe's and Tango's intervals over paired tables: coverage, the share of runs in which the
    interval is entirely above the truth (`_above`), and the mean width."""
    result = {}
    for name, (low, high) in (
        ("newcombe", statistics.newcombe_limits(*found)),
        ("tango", tango_limits(found[1], found[2], n)),
    ):
        result |= {
            name: covered((low, high), truth),
            f"{name}_above": float((low > truth).mean()),
            f"{name}_width": float((high - low).mean()),
        }
    return result


def alarms_of_test(n: int, discordant: float, runs: int, seed: int) -> float:
    """How often the mid-p McNemar test rejects when the arms are equally good."""
    found = tables(n, 0.7, 0.0, discordant, runs, seed)
    return float((statistics.mcnemar_mid_p_values(found[2], found[1]) < 0.05).mean())


def alarms_of_verdict(n: int, margin: float, discordant: float, runs: int, seed: int) -> dict:
    """How often the verdict is wrong, in either direction, when the truth is exactly on the margin."""
    found = tables(n, 0.7, margin, discordant, runs, seed)
    low, high = statistics.newcombe_limits(*found)
    return {"fine_tune": float((low > margin).mean()), "prompt": float((high < margin).mean())}


def alarms_of_family(n: int, members: int, runs: int, seed: int) -> float:
    """How often any of several comparisons with one baseline is significant after Holm, with no true difference."""
    rng = np.random.default_rng(seed)
    easy = (
        rng.random((runs, n)) < 0.5
    )  # rows that all arms answer alike, so that the tests are dependent
    baseline = rng.random((runs, n)) < 0.6
    p_values = []
    for _ in range(members):
        arm = np.where(easy, baseline, rng.random((runs, n)) < 0.6)
        b, c = (arm & ~baseline).sum(axis=1), (~arm & baseline).sum(axis=1)
        p_values.append(statistics.mcnemar_mid_p_values(c, b))
    adjusted = [min(statistics.holm(list(row))) for row in np.array(p_values).T]
    return float((np.array(adjusted) < 0.05).mean())


def alarms_of_looks(looks: int, n: int, runs: int, seed: int) -> float:
    """How often any interim analysis on growing rows rejects, each at its own level, with no true difference."""
    rng = np.random.default_rng(seed)
    b, c = np.zeros(runs, int), np.zeros(runs, int)
    rejected = np.zeros(runs, bool)
    for look in range(1, looks + 1):
        discordant = rng.binomial(n // looks, 0.3, runs)
        more = rng.binomial(discordant, 0.5)
        b, c = b + more, c + discordant - more
        p_values = statistics.mcnemar_mid_p_values(b, c)
        rejected |= p_values < statistics.error_of_look(look, looks)
    return float(rejected.mean())


def of_macro_f1(n: int, accuracy: float, paired: bool, runs: int, seed: int) -> dict:
    """Coverage of the BCa bootstrap for macro-F1 of three labels, and how often none is given."""
    metric, labels = load_metric("macro-f1"), ("a", "b", "c")
    gold = np.array(labels, dtype=object)[np.arange(n) % 3]
    rng = np.random.default_rng(seed)

    def answers(share: float) -> np.ndarray:
        """Wrong answers are mostly "a", like those of a model that favours one label."""
        said = np.where(rng.random(n) < 0.7, "a", "b").astype(object)
        said = np.where(said == gold, "c", said)
        return np.where(rng.random(n) < share, gold, said)

    def truth(share: float) -> float:
        wrong = {"a": {"c": 0.7, "b": 0.3}, "b": {"a": 0.7, "c": 0.3}, "c": {"a": 0.7, "b": 0.3}}
        true = np.full(3, 1 / 3)
        said = [
            share / 3 + (1 - share) / 3 * sum(wrong[g].get(label, 0) for g in labels if g != label)
            for label in labels
        ]
        return float(metric.value(np.concatenate([np.full(3, share / 3), true, said])))

    def gain(sums: np.ndarray) -> np.ndarray:
        values = metric.value(sums)
        return values[..., 1] - values[..., 0]

    held = refused = 0
    for _ in range(runs):
        first, groups = answers(accuracy), np.arange(n)
        sums = metric.statistics(gold, first, labels)
        if paired:
            second = np.where(rng.random(n) < 0.5, first, answers(accuracy))
            sums = np.stack([metric.statistics(gold, second, labels), sums], axis=1)
            found = statistics.resampled(
                sums, gain, groups, 0, (first == gold) != (second == gold)
            )  # fmt: skip
            true = 0.0
        else:
            found = statistics.resampled(sums, metric.value, groups, 0, first != gold)
            true = truth(accuracy)
        refused += found.low is None
        held += found.low is not None and found.low <= true <= found.high
    return {"covered": held / max(runs - refused, 1), "refused": refused / runs}


def of_groups(groups: int, runs: int, seed: int) -> dict:
    """Coverage of both intervals for rows in groups, and false alarms of the sign-flip test."""
    rng = np.random.default_rng(seed)
    share = difference = alarms = 0
    for _ in range(runs):
        ids = np.repeat(np.arange(groups), rng.integers(2, 15, groups))
        own = rng.normal(0, 0.6, (3, groups))[:, ids]
        chance = 1 / (1 + np.exp(-(own[0] + own[1:])))
        rows = (rng.random(chance.shape) < chance).astype(float)
        one = statistics.share(rows[0], ids)
        two = statistics.paired_difference(rows[0], rows[1], ids)
        share += one.low <= 0.5 <= one.high
        difference += two.low <= 0 <= two.high
        alarms += statistics.sign_flip_p(rows[1] - rows[0], ids, seed=0, resamples=999) < 0.05
    return {"share": share / runs, "difference": difference / runs, "alarms": alarms / runs}


def of_methods(seeds: int, runs: int, seed: int, rows: int = 200) -> dict:
    """Coverage for the difference of two methods, over new seeds and rows, and over rows only."""
    rng = np.random.default_rng(seed)
    both = rows_alone = 0
    ids = np.arange(rows)
    for _ in range(runs):
        easy = rng.normal(0, 1, rows)

        def arm(easy=easy) -> np.ndarray:
            shift = easy + rng.normal(0, 0.25, (seeds, 1)) + rng.normal(0, 0.5, (seeds, rows))
            return (rng.random(shift.shape) < 1 / (1 + np.exp(-shift))).astype(float)

        baseline, challenger = arm(), arm()
        found = statistics.difference_of_methods(baseline, challenger, ids)
        naive = statistics.paired_difference(baseline.mean(0), challenger.mean(0), ids)
        both += found.low <= 0 <= found.high
        rows_alone += naive.low <= 0 <= naive.high
    return {"rows_and_seeds": both / runs, "rows_alone": rows_alone / runs}


def all_of(runs: int) -> dict:
    """All tables, as plain values."""
    slow = max(runs // 20, 200)
    differences = []
    for n in SIZES:
        for share in SHARES:
            for truth, discordant in TRUTHS:
                found = tables(n, share, truth, discordant, runs, seed=n)
                if found is not None:
                    cell = {"n": n, "share": share, "difference": truth, "discordant": discordant}
                    differences.append(cell | of_difference(n, found, truth))
    return {
        "runs": runs,
        "slow_runs": slow,
        "shares": [
            {"n": n, "share": share, "wilson": of_share(n, share, runs, seed=n)}
            for n in SIZES
            for share in SHARES
        ],
        "differences": differences,
        "primary": [
            {"n": n, "discordant": d, "mcnemar": alarms_of_test(n, d, runs, seed=n)}
            | alarms_of_verdict(n, 0.03, d, runs, seed=n + 1)
            for n in SIZES
            for d in (0.1, 0.3)
        ],
        "family": [
            {"n": n, "members": m, "holm": alarms_of_family(n, m, max(runs // 10, 200), seed=n)}
            for n in (30, 100, 300)
            for m in (3, 10)
        ],
        "looks": [{"looks": k, "alarms": alarms_of_looks(k, 600, runs, seed=k)} for k in (1, 2, 3)],
        "macro_f1": [
            {"n": n, "accuracy": a, "paired": p} | of_macro_f1(n, a, p, slow, seed=n)
            for p in (False, True)
            for n in SIZES
            for a in SHARES
        ],
        "groups": [{"groups": g} | of_groups(g, slow, seed=g) for g in (10, 20, 40)],
        "methods": [{"seeds": s} | of_methods(s, slow, seed=s) for s in (5, 10)],
    }


def shown(found: dict) -> str:
    """The tables as Markdown, in percent."""
    lines = []
    for name, rows in found.items():
        if not isinstance(rows, list):
            continue
        keys = list(rows[0])
        lines += [f"\n{name}\n", f"| {' | '.join(keys)} |", f"|{'---|' * len(keys)}"]
        for row in rows:
            cells = [f"{v:.3f}" if isinstance(v, float) else str(v) for v in row.values()]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=20_000)
    parser.add_argument("--out")
    options = parser.parse_args()
    start = time.perf_counter()
    result = all_of(options.runs)
    result["seconds"] = round(time.perf_counter() - start, 1)
    print(shown(result))
    print(f"\n{result['seconds']} s")
    if options.out:
        with open(options.out, "w", encoding="utf-8") as file:
            json.dump(result, file, indent=1)
