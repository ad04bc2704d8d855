"""Whether an answer follows a simple instruction, as checked by a program; data name the checks.

A check is a mapping with its `kind` and the parameters of the function of that name here. An
empty answer follows no instruction.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence

_FENCE = re.compile(r"^```\w*\s*\n(.*?)\n?```$", re.S)


def followed(answer: str, checks: Sequence[Mapping]) -> bool:
    """Whether an answer passes all checks. Raises `KeyError` for an unknown kind."""
    answer = answer.strip()
    return bool(answer) and all(
        KINDS[check["kind"]](answer, **{k: v for k, v in check.items() if k != "kind"})
        for check in checks
    )


def words(answer: str, at_least: int = 1, at_most: int | None = None) -> bool:
    """A number of words; a word contains a letter or digit and ends at white space."""
    return _between(len(_words(answer)), at_least, at_most)


def characters(answer: str, at_least: int = 1, at_most: int | None = None) -> bool:
    """A number of characters, spaces included."""
    return _between(len(answer), at_least, at_most)


def sentences(answer: str, at_least: int = 1, at_most: int | None = None) -> bool:
    """A number of sentences; one ends with . ! or ? before a space or the end."""
    parts = re.split(r"[.!?]+[\"')]*(?=\s|$)", answer)
    return _between(sum(bool(_words(part)) for part in parts), at_least, at_most)


def lines(
    answer: str,
    at_least: int = 1,
    at_most: int | None = None,
    begins: str = "",
    numbered: bool = False,
) -> bool:
    """A number of non-empty lines, each of which begins with a text, or with 1. 2. 3. in turn."""
    found = [line.strip() for line in answer.splitlines() if line.strip()]
    marked = all(line.startswith(begins) and line != begins for line in found)
    if numbered:
        marked = all(re.match(rf"{i}[.)]\s*\S", line) for i, line in enumerate(found, start=1))
    return marked and _between(len(found), at_least, at_most)


def items(answer: str, count: int, separator: str = ",") -> bool:
    """`count` parts between separators on one line, none of them empty."""
    parts = [part.strip() for part in answer.split(separator)]
    return len(parts) == count and all(map(_words, parts)) and "\n" not in answer


def case(answer: str, form: str) -> bool:
    """All letters `upper` or `lower` case, or `title` (each word begins with a capital)."""
    letters = [letter for letter in answer if letter.isalpha()]
    if form == "title":
        begun = [next((c for c in word if c.isalpha()), "A") for word in _words(answer)]
        return bool(letters) and all(letter.isupper() for letter in begun)
    return bool(letters) and answer == (answer.upper() if form == "upper" else answer.lower())


def starts(answer: str, text: str) -> bool:
    """Begins with exactly this text."""
    return answer.startswith(text)


def ends(answer: str, text: str) -> bool:
    """Ends with exactly this text."""
    return answer.endswith(text)


def wrapped(answer: str, opens: str, closes: str) -> bool:
    """Is enclosed by two marks, with something between them."""
    inner = answer[len(opens) : len(answer) - len(closes)]
    return answer.startswith(opens) and answer.endswith(closes) and bool(_words(inner))


def contains(answer: str, texts: Sequence[str], times: int | None = None) -> bool:
    """Contains each of the texts as whole words, in any case; exactly `times` times, if given."""
    counts = [len(_whole(text).findall(answer)) for text in texts]
    return all(count == times if times is not None else count > 0 for count in counts)


def without(answer: str, texts: Sequence[str]) -> bool:
    """Contains none of the texts as whole words, in any case."""
    return not any(_whole(text).search(answer) for text in texts)


def without_characters(answer: str, letters: str) -> bool:
    """Contains none of these letters or marks, in any case."""
    return not set(answer.casefold()) & set(letters.casefold())


def one_of(answer: str, values: Sequence[str]) -> bool:
    """Is one of these texts and nothing else, except for case and a mark at the end."""
    return answer.rstrip(".!").strip().casefold() in {value.casefold() for value in values}


def number(answer: str, value: int | None = None) -> bool:
    """Is a whole number in digits and nothing else; exactly `value`, if given."""
    found = re.fullmatch(r"-?\d+", answer.rstrip("."))
    return bool(found) and (value is None or int(found[0]) == value)


def json_object(answer: str, keys: Sequence[str]) -> bool:
    """Is a JSON object with these keys and no others; a code fence around it is allowed."""
    fenced = _FENCE.match(answer)
    try:
        found = json.loads(fenced[1] if fenced else answer)
    except (ValueError, RecursionError):
        return False
    return isinstance(found, dict) and found.keys() == set(keys)


KINDS: dict[str, Callable[..., bool]] = {
    check.__name__.replace("_", "-"): check
    for check in (
        words, characters, sentences, lines, items, case, starts, ends, wrapped, contains, without,
        without_characters, one_of, number, json_object,
    )
}  # fmt: skip
"""The checks by the names used in data."""


def _words(text: str) -> list[str]:
    return [word for word in text.split() if any(c.isalnum() for c in word)]


def _whole(text: str) -> re.Pattern:
    return re.compile(rf"(?<!\w){re.escape(text)}(?!\w)", re.I)


def _between(count: int, at_least: int, at_most: int | None) -> bool:
    return count >= at_least and (at_most is None or count <= at_most)
