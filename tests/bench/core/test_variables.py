"""The command sets the environment variables that libraries read, unless the user has set them."""

import os

import pytest

from bench.core.variables import set_variables


@pytest.mark.parametrize(("given", "seen"), [({}, "64"), ({"LRU_CACHE_CAPACITY": "200"}, "200")])
def test_few_compiled_products_are_kept_unless_the_user_sets_another_number(
    given, seen, monkeypatch
):
    monkeypatch.setattr(os, "environ", dict(given))
    set_variables()
    assert os.environ["LRU_CACHE_CAPACITY"] == seen
