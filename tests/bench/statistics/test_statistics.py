"""Intervals and tests agree with published values, and cover what they promise in simulation."""

import numpy as np
import pytest

from bench.statistics import intervals as statistics


def paired(both, only_challenger, only_baseline, neither):
    """Rows of right and wrong for baseline and challenger, from a table of pairs."""
    challenger = [1] * (both + only_challenger) + [0] * (only_baseline + neither)
    baseline = [1] * both + [0] * only_challenger + [1] * only_baseline + [0] * neither
    return np.array(baseline), np.array(challenger)


@pytest.mark.parametrize(
    ("right", "n", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611),
     (1, 29, 0.0061, 0.1718)],
)  # fmt: skip
def test_wilson_is_as_published(right, n, low, high):
    """Newcombe 1998, Statistics in Medicine 17:857, Table I, method 3."""
    assert statistics.wilson(right, n) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize(
    ("table", "low", "high"),
    [((36, 12, 2, 0), 0.0569, 0.3404), ((1, 1, 7, 12), -0.5069, -0.0256)],
)
def test_newcombes_paired_interval_is_as_published(table, low, high):
    """Newcombe 1998, 17:2635, method 10; Fagerland et al. 2014 on the table of Bentur et al."""
    assert statistics.newcombe_limits(*table) == pytest.approx((low, high), abs=7e-5)


def test_paired_intervals_and_test_are_those_of_the_outside_authority():
    """Cavo et al. 2012: 59, 6, 16, 80. R's `contingencytables`, which Fagerland, Lydersen & Laake
    wrote for their book of 2017, prints for it (its tests of chapter 8) Newcombe -0.1186 to -0.0046,
    McNemar mid-p 0.034690.
    """
    assert statistics.newcombe_limits(59, 6, 16, 80) == pytest.approx((-0.1186, -0.0046), abs=5e-5)
    assert statistics.mcnemar_mid_p(16, 6) == pytest.approx(0.034690, abs=5e-7)


def test_mcnemars_mid_p_is_as_published():
    """Fagerland, Lydersen & Laake 2013: 1 against 7 discordant pairs give 0.039."""
    assert statistics.mcnemar_mid_p(1, 7) == pytest.approx(0.0391, abs=5e-5)
    assert statistics.mcnemar_mid_p(7, 1) == statistics.mcnemar_mid_p(1, 7)
    assert statistics.mcnemar_mid_p(0, 0) == 1.0


def test_holm_steps_down_and_never_falls():
    """0.01, 0.04, 0.03: 3 x 0.01 = 0.03, then 2 x 0.03 = 0.06, then max(0.06, 0.04) = 0.06."""
    assert statistics.holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])


@pytest.mark.parametrize(("margin", "rows"), [(0.05, 314), (0.03, 873), (0.02, 1963)])
def test_rows_to_settle_are_as_published(margin, rows):
    """Miller 2024, at 10% discordance and 80% power."""
    assert statistics.rows_to_settle(0.1, margin) in (rows, rows - 1, rows + 1)


def test_one_row_or_one_group_has_no_interval():
    for found in (
        statistics.share(np.array([1.0]), np.array(["a"])),
        statistics.share(np.array([1.0, 0.0]), np.array(["a", "a"])),
        statistics.paired_difference(np.array([1.0]), np.array([0.0]), np.array(["a"])),
    ):
        assert (found.low, found.high) == (None, None)
        assert found.reason


def test_two_arms_with_equal_answers_get_no_interval_rather_than_a_tie():
    same = np.array([1.0, 0.0, 1.0, 1.0])
    found = statistics.paired_difference(same, same, np.array(list("aabb")))
    assert found.low is None
    assert "equally well" in found.reason


def test_differences_that_cancel_out_in_every_group_have_no_interval():
    """One arm is right where the other is wrong, in pairs: the sums by group don't vary at all."""
    baseline, groups = np.tile([1.0, 0.0], 20), np.repeat(np.arange(20), 2)
    found = statistics.paired_difference(baseline, 1 - baseline, groups)
    assert (found.value, found.low, found.high) == (0.0, None, None)
    assert "the same in every group" in found.reason


