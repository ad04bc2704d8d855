"""Bands, fitted curves and the crossover: worked by hand, planted and recovered, simulated."""

import numpy as np
import pytest

from bench.metrics import load_metric
from bench.statistics import learning_curve as curves

ACCURACY = load_metric("accuracy")
SIZES = (32, 64, 128, 256, 512)


def statistics_of(right):
    """Accuracy's statistics of right (1) and wrong (0), shape (seeds, sizes, rows)."""
    right = np.asarray(right, dtype=float)
    return np.stack([right, np.ones_like(right)], axis=-1)


def simulated(rng, means, seeds, rows, seed_sd=0.0):
    """Right and wrong by rows' own difficulty, each size's mean as given, seeds spread by `seed_sd`."""
    difficulty = rng.random(rows)
    moved = np.asarray(means)[None, :, None] + seed_sd * rng.standard_normal((seeds, 1, 1))
    own = rng.random((seeds, len(means), rows))
    return (0.5 * difficulty + 0.5 * own < _cut(moved)).astype(float)


def _cut(mean):
    """The value below which the mean of two uniform draws falls with this probability."""
    mean = np.clip(mean, 0, 1)
    return np.where(mean < 0.5, np.sqrt(mean / 2), 1 - np.sqrt((1 - mean) / 2))


def resamples_of(right, groups, seed=0):
    right = np.asarray(right)
    draws = curves.drawn(groups, right.shape[0], seed)
    return curves.resampled(statistics_of(right), ACCURACY.value, draws)


# the crossover


def test_the_crossover_of_four_resamples_worked_by_hand():
    """Sizes 10, 20, 40; the best prompt has 0.5 everywhere, and the margin is 0.03.

    ahead at all three: from the smallest; at 20 and 40: (10, 20]; only at 40: (20, 40]; at 10 and 20,
    but not at 40: not reached, since it doesn't stay ahead. Each is a quarter of the resamples.
    """
    tuned = np.array([[0.6, 0.6, 0.6], [0.5, 0.6, 0.6], [0.6, 0.5, 0.6], [0.6, 0.6, 0.53]])
    found = curves.crossover((10, 20, 40), tuned, [np.full((4, 3), 0.5)], 0.03)
    assert [place["share"] for place in found.shares] == [0.25] * 4
    assert [(place["after"], place["at_most"]) for place in found.shares] == [
        (None, 10), (10, 20), (20, 40), (40, None),
    ]  # fmt: skip
    assert found.answer == "cant_tell"


def test_a_lead_of_exactly_the_margin_is_not_ahead():
    tuned = np.full((10, 2), 0.75)
    at_margin = curves.crossover((8, 16), tuned, [np.full((10, 2), 0.5)], 0.25)
    assert at_margin.answer == "not_reached"
    below = curves.crossover((8, 16), tuned, [np.full((10, 2), 0.5)], 0.2499)
    assert below.answer == "from_the_smallest"


def test_tuning_must_be_ahead_of_each_prompting_arm():
    """Few-shot is the better prompt at 16 rows and zero-shot at 8: tuning passes both only at 16."""
    tuned = np.tile([0.60, 0.80], (50, 1))
    zero, few = np.tile([0.60, 0.60], (50, 1)), np.tile([0.50, 0.70], (50, 1))
    found = curves.crossover((8, 16), tuned, [zero, few], 0.03)
    assert (found.answer, found.after, found.at_most, found.share) == ("bracket", 8, 16, 1.0)
    assert curves.crossover((8, 16), tuned, [few], 0.03).answer == "from_the_smallest"


def test_a_bracket_names_where_most_resamples_overtake_and_the_places_that_hold_95_percent():
    early, late = [0.5, 0.6, 0.6], [0.5, 0.5, 0.6]
    tuned = np.array([early] * 70 + [late] * 30)
    found = curves.crossover((8, 16, 32), tuned, [np.full((100, 3), 0.5)], 0.03)
    assert (found.answer, found.after, found.at_most, found.share) == ("bracket", 8, 16, 0.7)
    assert (found.low["at_most"], found.high["at_most"]) == (16, 32)


@pytest.mark.parametrize(
    ("reached", "answer"), [(975, "bracket"), (974, "cant_tell"), (26, "cant_tell"), (25, "not_reached")]
)  # fmt: skip
def test_an_answer_needs_97_and_a_half_percent_of_the_resamples(reached, answer):
    tuned = np.array([[0.5, 0.6]] * reached + [[0.5, 0.5]] * (1000 - reached))
    assert curves.crossover((8, 16), tuned, [np.full((1000, 2), 0.5)], 0.03).answer == answer


