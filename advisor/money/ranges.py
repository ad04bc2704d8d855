"""A number that isn't known exactly, and arithmetic that takes single numbers and draws alike.

Single numbers need no numpy, so what is quick stays quick; with arrays numpy does the same work.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Range:
    """A value with the bounds between which it lies; all three are equal where it is known.

    As a distribution: half of the draws lie below the value and half above, evenly on a log scale
    on each side (evenly on a plain scale where a bound is zero). So the value is the median, and no
    draw lies outside the bounds.
    """

    value: float
    low: float
    high: float

    def __post_init__(self):
        if not self.low <= self.value <= self.high:
            raise ValueError(f"{self.low:g} <= {self.value:g} <= {self.high:g} doesn't hold")

    @classmethod
    def known(cls, value: float) -> Range:
        """A range without width."""
        return cls(value, value, value)

    @property
    def fixed(self) -> bool:
        """Whether the value is known exactly."""
        return self.low == self.high

    def drawn(self, uniforms):
        """The values that stand at these quantiles, an array of numbers from 0 to 1."""
        import numpy as np

        side = 2 * uniforms - 1
        low, high, number = self.low, self.high, side.dtype.type
        if low > 0:
            below, above = math.log(self.value / low), math.log(high / self.value)
            return self.value * np.exp(np.where(side < 0, number(below), number(above)) * side)
        return (
            self.value
            + np.where(side < 0, number(self.value - low), number(high - self.value)) * side
        )


def _plain(*numbers) -> bool:
    return all(isinstance(number, int | float) for number in numbers)


def larger(one, other):
    """The larger of two, one by one."""
    if _plain(one, other):
        return max(one, other)
    import numpy as np

    return np.maximum(one, other)


def smaller(one, other):
    """The smaller of two, one by one."""
    if _plain(one, other):
        return min(one, other)
    import numpy as np

    return np.minimum(one, other)


def whole(number):
    """The next whole number above; a billionth above a whole number is that whole number."""
    if _plain(number):
        return math.ceil(number - 1e-9)
    import numpy as np

    return np.ceil(number - 1e-9)


def exponential(number):
    """e to a power."""
    if _plain(number):
        return math.exp(number)
    import numpy as np

    return np.exp(number)