def test_rows_without_groups_take_the_methods_for_independent_rows():
    rows = np.array([1.0] * 30 + [0.0] * 10)
    alone = np.arange(40)
    assert statistics.share(rows, alone).method == "Wilson"
    assert statistics.paired_difference(rows, rows[::-1], alone).method == "Newcombe, method 10"
    assert statistics.paired_p_value(rows, rows[::-1], alone, 0)[1] == "McNemar mid-p"


def test_rows_of_one_review_count_as_fewer():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(30), 10)
    rows = (rng.random(300) < np.repeat(rng.random(30), 10)).astype(float)
    together, alone = statistics.share(rows, groups), statistics.share(rows, np.arange(300))
    assert together.high - together.low > 1.3 * (alone.high - alone.low)


def test_a_metric_is_resampled_by_whole_groups():
    rows = np.ones((40, 2))
    rows[:20, 0] = 0
    value = lambda sums: sums[..., 0] / sums[..., 1]  # noqa: E731
    alone = statistics.resampled(rows, value, np.arange(40), seed=0)
    grouped = statistics.resampled(rows, value, np.repeat(np.arange(10), 4), seed=0)
    assert alone.value == grouped.value == 0.5
    assert grouped.high - grouped.low > 1.5 * (alone.high - alone.low)
    few = statistics.resampled(rows, value, np.repeat(np.arange(4), 10), seed=0)
    assert "4 groups" in few.reason
    assert "10" in few.reason


def test_the_mean_over_seeds_is_resampled_by_group_as_one_seed_is():
    rng = np.random.default_rng(0)
    rows = np.stack([rng.integers(0, 2, 60), np.ones(60)], axis=1).astype(float)
    share = lambda sums: sums[..., 0] / sums[..., 1]  # noqa: E731
    one = statistics.resampled(rows, share, np.arange(60) % 20, seed=0)
    three = statistics.resampled(
        np.stack([rows] * 3, axis=1), lambda sums: share(sums).mean(-1), np.arange(60) % 20, seed=0
    )
    assert (one.low, one.high) == pytest.approx((three.low, three.high))
    assert one.low < one.value < one.high


def test_sign_flips_give_the_exact_share_of_few_groups():
    """Four groups that all favour one arm: 2 of 16 flips are as far, so p is near 1/8."""
    p = statistics.sign_flip_p(np.ones(8), np.repeat(np.arange(4), 2), seed=0, resamples=20000)
    assert p == pytest.approx(0.125, abs=0.01)


def simulated_groups(rng, groups=39, size=8):
    """Two arms over reviews: right with a chance that the review shares, and true difference."""
    ids = np.repeat(np.arange(groups), rng.integers(2, 2 * size - 1, groups))
    easy = rng.normal(0, 0.8, groups)[ids]
    own = rng.normal(0, 0.5, (2, groups))[:, ids]

    def chance(shift, own):
        return 1 / (1 + np.exp(-(shift + easy + own)))

    draw = rng.random((2, len(ids)))
    arms = [(draw[i] < chance(s, own[i])).astype(float) for i, s in enumerate((0.0, 1.0))]
    return ids, arms


def expected_shares():
    """The two arms' true shares under `simulated_groups`, by a large sample."""
    rng = np.random.default_rng(99)
    total = rng.normal(0, np.hypot(0.8, 0.5), 2_000_000)
    return [float((1 / (1 + np.exp(-(s + total)))).mean()) for s in (0.0, 1.0)]


def test_intervals_cover_the_truth_in_19_of_20_runs_when_rows_come_in_reviews():
    """1,000 runs: the sampling error of a coverage of 95% is 0.7 points."""
    truth = expected_shares()
    rng = np.random.default_rng(1)
    share_covers = difference_covers = 0
    runs = 1000
    for _ in range(runs):
        ids, (baseline, challenger) = simulated_groups(rng)
        one = statistics.share(challenger, ids)
        two = statistics.paired_difference(baseline, challenger, ids)
        share_covers += one.low <= truth[1] <= one.high
        difference_covers += two.low <= truth[1] - truth[0] <= two.high
    assert 0.93 <= share_covers / runs <= 0.98
    assert 0.93 <= difference_covers / runs <= 0.97


