"""A curve and a budget in the terminal: figures, sentences, and number grammar."""

from bench.record.text import budget_text, curve_text, labels_text
from bench.record.words import counted, gain, interval, listed, margin_of
from tests.reports import records

ACCOUNT = {
    "said": "20m", "seconds": 1200.0, "usd": None, "spent_seconds": 900.4, "planned": ["a"],
    "dropped": [{"trial": "02-lora-s0", "contender": "lora", "seconds": 9.0, "reason": "too long"}],
    "sizes": [32], "dropped_sizes": [64, 128], "stopped": [], "planned_seconds": 1000.0,
}  # fmt: skip


def test_a_curve_has_a_line_a_size_its_flat_arm_and_its_crossover():
    curve = records.curved()["curve"]
    text = curve_text(curve)
    lines = text.splitlines()
    assert lines[0].split() == ["accuracy", "by", "labelled", "rows", "tf-idf", "few-shot", "lora"]
    assert [line.split()[0] for line in lines[1:5]] == ["4", "8", "16", "32"]
    assert "0.950" in lines[4]
    assert "zero-shot uses no labelled rows: 0.500" in text
    assert curve["crossovers"][0]["sentence"] in lines
    assert labels_text(curve["crossovers"][0]) in lines


def test_a_curve_without_a_crossover_says_why():
    assert "No crossover: no tuning arm" in curve_text(records.curved(left_out="lora")["curve"])


def test_labels_are_counted_to_the_crossover_or_over_the_whole_curve():
    found = records.curved()["curve"]["crossovers"][0]
    assert "16 rows (up to 32 looked through" in labels_text(found)
    assert "all rows of the curve" in labels_text(found | {"answer": "not_reached"})


def test_a_budget_is_what_was_spent_planned_and_dropped():
    text = budget_text(ACCOUNT)
    assert "900 of 1,200 s" in text
    assert "1 trial planned, 1 dropped, 0 stopped" in text
    assert "dropped lora (02-lora-s0): too long" in text
    assert "dropped sizes: 64, 128" in text
    assert "$" not in text
    assert "($0.75 of $1.00)" in budget_text(ACCOUNT | {"usd": 1.0, "spent_usd": 0.75})


def test_words_agree_with_their_numbers():
    assert [counted(n, "test row") for n in (0, 1, 2000)] == [
        "0 test rows", "1 test row", "2,000 test rows",
    ]  # fmt: skip
    assert [listed(names) for names in ("a", "ab", "abc")] == ["a", "a and b", "a, b and c"]
    assert [margin_of(m) for m in (0.03, 0.025)] == ["3-point margin", "2.5-point margin"]
    assert gain("accuracy", -0.0126) == "accuracy -1.3 points"
    assert interval(0.9944, -0.01, 0.2) == "99.44% CI -1.0 to +20.0"
