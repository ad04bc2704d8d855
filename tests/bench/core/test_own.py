"""A user's own contenders, metrics and models: known by name while they are used, refused by name otherwise."""

import subprocess
import sys
import threading
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Annotated, ClassVar

import numpy as np
import pytest
from pydantic import Field

import bench
from bench import registry
from bench.core.own import Own, own, unpacked
from bench.metrics import check_metric, load_metric, texts
from scenarios.errors import UserError
from tests.conftest import ROOT

LABELS = ("good", "bad")
FILE = """
from dataclasses import dataclass
from typing import ClassVar
import bench
from _words import WORD

@dataclass(frozen=True)
class Contender(bench.Contender):
    word: str = WORD
    family: ClassVar = "prompt"
    def fit(self, ground, seed):
        return None
"""


@dataclass(frozen=True)
class ByWord(bench.Contender):
    """Says the first label where a word occurs."""

    word: str = "fine"
    family: ClassVar = "prompt"

    def fit(self, ground, seed):
        return None


@pytest.fixture
def folder(tmp_path):
    """A folder with one contender, and a helper that it imports."""
    (tmp_path / "one_word.py").write_text(FILE)
    (tmp_path / "_words.py").write_text('WORD = "lovely"\n')
    return tmp_path


def test_an_object_is_known_by_its_class_in_kebab_case_with_its_own_values():
    found = own([ByWord(word="great")])
    assert "by-word" not in registry.names("contenders")
    with registry.added(found.added()):
        assert registry.contender("by-word") is ByWord
        assert "by-word" in registry.names("contenders")
    assert "by-word" not in registry.names("contenders")
    assert found.settings == {"by-word": {"word": "great"}}
    assert own([ByWord]).settings == {}


def test_a_file_of_a_folder_is_known_by_its_name_and_may_import_its_neighbours(folder):
    with registry.added(own(folder).added()):
        assert registry.contender("one-word")().word == "lovely"
    assert own([folder / "one_word.py"]).files == own(str(folder)).files
    assert str(folder) not in sys.path


def test_another_process_has_the_same(folder):
    """Of a class that it can't import, and of a file."""
    given = own([_local(), folder])
    code = (
        "import sys; from bench import registry; from bench.core.own import unpacked\n"
        "with registry.added(unpacked(sys.argv[1])):\n"
        "    print(registry.contender('by-word')().word, registry.contender('one-word')().word)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, given.parcel()], capture_output=True, text=True, cwd=ROOT
    )
    assert done.stdout.split() == ["inner", "lovely"], done.stderr
    assert unpacked(Own().parcel()) == {}


def _local():
    """A class inside a function, as one in a notebook's cell, which no import finds."""

    @dataclass(frozen=True)
    class Local(ByWord):
        word: str = "inner"
        name: ClassVar = "by-word"

    return Local


def test_other_code_has_another_digest_and_the_same_code_the_same():
    one, same, other = (_with_answer(text) for text in ("yes", "yes", "no"))
    assert own([one]).digests == own([same]).digests
    assert own([one]).digests != own([other]).digests


def _with_answer(text):
    source = f"def fit(self, ground, seed):\n    return {text!r} in {{'yes', 'maybe', 'no'}}\n"
    scope = {}
    exec(source, scope)
    return type("Fixed", (ByWord,), {"fit": scope["fit"], "__module__": __name__})


def test_metrics_are_names_objects_of_the_evaluate_library_or_modules():
    ours = SimpleNamespace(
        name="right", TASKS=("classification",), SHARE=True,
        statistics=lambda gold, said, labels: np.stack([gold == said, gold == gold], axis=1) * 1.0,
        value=lambda sums: sums[..., 0] / sums[..., 1],
    )  # fmt: skip
    ours = type("Right", (), vars(ours))
    found = own(metrics=["macro-f1", bench.as_evaluate("accuracy"), ours])
    assert found.asked["metrics"] == ("macro-f1", "evaluate:accuracy", "right")
    with registry.added(unpacked(found.parcel())):
        for name in found.asked["metrics"]:
            check_metric(name, "classification", LABELS)
            assert load_metric(name).of(["good", "bad"], ["good", "bad"], LABELS) == 1.0
    with registry.added(found.added()):  # and after it was used
        assert load_metric("evaluate:accuracy").of(["good"], ["bad"], LABELS) == 0.0
    assert unpacked(found.parcel()).keys() == {"metrics"}


