"""Which labelled rows a curve takes at each size, and what each of them does.

All that an arm does at a size, its choices too, rests on the rows of that size: a user with 32 labelled
rows has no validation rows beside them.
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

    `looked_through` is how many rows come up, in the order of this seed, until these are together:
    more than the size where labels are balanced and some of them are rare.
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
    """The rows of each size in the draw of a seed; each size's rows contain the smaller size's.

    Groups come one after the other in an order of the seed's, as labelling takes them, with their rows
    in any order; of the rows in that order each label's first ones are taken in turn, as in a run.
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
    """About a third of the rows to choose by (64 at most; half as many again where groups are large),
    in groups of their own, and the others.

    None chooses where that would be fewer than 8 rows, or than two of each label, or where a label
    would have none to learn from: then an arm takes its declared settings.
    """
    wanted = min(MOST_TO_CHOOSE, len(rows) // 3)
    if wanted < max(FEWEST_TO_CHOOSE, 2 * len(labels)):
        return rows, ()
    sizes, left = Counter(row.group for row in rows), Counter(row.gold for row in rows)
    chosen: set[str] = set()
    count = 0
    for group in reversed(sizes):  # those that came last
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
