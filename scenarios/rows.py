"""Rows: read through `datasets`, cleaned, and split; no group or near-duplicate is in two parts."""

from __future__ import annotations

import gc
import hashlib
import json
import random
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from scenarios.cache import write_atomically
from scenarios.errors import UserError
from scenarios.near_copies import near_copies_of
from scenarios.schema import Task
from scenarios.tables import load_table

_MARKS = re.compile(r"[\W_]+")


@dataclass(frozen=True, slots=True)
class Example:
    """One labelled row. `group` names the rows that it belongs with, such as those of one review."""

    id: str
    text: str
    gold: str
    group: str


@dataclass(frozen=True)
class Fold:
    """Ids of training rows that are held out together, and of their near-duplicates among the others."""

    held_out: tuple[str, ...]
    copies: tuple[str, ...] = ()


@dataclass(frozen=True)
class Split:
    """Three parts of the rows, with no group or near-duplicate in two of them.

    `digest` is a SHA-256 over ids, texts and labels in order: two runs on equal splits have
    equal digests. `counts` says how many rows were read, left out (and why) and kept. `folds` are
    folds of the training rows, for choosing where there are no validation rows.
    """

    train: tuple[Example, ...]
    validation: tuple[Example, ...]
    test: tuple[Example, ...]
    digest: str
    counts: dict[str, int] = field(default_factory=dict)
    folds: tuple[Fold, ...] = ()


def load_split(task: Task, seed: int) -> Split:
    """Read the task's rows and split them; the same task, rows and seed give the same split.

    Raises `UserError` if the rows can't be found or read, or are too few for the parts.
    """
    with _no_collecting():
        examples, counts = clean(*read(task))
        return split(examples, task, seed, counts)


