"""Near-duplicates: texts that share most 5-grams, found without comparing all pairs."""

import random

from scenarios.near_copies import near_copies_of

PICTURES = "the battery of this camera lasts for a whole day of taking pictures"


def grams(text):
    text = text.casefold()
    return {text[i : i + 5] for i in range(len(text) - 4)}


def compared(chosen, others):
    """Every text with every other, by the definition: Jaccard of 5-grams of at least 0.8."""

    def near(one, other):
        return one and len(one & other) >= 0.8 * len(one | other)

    return {
        i for i, other in enumerate(others) if any(near(grams(c), grams(other)) for c in chosen)
    }


def test_texts_that_share_four_fifths_of_their_5_grams_are_near_duplicates():
    others = [PICTURES.upper()[:-1], "the screen is far too dark to read in the sun", PICTURES * 2]
    assert near_copies_of([PICTURES], others) == {0, 2}


def test_exactly_four_fifths_is_a_near_duplicate_and_less_is_not():
    """abcdefgh has the 5-grams abcde, bcdef, cdefg, defgh; with one more, 4 of 5 are shared."""
    assert near_copies_of(["abcdefgh"], ["abcdefghi", "abcdefghij"]) == {0}


def test_texts_of_fewer_than_five_characters_have_no_near_duplicates():
    assert near_copies_of([], ["some text"]) == set()
    assert near_copies_of(["some text"], []) == set()
    assert near_copies_of(["", "abcd"], ["", "abcd", "abcde"]) == set()


def test_a_5_gram_across_two_texts_does_not_count():
    assert near_copies_of(["abcdef"], ["abc", "def"]) == set()


def test_the_search_finds_what_comparing_all_pairs_finds():
    """Rows of a few words, some changed by a letter or doubled; letters of several alphabets."""
    rng = random.Random(3)
    words = (
        "the",
        "a",
        "of",
        "battery",
        "camera",
        "lasts",
        "day",
        "sun",
        "é",
        "ü",
        "電池",
        "ß",
        "I",
    )

    def changed(text):
        letters = list(text)
        for _ in range(rng.randint(0, 6)):
            if letters:
                letters[rng.randrange(len(letters))] = rng.choice("abc XYZß")
        return "".join(letters) * rng.choice((1, 1, 1, 2))

    found = 0
    for _ in range(60):
        texts = [" ".join(rng.choices(words, k=rng.randint(0, 14))) for _ in range(30)]
        others = [changed(rng.choice(texts)) for _ in range(60)]
        expected = compared(texts[:8], others)
        assert near_copies_of(texts[:8], others) == expected
        found += len(expected)
    assert found > 100