def test_tests_of_no_difference_reject_one_null_run_in_twenty():
    rng = np.random.default_rng(3)
    runs = 600
    clustered = independent = 0
    for _ in range(runs):
        ids = np.repeat(np.arange(30), 5)
        pull = rng.normal(0, 0.3, 30)[ids]
        difference = np.sign(np.round(rng.normal(pull, 0.7)))
        clustered += statistics.sign_flip_p(difference, ids, seed=0, resamples=400) < 0.05
        first = rng.binomial(30, 0.5)
        independent += statistics.mcnemar_mid_p(first, 30 - first) < 0.05
    assert clustered / runs <= 0.08
    assert 0.02 <= independent / runs <= 0.07


def test_the_minimum_detectable_difference_is_the_margin_that_its_rows_settle():
    """873 rows at 10% discordance settle 3 points; at a design effect of 2 it takes twice as many."""
    assert statistics.smallest_visible(0.1, 873) == pytest.approx(0.03, abs=1e-4)
    assert statistics.smallest_visible(0.1, 2 * 873, effect=2.0) == pytest.approx(0.03, abs=1e-4)
    assert statistics.rows_to_settle(0.1, 0.03, effect=2.0) in range(2 * 873 - 2, 2 * 873 + 2)


def test_the_design_effect_is_1_for_independent_rows_and_5_for_groups_of_5_equal_rows():
    """20 groups of 5 equal rows: each group is one row, so the effect is about 5."""
    rng = np.random.default_rng(0)
    alone = rng.choice([-1.0, 0.0, 1.0], 100)
    assert statistics.design_effect(alone, np.arange(100)) == pytest.approx(1.0)
    alike = np.repeat(rng.choice([-1.0, 0.0, 1.0], 20), 5)
    assert statistics.design_effect(alike, np.repeat(np.arange(20), 5)) == pytest.approx(
        5, rel=0.06
    )


def test_a_share_in_groups_has_effective_rows_by_the_design_effect_and_students_quantile():
    """Ten groups of 4 equal rows, 6 of them right. The clustered variance is 10/9 x 38.4 / 40^2 = 0.02667,
    which leaves 0.24 / 0.02667 = 9 rows; Korn & Graubard 1998 make of them 9 x (1.960 / 2.262)^2 = 6.756.
    Wilson's interval of 9 rows would be 0.3005 to 0.8397.
    """
    right = np.repeat([1.0] * 6 + [0.0] * 4, 4)
    found = statistics.share(right, np.repeat(np.arange(10), 4))
    assert (found.value, found.n) == (0.6, 40)
    assert (found.low, found.high) == pytest.approx((0.2666, 0.8609), abs=5e-5)


def test_without_errors_there_is_no_bootstrap_interval():
    rows = np.ones((40, 2))
    value = lambda sums: sums[..., 0] / sums[..., 1]  # noqa: E731
    none = statistics.resampled(rows, value, np.arange(40), 0, telling=rows[:, 0] == 0)
    assert "0 of 40 groups" in none.reason
    assert "5" in none.reason
    rows[:5, 0] = 0
    some = statistics.resampled(rows, value, np.arange(40), 0, telling=rows[:, 0] == 0)
    assert some.low < 0.875 < some.high


def test_our_bca_is_scipys():
    """On the same sample, up to which groups each draws."""
    from scipy.stats import bootstrap

    rng = np.random.default_rng(4)
    sums = np.stack([rng.gamma(2, 1, 60), np.ones(60)], axis=1)
    mine = statistics.resampled(sums, lambda s: s[..., 0] / s[..., 1], np.arange(60), 0)
    theirs = bootstrap((sums[:, 0],), np.mean, n_resamples=20_000, rng=1).confidence_interval
    assert (mine.low, mine.high) == pytest.approx(tuple(theirs), abs=0.03)


