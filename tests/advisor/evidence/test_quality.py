"""The probability that tuning gives better answers: what moves it, and what it is based on."""

import json
import math
from importlib import resources

import pytest

from advisor.evidence.backtest import fit
from advisor.evidence.cases import shipped_cases
from advisor.evidence.quality import PRIOR, Weights, p_tuning_better, shipped_weights, traits
from scenarios.schema import Profile


def test_the_shipped_weights_are_those_that_the_shipped_cases_give():
    refitted, shipped = fit(shipped_cases()), shipped_weights()
    assert shipped.traits == tuple(PRIOR) == refitted.traits
    assert shipped.values == pytest.approx(refitted.values, abs=1e-4)
    for one, other in zip(shipped.covariance, refitted.covariance, strict=True):
        assert one == pytest.approx(other, abs=1e-5)


def test_weights_stay_at_the_prior_if_no_case_covers_them():
    weights = dict(zip(shipped_weights().traits, shipped_weights().values, strict=True))
    assert weights["poor_labels"] == PRIOR["poor_labels"][0]
    assert all(weights[name] * prior > 0 for name, (prior, _) in PRIOR.items())


def test_the_sum_is_worked_out_by_hand():
    """4 classes and 400 labels are 100 a class: log10(100 / 10) = 1. With weights of 1 for the
    constant and 2 for rows the log-odds are 1 + 2 x 1 = 3, and p = 1 / (1 + e^-3) = 0.9526."""
    names = ("constant", "rows")
    weights = Weights(names, (1.0, 2.0), ((0.0, 0.0), (0.0, 0.0)))
    profile = Profile(task_type="classification", classes=4, labelled_examples=400)
    found = p_tuning_better(profile, weights)
    assert found.value == pytest.approx(1 / (1 + math.exp(-3)))
    assert found.low == found.value == found.high


def test_rows_count_by_class_and_no_further_than_a_thousandfold():
    def rows(**facts):
        return traits(Profile(task_type="classification", **facts))["rows"]

    assert rows(classes=10, labelled_examples=100) == 0
    assert rows(classes=77, labelled_examples=77) == -1
    assert rows(classes=2, labelled_examples=10**9) == 1.5
    assert rows(labelled_examples=40) == 0  # four classes where none are named


def test_outside_classification_rows_count_half_and_capability_is_not_bought_with_rows():
    """Steps of ten from a hundred: 10,000 extractions are (4 - 2) / 2 = +1, held at 0.75; of code,
    which hangs half on capability, half of that; of reasoning nothing."""

    def rows(kind, count):
        return traits(Profile(task_type=kind, labelled_examples=count))["rows"]

    assert [rows("extraction", n) for n in (10, 100, 1000, 10**4, 10**6)] == [
        -0.5,
        0,
        0.5,
        0.75,
        0.75,
    ]
    assert [rows("code", n) for n in (10, 100, 1000)] == [-0.5, 0, 0.25]
    assert [rows("reasoning", n) for n in (10, 100, 10**6)] == [-0.5, 0, 0]


def test_a_handful_of_rows_counts_against_tuning_whatever_the_task():
    def few(count):
        return traits(Profile(labelled_examples=count))["very_few"]

    assert (few(1), few(10), few(32), few(10**6)) == (1.5, pytest.approx(0.5), 0, 0)


@pytest.mark.parametrize(
    ("likelier", "than"),
    [
        ({"task_type": "extraction"}, {"task_type": "reasoning"}),
        ({"prompting_effort": "few-shot"}, {"prompting_effort": "optimised"}),
        ({"prompting_effort": "zero-shot"}, {"prompting_effort": "few-shot"}),
        ({"label_quality": "good"}, {"label_quality": "poor"}),
        ({"live_data_shift": "none"}, {"live_data_shift": "strong"}),
        ({"task_type": "reasoning", "prompted_model_billion_parameters": 8,
          "largest_own_model_billion_parameters": 8},
         {"task_type": "reasoning", "prompted_model_billion_parameters": 1000,
          "largest_own_model_billion_parameters": 8}),
    ],
)  # fmt: skip
def test_what_makes_tuning_likelier(likelier, than):
    assert p_tuning_better(Profile(**likelier)).value > p_tuning_better(Profile(**than)).value


def test_what_is_unknown_widens_the_interval_and_knowing_it_narrows():
    facts = {"task_type": "classification", "classes": 5, "labelled_examples": 1000,
             "prompting_effort": "few-shot", "label_quality": "good", "live_data_shift": "none"}  # fmt: skip

    def width(**known):
        found = p_tuning_better(Profile(**known))
        return math.log(found.high / (1 - found.high)) - math.log(found.low / (1 - found.low))

    for missing in ("classes", "prompting_effort", "label_quality", "live_data_shift"):
        assert width(**{k: v for k, v in facts.items() if k != missing}) > width(**facts), missing


def test_if_data_may_not_leave_the_prompted_model_is_your_own():
    inside = Profile(
        task_type="reasoning", data_may_leave=False, largest_own_model_billion_parameters=8
    )
    outside = inside.model_copy(update={"data_may_leave": True})
    assert p_tuning_better(inside).value > p_tuning_better(outside).value


def test_the_catalog_says_how_it_was_written():
    text = (resources.files("advisor") / "catalog" / "quality_weights.json").read_text("utf-8")
    assert "benchmarks/fit_quality.py" in json.loads(text)["about"]
