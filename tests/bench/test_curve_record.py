"""What a curve's record says in words, and which of its points count."""

import pytest

from advisor.assumptions import assumed
from bench.curve_record import Arm, sentence
from scenarios.schema import Profile
from tests.reports import records


def told(answer, after, at_most, share, **more):
    shares = [{"after": after, "at_most": at_most, "share": share},
              {"after": 64, "at_most": None, "share": 1 - share}]  # fmt: skip
    place = {"after": after, "at_most": at_most}
    return sentence(
        {"answer": answer, "after": after, "at_most": at_most, "share": share, "shares": shares,
         "low": place, "high": place, "challenger": "lora", "prompts": ["zero-shot", "few-shot"],
         "sizes": [16, 32, 64], "seeds": [0, 1, 2], "margin": 0.03} | more
    )  # fmt: skip


BEHIND = "of the resamples of test rows and 3 seeds"


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (told("from_the_smallest", None, 16, 0.99),
         f"lora is ahead of zero-shot, few-shot by more than 3 points from the smallest size of 16 "
         f"labelled rows on (99.0 % {BEHIND})."),
        (told("bracket", 16, 32, 0.8, high={"after": 32, "at_most": 64}),
         f"lora is ahead of zero-shot, few-shot by more than 3 points from somewhere above 16 and up to "
         f"32 labelled rows on (80.0 % {BEHIND}; 95 % of them lie from 32 to 64)."),
        (told("bracket", None, 16, 0.8),
         f"lora is ahead of zero-shot, few-shot by more than 3 points, most likely from 16 labelled rows, "
         f"the smallest size, on (80.0 % {BEHIND})."),
        (told("cant_tell", 16, 32, 0.6),
         f"Can't tell: whether lora is ahead of zero-shot, few-shot by more than 3 points at 64 labelled "
         f"rows holds in 60.0 % {BEHIND}, and 97.5 % would be needed, for or against."),
    ],
)  # fmt: skip
def test_each_answer_in_words(found, said):
    assert found == said


def test_not_reached_names_the_largest_size():
    found = told(
        "not_reached", 64, None, 0.99, shares=[{"at_most": None, "share": 0.99}], seeds=[0]
    )
    assert found == (
        "Not reached with these rows: at 64 labelled rows lora isn't ahead of zero-shot, few-shot by more "
        "than 3 points (99.0 % of the resamples of test rows; one draw of labelled rows)."
    )


def arm(*points):
    return Arm("lora", "fine_tune", "m", dict.fromkeys(points), {})


def test_the_seeds_that_have_all_sizes_count_and_else_those_that_have_the_most():
    """Seed 1 was stopped before 32: seed 0 alone has all three. With both stopped, two sizes count."""
    one = arm((0, 8), (0, 16), (0, 32), (1, 8), (1, 16))
    assert one.block([0, 1], [8, 16, 32]) == ([0], [8, 16, 32])
    both = arm((0, 8), (0, 16), (1, 8), (1, 16))
    assert both.block([0, 1], [8, 16, 32]) == ([0, 1], [8, 16])
    assert arm().block([0, 1], [8, 16]) == ([], [])


def test_labels_up_to_the_crossover_are_priced_as_the_advisor_prices_them():
    """Between 8 and 16 rows, of which 32 are looked through: 9 at the lowest price to 32 at the highest."""
    found = records.curved()["curve"]["crossovers"][0]
    price = assumed(Profile())["labelling_usd_per_example"].range
    labels = found["labels"]
    assert (found["answer"], found["after"], found["at_most"]) == ("bracket", 8, 16)
    assert (labels["rows"], labels["rows_looked_through"]) == (16, 32)
    assert labels["usd"] == pytest.approx(16 * price.value)
    assert labels["usd_low"] == pytest.approx(9 * price.low)
    assert labels["usd_high"] == pytest.approx(32 * price.high)
