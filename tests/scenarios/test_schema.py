"""A scenario's file is read strictly, and all of its faults are listed together, each with its line."""

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


def test_a_missing_file_lists_the_built_in_scenarios():
    with pytest.raises(UserError, match=r"no file 'mine.toml'; known scenarios: critical-latency"):
        scenarios.load("mine.toml")


def test_an_unknown_key_names_its_line_and_the_nearest_key():
    found = complaint('title = "x"\n[profile]\nlabeled_examples = 3\n')
    assert found == (
        "x.toml: line 3, profile.labeled_examples: unknown key; did you mean 'labelled_examples'?"
    )


def test_all_faults_of_a_file_are_listed_together():
    found = complaint(
        'title = "x"\n[profile]\nclasses = 1\nvocabulary = "special"\n[decision]\nmargin = 2.0\n'
    )
    assert "line 3, profile.classes" in found
    assert "line 4, profile.vocabulary" in found
    assert "line 6, decision.margin" in found


def test_text_that_is_not_toml_is_rejected_with_its_place():
    assert complaint("title = ").startswith("x.toml isn't TOML: Invalid value (at ")


def test_a_missing_title_is_reported():
    assert complaint("[profile]\n") == "x.toml: title: missing"


def test_one_label_leaves_nothing_to_choose():
    found = complaint('title = "x"' + TASK.replace('["a", "b"]', '["a"]'))
    assert "labels has 1 entries" in found
    assert "at least two" in found


def test_the_same_label_twice_is_rejected():
    assert "the same label twice; remove one" in complaint(
        'title = "x"' + TASK.replace('"b"', '"a"')
    )


@pytest.mark.parametrize(
    ("was", "instead", "reason"),
    [
        ('path = "rows.csv"', "", "give either path or all of project"),
        ('path = "rows.csv"', 'path = "r.csv"\nproject = "p"\nfilename = "f"\nmember = "m"\n'
         f'sha256 = "{"0" * 64}"', "give either path or all of project"),
        ('label = "label"', "", "exactly one of: label, messages, or rating with bands"),
        ('label = "label"', 'label = "label"\nid = "id"\ngroup = "("', "isn't a regular expression"),
        ('label = "label"', 'label = "label"\ngroup = "(x)"', "id must name a column"),
        ('label = "label"', 'label = "label"\nid = "id"\ngroup = "x"', "group needs parentheses"),
    ],
)  # fmt: skip
def test_rows_must_name_one_place_and_one_way_to_a_label(was, instead, reason):
    assert reason in complaint('title = "x"' + TASK.replace(was, instead))


def test_a_band_holds_both_of_its_bounds():
    neutral = Band(label="neutral", at_least=-0.5, at_most=0.5)
    assert [neutral.holds(v) for v in (-0.51, -0.5, 0.5, 0.51)] == [False, True, True, False]
    assert Band(label="negative", at_most=-1).holds(-4)


def test_a_relative_path_of_rows_starts_at_the_scenarios_folder(tmp_path):
    (tmp_path / "my_task.toml").write_text('title = "x"' + TASK)
    found = scenarios.load(str(tmp_path / "my_task.toml"))
    assert found.name == "my-task"
    assert found.task.rows.path == str(tmp_path / "rows.csv")


def test_what_a_profile_does_not_say_is_unknown():
    assert set(dict(Profile()).values()) == {None}


@pytest.mark.parametrize("margin", ["0", "0.0", "-0.1", "1.0", "nan"])
def test_a_margin_of_zero_is_rejected_with_the_way_out(margin):
    found = complaint(f'title = "x"\n[decision]\nmargin = {margin}\n')
    assert "line 3, decision.margin" in found
    assert "between 0 and 1" in found
    assert "such as 0.03" in found


def test_a_decision_may_have_a_quality_bar_a_volume_a_horizon_and_interim_analyses():
    text = "quality_bar = 0.9\nrequests_per_month = 50000\nhorizon_months = 12\nlooks = 2\n"
    found = parse(f'title = "x"\n[decision]\n{text}', "x", "x.toml").decision
    assert (found.quality_bar, found.requests_per_month, found.looks) == (0.9, 50000, 2)
    found = complaint('title = "x"\n[decision]\nquality_bar = 90\nlooks = 0\n')
    assert "line 3, decision.quality_bar" in found
    assert "line 4, decision.looks" in found


def test_a_task_may_have_other_wordings_of_its_instruction():
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
    ("was", "instead", "reason"),
    [
        ('"Good or bad?"', '" "', "line 3, task.instruction: an instruction is blank"),
        ('["Which is it?"]', '["Which?", "  "]', "line 4, task.instructions: an instruction is blank"),
        ('["Which is it?"]', '["a?", "a?"]', "'a?' appears twice"),
        ('["Which is it?"]', '["Good  or bad?"]', "'Good or bad?' appears twice"),
    ],
)  # fmt: skip
def test_a_blank_or_repeated_wording_is_rejected(was, instead, reason):
    text = 'title = "x"' + TASKED
    assert parse(text, "x", "x.toml").task.wordings == ("Good or bad?", "Which is it?")
    with pytest.raises(UserError, match=re.escape(reason)):
        parse(text.replace(was, instead), "x", "x.toml")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("requests_per_month = 50000", "requests_per_month without horizon_months .* both"),
        ("horizon_months = 12", "horizon_months without requests_per_month .* both"),
    ],
)
def test_a_volume_and_its_horizon_go_together(line, reason):
    with pytest.raises(UserError, match=reason):
        parse(f'title = "x"\n[decision]\n{line}\n', "x", "x.toml")
