"""Answers are on disk batch by batch, and none is asked for twice."""

import json

import pytest

from bench.core.contender import Answer
from bench.core.folder import RunFolder
from bench.trial.serving import answer_all, line_of, read_journal
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