@pytest.mark.parametrize(
    ("means", "answer", "place"),
    [
        ([0.45, 0.5, 0.7, 0.8, 0.85], "bracket", (64, 128)),
        ([0.75, 0.8, 0.85, 0.85, 0.9], "from_the_smallest", (None, 32)),
        ([0.3, 0.32, 0.35, 0.38, 0.4], "not_reached", (512, None)),
        ([0.3, 0.4, 0.45, 0.5, 0.535], "cant_tell", (256, 512)),
    ],
)
def test_each_answer_is_given_where_it_is_true(means, answer, place):
    """Prompting is at 0.5 at each size; 400 test rows, five seeds, a margin of 3 points."""
    rng = np.random.default_rng(1)
    groups = np.arange(400)
    both = simulated(rng, [*means, *[0.5] * 5], 5, 400, seed_sd=0.01)
    draws = curves.drawn(groups, 5, 0)
    tuned, prompted = (
        curves.resampled(statistics_of(part), ACCURACY.value, draws)
        for part in (both[:, :5], both[:, 5:])
    )
    found = curves.crossover(SIZES, tuned, [prompted], 0.03)
    assert (found.answer, (found.after, found.at_most)) == (answer, place)


def test_arms_are_resampled_together_so_shared_variance_does_not_lower_the_share():
    """Tuning is right wherever prompting is, and on 8% more rows: every resample shows a lead."""
    rng = np.random.default_rng(0)
    prompted = np.repeat((rng.random((1, 1, 500)) < 0.5).astype(float), 2, axis=1)
    tuned = prompted.copy()
    tuned[:, :, rng.choice(np.flatnonzero(prompted[0, 0] == 0), 40, replace=False)] = 1.0
    draws = curves.drawn(np.arange(500), 1, 0)
    found = curves.crossover(
        (8, 16),
        *(curves.resampled(statistics_of(tuned), ACCURACY.value, draws),),
        [curves.resampled(statistics_of(prompted), ACCURACY.value, draws)],
        0.03,
    )
    assert found.answer == "from_the_smallest"
    other = curves.drawn(np.arange(500), 1, 1)
    separately = curves.crossover(
        (8, 16),
        curves.resampled(statistics_of(tuned), ACCURACY.value, draws),
        [curves.resampled(statistics_of(prompted), ACCURACY.value, other)],
        0.03,
    )
    assert separately.answer == "cant_tell"


def test_where_tuning_never_gains_the_margin_it_rarely_overtakes():
    """At the margin exactly, in 200 runs, at most 5% may say so: two-sided 95% leaves 2.5% above.

    Seeds differ by 3 points, and rows come in groups of four.
    """
    rng = np.random.default_rng(3)
    groups = np.arange(200) // 4
    said = 0
    for _ in range(200):
        tuned = simulated(rng, [0.53], 5, 200, seed_sd=0.03)
        prompted = simulated(rng, [0.50], 5, 200, seed_sd=0.03)
        draws = curves.drawn(groups, 5, int(rng.integers(1e9)), 400)
        arms = [
            curves.resampled(statistics_of(a), ACCURACY.value, draws) for a in (tuned, prompted)
        ]
        said += curves.crossover((64,), arms[0], [arms[1]], 0.03).answer == "from_the_smallest"
    assert said <= 15  # 7.5%: five seeds are few, and 200 runs distinguish 2.5 from 7.5


# resampling and bands


def test_the_mean_of_the_resamples_has_the_variance_of_rows_and_seeds():
    """Two seeds at 0.4 and 0.6 on all rows alike: the mean's variance is 0.02 / 2 = 0.01 (n - 1)."""
    right = np.zeros((2, 1, 1000))
    right[0, 0, :400] = right[1, 0, :600] = 1.0
    found = resamples_of(right, np.arange(1000))
    rows_alone = 0.5 * 0.5 / 1000
    assert found.var() == pytest.approx(0.01 + rows_alone, rel=0.1)
    assert found.mean() == pytest.approx(0.5, abs=0.01)


def test_two_seeds_give_points_and_no_band():
    right = simulated(np.random.default_rng(0), [0.5, 0.6], 2, 100)
    groups = np.arange(100)
    found = curves.bands(
        statistics_of(right), ACCURACY.value, groups, resamples_of(right, groups), True
    )
    assert [(one.low, one.high) for one in found] == [(None, None)] * 2
    assert "2 seeds" in found[0].reason
    assert "5" in found[0].reason
    assert found[1].value == pytest.approx(right[:, 1].mean())


def test_five_seeds_give_a_band_that_covers():
    """In 200 runs of five seeds and 200 rows, nominally 95%: at least 92% contain the truth."""
    rng = np.random.default_rng(5)
    groups, held = np.arange(200), 0
    for _ in range(200):
        right = simulated(rng, [0.7], 5, 200, seed_sd=0.03)
        [one] = curves.bands(statistics_of(right), ACCURACY.value, groups, np.empty((0, 1)), True)
        held += one.low <= 0.7 <= one.high
    assert held >= 184


