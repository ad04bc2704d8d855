"""Canaries: checks that fail where a run would mislead; a failed one withholds the verdict.

Each is a dict of `name`, `passed` and `sentence`, which appears in the record and the report.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

from bench.core.contender import Answer, Ground
from scenarios.near_copies import near_copies_of
from scenarios.rows import Example, Split

LEVEL = 0.999


def _canary(name: str, passed: bool, sentence: str) -> dict:
    return {"name": name, "passed": bool(passed), "sentence": sentence}


def of_split(split: Split) -> list[dict]:
    """No group and no near-duplicate of a row appears in two parts."""
    parts = {"test": split.test, "validation": split.validation, "training": split.train}
    names = list(parts)
    pairs = [(one, other, parts[one], parts[other])
             for i, one in enumerate(names) for other in names[i + 1 :]]  # fmt: skip
    pairs += [
        (f"fold {i}", "the others", *sides)
        for i, sides in enumerate(_sides_of_folds(split), start=1)
    ]
    shared, copies = [], 0
    for one, other, its, others in pairs:
        groups = {e.group for e in its} & {e.group for e in others}
        shared += [f"{group} in {one} and {other}" for group in sorted(groups)]
        copies += len(near_copies_of([e.text for e in its], [e.text for e in others]))
    groups = _canary(
        "groups apart",
        not shared,
        f"{len(shared)} groups appear in two parts: {', '.join(shared[:3])}" if shared
        else "no group appears in more than one part",
    )  # fmt: skip
    near = _canary(
        "copies apart",
        copies == 0,
        f"{copies} rows are near-duplicates of rows in another part" if copies
        else "no near-duplicates across parts",
    )  # fmt: skip
    return [groups, near]


def _sides_of_folds(split: Split) -> Iterator[tuple[list[Example], list[Example]]]:
    """Each fold's held-out rows, and the rows that train while they are held out."""
    for fold in split.folds:
        held_out, left_out = set(fold.held_out), {*fold.held_out, *fold.copies}
        yield (
            [example for example in split.train if example.id in held_out],
            [example for example in split.train if example.id not in left_out],
        )


def of_prompts(ground: Ground) -> dict:
    """Training and evaluation read the same tokens, for a few of the rows that judge."""
    prompts = ground.model().answerer(ground.task).prompts
    trainer = ground.model().trainer(ground.task)
    examples = ground.judging[:8]
    trained = [trainer.prefix + row.tokens for row in trainer.rows(examples)]
    read = [prompts.start + row for row in prompts.rows(examples, {})]
    same = trained == read
    return _canary(
        "prompts alike",
        same,
        f"{len(examples)} prompts have {'the same' if same else 'different'} tokens in training and "
        "evaluation",
    )


def adapter_off(before: Sequence[float], after: Sequence[float], four_bit: bool = False) -> dict:
    """With the adapter off, the model answers as before training, to the last bit.

    Over 4-bit weights within 0.1: other kernels, which round differently, may run after training.
    """
    gap = max((abs(a - b) for a, b in zip(before, after, strict=True)), default=0.0)
    allowed = 0.1 if four_bit else 0.0
    return _canary(
        "adapter off",
        gap <= allowed,
        f"with the adapter off, {len(before)} log-likelihoods of validation rows differ from the "
        f"base's by at most {gap:.2g}; {allowed:g} is allowed",
    )


def with_shuffled_labels(rows: Sequence[Example], seed: int) -> list[Example]:
    """The rows, with their labels shuffled among them."""
    labels = [row.gold for row in rows]
    random.Random(seed).shuffle(labels)
    return [replace(row, gold=label) for row, label in zip(rows, labels, strict=True)]


def shuffled(answers: Sequence[Answer], ground: Ground) -> dict:
    """A model trained on shuffled labels is right no more often than chance, on the rows that judge.

    Chance is the most frequent label's share; the range contains 99.9% of its binomial draws.
    """
    from scipy.stats import binom

    gold = {example.id: example.gold for example in ground.judging}
    right = sum(gold[answer.example_id] == answer.text for answer in answers)
    n = len(gold)
    chance = max(Counter(gold.values()).values()) / n
    most = int(binom.ppf((1 + LEVEL) / 2, n, chance))
    rows = "held-out rows" if ground.folds else "validation rows"
    return _canary(
        "shuffled labels",
        right <= most,
        f"trained on shuffled labels, it answers {right} of {n} {rows} correctly; chance gives at most "
        f"{most} (in {LEVEL:.1%} of draws)",
    )


def failed(canaries: Sequence[dict]) -> list[dict]:
    """The checks that failed."""
    return [canary for canary in canaries if not canary["passed"]]
