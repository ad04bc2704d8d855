"""The sections on sweeps and forgetting: their figures, and no markup from a model's answers."""

import pytest

from bench.checks import forgetting
from reports.blocks import Paragraph, Table
from reports.page import page
from reports.sections import forgetting as forgotten
from reports.sections import sweep as swept
from tests.reports import records

EVIL = "<img src=x onerror=\"document.title='owned'\">"


def asked(base, tuned, nats=1.0):
    """A trial's figures, with an example that a hostile model wrote."""
    return {
        "status": "done", "usage": {"seconds": 1.0}, "base_followed": base, "tuned_followed": tuned,
        "divergence": [{"prompt": "p", "nats": nats * i, "tokens": 10} for i in range(1, 21)],
        "lost": [{"ask": "Say yes.", "base": "Yes.", "tuned": EVIL}],
    }  # fmt: skip


@pytest.fixture
def record():
    found = records.finished()
    lora = found["contenders"][-1]
    figures = asked([True] * 40 + [False] * 60, [False] * 12 + [True] * 28 + [False] * 60)
    lora["forgetting"] = forgetting.summary([figures], 0)
    return found


def test_a_record_without_either_has_neither_section():
    html = page(records.finished())
    assert "The sweep" not in html
    assert "What tuning forgot" not in html


def test_12_of_40_lost_instructions_are_shown_with_their_interval_and_examples(record):
    said, table, examples = forgotten.blocks(record)
    assert "lora lost more instructions" in said.text
    assert "12 of the 40" in said.text
    name, divergence, *counts = table.rows[0]
    assert (name, divergence.split()[0], counts[:4]) == (
        "lora", "1.05", ["40", "12", "0", "30.0% (18.1 to 45.4)"],
    )  # fmt: skip
    assert examples.rows == (("lora", "Say yes.", "Yes.", EVIL),)
    html = page(record)
    assert "<img" not in html
    assert "&lt;img" in html


def test_a_model_that_could_not_be_tested_for_forgetting_has_its_reason(record):
    record["contenders"][-1]["forgetting"] = {"status": "skipped", "reason": "out of memory"}
    [found] = forgotten.blocks(record)
    assert found.text.startswith("lora wasn't tested")
    assert found.text.endswith(": out of memory")


def test_a_loss_within_noise_is_reported_as_noise(record):
    same = asked([True, False], [True, False])
    record["contenders"][-1]["forgetting"] = forgetting.summary([same], 0)
    assert forgotten.blocks(record)[0] == Paragraph("lora: no loss of instructions beyond noise.")


@pytest.fixture
def a_sweep(record):
    """The record as if few-shot and lora were two combinations of one sweep."""
    names = ["few-shot", "lora"]
    record["sweep"] = {
        "axes": {EVIL: ["1", "2"]},
        "variants": {n: {"contender": "x", "values": {EVIL: str(i)}} for i, n in enumerate(names, 1)},
        "claim": {"text": EVIL, "better": "a", "worse": ["b"]},
        "contenders": [{"sentence": "x: can't tell which combination is best."}],
        "claims": [
            {"better": "a", "worse": "b", "difference": 0.05, "low": 0.01, "high": 0.09,
             "p_adjusted": 0.02, "answer": "holds"},
            {"better": "a", "worse": "c", "difference": None, "low": None, "high": None,
             "p_adjusted": None, "answer": "cant_tell"},
        ],
        "forgetting": [
            {"baseline": "few-shot", "challenger": "lora",
             **forgetting.compared([asked([True], [True])], [asked([True], [True], 2.0)], 0)},
        ],
    }  # fmt: skip
    return record


def test_a_sweep_shows_its_combinations_pairs_claim_and_what_was_forgotten(a_sweep):
    _, combinations, pairs, claim, lost = swept.blocks(a_sweep)
    assert [row[1] for row in combinations.rows] == ["1", "2"]
    assert combinations.rows[1][-1] == "9.5 MiB"  # 10^7 bytes of adapter
    assert ("lora", "few-shot", "+5.0") in [row[:3] for row in pairs.rows]
    assert [row[2:] for row in claim.rows] == [
        ("+5.0", "+1.0 to +9.0", "0.020", "holds"), ("-", "-", "-", "can't tell"),
    ]  # fmt: skip
    assert lost.rows[0][2].startswith("+1.05")
    assert "<img" not in page(a_sweep)


def test_a_combination_that_failed_has_its_reason(a_sweep):
    a_sweep["contenders"][-1] |= {"status": "failed", "reason": "the loss became nan"}
    table = next(b for b in swept.blocks(a_sweep) if isinstance(b, Table))
    assert table.rows[1][2] == "failed: the loss became nan"
