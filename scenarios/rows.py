"""Rows: read through `datasets`, cleaned, and split so that no group or near-copy is in two parts."""

from __future__ import annotations

import hashlib
import random
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from scenarios.archives import Archive, fetch
from scenarios.cache import cache_folder
from scenarios.errors import UserError
from scenarios.schema import Rows, Task

NEAR_COPY_SIMILARITY = 0.8
"""Share of character 5-grams in common (Jaccard) from which two texts count as near-copies."""


@dataclass(frozen=True)
class Example:
    """One labelled row. `group` names the rows that it belongs with (a review, say)."""

    id: str
    text: str
    gold: str
    group: str


@dataclass(frozen=True)
class Split:
    """Three parts of the rows, no group or near-copy in two of them.

    `digest` is a SHA-256 over ids, texts and labels in order: two runs on equal splits have
    equal digests. `counts` says how many rows were read, left out (and why) and kept.
    """

    train: tuple[Example, ...]
    validation: tuple[Example, ...]
    test: tuple[Example, ...]
    digest: str
    counts: dict[str, int] = field(default_factory=dict)


def load_split(task: Task, seed: int) -> Split:
    """Read the task's rows and split them; the same task, rows and seed give the same split.

    Raises `UserError` where the rows can't be had or read, or don't fill the parts.
    """
    examples, counts = clean(*read(task))
    return split(examples, task, seed, counts)


def read(task: Task) -> tuple[list[Example], dict[str, int]]:
    """All rows that have a label of the task's, in the file's order, with counts of the others."""
    rows = task.rows
    table = _table(rows)
    for column in (rows.id, rows.text, rows.label, rows.rating):
        if column is not None and column not in table.column_names:
            raise UserError(
                f"{rows.filename or rows.path}: no column '{column}'; "
                f"it has {', '.join(table.column_names)}"
            )
    ids = table[rows.id] if rows.id else [str(i + 1) for i in range(len(table))]
    group = re.compile(rows.group) if rows.group else None
    examples: list[Example] = []
    counts: Counter[str] = Counter(read=len(table))
    labels = table[rows.label] if rows.label else [_banded(rows, v) for v in table[rows.rating]]
    for id_, text, label in zip(ids, table[rows.text], labels, strict=True):
        text = "" if text is None else str(text).strip()
        if label is None or not text:
            counts["without a label" if text else "without a text"] += 1
            continue
        if str(label) not in task.labels:
            raise UserError(
                f"{rows.filename or rows.path}: row '{id_}' has the label '{label}', "
                f"which the task doesn't name ({', '.join(task.labels)})"
            )
        match = group.search(str(id_)) if group else None
        examples.append(Example(str(id_), text, str(label), match.group(1) if match else str(id_)))
    twice = [id_ for id_, times in Counter(example.id for example in examples).items() if times > 1]
    if twice:
        raise UserError(
            f"{rows.filename or rows.path}: the id '{twice[0]}' stands on more than one row; "
            "answers are paired by id, so each row needs its own"
        )
    return examples, dict(counts)


def _table(rows: Rows):
    """The rows' file as a `datasets.Dataset`."""
    import datasets

    if rows.path is None:
        file = fetch(Archive(rows.project, rows.filename, rows.sha256, rows.member, rows.inner))
    else:
        file = Path(rows.path)
        if not file.is_file():
            raise UserError(f"no file '{file}' of rows; put it there, or mend path in [task.rows]")
    options = {"column_names": list(rows.columns)} if rows.columns else {}
    if rows.format == "tsv":
        options |= {"sep": "\t", "quoting": 3}  # 3 is csv.QUOTE_NONE: quotes are text
    if rows.format in ("csv", "tsv"):
        options["keep_default_na"] = False  # the text "NA" is a text
    builder = {"jsonl": "json", "tsv": "csv"}.get(rows.format, rows.format)
    datasets.disable_progress_bars()
    try:
        return datasets.load_dataset(
            builder,
            data_files=str(file),
            split="train",
            cache_dir=str(cache_folder() / "datasets"),
            **options,
        )
    except datasets.exceptions.DatasetGenerationError as error:
        reason = str(error.__cause__ or error).splitlines()[0]
        raise UserError(f"can't read '{file.name}' as {rows.format}: {reason}") from error


