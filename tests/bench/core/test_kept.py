"""Finished steps are on disk before the next begins, and aren't done again."""

import json

import torch

from bench.core.contender import Answer
from bench.core.kept import Kept
from bench.trial.main import _read_journal
from bench.trial.main import answer_all as answer_them
from scenarios.rows import Example

ROWS = [Example(f"r{i}", f"text {i}", "a", "g") for i in range(6)]


class Batches:
    """Answers in batches of two, and says which rows it was asked to leave out."""

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


def test_a_step_is_worked_once(tmp_path):
    worked = []
    for _ in range(2):
        found = Kept(tmp_path).once("step", lambda: worked.append(1) or {"accuracy": 0.5})
    assert (found, worked) == ({"accuracy": 0.5}, [1])


def test_seconds_of_earlier_starts_are_counted(tmp_path):
    Kept(tmp_path).keep("a", 1)
    assert Kept(tmp_path).seconds_before > 0


def test_tensors_come_back_exactly_and_without_a_pickle(tmp_path):
    kept = Kept(tmp_path)
    kept.keep_tensors("x", {"w": torch.tensor([[1.5, 2.0]]).T, "step": torch.tensor(3.0)})
    assert torch.equal(kept.tensors("x")["w"], torch.tensor([[1.5], [2.0]]))
    assert [f.name for f in tmp_path.iterdir()] == ["x.safetensors"]


def answer_all(answerer, folder):
    return answer_them(answerer, ROWS, folder, {"slug": "01-x-s0", "name": "x"})


def test_answers_are_on_disk_batch_by_batch_and_an_interrupted_start_is_gone_on_with(tmp_path):
    try:
        answer_all(Batches(dies_after=4), tmp_path)
    except KeyboardInterrupt:
        journal = tmp_path / "01-x-s0.jsonl.partial"
    assert sorted(_read_journal(journal)) == ["r0", "r1", "r2", "r3"]
    again = Batches()
    answers = answer_all(again, tmp_path)
    assert again.left_out == ["r0", "r1", "r2", "r3"]
    assert [a.example_id for a in answers] == [e.id for e in ROWS]
    lines = (tmp_path / "01-x-s0.jsonl").read_text().splitlines()
    assert [json.loads(line)["example_id"] for line in lines] == [e.id for e in ROWS]


def test_a_line_that_was_cut_short_is_answered_again(tmp_path):
    journal = tmp_path / "01-x-s0.jsonl.partial"
    whole = '{"example_id": "r0", "text": "a", "tokens_in": 1, "tokens_out": 1, "seconds": 0.1}'
    journal.write_text(f"\n{whole}\n{whole[:30]}")
    assert list(_read_journal(journal)) == ["r0"]
    assert len(answer_all(Batches(), tmp_path)) == 6


def test_line_separators_in_an_answer_end_no_line_of_the_journal(tmp_path):
    """U+2028, U+2029 and U+0085 are characters of JSON strings, not ends of lines."""
    from bench.record.make import answers_in
    from bench.trial.main import _line

    odd = Answer("a\u2028b", "one\u2029two\x85three", 1, 1, 0.1)
    (tmp_path / "x.jsonl").write_text(_line(odd) * 2, encoding="utf-8")
    found = _read_journal(tmp_path / "x.jsonl")
    assert {id_: answer.text for id_, answer in found.items()} == {odd.example_id: odd.text}
    assert answers_in(tmp_path / "x.jsonl") == {odd.example_id: odd.text}


def test_a_damaged_step_is_worked_again(tmp_path):
    kept = Kept(tmp_path)
    kept.keep("step", 1)
    kept.keep_tensors("x", {"w": torch.ones(3)})
    (tmp_path / "step.json").write_text("{")
    (tmp_path / "x.safetensors").write_bytes(b"half")
    assert kept.once("step", lambda: 2) == 2
    assert kept.tensors("x") is None
    assert kept.tensors("never") is None
