"""Answers are on disk batch by batch, and none is asked for twice."""

import json

import pytest

from bench.core.contender import Answer
from bench.core.errors import TrialFailed
from bench.core.folder import RunFolder
from bench.trial.serving import answer_all, checked, line_of, read_journal
from scenarios.rows import Example

ROWS = [Example(f"r{i}", f"text {i}", "a", "g") for i in range(6)]


class Batches:
    """Answers in batches of two, and records which rows it was asked to leave out."""

    def __init__(self, dies_after=None):
        self.dies_after = dies_after
        self.left_out = None

    def answer(self, examples, done=()):
        self.left_out = sorted(done)
        for start in range(0, len(examples), 2):
            if self.dies_after is not None and start >= self.dies_after:
                raise KeyboardInterrupt
            batch = examples[start : start + 2]
            if {e.id for e in batch} <= set(done):
                continue
            yield [Answer(e.id, "a", 1, 1, 0.1) for e in batch]


@pytest.fixture
def folder(tmp_path):
    """A run's folder, empty but for the folders in it."""
    found = RunFolder(tmp_path)
    found.make_parts()
    return found


def answered(answerer, folder):
    return answer_all(answerer, ROWS, folder, "01-x-s0", "x")


def test_answers_are_on_disk_batch_by_batch_and_an_interrupted_start_is_resumed(folder):
    try:
        answered(Batches(dies_after=4), folder)
    except KeyboardInterrupt:
        journal = folder.journal("01-x-s0")
    assert sorted(read_journal(journal)) == ["r0", "r1", "r2", "r3"]
    again = Batches()
    answers = answered(again, folder)
    assert again.left_out == ["r0", "r1", "r2", "r3"]
    assert [a.example_id for a in answers] == [e.id for e in ROWS]
    lines = folder.answers_file("01-x-s0").read_text().splitlines()
    assert [json.loads(line)["example_id"] for line in lines] == [e.id for e in ROWS]


def test_a_line_that_was_cut_short_is_answered_again(folder):
    journal = folder.journal("01-x-s0")
    whole = '{"example_id": "r0", "text": "a", "tokens_in": 1, "tokens_out": 1, "seconds": 0.1}'
    journal.write_text(f"\n{whole}\n{whole[:30]}")
    assert list(read_journal(journal)) == ["r0"]
    assert len(answered(Batches(), folder)) == 6


def test_line_separators_in_an_answer_end_no_line_of_the_journal(folder):
    """U+2028, U+2029 and U+0085 are characters of JSON strings, not ends of lines."""
    odd = Answer("a\u2028b", "one\u2029two\x85three", 1, 1, 0.1)
    folder.answers_file("x").write_text(line_of(odd) * 2, encoding="utf-8")
    found = read_journal(folder.answers_file("x"))
    assert {id_: answer.text for id_, answer in found.items()} == {odd.example_id: odd.text}
    assert folder.answers("x") == {odd.example_id: odd.text}


class Says:
    """Gives whatever batches it was made with."""

    def __init__(self, *batches, notes=None):
        self.batches, self.notes = batches, notes or {}

    def answer(self, examples, done=()):
        yield from self.batches


def test_an_answerer_that_takes_no_time_of_its_own_is_timed_from_outside(folder):
    said = Says([Answer("r0", "a"), Answer("r1", "b")], [Answer("r2", "a", seconds=0.5)])
    first, second, third = answer_all(said, ROWS[:3], folder, "t", "")
    assert first.seconds == second.seconds > 0
    assert third.seconds == 0.5


def test_rows_without_an_answer_are_counted_and_the_first_is_named(folder):
    said = Says([Answer("r0", "a"), Answer("r3", "a")])
    with pytest.raises(TrialFailed, match="answered 2 of 6 rows; 'r1' has no answer"):
        answer_all(said, ROWS, folder, "t", "")


@pytest.mark.parametrize("batch", [["a"], [Answer("r0", None)], [("r0", "a")]])
def test_what_is_no_answer_is_refused(folder, batch):
    with pytest.raises(TrialFailed, match="lists of Answer, each with a text"):
        answer_all(Says(batch), ROWS[:1], folder, "t", "")


def test_what_fitting_gives_must_answer_and_have_notes_that_are_plain():
    assert checked(found := Says(notes={"rank": 4})) is found
    with pytest.raises(TrialFailed, match=r"NoneType.*no answer and no notes.*answer\(examples"):
        checked(None)
    for notes in ({"rank": object()}, {"score": float("nan")}):
        with pytest.raises(TrialFailed, match=r"notes.*JSON.*plain values"):
            checked(Says(notes=notes))
