"""Label noise: exactly the given share, never the row's own label, the same for the same seed."""

from collections import Counter
from dataclasses import replace

import pytest

import scenarios
from bench.contenders import tf_idf
from bench.core.folder import RunFolder
from bench.core.plan import MODES
from bench.planning.make import make_plan
from bench.rows import noise
from bench.trial import main as trial
from scenarios.errors import UserError
from scenarios.rows import Example, load_split
from scenarios.schema import parse
from tests.reports.records import SCENARIO

LABELS = ("a", "b", "c")
ROWS = [Example(str(i), f"text {i}", LABELS[i % 3], str(i)) for i in range(90)]


def changed(share, seed=0, rows=ROWS, labels=LABELS):
    """The places of the rows whose label is another, with it."""
    found = noise.noisy(rows, share, labels, seed)
    assert [(e.id, e.text, e.group) for e in found] == [(e.id, e.text, e.group) for e in rows]
    return {i: e.gold for i, (e, old) in enumerate(zip(found, rows, strict=True)) if e != old}


@pytest.mark.parametrize(("share", "count"), [(0.0, 0), (0.2, 18), (0.25, 22), (0.99, 89)])
def test_exactly_the_share_is_wrong(share, count):
    """90 rows: 0.25 are 22.5, rounded to the even 22."""
    assert len(changed(share)) == count


def test_a_wrong_label_is_one_of_the_others_and_each_of_them_about_as_often():
    wrong = changed(0.99)
    assert all(label != ROWS[i].gold and label in LABELS for i, label in wrong.items())
    assert min(Counter(wrong.values()).values()) > 15


def test_the_same_seed_gives_the_same_and_another_seed_others():
    assert changed(0.3) == changed(0.3)
    assert changed(0.3) != changed(0.3, seed=1)


def test_rows_made_wrong_by_a_lower_share_are_wrong_at_a_higher_one_too():
    low, high = changed(0.2), changed(0.4)
    assert low.items() <= high.items()


def test_two_labels_are_swapped():
    rows = [Example(str(i), "t", "ab"[i % 2], "g") for i in range(10)]
    found = noise.noisy(rows, 0.5, ("a", "b"), 0)
    assert sum(e.gold != r.gold for e, r in zip(found, rows, strict=True)) == 5


@pytest.mark.parametrize("share", [-0.1, 1.0, float("nan")])
def test_a_share_is_at_least_0_and_below_1(share):
    task = parse(SCENARIO, "x", "x.toml").task
    with pytest.raises(UserError, match=r"--label-noise.* 0 .*below 1"):
        noise.check(share, task)


def test_free_texts_are_left_as_they_are():
    assert noise.noisy(ROWS, 0.0, (), 0) == ROWS


def test_free_texts_have_no_labels_to_make_wrong():
    task = parse(SCENARIO, "x", "x.toml").task.model_copy(update={"type": "generation"})
    noise.check(0.0, task)
    with pytest.raises(UserError, match=r"--label-noise.*free-text.*leave it out"):
        noise.check(0.2, task)


def test_a_trial_trains_on_wrong_labels_and_chooses_and_is_tested_by_right_ones(
    tmp_path, small_scenario, cache, monkeypatch
):
    scenario = scenarios.load(str(small_scenario))
    split = load_split(scenario.task, 0)
    plan = make_plan(scenario, split, MODES["quick"], 0, "none", ("tf-idf",))
    plan = replace(plan, trials=tuple(replace(t, label_noise=0.25) for t in plan.trials))
    folder = RunFolder(tmp_path)
    folder.make_parts()
    folder.keep_plan(plan)
    folder.keep_split(split, None)
    seen, fit = [], tf_idf.Contender.fit

    def watched(self, ground, seed):
        seen.append(ground)
        return fit(self, ground, seed)

    monkeypatch.setattr(tf_idf.Contender, "fit", watched)
    trial.main(folder, "02-tf-idf-s0")
    [ground] = seen
    own = {example.id: example.gold for example in split.train}
    wrong = [e for e in ground.train if e.gold != own[e.id]]
    assert len(wrong) == round(0.25 * len(ground.train)) > 10
    assert tuple(ground.validation) == split.validation
    assert folder.split(None).test == split.test
    outcome = folder.outcome(plan.trial("02-tf-idf-s0"))
    assert outcome.wrong_labels == len(wrong)
