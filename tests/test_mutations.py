"""The mutations that `make mutations` runs: each still has its line, and its tests."""

import dataclasses

import pytest

from benchmarks import mutations
from benchmarks.mutations import SURVIVES, Mutation, Result
from tests.conftest import ROOT

ALL = mutations.load()
ONE = Mutation("Z1", "the sum is a difference", "sums.py", "a + b", "a - b", ("test_sums.py",))


@pytest.mark.parametrize("mutation", ALL, ids=lambda mutation: mutation.id)
def test_each_mutation_breaks_one_line_that_occurs_once_and_names_tests_that_exist(mutation):
    whole = (ROOT / mutation.file).read_text("utf-8")
    broken = mutation.applied(whole)
    compile(broken, mutation.file, "exec")
    assert broken != whole
    assert "\n" not in mutation.old + mutation.new
    assert mutation.tests
    assert all((ROOT / test).is_file() for test in mutation.tests)


@pytest.mark.parametrize(("text", "count"), [("c = 0", "0 times"), ("a + b\na + b", "2 times")])
def test_a_line_that_is_gone_or_there_twice_is_an_error_that_names_the_mutation(text, count):
    with pytest.raises(ValueError, match=rf"Z1.*a \+ b.*{count} in sums\.py"):
        ONE.applied(text)


def test_a_mutation_is_chosen_by_its_id_and_an_unknown_id_is_an_error():
    assert [mutation.id for mutation in mutations.chosen(ALL, ["V2", "V1"])] == ["V1", "V2"]
    assert mutations.chosen(ALL, []) == ALL
    with pytest.raises(ValueError, match="Z1"):
        mutations.chosen(ALL, ["V1", "Z1"])


def test_two_mutations_with_one_id_are_an_error(tmp_path):
    file = tmp_path / "twice.toml"
    one = '[[mutation]]\nid = "Z1"\nwhat = ""\nfile = ""\nold = ""\nnew = ""\ntests = []\n'
    file.write_text(one * 2)
    with pytest.raises(ValueError, match="Z1"):
        mutations.load(file)


def test_the_test_that_fails_is_named_without_its_file_and_parameters():
    output = "F\n=== short test summary info ===\nFAILED tests/a.py::test_b[0.1-c::d] - assert 1"
    assert mutations.named_failure(output) == "test_b"
    assert mutations.named_failure("3 passed") is None


def test_results_of_other_mutations_stay_in_the_file(tmp_path):
    """One survived; run again alone it is caught, and both are in the file in their order."""
    file = tmp_path / "record.json"
    two = [dataclasses.replace(ONE, id=id) for id in ("Z1", "Z2")]
    first, second = (
        Result(one.id, one.what, one.file, 1, caught_by, 1.0)
        for one, caught_by in zip(two, (SURVIVES, "test_sums"), strict=True)
    )
    mutations.keep([first, second], two, file)
    assert mutations.kept(file)["caught"] == 1
    mutations.keep([dataclasses.replace(first, caught_by="test_sums")], two, file)
    found = mutations.kept(file)
    assert (found["mutations_run"], found["caught"], found["seconds"]) == (2, 2, 2.0)
    assert [row["id"] for row in found["mutations"]] == ["Z1", "Z2"]
