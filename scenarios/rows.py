"""Rows: read through `datasets`, cleaned, and split so that no group or near-copy is in two parts."""

from __future__ import annotations

import hashlib
import random
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from scenarios.errors import UserError
from scenarios.schema import Task
from scenarios.tables import load_table

NEAR_COPY_SIMILARITY = 0.8
"""Share of character 5-grams in common (Jaccard) from which two texts count as near-copies."""

_MARKS = re.compile(r"[\W_]+")


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
    """All rows that have a label of the task's, in the file's order, with counts of the others.

    A label that differs from one of the task's by case or spaces alone is read as that one.
    """
    rows = task.rows
    place = rows.filename or rows.path
    table = load_table(rows)
    group = re.compile(rows.group) if rows.group else None
    meant = _labels_by_spelling(task.labels)
    examples: list[Example] = []
    counts: Counter[str] = Counter(read=len(table.texts))
    numbers: dict[str, int] = {}
    for number, (id_, text, label) in enumerate(
        zip(table.ids, table.texts, table.labels, strict=True), start=1
    ):
        if not label or not text:
            counts["without a label" if text else "without a text"] += 1
            continue
        gold = label if label in meant else meant.get(_spelling(label))
        if gold is None:
            raise UserError(
                f"{place}: row {number} has the label '{_short(label)}', which the task doesn't "
                f"name ({_short(', '.join(task.labels))})"
            )
        if id_ in numbers:
            raise UserError(
                f"{place}: rows {numbers[id_]} and {number} have the same id '{_short(id_)}'; "
                "answers are paired by id, so each row needs its own"
            )
        numbers[id_] = number
        match = group.search(id_) if group else None
        examples.append(Example(id_, text, gold, match.group(1) if match else id_))
    return examples, dict(counts)


def _labels_by_spelling(labels: Sequence[str]) -> dict[str, str]:
    """Each label by itself, and by its spelling where no other label shares that."""
    spelled = Counter(map(_spelling, labels))
    alone = {_spelling(label): label for label in labels if spelled[_spelling(label)] == 1}
    return alone | {label: label for label in labels}


def _spelling(label: str) -> str:
    return " ".join(label.split()).casefold()


def _short(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:77]}..."


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
    return _MARKS.sub("", text.casefold()) or text


def split(
    examples: Sequence[Example], task: Task, seed: int, counts: dict[str, int] | None = None
) -> Split:
    """Test and validation rows balanced over the labels, from groups of their own; the rest trains.

    Whole groups are drawn for the test part, if they hold a label that it still lacks, until each
    label has its rows, then for the validation part; rows of those groups beyond the balance are
    left out.
    """
    rng = random.Random(seed)
    families = _families(examples)
    order = sorted({families[e.id] for e in examples})
    rng.shuffle(order)
    members: dict[str, list[Example]] = defaultdict(list)
    for example in examples:
        members[families[example.id]].append(example)
    test = _balanced_part("test", task.test_rows, order, members, task.labels, rng)
    validation = _balanced_part(
        "validation", task.validation_rows, order, members, task.labels, rng
    )
    train = [example for family in order for example in members[family]]
    missing = sorted(set(task.labels) - {example.gold for example in train})
    if missing:
        raise UserError(
            f"no training row is left with the label {_short(', '.join(missing))}; "
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


def _balanced_part(name, size, order: list[str], members, labels, rng) -> list[Example]:
    """`size` rows, each label's share within one of the others', from families taken off `order`."""
    wanted = {
        label: size // len(labels) + (i < size % len(labels)) for i, label in enumerate(labels)
    }
    pool: dict[str, list[Example]] = {label: [] for label in labels}
    lacking = {label for label in labels if wanted[label]}
    left = []
    for family in order:
        if not any(example.gold in lacking for example in members[family]):
            left.append(family)
            continue
        for example in members[family]:
            pool[example.gold].append(example)
            if len(pool[example.gold]) >= wanted[example.gold]:
                lacking.discard(example.gold)
    if lacking:
        raise UserError(
            f"too few rows for {size} {name} rows (short of {_short(', '.join(sorted(lacking)))}); "
            "set test_rows and validation_rows lower in [task], or bring more rows"
        )
    order[:] = left
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
