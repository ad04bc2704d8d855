"""How many rows choosing needs, and how many can be shown while a fold is held out."""

from dataclasses import replace

import pytest

import scenarios
from bench.planning.rows import fewest_shown, fewest_to_choose_on
from scenarios.rows import Example, Fold, Split


@pytest.mark.parametrize(("labels", "rows"), [(2, 18), (9, 18), (10, 20)])
def test_choosing_takes_18_validation_rows_and_two_of_each_label(labels, rows):
    task = scenarios.load("sentiment").task
    named = [f"label {i}" for i in range(labels)]
    assert fewest_to_choose_on(task.model_copy(update={"labels": named})) == rows


def test_of_ten_rows_six_are_shown_while_three_and_a_near_duplicate_are_held_out():
    rows = tuple(Example(str(i), f"text {i}", "a", str(i)) for i in range(10))
    split = Split(rows, (), (), "d", {})
    assert fewest_shown(split, 10) == 10
    folds = (Fold(("0", "1")), Fold(("2", "3", "4"), ("5",)))
    assert fewest_shown(replace(split, folds=folds), 10) == 6
