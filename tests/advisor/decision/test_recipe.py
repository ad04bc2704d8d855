"""Settings come with advice to tune, each with its reason and its source."""

import scenarios
from advisor.decision.recommend import recommend
from tests.advisor.situations import advise


def test_a_recipe_comes_only_with_advice_to_tune_and_each_setting_has_its_source():
    assert recommend(scenarios.load("specific-format")).recipe == ()
    for name in ("niche-domain", "critical-latency"):
        found = recommend(scenarios.load(name)).recipe
        assert {"base_billion_parameters", "rank", "targets", "learning_rate", "epochs", "batch",
                "warm_up_share", "more_labels", "share_set_aside"} <= {a.setting for a in found}  # fmt: skip
        assert all(len(a.source) > 5 and a.because for a in found)


def test_a_recipe_counts_the_labels_that_are_missing():
    """12 classes x 50 labels are 600, and 500 are available: 100 more."""
    found = {a.setting: a.value for a in advise("critical-latency", labelled_examples=500).recipe}
    assert found["more_labels"] == 100
