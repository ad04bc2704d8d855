"""A range's draws have its value as their median and stay within its bounds."""

import numpy as np
import pytest

from advisor.money.ranges import Range, whole


def test_half_of_the_draws_are_below_the_value_and_none_outside_the_bounds():
    for span in (Range(3, 1, 20), Range(0.2, 0, 0.5), Range(1, 1, 2)):
        drawn = span.drawn(np.random.default_rng(0).random(20_000))
        assert span.low <= drawn.min()
        assert drawn.max() <= span.high
        assert np.median(drawn) == pytest.approx(span.value, rel=0.05)


def test_a_range_is_in_order():
    with pytest.raises(ValueError, match="doesn't hold"):
        Range(1, 2, 3)


def test_the_next_whole_number_forgives_a_rounding_error():
    assert whole(3.0000000001) == 3
    assert whole(3.001) == 4
