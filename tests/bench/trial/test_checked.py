"""What a contender of the user's own returns is made sure of, and what is wrong is said in its terms."""

import math

import pytest

from bench.core.contender import Answer
from bench.core.errors import TrialFailed
from bench.trial.checked import Checked, all_answered
from bench.trial.machine import model_of
from scenarios.rows import Example
from scenarios.schema import Task

ROWS = [Example(f"r{i}", f"text {i}", "a", "g") for i in range(6)]
TASK = Task.model_construct(labels=("a", "b"))


class Says:
    """Gives whatever batches it was made with."""

    def __init__(self, *batches, notes=None):
        self.batches, self.notes = batches, notes or {}

    def answer(self, examples, done=()):
        self.asked = examples
        yield from self.batches


def answers(*batches, rows=ROWS):
    return [one for batch in Checked(Says(*batches), TASK).answer(rows) for one in batch]


def test_an_answerer_that_takes_no_time_of_its_own_is_timed_from_outside():
    first, second, third = answers(
        [Answer("r0", "a"), Answer("r1", "b")], [Answer("r2", "a", seconds=0.5)]
    )
    assert first.seconds == second.seconds > 0
    assert third.seconds == 0.5


def test_the_rows_that_are_answered_do_not_show_their_gold():
    says = Says()
    list(Checked(says, TASK).answer(ROWS))
    assert {row.gold for row in says.asked} == {""}
    assert [row.text for row in says.asked] == [row.text for row in ROWS]


def test_rows_without_an_answer_are_counted_and_the_first_is_named():
    with pytest.raises(TrialFailed, match="answered 2 of 6 rows; 'r1' has no answer"):
        all_answered(ROWS, {"r0": 0, "r3": 0})
    all_answered(ROWS, {row.id: 0 for row in ROWS})


@pytest.mark.parametrize(
    ("batches", "words"),
    [
        ([["a"]], "lists of Answer, each with a text"),
        ([[Answer("r0", None)]], "lists of Answer, each with a text"),
        ([Answer("r0", "a")], "gave Answer; it must give batches, which are lists"),
        ([[Answer("r0", "a")], [Answer("r0", "b")]], "'r0' twice"),
        ([[Answer("x", "a")]], "'x' twice, or wasn't asked it"),
        ([[Answer("r0", "a", scores=(1.0,))]], "scores of 'r0'.*each of the 2 labels, or none"),
        ([[Answer("r0", "a", scores=(1.0, math.nan))]], "scores of 'r0'.*finite"),
        ([[Answer("r0", chr(0xD800))]], "'r0' has half a surrogate pair"),
    ],
)
def test_what_is_no_answer_is_refused(batches, words):
    with pytest.raises(TrialFailed, match=words):
        answers(*batches)


def test_what_fitting_gives_must_answer_and_have_notes_that_are_plain():
    assert Checked(Says(notes={"rank": 4}), TASK).notes == {"rank": 4}
    with pytest.raises(TrialFailed, match=r"NoneType.*no answer and no notes.*answer\(examples"):
        Checked(None, TASK)
    for notes in ({"rank": object()}, {"score": float("nan")}):
        with pytest.raises(TrialFailed, match=r"notes.*JSON.*plain values"):
            Checked(Says(notes=notes), TASK)


def test_a_model_that_was_not_declared_is_refused_with_the_way_out():
    assert model_of(None, "model") == "model"
    with pytest.raises(TrialFailed, match="declare uses_model = True"):
        model_of(None, None)
