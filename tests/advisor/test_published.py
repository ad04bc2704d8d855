"""Published comparisons are counted by source, and drawn to the mean where sources are few."""

import pytest

from advisor.published import tuning_won


def test_all_243_cases_balanced_by_source():
    found = tuning_won(None)
    assert found.value == pytest.approx(0.64, abs=0.06)
    assert found.low < found.value < found.high


@pytest.mark.parametrize(("kind", "above"), [("extraction", 0.8), ("classification", 0.6)])
def test_tuning_wins_where_published_results_say_so(kind, above):
    assert tuning_won(kind).value > above


def test_prompting_wins_where_published_results_say_so():
    assert tuning_won("reasoning").value < 0.5


def test_a_type_without_cases_has_the_overall_share_and_no_sources():
    found = tuning_won("tool-use")
    assert found.sources == 0
    assert found.value == pytest.approx(tuning_won(None).value)


def test_few_sources_make_a_wide_interval():
    one, many = tuning_won("style"), tuning_won("classification")
    assert one.high - one.low > many.high - many.low