def test_a_band_of_another_metric_is_of_the_resamples():
    f1 = load_metric("macro-f1")
    rng = np.random.default_rng(0)
    gold = np.array(["a", "b"] * 60, dtype=object)
    said = np.where(rng.random((5, 2, 120)) < 0.7, gold, "a").astype(object)
    statistics = np.stack([[f1.statistics(gold, s, ("a", "b")) for s in own] for own in said])
    groups = np.arange(120)
    draws = curves.drawn(groups, 5, 0)
    found = curves.bands(
        statistics, f1.value, groups, curves.resampled(statistics, f1.value, draws), False
    )
    assert all(one.low < one.value < one.high for one in found)
    assert found[0].method == "bootstrap over groups of rows and seeds"


def test_an_arm_without_draws_has_one_seed_and_the_same_rows():
    """Zero-shot next to arms of five seeds: its resamples are of the rows only."""
    right = np.zeros((1, 2, 100))
    right[:, :, :50] = 1.0
    draws = curves.drawn(np.arange(100), 5, 0)
    found = curves.resampled(statistics_of(right), ACCURACY.value, draws)
    assert found.shape == (curves.RESAMPLES, 2)
    assert np.array_equal(found[:, 0], found[:, 1])
    assert found.std() == pytest.approx(0.05, rel=0.1)


# the fitted curve


@pytest.mark.parametrize(
    ("a", "b", "c"), [(0.85, 1.2, 0.5), (0.9, 2.0, 0.8), (0.75, 0.5, 0.2), (1.0, 1.0, 0.3)]
)
def test_a_planted_curve_is_recovered(a, b, c):
    values = a - b * np.array(SIZES, float) ** -c
    found = curves.power_laws(SIZES, values[None], np.ones(5))
    assert found[0][0] == pytest.approx(a, abs=2e-3)
    assert found[1][0] * 32 ** found[2][0] == pytest.approx(b, rel=0.02)
    assert found[2][0] == pytest.approx(c, rel=0.02)


def test_curves_stay_within_their_bounds():
    """One that falls is flat, and one that rises ever faster has 1 as its asymptote."""
    falling = np.array([[0.9, 0.8, 0.7, 0.6, 0.5]])
    a, d, _ = curves.power_laws(SIZES, falling, np.ones(5))
    assert (d[0], a[0]) == (0.0, pytest.approx(0.7))
    steep = np.array([[0.1, 0.3, 0.55, 0.8, 1.0]])
    a, d, c = curves.power_laws(SIZES, steep, np.ones(5))
    assert a[0] <= 1.0
    assert 0 <= d[0] <= 1
    assert 0.05 <= c[0] <= 3.0


def test_a_size_with_less_variance_weighs_more_in_the_fit():
    values = np.array([[0.5, 0.5, 0.5, 0.5, 0.9]])
    heavy, light = np.array([1, 1, 1, 1, 100.0]), np.array([1, 1, 1, 1, 0.01])

    def at_last(weights):
        a, d, c = curves.power_laws(SIZES, values, weights)
        return a[0] - d[0] * 16 ** -c[0]

    assert at_last(heavy) > at_last(light) + 0.1


def test_the_curves_interval_holds_the_truth_within_the_sizes_and_beyond_and_says_which_is_which():
    """40 simulated curves: nominally 95%, at least 85% contain the truth at 128 rows and at 2,048."""
    rng = np.random.default_rng(7)
    truth = [0.85 - 1.2 * n**-0.5 for n in (*SIZES, 128, 2048)]
    held = np.zeros(2)
    groups = np.arange(300)
    for _ in range(40):
        right = simulated(rng, truth[:5], 5, 300, seed_sd=0.01)
        draws = curves.drawn(groups, 5, int(rng.integers(1e9)), 300)
        resamples = curves.resampled(statistics_of(right), ACCURACY.value, draws)
        found = curves.fit_curve(SIZES, right.mean(axis=(0, 2)), resamples, (128, 2048))
        assert [place["extrapolated"] for place in found.curve] == [False, True]
        held += [p["low"] <= t <= p["high"] for p, t in zip(found.curve, truth[5:], strict=True)]
    assert (held >= 34).all(), held


def test_three_sizes_are_too_few_for_a_curve():
    found = curves.fit_curve((8, 16, 32), np.array([0.5, 0.6, 0.7]), np.zeros((10, 3)), (8, 64))
    assert "3 sizes" in found
    assert "4" in found


def test_places_to_show_hold_every_size_and_go_beyond_the_largest():
    found = curves.places_to_show(SIZES)
    assert set(SIZES) <= set(found)
    assert (found[0], found[-1]) == (32, 2048)
