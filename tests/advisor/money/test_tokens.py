"""Tokens of a request as worked sums."""

import pytest

from advisor.money.tokens import demonstration_tokens, prefix_tokens
from tests.advisor.money.plans import plan_with


def test_demonstrations_carry_a_text_and_an_answer_each():
    """Of 1,000 tokens 40% are instruction: 5 x (600 + 100) = 3,500 more, and 3,900 begin every prompt."""
    values = plan_with().values()
    assert demonstration_tokens(values) == pytest.approx(3500)
    assert prefix_tokens(values) == pytest.approx(3900)