@contextmanager
def _no_collecting() -> Iterator[None]:
    """Switches garbage collection off within the context: rows hold no cycles, and searching millions of them takes time."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


def read(task: Task) -> tuple[list[Example], dict[str, int]]:
    """All rows that have a label of the task's, in the file's order, with counts of the others.

    A label that differs from one of the task's only by case or spaces is read as that one.
    """
    rows = task.rows
    place = rows.filename or rows.path
    table = load_table(rows)
    group = re.compile(rows.group) if rows.group else None
    free = task.type == "generation"
    exact, meant = set(task.labels), _labels_by_spelling(task.labels)
    examples: list[Example] = []
    counts: Counter[str] = Counter(read=len(table.texts))
    numbers: dict[str, int] = {}
    for number, (id_, text, label) in enumerate(
        zip(table.ids, table.texts, table.labels, strict=True), start=1
    ):
        if not label or not text:
            counts[
                f"without {'an answer' if free else 'a label'}" if text else "without a text"
            ] += 1
            continue
        gold = label if free or label in exact else meant.get(_spelling(label))
        if gold is None:
            raise UserError(
                f"{place}: row {number} has the label '{_short(label)}', which isn't among the "
                f"task's labels ({_short(', '.join(task.labels))}); add it there, or fix the row"
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
    """The label that a spelling means, of the spellings that no two labels share."""
    spelled = Counter(map(_spelling, labels))
    return {_spelling(label): label for label in labels if spelled[_spelling(label)] == 1}


def _spelling(label: str) -> str:
    return " ".join(label.split()).casefold()


def _short(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:77]}..."


def clean(
    examples: Sequence[Example], counts: dict[str, int]
) -> tuple[list[Example], dict[str, int]]:
    """Leave out duplicates of a text (the first one stays) and texts that have two labels.

    Texts are the same if their letters and digits are, ignoring case, spaces and punctuation.
    """
    keys = [_key(example.text) for example in examples]
    gold: dict[str, str] = {}
    torn = set()  # texts that have two labels
    for key, example in zip(keys, examples, strict=True):
        if gold.setdefault(key, example.gold) != example.gold:
            torn.add(key)
    kept = []
    counts = Counter(counts)
    for key, example in zip(keys, examples, strict=True):
        if key in torn:
            counts["the same text under two labels"] += 1
        elif key in gold:
            del gold[key]
            kept.append(example)
        else:
            counts["copies"] += 1
    counts["usable"] = len(kept)
    return kept, dict(counts)


def _key(text: str) -> str:
    """What two same texts share: letters and digits in lower case, or the text if it has none."""
    return _MARKS.sub("", text.casefold()) or text


def split(
    examples: Sequence[Example], task: Task, seed: int, counts: dict[str, int] | None = None
) -> Split:
    """Test and validation rows from separate groups, balanced over the labels; the rest is for training.

    Whole groups are drawn for the test part, if they hold a label that it still lacks, until each
    label has its rows, then for the validation part; rows of those groups beyond the balance are
    left out, and so are near-duplicates of a part's rows in later parts.
    """
    _check_labels(examples, task.labels)
    rng = random.Random(seed)
    groups: dict[str, list[Example]] = {}
    for example in examples:
        groups.setdefault(example.group, []).append(example)
    order = sorted(groups)
    rng.shuffle(order)
    left = [groups[name] for name in order]
    parts = {}
    copies = 0
    for name, size in (("test", task.test_rows), ("validation", task.validation_rows)):
        parts[name], left = _drawn(name, size, left, task, rng)
        left, found = _without_copies_of(parts[name], left)
        copies += found
    train = [example for group in left for example in group]
    missing = sorted(set(task.labels) - {example.gold for example in train})
    if missing or not train:
        which = f" with the label {_short(', '.join(missing))}" if missing else ""
        raise UserError(
            f"no training row is left{which}; lower test_rows or validation_rows in [task]"
        )
    rng.shuffle(train)
    test, validation = parts["test"], parts["validation"]
    counts = dict(counts or {}) | {
        "near-copies of test or validation rows": copies,
        "train": len(train),
        "validation": len(validation),
        "test": len(test),
        "test groups": len({e.group for e in test}),
    }
    return Split(
        tuple(train), tuple(validation), tuple(test), _digest(train, validation, test), counts
    )


def cross_splits(task: Task, seed: int, count: int, fewest: int = 1) -> list[Split]:
    """`count` splits of all usable rows, in which each row is tested exactly once.

    The rows are dealt into folds by whole groups. In the k-th split the k-th fold is the test part and
    the next one the validation part; the others are for training, without near-duplicates of either.
    If a validation part would have fewer than `fewest` rows, there is none in any split, and its rows
    are for training. Raises `UserError` for too few groups, or a split without training rows of a label.
    """
    examples, counts = clean(*read(task))
    _check_labels(examples, task.labels)
    dealt = _dealt(examples, count, seed)
    if min(map(len, dealt)) >= fewest:
        splits = [_cross_split(dealt, k, True, task, seed, counts) for k in range(count)]
        if min(len(split.validation) for split in splits) >= fewest:
            return splits
    return [_cross_split(dealt, k, False, task, seed, counts) for k in range(count)]


def _cross_split(
    dealt: list[list[Example]], k: int, validates: bool, task: Task, seed: int, counts: dict
) -> Split:
    """The split that tests the k-th fold, with the next as its validation part, or without one."""
    count, test = len(dealt), dealt[k]
    held = {k, (k + 1) % count} if validates else {k}
    validation, copied = dealt[(k + 1) % count] if validates else [], 0
    others = [fold for i, fold in enumerate(dealt) if i not in held]
    if validates:
        [validation], copied = _padded(_without_copies_of(test, [validation]))
    others, once = _without_copies_of(test, others)
    others, twice = _without_copies_of(validation, others)
    train = [example for fold in others for example in fold]
    missing = sorted(set(task.labels) - {example.gold for example in train})
    if missing or not train or (validates and not validation):
        raise UserError(
            f"fold {k + 1} of {count} has no training row with the label "
            f"{_short(', '.join(missing))}; use fewer folds, or add rows"
            if missing
            else f"fold {k + 1} of {count} has no rows to train or choose on; use fewer folds"
        )
    random.Random(seed).shuffle(train)
    own = dict(counts) | {
        "near-copies of test or validation rows": copied + once + twice,
        "train": len(train), "validation": len(validation), "test": len(test),
        "test groups": len({e.group for e in test}),
    }  # fmt: skip
    digest = _digest(train, validation, test)
    return Split(tuple(train), tuple(validation), tuple(test), digest, own)


def with_folds(split: Split, labels: Sequence[str], n: int, seed: int, count: int) -> Split:
    """The split with its first `n` training rows, balanced over the labels, and folds of them.

    Whole groups are dealt into `count` folds (or one per group if there are fewer groups), each label
    as evenly as possible. Raises `UserError` if a label would have no training row left while a fold
    is held out.
    """
    train = balanced_sample(split.train, n, labels)
    folds = []
    for held_out in _dealt_by_label(train, count, seed):
        ids = {example.id for example in held_out}
        others = [example for example in train if example.id not in ids]
        [left], _ = _padded(_without_copies_of(held_out, [others]))
        missing = sorted(set(labels) - {example.gold for example in left})
        if missing or not left:
            which = f" with the label '{_short(missing[0])}'" if missing else ""
            more = "rows with it, or remove the label" if missing else "rows"
            raise UserError(
                f"the {len(train)} rows that aren't test rows are too few for choosing by "
                f"cross-validation: with one fold held out, no training row{which} is left; "
                f"add {more}"
            )
        kept = {example.id for example in left}
        copies = tuple(example.id for example in others if example.id not in kept)
        folds.append(Fold(tuple(sorted(ids)), copies))
    return replace(
        split, train=tuple(train), folds=tuple(folds), counts=split.counts | {"train": len(train)}
    )


def _dealt_by_label(examples: Sequence[Example], count: int, seed: int) -> list[list[Example]]:
    """Whole groups, the largest first, each in the fold that has the fewest rows of its labels."""
    groups: dict[str, list[Example]] = {}
    for example in examples:
        groups.setdefault(example.group, []).append(example)
    names = sorted(groups)
    random.Random(seed).shuffle(names)
    dealt: list[list[Example]] = [[] for _ in range(min(count, len(groups)))]
    held: list[Counter[str]] = [Counter() for _ in dealt]
    for name in sorted(names, key=lambda name: -len(groups[name])):
        own = {example.gold for example in groups[name]}
        k = min(
            range(len(dealt)), key=lambda k: (sum(held[k][gold] for gold in own), len(dealt[k]))
        )
        dealt[k].extend(groups[name])
        held[k].update(example.gold for example in groups[name])
    return dealt


def _padded(found: tuple[list[list[Example]], int]) -> tuple[list[list[Example]], int]:
    """A single part, which may have become empty."""
    return found[0] or [[]], found[1]


def _dealt(examples: Sequence[Example], count: int, seed: int) -> list[list[Example]]:
    """Rows in `count` folds of about equal size, whole groups together."""
    groups: dict[str, list[Example]] = {}
    for example in examples:
        groups.setdefault(example.group, []).append(example)
    if len(groups) < count:
        raise UserError(
            f"{count} folds need at least {count} groups of rows, and there are {len(groups)}; "
            "use fewer folds"
        )
    names = sorted(groups)
    random.Random(seed).shuffle(names)
    dealt: list[list[Example]] = [[] for _ in range(count)]
    for name in sorted(names, key=lambda name: -len(groups[name])):  # the largest first
        min(dealt, key=len).extend(groups[name])
    return dealt


def _check_labels(examples: Sequence[Example], labels: Sequence[str]) -> None:
    """Raises `UserError` if a label can't be both trained on and tested."""
    if len(examples) < len(labels):
        raise UserError(
            f"{len(examples)} usable rows for {len(labels)} labels; add several rows of each label"
        )
    counts = Counter(example.gold for example in examples)
    once = [label for label in labels if counts[label] == 1]
    if once:
        raise UserError(
            f"the label '{_short(once[0])}' has only one row, which can't be both trained on and "
            "tested; add rows with it, or remove the label"
        )


