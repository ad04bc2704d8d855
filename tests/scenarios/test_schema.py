"""A scenario's file is read strictly, and all of its faults are told at once, each with its line."""

import re

import pytest

import scenarios
from scenarios.errors import UserError
from scenarios.schema import Band, Profile, parse

TASK = """
[task]
instruction = "Which?"
labels = ["a", "b"]
[task.rows]
path = "rows.csv"
format = "csv"
label = "label"
"""


def complaint(text):
    with pytest.raises(UserError) as caught:
        parse(text, name="x", place="x.toml")
    return str(caught.value)


def test_every_scenario_that_ships_is_valid_and_has_a_title():
    assert {scenarios.load(name).name for name in scenarios.names()} == set(scenarios.names())
    assert all(scenarios.load(name).title for name in scenarios.names())


def test_the_six_situations_and_the_two_that_can_be_run_are_there():
    assert scenarios.names() == [
        "critical-latency", "data-privacy", "data-quality", "limited-budget", "niche-domain",
        "sentiment", "specific-format", "writing-style",
    ]  # fmt: skip


def test_an_unknown_scenario_names_the_nearest():
    with pytest.raises(UserError, match="no scenario named 'sentimnet'; did you mean 'sentiment'"):
        scenarios.load("sentimnet")


def test_a_missing_file_names_the_scenarios_of_ours():
    with pytest.raises(UserError, match=r"no file 'mine.toml'; known scenarios: critical-latency"):
        scenarios.load("mine.toml")


def test_an_unknown_key_names_its_line_and_the_nearest_key():
    found = complaint('title = "x"\n[profile]\nlabeled_examples = 3\n')
    assert found == (
        "x.toml: line 3, profile.labeled_examples: unknown key; did you mean 'labelled_examples'?"
    )


def test_all_faults_of_a_file_are_told_at_once():
    found = complaint(
        'title = "x"\n[profile]\nclasses = 1\nvocabulary = "special"\n[decision]\nmargin = 2.0\n'
    )
    assert "line 3, profile.classes" in found
    assert "line 4, profile.vocabulary" in found
    assert "line 6, decision.margin" in found


def test_text_that_is_no_toml_says_where():
    assert complaint("title = ").startswith("x.toml isn't TOML: Invalid value (at ")


def test_a_missing_title_is_told():
    assert complaint("[profile]\n") == "x.toml: title: missing"


def test_one_label_leaves_nothing_to_choose():
    found = complaint('title = "x"' + TASK.replace('["a", "b"]', '["a"]'))
    assert "labels holds 1: there is nothing to choose between" in found


def test_the_same_label_twice_is_refused():
    assert "same label twice" in complaint('title = "x"' + TASK.replace('"b"', '"a"'))


@pytest.mark.parametrize(
    ("was", "instead", "told"),
    [
        ('path = "rows.csv"', "", "give either path, or all of project"),
        ('path = "rows.csv"', 'path = "r.csv"\nproject = "p"\nfilename = "f"\nmember = "m"\n'
         f'sha256 = "{"0" * 64}"', "give either path, or all of project"),
        ('label = "label"', "", "give one of label, messages, or both rating and bands"),
        ('label = "label"', 'label = "label"\nid = "id"\ngroup = "("', "isn't a regular expression"),
        ('label = "label"', 'label = "label"\ngroup = "(x)"', "group reads the id"),
        ('label = "label"', 'label = "label"\nid = "id"\ngroup = "x"', "group needs parentheses"),
    ],
)  # fmt: skip
def test_rows_must_say_one_place_and_one_way_to_a_label(was, instead, told):
    assert told in complaint('title = "x"' + TASK.replace(was, instead))


def test_a_band_holds_both_of_its_bounds():
    neutral = Band(label="neutral", at_least=-0.5, at_most=0.5)
    assert [neutral.holds(v) for v in (-0.51, -0.5, 0.5, 0.51)] == [False, True, True, False]
    assert Band(label="negative", at_most=-1).holds(-4)


def test_rows_of_a_file_lie_beside_it(tmp_path):
    (tmp_path / "my_task.toml").write_text('title = "x"' + TASK)
    found = scenarios.load(str(tmp_path / "my_task.toml"))
    assert found.name == "my-task"
    assert found.task.rows.path == str(tmp_path / "rows.csv")


def test_what_a_profile_does_not_say_is_unknown():
    assert set(dict(Profile()).values()) == {None}


@pytest.mark.parametrize("margin", ["0", "0.0", "-0.1", "1.0", "nan"])
def test_a_margin_of_nothing_is_told_with_the_way_out(margin):
    found = complaint(f'title = "x"\n[decision]\nmargin = {margin}\n')
    assert "line 3, decision.margin: a margin lies between 0 and 1" in found
    assert "such as 0.03" in found


def test_a_decision_may_hold_a_bar_a_volume_a_horizon_and_looks():
    text = "quality_bar = 0.9\nrequests_per_month = 50000\nhorizon_months = 12\nlooks = 2\n"
    found = parse(f'title = "x"\n[decision]\n{text}', "x", "x.toml").decision
    assert (found.quality_bar, found.requests_per_month, found.looks) == (0.9, 50000, 2)
    told = complaint('title = "x"\n[decision]\nquality_bar = 90\nlooks = 0\n')
    assert "line 3, decision.quality_bar" in told
    assert "line 4, decision.looks" in told


def test_a_task_may_bring_other_wordings_of_its_instruction():
    text = TASK.replace("labels =", 'instructions = ["What?", "Who?"]\nlabels =')
    task = parse('title = "x"' + text, "x", "x.toml").task
    assert task.wordings == ("Which?", "What?", "Who?")
    assert task.worded(0) == task
    assert task.worded(2).instruction == "Who?"


TASKED = """
[task]
instruction = "Good or bad?"
instructions = ["Which is it?"]
labels = ["good", "bad"]
[task.rows]
path = "rows.csv"
format = "csv"
label = "label"
"""


@pytest.mark.parametrize(
    ("was", "instead", "told"),
    [
        ('"Good or bad?"', '" "', "line 3, task.instruction: an instruction is blank"),
        ('["Which is it?"]', '["Which?", "  "]', "line 4, task.instructions: an instruction is blank"),
        ('["Which is it?"]', '["a?", "a?"]', "the instruction 'a?' stands twice among instruction"),
        ('["Which is it?"]', '["Good  or bad?"]', "the instruction 'Good or bad?' stands twice"),
    ],
)  # fmt: skip
def test_a_wording_that_is_blank_or_said_before_is_told(was, instead, told):
    text = 'title = "x"' + TASKED
    assert parse(text, "x", "x.toml").task.wordings == ("Good or bad?", "Which is it?")
    with pytest.raises(UserError, match=re.escape(told)):
        parse(text.replace(was, instead), "x", "x.toml")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("requests_per_month = 50000", "requests_per_month without horizon_months prices nothing"),
        ("horizon_months = 12", "horizon_months without requests_per_month prices nothing"),
    ],
)
def test_a_volume_and_its_horizon_go_together(line, told):
    with pytest.raises(UserError, match=told):
        parse(f'title = "x"\n[decision]\n{line}\n', "x", "x.toml")
