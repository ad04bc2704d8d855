"""Files of rows: read correctly, or rejected in one line with the place."""

import json

import pytest

from scenarios.errors import UserError
from scenarios.schema import Rows
from scenarios.tables import load_table


@pytest.fixture(autouse=True)
def _own_cache(cache):
    """Every test reads into a cache of its own."""


def table(path, format_=None, **more):
    format_ = format_ or path.suffix[1:]
    return load_table(Rows(**({"path": str(path), "format": format_, "label": "label"} | more)))


def written(path, content):
    path.write_bytes(content)
    return path


JSON = '{"text": "é one", "label": "a"}\n{"text": "two", "label": "b"}\n'
CSV = 'text,label\n"é one",a\ntwo,b\n'


@pytest.mark.parametrize(("name", "content"), [("r.jsonl", JSON), ("r.csv", CSV)])
@pytest.mark.parametrize(
    "change",
    [lambda t: t, lambda t: "\ufeff" + t, lambda t: t.replace("\n", "\r\n"), lambda t: t.rstrip()],
    ids=["plain", "BOM", "CRLF", "no last newline"],
)
def test_a_file_is_read_correctly_with_a_bom_with_crlf_and_without_a_last_newline(
    tmp_path, name, content, change
):
    found = table(written(tmp_path / name, change(content).encode()))
    assert found.texts == ["é one", "two"]
    assert found.labels == ["a", "b"]


def test_a_parquet_file_is_read_like_the_others(tmp_path):
    import pandas

    frame = pandas.DataFrame({"text": ["é one", None], "label": [1, 2]})
    frame.to_parquet(tmp_path / "r.parquet")
    found = table(tmp_path / "r.parquet")
    assert (found.texts, found.labels) == (["é one", ""], ["1", "2"])


def test_numbers_in_a_csv_stay_as_they_are_written(tmp_path):
    path = written(tmp_path / "r.csv", b"id,text,label\n007,12.50,01\n008,x,02\n")
    found = table(path, id="id")
    assert (found.ids, found.texts, found.labels) == (["007", "008"], ["12.50", "x"], ["01", "02"])


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("r.jsonl", JSON.encode() + b'{"text": "thr', "line 3 isn't JSON"),
        ("r.jsonl", b'{"text": "a", "label": "b"}\n[1, 2]\n', "line 2 isn't a JSON object"),
        ("r.jsonl", '{"text": "é", "label": "b"}\n'.encode("latin-1"), "line 1 isn't UTF-8"),
        ("r.csv", "text,label\nok,a\né,b\n".encode("latin-1"), "line 3 isn't UTF-8"),
        ("r.csv", b"text,label\na,b\na,b,c\n", "line 3"),
        ("r.jsonl", b"", "'r.jsonl' is empty"),
        ("r.csv", b"text,label\n", "'r.csv' has no rows"),
        ("r.parquet", b"PAR1 and then nothing", "isn't a complete Parquet file"),
    ],
)
def test_a_file_that_cannot_be_read_is_rejected_with_its_line(tmp_path, name, content, reason):
    with pytest.raises(UserError, match=reason):
        table(written(tmp_path / name, content))


def test_a_parquet_file_cut_in_half_is_rejected(tmp_path):
    import pandas

    frame = pandas.DataFrame({"text": [str(i) for i in range(1000)], "label": "a"})
    frame.to_parquet(tmp_path / "whole.parquet")
    whole = (tmp_path / "whole.parquet").read_bytes()
    with pytest.raises(UserError, match=r"can't read 'r\.parquet' as parquet"):
        table(written(tmp_path / "r.parquet", whole[: len(whole) // 2]))


def test_texts_that_look_like_markup_stay_text(tmp_path):
    odd = [
        "<|im_start|>system",
        "<b>&amp;</b>",
        "{{ 7 * 7 }}{% x %}",
        "\x1b[31mred\x1b[0m",
        "a\x00b",
    ]
    rows = "".join(json.dumps({"text": t, "label": "a"}) + "\n" for t in odd)
    assert table(written(tmp_path / "r.jsonl", rows.encode())).texts == odd


@pytest.mark.parametrize(("name", "between"), [("r.csv", ","), ("r.tsv", "\t")])
def test_rows_with_more_cells_than_the_heading_are_rejected_and_shift_nothing(
    tmp_path, name, between
):
    lines = [
        between.join(cells) for cells in (("text", "label"), ("one", "a", "x"), ("two", "b", "y"))
    ]
    path = written(tmp_path / name, "\n".join(lines).encode())
    with pytest.raises(UserError, match=r"line 2 has 3 cells.* 2 columns \(text, label\)"):
        table(path)


def test_values_of_several_types_in_a_column_stay_as_they_are(tmp_path):
    rows = [
        {"text": 7919, "label": 1},
        {"text": 'say "hi"', "label": "a"},
        {"text": None, "label": True},
    ]
    path = written(tmp_path / "r.jsonl", "".join(json.dumps(r) + "\n" for r in rows).encode())
    found = table(path)
    assert found.texts == ["7919", 'say "hi"', ""]
    assert found.labels == ["1", "a", "true"]


def test_a_chats_text_is_the_user_turn_before_the_last_answer(tmp_path):
    def turn(role, content):
        return {"role": role, "content": content}

    parts = [{"type": "text", "text": "one"}, {"type": "image"}, {"type": "text", "text": "two"}]
    chats = [
        [turn("user", "question"), turn("assistant", "answer"), turn("user", "thanks")],
        [turn("user", parts), turn("assistant", "answer")],
    ]
    path = written(
        tmp_path / "r.jsonl", "".join(json.dumps({"messages": c}) + "\n" for c in chats).encode()
    )
    found = table(path, label=None, messages="messages")
    assert found.texts == ["question", "one\ntwo"]
    assert found.labels == ["answer", "answer"]


def test_a_parquet_file_without_rows_is_rejected_as_such(tmp_path):
    import pandas

    pandas.DataFrame({"text": pandas.Series([], dtype=str), "label": []}).to_parquet(
        tmp_path / "r.parquet"
    )
    with pytest.raises(UserError, match="has no rows"):
        table(tmp_path / "r.parquet")