def _banded(rows: Rows, value) -> str | None:
    """The label of the band that a rating lies in, or None."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return next((band.label for band in rows.bands if band.holds(number)), None)


def clean(
    examples: Sequence[Example], counts: dict[str, int]
) -> tuple[list[Example], dict[str, int]]:
    """Leave out copies of a text (the first one stays) and texts that stand under two labels.

    Texts are the same if their letters and digits are, whatever the case, spaces and marks.
    """
    labels: dict[str, set[str]] = defaultdict(set)
    for example in examples:
        labels[_key(example.text)].add(example.gold)
    seen: set[str] = set()
    kept = []
    counts = Counter(counts)
    for example in examples:
        key = _key(example.text)
        if len(labels[key]) > 1:
            counts["the same text under two labels"] += 1
        elif key in seen:
            counts["copies"] += 1
        else:
            seen.add(key)
            kept.append(example)
    counts["usable"] = len(kept)
    return kept, dict(counts)


def _key(text: str) -> str:
    """What makes two texts the same: letters and digits in lower case, or the text if it has none."""
    return "".join(filter(str.isalnum, text.casefold())) or text


def split(
    examples: Sequence[Example], task: Task, seed: int, counts: dict[str, int] | None = None
) -> Split:
    """Test and validation rows balanced over the labels, from groups of their own; the rest trains.

    Whole groups are drawn for the test part until each label has its rows, then for the
    validation part; rows of those groups beyond the balance are left out.
    """
    rng = random.Random(seed)
    families = _families(examples)
    order = sorted({families[e.id] for e in examples})
    rng.shuffle(order)
    members: dict[str, list[Example]] = defaultdict(list)
    for example in examples:
        members[families[example.id]].append(example)
    rest = iter(order)
    test = _balanced_part("test", task.test_rows, rest, members, task.labels, rng)
    validation = _balanced_part("validation", task.validation_rows, rest, members, task.labels, rng)
    train = [example for family in rest for example in members[family]]
    missing = sorted(set(task.labels) - {example.gold for example in train})
    if missing:
        raise UserError(
            f"no training row is left with the label {', '.join(missing)}; "
            "set test_rows and validation_rows lower in [task]"
        )
    rng.shuffle(train)
    counts = dict(counts or {}) | {
        "train": len(train),
        "validation": len(validation),
        "test": len(test),
        "test groups": len({e.group for e in test}),
    }
    return Split(
        tuple(train), tuple(validation), tuple(test), _digest(train, validation, test), counts
    )


def balanced_sample(examples: Sequence[Example], n: int, labels: Sequence[str]) -> list[Example]:
    """The first rows of each label in turn, `n` in all (fewer where the rows run out).

    A larger sample of the same rows contains the smaller one.
    """
    by_label = {label: [e for e in examples if e.gold == label] for label in labels}
    turns = max((len(rows) for rows in by_label.values()), default=0)
    dealt = (rows[i] for i in range(turns) for rows in by_label.values() if i < len(rows))
    return [example for example, _ in zip(dealt, range(n), strict=False)]


def _balanced_part(name, size, families, members, labels, rng) -> list[Example]:
    """`size` rows, each label's share within one of the others', from the next families."""
    wanted = {
        label: size // len(labels) + (i < size % len(labels)) for i, label in enumerate(labels)
    }
    pool: dict[str, list[Example]] = {label: [] for label in labels}
    while any(len(pool[label]) < wanted[label] for label in labels):
        family = next(families, None)
        if family is None:
            short = ", ".join(label for label in labels if len(pool[label]) < wanted[label])
            raise UserError(
                f"too few rows for {size} {name} rows (short of {short}); "
                "set test_rows and validation_rows lower in [task], or bring more rows"
            )
        for example in members[family]:
            pool[example.gold].append(example)
    part = [e for label in labels for e in rng.sample(pool[label], wanted[label])]
    rng.shuffle(part)
    return part


def _families(examples: Sequence[Example]) -> dict[str, str]:
    """For each row's id the name of its family: groups that share a near-copy are one family."""
    parent = {example.group: example.group for example in examples}

    def root(group: str) -> str:
        while parent[group] != group:
            parent[group] = parent[parent[group]]
            group = parent[group]
        return group

    for one, other in near_copies([example.text for example in examples]):
        a, b = sorted((root(examples[one].group), root(examples[other].group)))
        parent[b] = a
    return {example.id: root(example.group) for example in examples}


def near_copies(texts: Sequence[str]) -> list[tuple[int, int]]:
    """Pairs of positions whose texts share most of their character 5-grams (Jaccard >= 0.8)."""
    from sklearn.feature_extraction.text import CountVectorizer

    if not texts:
        return []
    vectorizer = CountVectorizer(analyzer="char_wb", ngram_range=(5, 5), binary=True)
    try:
        grams = vectorizer.fit_transform(texts)
    except ValueError:  # no text has a 5-gram
        return []
    sizes = grams.sum(axis=1).A1
    pairs = []
    block = 1000
    for start in range(0, grams.shape[0], block):
        shared = (grams[start : start + block] @ grams.T).tocoo()
        left = shared.row + start
        union = sizes[left] + sizes[shared.col] - shared.data
        near = (left < shared.col) & (shared.data >= NEAR_COPY_SIMILARITY * union)
        pairs += zip(left[near].tolist(), shared.col[near].tolist(), strict=True)
    return pairs


def _digest(*parts: Sequence[Example]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        for example in part:
            digest.update("\x1f".join((example.id, example.text, example.gold)).encode())
            digest.update(b"\x1e")
        digest.update(b"\x1d")
    return digest.hexdigest()
