"""A number that isn't known exactly, and arithmetic that takes single numbers or draws.

Single numbers don't need numpy, which keeps quick forecasts quick; arrays use it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Range:
    """A value and its bounds; all three are equal if it is known exactly.

    As a distribution: half of the draws are below the value and half above, uniform on a log scale on
    each side (on a linear scale if the lower bound is zero). So the value is the median, and no draw is
    outside the bounds.
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

    def to_json(self) -> dict:
        """The shape that scripts read."""
        return {"value": self.value, "low": self.low, "high": self.high}

    @property
    def fixed(self) -> bool:
        """Whether the value is known exactly."""
        return self.low == self.high

    def drawn(self, uniforms):
        """The values at these quantiles, given as an array of numbers from 0 to 1."""
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


def finite(number) -> float | None:
    """The number, or None if it is infinite, since JSON has no infinity."""
    return float(number) if math.isfinite(number) else None


def _plain(*numbers) -> bool:
    return all(isinstance(number, int | float) for number in numbers)


def larger(one, other):
    """The larger of two, elementwise."""
    if _plain(one, other):
        return max(one, other)
    import numpy as np

    return np.maximum(one, other)


def smaller(one, other):
    """The smaller of two, elementwise."""
    if _plain(one, other):
        return min(one, other)
    import numpy as np

    return np.minimum(one, other)


def whole(number):
    """Rounded up; a number at most a billionth above a whole number is rounded down to it."""
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
