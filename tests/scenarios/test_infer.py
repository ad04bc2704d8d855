"""A file of rows becomes a scenario that loads as written, with sentences on what was inferred."""

import json
import tomllib

import pytest

from scenarios.errors import UserError
from scenarios.infer import infer
from scenarios.rows import load_split, read
from scenarios.schema import parse

LABELS = ("good", "bad")


@pytest.fixture(autouse=True)
def _own_cache(cache):
    """Every test reads into a cache of its own."""


def texts(n):
    return [f"row {i} speaks of the number {i * 7919} and of {i * 104729}" for i in range(n)]


def jsonl(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def scenario_of(file, **more):
    found = infer(file, **more)
    return found, parse(found.toml, "x", "x.toml", file.parent)


def test_text_and_label_are_found_by_their_names(tmp_path):
    file = jsonl(
        tmp_path / "r.jsonl",
        [{"id": i, "review": t, "sentiment": LABELS[i % 2]} for i, t in enumerate(texts(60))],
    )
    found, scenario = scenario_of(file)
    assert "text in 'review', label in 'sentiment'" in found.said[0]
    assert scenario.task.labels == ("bad", "good")
    assert scenario.task.instruction == "Which label fits the text: bad or good?"
    assert (scenario.task.test_rows, scenario.task.validation_rows) == (18, 8)
    assert scenario.task.rows.id == "id"
    split = load_split(scenario.task, 0)
    assert len(split.test) == 18


def test_columns_of_other_names_are_found_by_what_they_hold(tmp_path):
    file = tmp_path / "r.csv"
    lines = [f'{i},"{t}",{("x", "y")[i % 2]}' for i, t in enumerate(texts(60))]
    file.write_text("n,what,how\n" + "\n".join(lines))
    assert "text in 'what', label in 'how'" in infer(file).said[0]


def test_the_users_own_fields_are_used(tmp_path):
    rows = [{"a": t, "b": t[::-1], "c": LABELS[i % 2]} for i, t in enumerate(texts(40))]
    file = jsonl(tmp_path / "r.jsonl", rows)
    assert "text in 'b', label in 'c'" in infer(file, text_field="b", label_field="c").said[0]
    with pytest.raises(UserError, match=r"no column in r\.jsonl named 'd'"):
        infer(file, text_field="d")


def test_chats_give_their_last_user_turn_and_its_answer(tmp_path):
    def chat(i, text):
        return [
            {"role": "system", "content": "Say good or bad."},
            {"role": "user", "content": text},
            {"role": "assistant", "content": LABELS[i % 2]},
        ]

    file = jsonl(tmp_path / "r.jsonl", [{"messages": chat(i, t)} for i, t in enumerate(texts(40))])
    _, scenario = scenario_of(file)
    assert scenario.task.instruction == "Say good or bad."
    examples, _ = read(scenario.task)
    assert (examples[0].text, examples[0].gold) == (texts(1)[0], "good")


def test_instruction_input_and_output_become_the_task(tmp_path):
    rows = [
        {"instruction": "Good or bad?", "input": t, "output": LABELS[i % 2]}
        for i, t in enumerate(texts(40))
    ]
    _, scenario = scenario_of(jsonl(tmp_path / "r.jsonl", rows))
    assert scenario.task.instruction == "Good or bad?"
    assert read(scenario.task)[0][0].text == texts(1)[0]


def test_instructions_that_differ_are_put_above_their_input(tmp_path):
    rows = [
        {"instruction": f"Ask {i % 3}", "input": t, "output": LABELS[i % 2]}
        for i, t in enumerate(texts(40))
    ]
    _, scenario = scenario_of(jsonl(tmp_path / "r.jsonl", rows))
    assert read(scenario.task)[0][1].text == f"Ask 1\n{texts(2)[1]}"


def test_labels_that_differ_by_case_or_spaces_are_one(tmp_path):
    spelled = ["good", "Good ", "bad", " BAD", "bad"]
    rows = [{"text": t, "label": spelled[i % 5]} for i, t in enumerate(texts(50))]
    _, scenario = scenario_of(jsonl(tmp_path / "r.jsonl", rows))
    assert len(scenario.task.labels) == 2
    assert {e.gold for e in read(scenario.task)[0]} == set(scenario.task.labels)


def test_labels_that_are_numbers_are_in_numeric_order(tmp_path):
    rows = [{"text": t, "label": i % 11} for i, t in enumerate(texts(220))]
    _, scenario = scenario_of(jsonl(tmp_path / "r.jsonl", rows))
    assert scenario.task.labels == tuple(map(str, range(11)))


def test_whole_numbers_with_a_point_are_the_same_labels(tmp_path):
    rows = [{"text": t, "label": (1.0, 2.0)[i % 2]} for i, t in enumerate(texts(40))]
    _, scenario = scenario_of(jsonl(tmp_path / "r.jsonl", rows))
    assert scenario.task.labels == ("1", "2")


def test_three_hundred_labels_are_distinguished(tmp_path):
    rows = [{"text": t, "label": f"c{i % 300}"} for i, t in enumerate(texts(3600))]
    _, scenario = scenario_of(jsonl(tmp_path / "r.jsonl", rows))
    assert len(scenario.task.labels) == 300
    assert load_split(scenario.task, 0).train


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([{"text": t, "label": "a"} for t in texts(30)], "1 label in all rows.*--label-field"),
        ([{"text": t, "label": t} for t in texts(23)], "23 rows with free-text answers.* 24 .*--label-field"),
        ([{"text": t, "label": "ab"[i > 0]} for i, t in enumerate(texts(30))],
         "the label 'a' has 1 rows.* 10 "),
        ([{"a": "x", "b": "y"}] * 3, "can't tell which column is the text"),
        ([{"messages": "no chat"}] * 3, "row 1 isn't a chat"),
    ],
)  # fmt: skip
def test_rows_that_hold_no_task_are_rejected_with_the_way_out(tmp_path, rows, reason):
    with pytest.raises(UserError, match=reason):
        infer(jsonl(tmp_path / "r.jsonl", rows))


