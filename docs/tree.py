"""The tree of modules in docs/architecture.md: each module with the first line of its docstring.

python docs/tree.py            # writes the tree into docs/architecture.md
python docs/tree.py --check    # exits with 1 where the tree there is another one
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
DOCUMENT = ROOT / "docs" / "architecture.md"
PACKAGES = ("scenarios", "advisor", "bench", "reports")
BEGIN, END = "<!-- tree: begin (python docs/tree.py) -->", "<!-- tree: end -->"


def tree() -> str:
    """The packages as a list in Markdown, packages before modules, each line with what it is for."""
    return "\n".join(line for package in PACKAGES for line in _lines(ROOT / package, 0))


def _lines(folder: Path, depth: int) -> Iterator[str]:
    yield _line(f"{folder.name}/", folder / "__init__.py", depth)
    for package in sorted(path.parent for path in folder.glob("*/__init__.py")):
        yield from _lines(package, depth + 1)
    for module in sorted(folder.glob("*.py")):
        if module.name not in ("__init__.py", "__main__.py"):
            yield _line(module.name, module, depth + 1)


def _line(name: str, file: Path, depth: int) -> str:
    docstring = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    first = docstring.partition("\n\n")[0].replace("\n", " ")
    return f"{'  ' * depth}- `{name}`" + (f": {first}" if first else "")


def document_with(found: str) -> str:
    """The document with the tree between its marks."""
    text = DOCUMENT.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{found}\n{END}{after}"


def main() -> int:
    """Write the tree, or compare it with the document."""
    wanted = document_with(tree())
    if "--check" not in sys.argv[1:]:
        DOCUMENT.write_text(wanted, encoding="utf-8")
        return 0
    if wanted == DOCUMENT.read_text(encoding="utf-8"):
        return 0
    print("docs/architecture.md has an outdated tree; run `python docs/tree.py`", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