def test_variance_is_split_into_rows_and_seeds_as_simulated():
    """Seeds shift by 0.10, rows by 0.3, the rest is 0.2; 200 rows and 10 seeds, mean of 200 splits.

    Seeds add 0.10^2 / 10 = 0.0010; rows and rest 0.3^2 / 200 + 0.2^2 / 2000 = 0.00047.
    """
    rng = np.random.default_rng(5)
    found = []
    for _ in range(200):
        challenger = (
            rng.normal(0, 0.1, (10, 1)) + rng.normal(0, 0.3, 200) + rng.normal(0, 0.2, (10, 200))
        )
        found.append(statistics.split_variance(np.zeros(200), challenger, np.arange(200)))
    assert np.mean([s.seed for s in found]) == pytest.approx(0.0010, rel=0.12)
    assert np.mean([s.sampling for s in found]) == pytest.approx(0.00047, rel=0.05)
    assert all(s.draw == 0 for s in found)
    assert found[0].total == found[0].sampling + found[0].seed


def test_four_seeds_are_too_few_to_compare_methods():
    rng = np.random.default_rng(0)
    arms = rng.integers(0, 2, (2, 5, 50)).astype(float)
    few = statistics.difference_of_methods(arms[0, :4], arms[1, :4], np.arange(50))
    assert "4 seeds" in few.reason
    assert "5" in few.reason
    assert statistics.difference_of_methods(arms[0], arms[1], np.arange(50)).low is not None


def test_interim_analyses_spend_the_whole_error_and_little_of_it_early():
    """Two analyses: 2 - 2 Phi(1.96 / sqrt(1/2)) = 0.0056 at the first, 0.0444 at the second."""
    assert statistics.error_of_look(1, 2) == pytest.approx(0.00557, abs=5e-5)
    assert statistics.error_of_look(2, 2) == pytest.approx(0.04443, abs=5e-5)
    assert statistics.error_of_look(1, 1) == pytest.approx(0.05)
    for looks in (2, 3, 5):
        spent = [statistics.error_of_look(k, looks) for k in range(1, looks + 1)]
        assert sum(spent) == pytest.approx(0.05)
        assert spent == sorted(spent)


def test_an_adjusted_p_value_is_at_most_5_percent_where_its_part_of_the_error_rejects():
    """Two analyses have 0.00557 and 0.04443: p x 0.05 / part."""
    assert statistics.p_at_look(0.03, 1, 1) == 0.03
    assert statistics.p_at_look(0.0055, 1, 2) == pytest.approx(0.0494, abs=2e-4)
    assert statistics.p_at_look(0.0056, 1, 2) > 0.05
    assert statistics.p_at_look(0.0444, 2, 2) < 0.05 < statistics.p_at_look(0.0445, 2, 2)
    assert statistics.p_at_look(0.5, 1, 2) == 1.0


@pytest.mark.parametrize(("look", "looks"), [(1, 1), (1, 2), (2, 2), (2, 3)])
def test_p_of_two_methods_and_their_interval_agree_at_every_interim_analysis(look, looks):
    """The same t on both sides: p <= 0.05 exactly where that analysis's interval excludes 0."""
    rng, groups, agreed = np.random.default_rng(look + looks), np.arange(60), set()
    for gain in np.linspace(0, 0.3, 40):
        arms = [rng.random((5, 60)) < share for share in (0.5, 0.5 + gain)]
        level = 1 - statistics.error_of_look(look, looks)
        found = statistics.difference_of_methods(*arms, groups, level)
        p = statistics.p_at_look(statistics.methods_p_value(*arms, groups), look, looks)
        excludes_zero = found.low > 0 or found.high < 0
        assert excludes_zero == (p <= 0.05)
        agreed.add(excludes_zero)
    assert agreed == {True, False}


def test_rows_that_narrow_an_interval_count_the_level_that_comes_next():
    """Half widths go with the normal quantile: from 95 to 99% by 2.5758 / 1.9600, squared 1.727."""
    assert statistics.rows_to_narrow(100, 0.06, 0.03) == 1600
    assert statistics.rows_to_narrow(100, 0.06, 0.03, 0.95, 0.99) == pytest.approx(2764, abs=1)
    assert statistics.level_of_next_look(1, 2) == pytest.approx(1 - 0.04443, abs=5e-5)
    assert statistics.level_of_next_look(2, 2) == statistics.level_of_next_look(1, 1) == 0.95
