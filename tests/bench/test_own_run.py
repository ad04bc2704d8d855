"""A run with a contender and metrics of the user's own, by the Python API and by the command."""

import json
from dataclasses import dataclass
from typing import ClassVar

import pytest

import bench
from scenarios.errors import UserError
from tests.conftest import run_command

FILE = '''
from dataclasses import dataclass
from typing import ClassVar
import bench

@dataclass(frozen=True)
class Contender(bench.Contender):
    """Says "good" where one of the words occurs."""
    words: tuple[str, ...] = ("fine",)
    family: ClassVar = "prompt"

    def fit(self, ground, seed):
        return Says(ground.task.labels, self.words)

class Says:
    def __init__(self, labels, words):
        self.labels, self.words, self.notes = labels, words, {"words": list(words)}

    def answer(self, examples, done=()):
        for one in examples:
            label = self.labels[not any(word in one.text for word in self.words)]
            yield [bench.Answer(one.id, label, None, None, 1e-6)]
'''


@dataclass(frozen=True)
class Opposite(bench.Contender):
    """Says the other label than a word suggests."""

    word: str = "fine"
    family: ClassVar = "prompt"

    def fit(self, ground, seed):
        return Says(ground.task.labels[::-1], self.word)


class Says:
    def __init__(self, labels, word):
        self.labels, self.word, self.notes = labels, word, {}

    def answer(self, examples, done=()):
        for one in examples:
            yield [bench.Answer(one.id, self.labels[self.word not in one.text], None, None, 1e-6)]


@dataclass(frozen=True)
class Faulty(bench.Contender):
    """Raises an error of two lines."""

    family: ClassVar = "floor"

    def fit(self, ground, seed):
        raise ValueError("no word is frequent\nat all")


@pytest.fixture
def folder(tmp_path):
    """A folder with one contender in it."""
    found = tmp_path / "mine"
    found.mkdir()
    (found / "by_words.py").write_text(FILE)
    return found


@pytest.mark.slow
def test_objects_and_files_run_next_to_ours_and_are_measured_by_any_metric(
    small_scenario, folder, cache, tmp_path, capfd
):
    """The scenario's four good words: with all of them every row is right, with one a quarter of them."""
    words = ("fine", "great", "lovely", "superb")
    settings = {"by-words": {"words": list(words)}}
    given = {
        "quick": True, "only": ["by-words"], "settings": settings, "out": tmp_path / "run",
        "contenders": [folder, Opposite(), Faulty],
        "metrics": ["accuracy", bench.as_evaluate("macro-f1", ("good", "bad"))],
    }  # fmt: skip
    found = bench.run(small_scenario, **given)
    assert capfd.readouterr() == ("", "")
    assert list(found.contenders) == ["majority", "tf-idf", "faulty", "by-words", "opposite"]
    assert found.contenders["by-words"].accuracy.value == 1.0
    assert found.contenders["opposite"].accuracy.value < 0.5
    reason = found.contenders["faulty"].reason
    assert reason.startswith("ValueError: no word is frequent (test_own_run.py:")
    assert reason.endswith(", in fit); its traceback is in errors/03-faulty-s0.txt")
    assert "at all" in (tmp_path / "run" / "errors" / "03-faulty-s0.txt").read_text()
    assert "at all" not in reason
    measured = {
        one["name"]: one["evaluate:macro_f1"]
        for one in found.record["contenders"]
        if one["status"] == "done"
    }
    assert measured["by-words"]["value"] == 1.0
    assert "no per-row sums" in measured["by-words"]["reason"]
    own = found.record["plan"]["asked"]["own"]
    assert sorted(own) == [
        "contenders/by-words",
        "contenders/faulty",
        "contenders/opposite",
        "metrics/evaluate:macro_f1",
    ]
    (folder / "by_words.py").write_text(FILE + "\nCHANGED = True\n")
    with pytest.raises(UserError, match=r"the code of contenders/by-words.*choose another --out"):
        bench.run(small_scenario, **given)


def test_the_command_takes_a_folder(small_scenario, folder, cache):
    done = run_command("bench", "list", "--contenders", folder, "--json")
    assert json.loads(done.stdout)["contenders"]["by-words"] == "prompt"
    planned = bench.plan(small_scenario, contenders=folder, only=["by-words"])
    assert [trial.name for trial in planned.trials] == ["majority", "tf-idf", "by-words"]
    (folder / "by_words.py").write_text("import nosuch")
    done = run_command("bench", "plan", small_scenario, "--contenders", folder)
    assert done.returncode == 2
    assert done.stderr.startswith("error: can't import '")
    assert len(done.stderr.splitlines()) == 1


@dataclass(frozen=True)
class Seldom(Opposite):
    """Runs in no mode by itself."""

    usual: ClassVar = ()


def test_a_contender_that_is_given_always_runs_and_once(small_scenario, cache):
    def names(**given):
        found = bench.plan(small_scenario, quick=True, model="./not-here", **given)
        return [trial.name for trial in found.trials]

    usual = names()
    assert "lora" in usual
    assert "seldom" not in usual
    assert sorted(names(contenders=[Seldom])) == sorted([*usual, "seldom"])
    assert names(contenders=[Seldom], only=["tf-idf"]) == ["majority", "tf-idf", "seldom"]
    assert names(contenders=[Seldom], only=["seldom"]).count("seldom") == 1
