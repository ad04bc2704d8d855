"""Every metric is a formula over sums of its rows' statistics, so that resampling needs no further code."""

import numpy as np
import pytest

from bench import registry
from bench.metrics import as_evaluate, check_metric, load_metric, texts
from scenarios.errors import UserError
from tests.contracts.known import names

RNG = np.random.default_rng(0)
LABELS = ("negative", "neutral", "positive")
FREE = ("the cat sat on the mat", "a dog", "two  dogs and a cat", "Ünïcode 電池")
TYPES = {"classification": LABELS, "generation": ()}

every_metric = pytest.mark.parametrize("name", names("metrics"))


def rows(metric, count=200):
    """Gold and predicted texts of a task that suits the metric, and the task's labels."""
    said = LABELS if "classification" in metric.tasks else FREE
    gold, predicted = (texts([said[i] for i in RNG.integers(0, len(said), count)]) for _ in "gp")
    return gold, predicted, TYPES[metric.tasks[0]]


@every_metric
def test_the_tasks_that_it_suits_are_known_and_others_are_refused_by_its_name(name):
    metric = load_metric(name)
    assert metric.tasks
    assert set(metric.tasks) <= set(TYPES)
    for task, labels in TYPES.items():
        if task in metric.tasks:
            check_metric(name, task, labels)
        else:
            with pytest.raises(UserError, match=rf"'{name}'.*{task}.*\[task\]"):
                check_metric(name, task, labels)


@every_metric
def test_two_sets_of_rows_are_worth_the_formula_of_their_sums_over_any_axes(name):
    metric = load_metric(name)
    statistics = metric.statistics(*rows(metric))
    assert statistics.dtype == float
    assert statistics.shape[0] == 200
    assert statistics.ndim == 2
    whole = statistics.sum(axis=0)
    halves = statistics[:70].sum(axis=0) + statistics[70:].sum(axis=0)
    assert metric.value(halves) == pytest.approx(metric.value(whole))
    stacked = metric.value(np.stack([[halves, statistics[:70].sum(axis=0)]] * 3))
    assert stacked.shape == (3, 2)
    assert stacked[2].tolist() == [metric.value(halves), metric.value(statistics[:70].sum(axis=0))]


@every_metric
def test_rows_have_the_statistics_that_they_have_alone_and_in_any_order(name):
    metric = load_metric(name)
    gold, predicted, labels = rows(metric)
    statistics = metric.statistics(gold, predicted, labels)
    for i in range(5):
        [alone] = metric.statistics(gold[i : i + 1], predicted[i : i + 1], labels)
        assert alone.tolist() == statistics[i].tolist()
    order = RNG.permutation(len(gold))
    moved = metric.statistics(gold[order], predicted[order], labels)
    assert moved.tolist() == statistics[order].tolist()


@every_metric
def test_a_perfect_answer_is_worth_one_and_others_between_zero_and_one(name):
    metric = load_metric(name)
    gold, predicted, labels = rows(metric)
    wrong = texts([text + " x" for text in gold])
    assert metric.of(gold, gold, labels) == 1.0
    assert 0 <= metric.of(gold, wrong, labels) < 1.0
    assert 0 <= metric.of(gold, predicted, labels) < 1.0


@every_metric
def test_one_row_has_a_finite_value(name):
    metric = load_metric(name)
    gold, predicted, labels = rows(metric, 1)
    assert metric.of(gold, gold, labels) > 0
    for said in (predicted, texts([""])):
        assert np.isfinite(metric.of(gold, said, labels))


@every_metric
def test_a_share_is_the_mean_of_a_zero_or_one_a_row(name):
    metric = load_metric(name)
    gold, predicted, labels = rows(metric)
    of_rows = metric.value(metric.statistics(gold, predicted, labels))
    means = of_rows.mean() == pytest.approx(metric.of(gold, predicted, labels))
    assert metric.share == (means and set(of_rows.tolist()) <= {0.0, 1.0})


@every_metric
def test_it_works_as_one_of_the_evaluate_library(name):
    ours = load_metric(name)
    gold, predicted, labels = rows(ours)
    metric = as_evaluate(ours, labels)
    metric.add_batch(predictions=predicted[:120], references=gold[:120])
    metric.add_batch(predictions=predicted[120:], references=gold[120:])
    assert metric.compute() == {name: pytest.approx(ours.of(gold, predicted, labels))}


def test_the_metrics_are_those_of_the_folder_and_the_users_own():
    assert set(registry.shipped("metrics")) < set(names("metrics"))
    assert "balanced-accuracy" in names("metrics")
