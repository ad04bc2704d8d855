"""The digest of a user's code changes with whatever decides its answers, and with nothing else."""

import os
import subprocess
import sys

import pytest

from bench.core.own_code import digest_of, digest_of_file
from tests.conftest import ROOT

CELLS = """
import bench, re
from dataclasses import dataclass
from typing import ClassVar

WORDS = {"fine", "good", "great"}

def lower(text):
    return text.lower()

class Says:
    notes = {}
    def answer(self, examples, done=()):
        for row in examples:
            yield [bench.Answer(row.id, "a" if set(lower(row.text).split()) & WORDS else "b")]

def makes(limit):
    class Mine(bench.Contender):
        family = "prompt"
        def fit(self, ground, seed):
            return Says() if limit else None
    return Mine

Mine = makes(3)
"""


def digest(text):
    space = {}
    exec(text, space)
    return digest_of(space["Mine"])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"a" if', '"c" if'),
        ("text.lower()", "text.upper()"),
        ('"great"}', '"grand"}'),
        ("makes(3)", "makes(4)"),
        ("notes = {}", "notes = {'x': 1}"),
        ('family = "prompt"', 'family = "floor"'),
    ],
    ids=["a class it uses", "a function", "a global", "a closure", "a dictionary", "a declaration"],
)
def test_whatever_the_answers_depend_on_changes_it(old, new):
    assert old in CELLS
    assert digest(CELLS) != digest(CELLS.replace(old, new))


def test_a_comment_an_unused_name_and_another_line_do_not_change_it():
    assert digest(CELLS) == digest("# more\n\nUNUSED = 3\n" + CELLS)


def test_it_is_the_same_in_every_process():
    """Sets of texts have another order in each."""
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r})\nfrom tests.bench.core.test_own_code import *\nprint(digest(CELLS))"
    found = {
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2", "3")
    }  # fmt: skip
    assert found == {f"{digest(CELLS)}\n"}


def test_a_file_counts_with_the_neighbours_that_it_imports_and_no_others(tmp_path):
    (tmp_path / "mine.py").write_text("from _words import W\nimport tools.parts, json\n")
    (tmp_path / "_words.py").write_text("from _more import W\n")
    (tmp_path / "_more.py").write_text("W = 1\n")
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "__init__.py").write_text("")
    (tmp_path / "tools" / "parts.py").write_text("P = 1\n")
    (tmp_path / "other.py").write_text("O = 1\n")
    before = digest_of_file(tmp_path / "mine.py")
    (tmp_path / "other.py").write_text("O = 2\n")
    assert digest_of_file(tmp_path / "mine.py") == before
    for name in ("_more.py", "tools/parts.py", "mine.py"):
        text = (tmp_path / name).read_text()
        (tmp_path / name).write_text(text + "X = 2\n")
        assert digest_of_file(tmp_path / "mine.py") != before, name
        (tmp_path / name).write_text(text)
    assert digest_of_file(tmp_path / "mine.py") == before


def test_a_helper_module_of_the_users_counts_and_a_librarys_does_not(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    digests = set()
    for text in ("def says():\n    return 'a'\n", "def says():\n    return 'b'\n"):
        (tmp_path / "helper_of_mine.py").write_text(text)
        sys.modules.pop("helper_of_mine", None)
        space = {}
        exec(
            "import helper_of_mine, json\nclass Mine:\n"
            "    def fit(self): return helper_of_mine.says(), json.dumps",
            space,
        )
        digests.add(digest_of(space["Mine"]))
    assert len(digests) == 2


@pytest.mark.parametrize("kept", ["functools.lru_cache(None)", "functools.cached_property"])
def test_a_method_whose_results_are_kept_counts_by_its_code(kept):
    text = f"import functools\nclass Mine:\n    @{kept}\n    def word(self): return 'a'\n"
    assert digest(text) != digest(text.replace("'a'", "'b'"))
    assert digest(text) == digest(text)
