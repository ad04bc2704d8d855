"""In simulation, intervals contain the truth as often as promised, and tests raise no more false alarms.

The benchmark that prints the tables of docs/statistics.md is run with fewer repetitions; a bound is the
promised figure minus (or plus) three of the simulation's own standard errors.
"""

import importlib.util

import pytest

from tests.conftest import ROOT

specification = importlib.util.spec_from_file_location(
    "coverage_tables", ROOT / "benchmarks" / "coverage.py"
)
simulated = importlib.util.module_from_spec(specification)
specification.loader.exec_module(simulated)

RUNS = 10_000


def test_tangos_interval_is_that_of_the_outside_authority():
    """Cavo et al. 2012: 59, 6, 16, 80. R's `contingencytables`, which Fagerland, Lydersen & Laake
    wrote for their book of 2017, prints for it (its tests of chapter 8) -0.1240 to -0.0054.
    """
    assert simulated.tango_limits(6, 16, 161) == pytest.approx((-0.1240, -0.0054), abs=5e-5)


def test_tangos_interval_at_its_ends():
    """No pair differs: z^2 / (n + z^2) = 3.8415 / 33.8415 = 0.1135 to either side at n = 30."""
    assert simulated.tango_limits(0, 0, 30) == pytest.approx((-0.1135, 0.1135), abs=5e-5)
    low, high = simulated.tango_limits(10, 0, 10)
    assert (low, high) == (pytest.approx(0.4449, abs=5e-5), 1.0)
    assert simulated.tango_limits(0, 10, 10) == pytest.approx((-1.0, -low))


def least(promised: float, runs: int) -> float:
    return promised - 3 * simulated.error_of(promised, runs)


def most(promised: float, runs: int) -> float:
    return promised + 3 * simulated.error_of(promised, runs)


@pytest.mark.parametrize("n", simulated.SIZES)
@pytest.mark.parametrize("share", simulated.SHARES)
def test_a_shares_interval_holds_the_truth_in_94_of_100_runs_at_least(n, share):
    assert simulated.of_share(n, share, RUNS, seed=n) >= least(0.94, RUNS)


POSSIBLE = [
    (share, *truth)
    for share in simulated.SHARES
    for truth in simulated.TRUTHS
    if simulated.tables(30, share, *truth, runs=1, seed=0) is not None
]


def test_only_one_combination_is_impossible():
    """Right on 95% of the rows, an arm can't be wrong on the 15% that the other alone answers."""
    assert len(POSSIBLE) == len(simulated.SHARES) * len(simulated.TRUTHS) - 1
    assert (0.95, 0.0, 0.3) not in POSSIBLE


@pytest.mark.parametrize("n", simulated.SIZES)
@pytest.mark.parametrize(("share", "truth", "discordant"), POSSIBLE)
def test_a_paired_differences_interval_holds_the_truth_in_94_of_100_runs_at_least(
    n, share, truth, discordant
):
    found = simulated.tables(n, share, truth, discordant, RUNS, seed=n)
    coverage = simulated.of_difference(n, found, truth)
    assert coverage["newcombe"] >= least(0.94, RUNS)  # up to 99% where three pairs differ
    assert coverage["tango"] >= least(0.93, RUNS)


@pytest.mark.parametrize("n", simulated.SIZES)
@pytest.mark.parametrize("discordant", [0.1, 0.3])
def test_the_primary_comparison_raises_false_alarms_in_5_of_100_runs_at_most(n, discordant):
    """By its test where nothing differs, and by its verdict where the truth is the margin itself."""
    assert simulated.alarms_of_test(n, discordant, RUNS, seed=n) <= most(0.05, RUNS)
    wrong = simulated.alarms_of_verdict(n, 0.03, discordant, RUNS, seed=n + 1)
    assert wrong["fine_tune"] <= most(0.05, RUNS)
    assert wrong["prompt"] <= most(0.05, RUNS)


@pytest.mark.parametrize("members", [3, 10])
def test_a_family_of_comparisons_raises_false_alarms_in_5_of_100_runs_at_most(members):
    assert simulated.alarms_of_family(100, members, 1000, seed=members) <= most(0.05, 1000)


@pytest.mark.parametrize("looks", [1, 2, 3])
def test_declared_interim_analyses_together_raise_false_alarms_in_5_of_100_runs_at_most(looks):
    assert simulated.alarms_of_looks(looks, 600, RUNS, seed=looks) <= most(0.05, RUNS)


def test_rows_in_groups_are_covered_and_raise_no_more_false_alarms():
    found = simulated.of_groups(40, 400, seed=1)
    assert found["share"] >= least(0.94, 400)
    assert found["difference"] >= least(0.94, 400)
    assert found["alarms"] <= most(0.05, 400)


def test_a_methods_interval_holds_for_new_seeds_where_one_from_rows_does_not():
    found = simulated.of_methods(5, 300, seed=5)
    assert found["rows_and_seeds"] >= least(0.94, 300)
    assert found["rows_alone"] < 0.9


def test_a_bootstrap_covers_where_there_are_rows_and_is_refused_where_there_are_no_errors():
    """300 rows at 80%: about 95%; 30 rows at 95% contain an error or two, and get no interval."""
    usual = simulated.of_macro_f1(300, 0.8, False, 300, seed=0)
    assert usual["refused"] == 0
    assert usual["covered"] >= least(0.94, 300)
    assert simulated.of_macro_f1(30, 0.95, False, 50, seed=0)["refused"] > 0.9