def keep_split(split: Split, file: Path) -> None:
    """Write a split to a file in one step."""
    write_atomically(file, json.dumps(asdict(split), ensure_ascii=False))


def kept_split(file: Path) -> Split:
    """The split that `keep_split` wrote."""
    found = json.loads(file.read_text(encoding="utf-8"))
    parts = {
        name: tuple(Example(**row) for row in found[name])
        for name in ("train", "validation", "test")
    }
    folds = tuple(Fold(tuple(f["held_out"]), tuple(f["copies"])) for f in found.get("folds", ()))
    return Split(**(found | parts | {"folds": folds}))


def balanced_sample(examples: Sequence[Example], n: int, labels: Sequence[str]) -> list[Example]:
    """The first rows of each label in turn, `n` in total (fewer if the rows run out).

    A larger sample of the same rows contains the smaller one. Without labels: the first `n` rows.
    """
    if not labels:
        return list(examples[:n])
    by_label: dict[str, list[Example]] = {label: [] for label in labels}
    for example in examples:
        by_label[example.gold].append(example)
    turns = max(map(len, by_label.values()))
    dealt = (rows[i] for i in range(turns) for rows in by_label.values() if i < len(rows))
    return [example for example, _ in zip(dealt, range(n), strict=False)]


def _drawn(
    name: str, size: int, groups: list[list[Example]], task: Task, rng: random.Random
) -> tuple[list[Example], list[list[Example]]]:
    """`size` rows, labels balanced to within one row, and the groups that are left."""
    labels = task.labels or ("",)
    wanted = {
        label: size // len(labels) + (i < size % len(labels)) for i, label in enumerate(labels)
    }
    pool: dict[str, list[Example]] = {label: [] for label in labels}
    lacking = {label for label in labels if wanted[label]}
    left = []
    for group in groups:
        if not any((example.gold if task.labels else "") in lacking for example in group):
            left.append(group)
            continue
        for example in group:
            label = example.gold if task.labels else ""
            pool[label].append(example)
            if len(pool[label]) >= wanted[label]:
                lacking.discard(label)
    if lacking:
        short = f" (short of {_short(', '.join(sorted(lacking)))})" if task.labels else ""
        raise UserError(
            f"too few rows for {size} {name} rows{short}; "
            "lower test_rows or validation_rows in [task], or add rows"
        )
    part = [e for label in labels for e in rng.sample(pool[label], wanted[label])]
    rng.shuffle(part)
    return part, left


def _without_copies_of(
    part: list[Example], groups: list[list[Example]]
) -> tuple[list[list[Example]], int]:
    """The groups without the near-duplicates of a part's rows, and the number of those."""
    others = [example for group in groups for example in group]
    found = near_copies_of([e.text for e in part], [e.text for e in others])
    if not found:
        return groups, 0
    copies = {others[place].id for place in found}
    kept = [[example for example in group if example.id not in copies] for group in groups]
    return [group for group in kept if group], len(copies)


def _digest(*parts: Sequence[Example]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        for example in part:
            digest.update("\x1f".join((example.id, example.text, example.gold)).encode())
            digest.update(b"\x1e")
        digest.update(b"\x1d")
    return digest.hexdigest()
