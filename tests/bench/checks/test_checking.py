"""Each check at its boundaries, and the instructions' own data."""

import inspect

import pytest

from bench.checks.checking import KINDS, followed
from bench.checks.general import instructions


def holds(answer, kind, **parameters):
    return followed(answer, [{"kind": kind, **parameters}])


def test_an_empty_answer_follows_nothing():
    assert not holds(" \n", "without-characters", letters="e")
    assert not holds("", "words", at_least=0)


def test_words_are_separated_by_spaces_and_punctuation_is_not_a_word():
    assert holds("red, green - blue", "words", at_least=3, at_most=3)
    assert not holds("red green", "words", at_least=3, at_most=3)
    assert not holds("red green blue grey", "words", at_least=3, at_most=3)
    assert holds("well-known", "words", at_most=1)


def test_characters_are_counted_without_the_space_around_the_answer():
    assert holds(" 12345\n", "characters", at_least=5, at_most=5)
    assert not holds("123456", "characters", at_most=5)


def test_sentences_end_at_marks_before_a_space_or_the_end():
    assert holds("It costs 3.50. Good!", "sentences", at_least=2, at_most=2)
    assert holds("No mark at the end", "sentences", at_most=1)
    assert holds('He said "no." She left.', "sentences", at_least=2, at_most=2)
    assert not holds("One. Two. Three.", "sentences", at_most=2)
    assert holds("Wait... what?", "sentences", at_least=2, at_most=2)


def test_lines_that_are_empty_do_not_count_and_each_has_its_mark():
    assert holds("- a\n\n- b", "lines", at_least=2, at_most=2, begins="-")
    assert not holds("- a\nb", "lines", at_least=2, at_most=2, begins="-")
    assert not holds("- a\n-", "lines", at_least=2, at_most=2, begins="-")
    assert not holds("- a\n- b\n- c", "lines", at_most=2, begins="-")


def test_numbered_lines_count_from_one():
    assert holds("1. a\n2) b", "lines", at_least=2, at_most=2, numbered=True)
    assert not holds("1. a\n3. b", "lines", at_least=2, at_most=2, numbered=True)
    assert not holds("a\nb", "lines", at_least=2, at_most=2, numbered=True)


def test_items_are_separated_on_one_line():
    assert holds("red, green, blue", "items", count=3)
    assert not holds("red, green", "items", count=3)
    assert not holds("red, , blue", "items", count=3)
    assert not holds("red, green,\nblue", "items", count=3)
    assert holds("red|green", "items", count=2, separator="|")


def test_all_letters_have_the_given_case():
    assert holds("STOP 3 TIMES!", "case", form="upper")
    assert not holds("STOP now", "case", form="upper")
    assert not holds("123", "case", form="upper")
    assert holds("go on, 3", "case", form="lower")
    assert not holds("Go on", "case", form="lower")
    assert holds('The "Old" Sea', "case", form="title")
    assert not holds("The old Sea", "case", form="title")


def test_beginnings_and_ends_must_match_exactly():
    assert holds("Dear Anna, thank you", "starts", text="Dear Anna")
    assert not holds("dear Anna, thank you", "starts", text="Dear Anna")
    assert holds("It is over. END\n", "ends", text="END")
    assert not holds("It is over. END.", "ends", text="END")


def test_what_is_wrapped_has_something_inside():
    assert holds("(green)", "wrapped", opens="(", closes=")")
    assert not holds("()", "wrapped", opens="(", closes=")")
    assert not holds("(green).", "wrapped", opens="(", closes=")")
    assert not holds('"', "wrapped", opens='"', closes='"')


def test_words_are_found_whole_and_in_any_case():
    assert holds("The River and a stone.", "contains", texts=["river", "stone"])
    assert not holds("The rivers and a stone.", "contains", texts=["river", "stone"])
    assert holds("hello, Hello hello", "contains", texts=["hello"], times=3)
    assert not holds("hello hello", "contains", texts=["hello"], times=3)


def test_forbidden_words_and_letters_are_found():
    assert holds("Other people", "without", texts=["the"])
    assert not holds("In THE end", "without", texts=["the"])
    assert holds("A dog ran fast", "without-characters", letters="e")
    assert not holds("An Elk ran", "without-characters", letters="e")


def test_one_of_some_answers_and_nothing_else():
    assert holds("Yes.", "one-of", values=["yes", "no"])
    assert not holds("Yes, it is", "one-of", values=["yes", "no"])


def test_a_number_is_digits_and_nothing_else():
    assert holds("12", "number", value=12)
    assert holds("-7.", "number")
    assert not holds("13", "number", value=12)
    assert not holds("twelve", "number")
    assert not holds("3.5", "number")


def test_a_json_object_has_these_keys_and_no_others():
    assert holds('{"a": 1, "b": null}', "json-object", keys=["b", "a"])
    assert holds('```json\n{"a": 1}\n```', "json-object", keys=["a"])
    assert not holds('{"a": 1, "c": 2}', "json-object", keys=["a"])
    assert not holds('["a"]', "json-object", keys=["a"])
    assert not holds('Here: {"a": 1}', "json-object", keys=["a"])


def test_all_checks_of_an_instruction_must_hold():
    checks = [{"kind": "case", "form": "upper"}, {"kind": "words", "at_most": 2}]
    assert followed("TWO WORDS", checks)
    assert not followed("THREE WHOLE WORDS", checks)
    assert not followed("two words", checks)


def test_an_unknown_kind_is_an_error_in_the_data():
    with pytest.raises(KeyError):
        holds("x", "wrods")


def test_a_hundred_instructions_name_existing_checks_with_valid_parameters():
    asks = [instruction.ask for instruction in instructions()]
    assert len(asks) == len(set(asks)) == 100
    used = set()
    for instruction in instructions():
        assert instruction.checks
        for check in instruction.checks:
            used.add(check["kind"])
            given = {name for name in check if name != "kind"}
            signature = inspect.signature(KINDS[check["kind"]])
            signature.bind("answer", **{name: check[name] for name in given})
        assert not followed("", instruction.checks)
    assert used == set(KINDS)


@pytest.mark.parametrize("label", ["negative", "positive", "neutral"])
def test_a_model_that_only_says_its_label_follows_few_of_them(label):
    """Few instructions may pass by chance: an answer of only a label passes under a third."""
    passed = sum(followed(label, instruction.checks) for instruction in instructions())
    assert passed < 33, passed
