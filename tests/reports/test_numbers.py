"""Numbers in a report say no more than the measurement does."""

import pytest

from reports import numbers


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.0, "under 0.1 ms"), (0.00226, "under 0.1 ms"), (0.0999, "under 0.1 ms"), (0.1, "0.1 ms"),
     (0.5724, "0.572 ms"), (99.96, "100 ms"), (1234.4, "1,234 ms"), (None, "-")],
)  # fmt: skip
def test_milliseconds_have_three_digits_and_say_under_a_tenth_below_it(value, shown):
    assert numbers.milliseconds(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [(2.19e-6, "under 0.01 s"), (0.00999, "under 0.01 s"), (0.01, "0.01 s"), (0.0159, "0.0159 s"),
     (119.9, "120 s"), (120, "2.0 min"), (None, "-")],
)  # fmt: skip
def test_seconds_say_under_a_hundredth_below_it_and_are_minutes_from_two_minutes_on(value, shown):
    assert numbers.seconds(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [(44.62, "44.6 rows/s"), (99.94, "99.9 rows/s"), (99.96, "100 rows/s"),
     (18_895.6, "18,896 rows/s"), (999_999.4, "999,999 rows/s"), (999_999.6, "1.0 million rows/s"),
     (3_467_045.8, "3.5 million rows/s"), (None, "-")],
)  # fmt: skip
def test_throughput_is_in_millions_from_a_million_rows_per_second_on(value, shown):
    assert numbers.rows_per_second(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.0, "$0"), (0.00001, "under $0.0001"), (0.0001, "$0.0001"), (0.0123, "$0.012"),
     (1, "$1.00"), (None, "-")],
)  # fmt: skip
def test_dollars_say_under_a_hundredth_of_a_cent_below_it(value, shown):
    assert numbers.dollars(value) == shown


def test_bytes_are_gib_from_ten_gib_on():
    assert numbers.mebibytes(10 * 2**30 - 2**20) == "10,239.0 MiB"
    assert numbers.mebibytes(10 * 2**30) == "10.0 GiB"


def test_a_share_of_0_7367_is_73_7_percent_and_a_missing_interval_is_said():
    assert numbers.percent(0.7367) == "73.7%"
    assert numbers.estimate({"value": 0.5, "low": 0.4, "high": 0.6}) == "50.0% (40.0 to 60.0)"
    assert numbers.estimate({"value": 0.5, "low": None, "high": None}) == "50.0% (no CI)"


def test_a_p_value_is_never_zero():
    assert numbers.p_value(0.0) == "< 0.001"
    assert numbers.p_value(0.001) == "0.001"


def test_a_difference_of_3_to_12_points_has_signs_and_a_missing_one_is_said():
    assert numbers.gain_interval(0.03, 0.12) == "+3.0 to +12.0"
    assert numbers.gain_interval(-0.0512, 0.0) == "-5.1 to +0.0"
    assert numbers.gain_interval(None, None) == "none"
