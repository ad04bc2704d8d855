"""docs/python.md runs: its blocks in order, in one namespace, with the values that it says."""

import ast
import re

import pytest

from tests.conftest import ROOT

PAGE = ROOT / "docs" / "python.md"
SAYS = re.compile(r"# -> (.*)$")


def blocks(text):
    """Each Python block with the number of its first line."""
    for found in re.finditer(r"^```python\n(.*?)^```$", text, re.M | re.S):
        yield text.count("\n", 0, found.start(1)) + 1, found[1]


def run(text, space):
    """Run the blocks statement by statement; a `# ->` is compared with the value of its line.

    Returns how many values were compared.
    """
    compared = 0
    for first, block in blocks(text):
        lines = block.splitlines()
        for statement in ast.parse(block).body:
            where = f"line {first + statement.end_lineno - 1}"
            says = SAYS.search(lines[statement.end_lineno - 1])
            if says is None:
                exec(compile(ast.Module([statement], []), where, "exec"), space)
                continue
            assert isinstance(statement, ast.Expr), f"{where}: no value to compare"
            value = eval(compile(ast.Expression(statement.value), where, "eval"), space)
            assert repr(value) == says[1], where
            compared += 1
    return compared


def test_every_block_of_the_page_runs_and_gives_what_it_says(tmp_path, monkeypatch):
    """In a folder of its own, which has the documents as a checkout has them."""
    (tmp_path / "docs").symlink_to(ROOT / "docs")
    monkeypatch.chdir(tmp_path)
    text = PAGE.read_text(encoding="utf-8")
    assert text.count("```python") == len(list(blocks(text)))
    assert run(text, {}) == text.count("# ->") - 1  # the first explains it


@pytest.mark.parametrize("line", ["1 + 1  # -> 3", "x = 1  # -> 1", "1 / 0"])
def test_a_block_that_says_otherwise_fails(line):
    with pytest.raises((AssertionError, ZeroDivisionError), match=r"line 3|no value|division"):
        run(f"text\n```python\n{line}\n```\n", {})