def test_an_object_that_no_other_process_can_have_is_refused_by_name():
    held = type("Held", (ByWord,), {"lock": threading.Lock()})
    with pytest.raises(UserError, match=r"contender 'held' can't be handed.*put it in a file"):
        own([held]).parcel()


class Half:
    """A metric as a class with the parts of one; each test breaks one of them."""

    TASKS, SHARE = ("classification",), True

    @staticmethod
    def statistics(gold, said, labels):
        return np.stack([gold == said, np.ones(len(gold))], axis=1).astype(float)

    @staticmethod
    def value(sums):
        return sums[..., 0] / sums[..., 1]


def _writes(gold, said, labels):
    said[:] = gold
    return Half.statistics(gold, said, labels)


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"value": staticmethod(lambda s: s[..., 0] / s[..., 1] * 37)}, "declares SHARE.*value is 37"),
        ({"value": staticmethod(lambda s: s[0] / s[1])}, "over the last axis"),
        ({"value": staticmethod(lambda s: str(s))}, "over the last axis"),
        ({"statistics": staticmethod(lambda g, p, _: np.ones(len(g)))}, r"shape \(2,\).*\(rows, k\)"),
    ],
)  # fmt: skip
def test_a_metric_that_is_no_formula_over_sums_is_refused_before_the_run(parts, words):
    broken = type("Broken", (Half,), parts)
    found = own(metrics=[broken])
    with registry.added(found.added()), pytest.raises(UserError, match=words):
        check_metric("broken", "classification", LABELS)
    with registry.added(own(metrics=[Half]).added()):
        check_metric("half", "classification", LABELS)


def test_a_metric_that_writes_into_its_arguments_changes_no_other():
    writing = type("Writing", (Half,), {"statistics": staticmethod(_writes)})
    gold, said = texts(["good", "bad"]), texts(["bad", "bad"])
    with registry.added(own(metrics=[writing]).added()):
        load_metric("writing").statistics(gold, said, LABELS)
    assert list(said) == ["bad", "bad"]


def _evaluate_metric(value):
    """An `evaluate.Metric` over the labels' numbers."""
    import datasets
    import evaluate

    class Mine(evaluate.Metric):
        def _info(self):
            whole = datasets.Value("int32")
            features = datasets.Features({"predictions": whole, "references": whole})
            return evaluate.MetricInfo(description="", citation="", features=features)

        def _compute(self, predictions, references):
            return {"mine": value(predictions, references)}

    return Mine()


def test_any_evaluate_metric_gets_the_labels_numbers_if_it_takes_numbers():
    found = own(metrics=[_evaluate_metric(lambda said, gold: sum(said) + sum(gold) / 10)])
    with registry.added(found.added()):
        assert load_metric("evaluate:mine").of(["good", "bad"], ["bad", "bad"], LABELS) == 2.1


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (lambda said, gold: [0.5, 1.0], r"evaluate:mine.*\[0\.5, 1\.0\] \(list\).*one finite number"),
        (lambda said, gold: float("nan"), r"evaluate:mine.*nan.*one finite number"),
        (lambda said, gold: 1 / 0, r"evaluate:mine.*ZeroDivisionError.*numbers of the labels"),
    ],
)  # fmt: skip
def test_a_metric_whose_value_is_not_a_number_is_refused_before_the_run(value, words):
    found = own(metrics=[_evaluate_metric(value)])
    with registry.added(found.added()), pytest.raises(UserError, match=words):
        check_metric("evaluate:mine", "classification", LABELS)


class NotOne:
    def fit(self, ground, seed):
        return None


class WithoutFit(bench.Contender):
    family: ClassVar = "prompt"


class WithoutFamily(bench.Contender):
    fit = ByWord.fit


class WithoutDataclass(ByWord):
    limit: int = 3


@dataclass(frozen=True)
class WithoutDefault(bench.Contender):
    limit: int
    family: ClassVar = "prompt"
    fit = ByWord.fit


@dataclass(frozen=True)
class NotPlain(ByWord):
    limit: object = np.float32(1)


