"""Which labelled rows a curve uses at each size, and what they are used for.

Everything that an arm does at a size, choices included, uses only the rows of that size: a user with 32
labelled rows has no further validation rows.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from scenarios.rows import Example, balanced_sample

FEWEST_TO_CHOOSE = 8
MOST_TO_CHOOSE = 64


@dataclass(frozen=True)
class Subset:
    """Rows of one size: `learn` is shown or trained on, `choose` decides between settings.

    `looked_through` is the number of rows seen, in this seed's order, until these are found: more than
    the size if labels are balanced and some of them are rare.
    """

    learn: tuple[Example, ...]
    choose: tuple[Example, ...]
    looked_through: int

    @property
    def rows(self) -> tuple[Example, ...]:
        """All of the size's rows."""
        return self.learn + self.choose


def subsets(
    rows: Sequence[Example], sizes: Sequence[int], labels: Sequence[str], seed: int
) -> dict[int, Subset]:
    """The rows of each size in a seed's draw; each size contains the rows of the smaller one.

    Groups come one after another in the seed's random order, as they would be labelled, with their rows
    in random order; from that order each label's first rows are taken in turn, as in a run.
    """
    order = _in_groups(rows, random.Random(f"curve-{seed}"))
    places = {row.id: place for place, row in enumerate(order, start=1)}
    found = {}
    for size in sizes:
        taken = balanced_sample(order, size, labels)
        learn, choose = _parted(taken, labels)
        looked_through = max(places[row.id] for row in taken)
        found[size] = Subset(tuple(learn), tuple(choose), looked_through)
    return found


def _in_groups(rows: Sequence[Example], rng: random.Random) -> list[Example]:
    groups: dict[str, list[Example]] = {}
    for row in rows:
        groups.setdefault(row.group, []).append(row)
    names = sorted(groups)
    rng.shuffle(names)
    return [row for name in names for row in rng.sample(groups[name], len(groups[name]))]


def _parted(
    rows: Sequence[Example], labels: Sequence[str]
) -> tuple[Sequence[Example], Sequence[Example]]:
    """The rows to learn from, and about a third of the rows to choose on, in groups of their own.

    At most 64 choose, or half as many again where groups are large. None choose where that would leave
    fewer than 8 rows, or than two of each label, to choose on, or a label with none to learn from: an
    arm then uses its declared settings.
    """
    wanted = min(MOST_TO_CHOOSE, len(rows) // 3)
    if wanted < max(FEWEST_TO_CHOOSE, 2 * len(labels)):
        return rows, ()
    sizes, left = Counter(row.group for row in rows), Counter(row.gold for row in rows)
    chosen: set[str] = set()
    count = 0
    for group in reversed(sizes):  # the last groups first
        own = Counter(row.gold for row in rows if row.group == group)
        starves = labels and any(left[label] <= own[label] for label in own)
        if count >= wanted or starves or count + sizes[group] > 1.5 * wanted:
            continue
        chosen.add(group)
        count += sizes[group]
        left -= own
    held = Counter(row.gold for row in rows if row.group in chosen)
    if count < FEWEST_TO_CHOOSE or any(held[label] < 2 for label in labels):
        return rows, ()
    learn = [row for row in rows if row.group not in chosen]
    return learn, [row for row in rows if row.group in chosen]
