"""Near-duplicates of some chosen texts, found in one pass over a million rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

SIMILARITY = 0.8
"""Share of character 5-grams in common (Jaccard) from which two texts count as near-duplicates."""

_WIDTH = 5
_MORE = 4
_BLOCK = 20_000
_BITS = 22


def near_copies_of(chosen: Sequence[str], others: Sequence[str]) -> set[int]:
    """Positions in `others` of the near-duplicates of any chosen text, ignoring case.

    A near-duplicate lacks at most a fifth of a text's 5-grams. So of any fifth of them plus five it
    holds at least five: the rarest are searched for (prefix filtering, Chaudhuri et al. 2006), and only
    texts that hold five are compared. Texts of fewer than five characters have no near-duplicates.
    """
    wanted = [_grams(text.casefold()) for text in chosen]
    sample = others[:: max(1, len(others) // 5000)]
    common = Counter(gram for text in sample for gram in _grams(text.casefold()))
    telling, needed = [], []
    for grams in wanted:
        may_lack = int(len(grams) * (1 - SIMILARITY) + 1e-9)
        rarest = sorted(grams, key=lambda gram: (common[gram], gram))[: may_lack + 1 + _MORE]
        telling.append(rarest)
        needed.append(len(rarest) - may_lack)
    return {
        place
        for place, one in _holding(telling, np.array(needed), others)
        if _are_near(wanted[one], _grams(others[place].casefold()))
    }


def _grams(text: str) -> set[str]:
    return {text[i : i + _WIDTH] for i in range(len(text) - _WIDTH + 1)}


def _are_near(one: set[str], other: set[str]) -> bool:
    return len(one & other) >= SIMILARITY * len(one | other)


def _holding(
    telling: list[list[str]], needed: np.ndarray, texts: Sequence[str]
) -> Iterator[tuple[int, int]]:
    """Pairs of a text's position and a chosen one's of whose rarest 5-grams it holds enough.

    None is missed; a few are false, since 5-grams are known by a hash of 22 bits.
    """
    pairs = {
        (int(hash_), one)
        for one, grams in enumerate(telling)
        for hash_ in _hashes("".join(grams))[::_WIDTH]
    }
    if not pairs:
        return
    hashes, owners = np.array(sorted(pairs)).T
    slots, starts, sizes = np.unique(hashes, return_index=True, return_counts=True)
    slot_of = np.full(1 << _BITS, -1, dtype=np.int32)
    slot_of[slots] = np.arange(len(slots))
    for start in range(0, len(texts), _BLOCK):
        block = [text.casefold() for text in texts[start : start + _BLOCK]]
        slot = slot_of[_hashes("".join(block))]
        hits = np.flatnonzero(slot >= 0)
        ends = np.cumsum([len(text) for text in block])
        rows = np.searchsorted(ends, hits, side="right")
        whole = hits + _WIDTH <= ends[rows]
        rows, slot = rows[whole], slot[hits[whole]]
        times = sizes[slot]
        within = np.arange(times.sum()) - np.repeat(np.cumsum(times) - times, times)
        found = (
            np.repeat(rows, times) * len(needed) + owners[np.repeat(starts[slot], times) + within]
        )
        found, held = np.unique(found, return_counts=True)
        row, one = np.divmod(found, len(needed))
        enough = held >= needed[one]
        yield from zip((start + row[enough]).tolist(), one[enough].tolist(), strict=True)


def _hashes(text: str) -> np.ndarray:
    """A number below 2^22 for each five consecutive characters, by the position of the first."""
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    if len(codes) < _WIDTH:
        return np.zeros(0, dtype=np.uint32)
    size = len(codes) - _WIDTH + 1
    value = np.zeros(size, dtype=np.uint32)
    for i in range(_WIDTH):
        value *= np.uint32(0x9E3779B1)
        value += codes[i : i + size]
    value *= np.uint32(0x85EBCA6B)
    return value >> np.uint32(32 - _BITS)