def test_a_file_of_an_unknown_format_is_rejected(tmp_path):
    (tmp_path / "r.xlsx").write_text("x")
    with pytest.raises(UserError, match=r"r\.xlsx.*unknown format.*\.csv"):
        infer(tmp_path / "r.xlsx")


def test_the_file_is_valid_toml_whatever_the_labels(tmp_path):
    rows = [{"text": t, "label": ('say "a"', "b\\c\té")[i % 2]} for i, t in enumerate(texts(40))]
    found, scenario = scenario_of(jsonl(tmp_path / "r.jsonl", rows))
    assert tomllib.loads(found.toml)
    assert set(scenario.task.labels) == {'say "a"', "b\\c\té"}


def test_emoji_and_control_characters_in_labels_make_a_file_that_loads(tmp_path):
    labels = ("\U0001f600", "a\x7f\x1b[31mb")
    rows = [{"text": t, "label": labels[i % 2]} for i, t in enumerate(texts(40))]
    _, scenario = scenario_of(jsonl(tmp_path / "r.jsonl", rows))
    assert set(scenario.task.labels) == set(labels)


def test_chats_that_are_null_are_rows_without_a_text(tmp_path):
    rows = [{"messages": None}] + [
        {"messages": [{"role": "user", "content": t}, {"role": "assistant", "content": LABELS[i % 2]}]}
        for i, t in enumerate(texts(40))
    ]  # fmt: skip
    _, scenario = scenario_of(jsonl(tmp_path / "r.jsonl", rows))
    assert read(scenario.task)[1]["without a text"] == 1


def test_one_column_for_both_is_rejected(tmp_path):
    file = jsonl(tmp_path / "r.jsonl", [{"a": t, "b": "x"} for t in texts(30)])
    with pytest.raises(UserError, match="name the same column"):
        infer(file, text_field="a", label_field="a")
