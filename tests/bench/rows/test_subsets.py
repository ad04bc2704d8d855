"""The rows of a curve's sizes: nested, with every label, by group, and all choices made among them."""

from collections import Counter

import pytest

from bench.rows.subsets import subsets
from scenarios.rows import Example

LABELS = ("a", "b", "c")


def rows_of(count, group_size=1, weights=(1, 1, 1)):
    cycle = [label for label, weight in zip(LABELS, weights, strict=True) for _ in range(weight)]
    return [
        Example(f"r{i}", f"text {i}", cycle[i % len(cycle)], f"g{i // group_size}")
        for i in range(count)
    ]


@pytest.mark.parametrize("group_size", [1, 7])
@pytest.mark.parametrize("seed", range(5))
def test_each_size_contains_the_smaller_one_and_has_every_label(seed, group_size):
    rows = rows_of(300, group_size, weights=(8, 3, 1))
    sizes = (3, 8, 16, 64, 200, 300)
    found = subsets(rows, sizes, LABELS, seed)
    before: set[str] = set()
    for size in sizes:
        ids = [row.id for row in found[size].rows]
        assert len(set(ids)) == len(ids) == size
        assert before <= set(ids)
        assert {row.gold for row in found[size].rows} == set(LABELS)
        before = set(ids)


def test_other_seeds_draw_other_rows_and_the_same_seed_the_same():
    rows = rows_of(300)
    ids = [tuple(r.id for r in subsets(rows, (32,), LABELS, seed)[32].rows) for seed in (0, 1, 0)]
    assert ids[0] == ids[2]
    assert set(ids[0]) != set(ids[1])


def test_groups_come_one_after_the_other():
    """30 rows of groups of ten with balanced labels come from few groups, not from thirty."""
    found = subsets(rows_of(300, group_size=10), (30,), LABELS, 0)[30]
    assert len({row.group for row in found.rows}) <= 5


def test_a_size_says_how_many_rows_come_up_until_it_is_balanced():
    """One row in twelve is a c, and nine rows need three of them: about 36 are looked through."""
    found = subsets(rows_of(1200, weights=(8, 3, 1)), (9,), LABELS, 0)[9]
    assert Counter(row.gold for row in found.rows) == {"a": 3, "b": 3, "c": 3}
    assert 12 < found.looked_through < 120
    assert subsets(rows_of(60), (60,), LABELS, 0)[60].looked_through == 60


def test_a_third_of_the_rows_chooses_in_groups_of_their_own():
    found = subsets(rows_of(900, group_size=5), (96, 600), LABELS, 0)
    for size, wanted in ((96, 32), (600, 64)):
        subset = found[size]
        assert wanted * 0.5 < len(subset.choose) <= wanted * 1.5
        assert not {row.group for row in subset.learn} & {row.group for row in subset.choose}
        assert {row.gold for row in subset.learn} == set(LABELS)


@pytest.mark.parametrize(("size", "choosing"), [(23, 0), (24, 8)])
def test_with_fewer_than_eight_rows_nothing_is_chosen(size, choosing):
    assert len(subsets(rows_of(300), (size,), LABELS, 0)[size].choose) == choosing


def test_free_texts_need_no_labels():
    rows = [Example(f"r{i}", f"text {i}", f"answer {i}", f"r{i}") for i in range(50)]
    found = subsets(rows, (10, 30), (), 0)
    assert len(found[30].rows) == 30
    assert {r.id for r in found[10].rows} <= {r.id for r in found[30].rows}


def test_nothing_is_chosen_by_rows_that_lack_two_of_a_label():
    """Groups of four rows of one label each: the third that would choose holds two of the three labels."""
    rows = [Example(f"r{i}", f"text {i}", LABELS[i // 4 % 3], f"g{i // 4}") for i in range(120)]
    for seed in range(40):
        chosen = subsets(rows, (24,), LABELS, seed)[24].choose
        counts = Counter(row.gold for row in chosen)
        assert not chosen or min(counts[label] for label in LABELS) >= 2


def test_nothing_is_chosen_by_the_only_rows_of_a_label():
    """Of 24 rows 8 would choose: a group of 2 a and 2 b, and the group that has all 4 of c, since the
    third group is too large. Then c would have no row to learn from."""
    groups = {"large": "ab" * 8, "mixed": "aabb", "rare": "cccc"}
    rows = [
        Example(f"{group}{i}", f"text {group} {i}", label, group)
        for group, labels in groups.items()
        for i, label in enumerate(labels)
    ]
    for seed in range(10):
        found = subsets(rows, (24,), LABELS, seed)[24]
        assert found.choose == ()
        assert Counter(row.gold for row in found.learn) == {"a": 10, "b": 10, "c": 4}