class Lora(ByWord):
    pass


class Needy(ByWord):
    needs: ClassVar = "train"


class Restoring(ByWord):
    restores: ClassVar = True


@dataclass(frozen=True)
class Limited(ByWord):
    limit: Annotated[int, Field(ge=1)] = 3


class QuickOther(Limited):
    quick: ClassVar = {"limt": 4}


class WithInit(ByWord):
    def __init__(self, limit):
        self.limit = limit


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (NotOne, "not-one.*derive.*bench.Contender"),
        ("x", "'x' is neither a folder"),
        (3, "'int'.*derive.*bench.Contender"),
        (Needy, "`needs` of the contender 'needy'.*score, write, train, embed"),
        (Restoring, "'restoring' declares restores and has no restore"),
        (QuickOther, "no setting of quick-other .*named 'limt'; did you mean 'limit'"),
        (Limited(limit=0), "'limit' of the contender 'limited'.*greater than or equal to 1, not 0"),
        (WithInit, r"with-init.*__init__ of its own.*dataclass"),
        (WithoutFit, r"without-fit.*no fit\(ground, seed\)"),
        (WithoutFamily, "without-family.*floor, prompt, between, fine_tune"),
        (WithoutDataclass, "without-dataclass.*add @dataclass"),
        (WithoutDefault, "'limit'.*without-default.*no default"),
        (NotPlain, "'limit'.*not-plain.*float32.*numbers, texts"),
        (ByWord(word=b"x"), "'word'.*by-word.*b'x'"),
        (Lora, "already a contender named 'lora'"),
    ],
)
def test_what_is_no_contender_is_refused_by_name_with_the_reason(given, words):
    with pytest.raises(UserError, match=words):
        own([given])


def test_two_of_one_name_are_refused():
    with pytest.raises(UserError, match="two contenders are named 'by-word'"):
        own([ByWord, ByWord(word="x")])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("import nosuch", "can't import .*one_word.py.*No module named 'nosuch'"),
        ("def (", "can't import .*one_word.py.*SyntaxError"),
        ("class Other: pass", "the file of 'one-word' has no class Contender"),
    ],
)
def test_a_file_that_can_not_be_used_is_refused_in_one_line(folder, text, words):
    (folder / "one_word.py").write_text(text)
    with pytest.raises(UserError, match=words) as refused:
        own(folder)
    assert len(str(refused.value).splitlines()) == 1


def test_an_empty_folder_says_what_a_file_of_it_would_be(tmp_path):
    with pytest.raises(UserError, match=r"holds no contender: each is a file NAME\.py"):
        own(tmp_path)


def test_models_and_metrics_say_which_parts_they_lack():
    with pytest.raises(UserError, match="the model 'not-one' lacks can, is_ready"):
        own(models=[NotOne])
    with pytest.raises(UserError, match="the metric 'not-one' lacks TASKS, SHARE"):
        own(metrics=[NotOne])


def test_two_folders_may_have_helpers_of_one_name(tmp_path):
    for name, word in (("one", "fine"), ("two", "great")):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"of_{name}.py").write_text(FILE)
        (tmp_path / name / "_words.py").write_text(f"WORD = {word!r}\n")
    found = own([tmp_path / "one", tmp_path / "two"])
    for known in (found.added(), unpacked(found.parcel())):
        with registry.added(known):
            words = [registry.contender(f"of-{name}")().word for name in ("one", "two")]
        assert words == ["fine", "great"]


def test_what_is_given_one_by_one_is_asked_for_and_the_files_of_a_folder_are_not(folder):
    metric = ROOT / "tests" / "data" / "own" / "metrics" / "balanced_accuracy.py"
    found = own([folder / "one_word.py", ByWord], ["macro-f1", metric, "accuracy"])
    assert found.asked["contenders"] == ("one-word", "by-word")
    assert found.asked["metrics"] == ("macro-f1", "balanced-accuracy", "accuracy")
    assert own(folder).asked == {}


def test_what_is_added_within_another_is_known_as_well():
    with registry.added(own([ByWord]).added()), registry.added(own([Limited]).added()):
        assert {"by-word", "limited"} <= set(registry.names("contenders"))
        assert registry.contender("by-word") is ByWord
