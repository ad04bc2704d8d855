"""Whether the tests catch a fault: each one-line mutation of mutations.toml, and the test that fails.

    python benchmarks/mutations.py [--only ID ...] [--out FILE.json]

A copy of the checkout, with what isn't committed yet, is made in a temporary folder. The named test files
must pass there; then one line at a time is broken and its test files are run (without those marked slow or
gpu) until one fails. Prints a Markdown table, and exits with 1 if a mutation survives. `--out` keeps
each result as JSON once it is known; results of other mutations in that file stay.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MUTATIONS = Path(__file__).with_suffix(".toml")
LONGEST_SECONDS = 300
"""For each test file, since a mutation may make a loop endless."""
SURVIVES = "SURVIVES"


@dataclass(frozen=True)
class Mutation:
    """One line that is broken: in `file`, `old` becomes `new`; `tests` are the files that should fail."""

    id: str
    what: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]

    def applied(self, text: str) -> str:
        """The file's text with the fault. Raises `ValueError` unless `old` occurs exactly once."""
        count = text.count(self.old)
        if count != 1:
            raise ValueError(
                f"{self.id}: {self.old!r} occurs {count} times in {self.file}; "
                "give a text that occurs exactly once"
            )
        return text.replace(self.old, self.new)


@dataclass(frozen=True)
class Result:
    """What became of a mutation: the first test that failed, or `SURVIVES`; and how long that took."""

    id: str
    what: str
    file: str
    line: int
    caught_by: str
    seconds: float


def load(file: Path = MUTATIONS) -> list[Mutation]:
    """The mutations in their order. Raises `ValueError` for two with one id."""
    with open(file, "rb") as opened:
        found = [
            Mutation(**{**one, "tests": tuple(one["tests"])})
            for one in tomllib.load(opened)["mutation"]
        ]
    ids = [mutation.id for mutation in found]
    if twice := {id for id in ids if ids.count(id) > 1}:
        raise ValueError(f"{file.name}: two mutations have the id {', '.join(sorted(twice))}")
    return found


def chosen(mutations: Sequence[Mutation], only: Sequence[str]) -> list[Mutation]:
    """Those with the ids given, or all. Raises `ValueError` for an id that there isn't."""
    unknown = set(only) - {mutation.id for mutation in mutations}
    if unknown:
        raise ValueError(f"--only {' '.join(sorted(unknown))}: no such mutation in mutations.toml")
    return [mutation for mutation in mutations if not only or mutation.id in only]


def copy_of_checkout(folder: Path) -> None:
    """Copy the checkout's files, tracked or new, but not those that git ignores."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target)


def first_failure(folder: Path, tests: Sequence[str]) -> str | None:
    """The first test that fails in a copy; None where all pass. Raises `ValueError` if they can't run."""
    longest = LONGEST_SECONDS * len(tests)
    environment = {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-x", "-q", "-m", "not slow and not gpu",
             "-p", "no:cacheprovider", *tests],
            cwd=folder, env=environment, capture_output=True, text=True, timeout=longest,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return f"no end within {longest} s"
    if done.returncode == 0:
        return None
    failed = named_failure(done.stdout)
    if done.returncode != 1 or failed is None:
        raise ValueError(f"pytest could not run:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return failed


def named_failure(output: str) -> str | None:
    """The test that pytest's summary names as failed, without its file and parameters."""
    found = re.search(r"^(?:FAILED|ERROR) \S+?::(\w+)", output, re.MULTILINE)
    return found[1] if found else None


def results(mutations: Sequence[Mutation]) -> Iterator[Result]:
    """What becomes of each mutation. Raises `ValueError` for one that can't be made or run."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        copy_of_checkout(folder)
        broken = [
            mutation.applied((folder / mutation.file).read_text("utf-8")) for mutation in mutations
        ]
        tests = dict.fromkeys(test for mutation in mutations for test in mutation.tests)
        if failed := first_failure(folder, list(tests)):
            raise ValueError(f"{failed} fails without any mutation")
        for mutation, text in zip(mutations, broken, strict=True):
            yield _result(mutation, text, folder)


def _result(mutation: Mutation, broken: str, folder: Path) -> Result:
    file = folder / mutation.file
    whole = file.read_text("utf-8")
    line = whole[: whole.index(mutation.old)].count("\n") + 1
    start = time.perf_counter()
    file.write_text(broken, "utf-8")
    try:
        caught_by = first_failure(folder, mutation.tests) or SURVIVES
    except ValueError as error:
        raise ValueError(f"{mutation.id}: {error}") from error
    finally:
        file.write_text(whole, "utf-8")
    seconds = round(time.perf_counter() - start, 1)
    return Result(mutation.id, mutation.what, mutation.file, line, caught_by, seconds)


def keep(found: Sequence[Result], mutations: Sequence[Mutation], file: Path) -> None:
    """Write the results as JSON, in the mutations' order, with those of others that the file has."""
    rows = {row["id"]: row for row in kept(file)["mutations"]} if file.exists() else {}
    rows |= {result.id: asdict(result) for result in found}
    own = [rows[mutation.id] for mutation in mutations if mutation.id in rows]
    record = {
        "date": time.strftime("%Y-%m-%d"),
        "command": "python benchmarks/mutations.py",
        "python": sys.version.split()[0],
        "mutations_run": len(own),
        "caught": sum(row["caught_by"] != SURVIVES for row in own),
        "seconds": round(sum(row["seconds"] for row in own), 1),
        "mutations": own,
    }
    file.write_text(json.dumps(record, indent=1) + "\n", "utf-8")


def kept(file: Path) -> dict:
    """The record that `keep` wrote."""
    return json.loads(file.read_text("utf-8"))


def main() -> int:
    """Run the mutations, print and keep the table; 0 if the tests catch each of them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", default=[], metavar="ID")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    try:
        mutations = load()
        print("| | broken | where | caught by |\n|---|---|---|---|")
        found = []
        for result in results(chosen(mutations, options.only)):
            found.append(result)
            if options.out:
                keep([result], mutations, options.out)
            where = f"`{result.file}:{result.line}`"
            print(f"| {result.id} | {result.what} | {where} | {result.caught_by} |", flush=True)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    survive = [result.id for result in found if result.caught_by == SURVIVES]
    print(f"\n{len(found) - len(survive)} of {len(found)} caught")
    return 1 if survive else 0


if __name__ == "__main__":
    sys.exit(main())
