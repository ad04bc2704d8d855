"""The decision record that a review files, and the same advice as Markdown and as text."""

from datetime import date

import pytest

import scenarios
from advisor.decision.recommend import recommend
from advisor.decision.rules import CHOICES
from advisor.evidence.records import weigh
from advisor.text import recommend as recommend_text
from advisor.text.adr import adr
from scenarios.schema import Scenario
from tests.advisor.evidence.test_records import read
from tests.conftest import run_command

TODAY = date(2026, 11, 24)


def record_of(name, **facts):
    scenario = scenarios.load(name)
    profile = scenario.profile.model_copy(update=facts)
    return adr(recommend(scenario.model_copy(update={"profile": profile})), TODAY)


def test_it_has_the_sections_of_madr_in_their_order():
    lines = record_of("niche-domain").splitlines()
    headings = [line for line in lines if line.startswith("#")]
    assert lines[:4] == ["---", "status: proposed", "date: 2026-11-24", "---"]
    expected = ["# A niche domain", "## Context and problem statement", "## Decision drivers",
                "## Considered options", "## Decision outcome", "### Consequences",
                "### Confirmation", "### Recipe", "## Pros and cons of the options", "## Evidence",
                "## What would reopen this decision"]  # fmt: skip
    found = [h for h in headings if any(h.startswith(e) for e in expected)]
    assert len(found) == len(expected)
    assert all(h.startswith(e) for h, e in zip(found, expected, strict=True))


def test_it_contains_every_vote_every_fact_and_every_score():
    found = recommend(scenarios.load("niche-domain"))
    text = adr(found, TODAY)
    for vote in found.votes:
        assert recommend_text.escaped(vote.because) in text
    known = [fact for fact, value in found.scenario.profile if value is not None]
    assert len(known) > 10
    for fact in known:
        assert f"| `{fact}` |" in text
    for option in CHOICES:
        assert f"{found.scores[option]:+.1f}" in text
    assert "| `margin` | 0.03 |" in text


def test_its_status_is_proposed_since_its_readers_accept_it():
    found = recommend(Scenario(name="x", title="x"))
    text = adr(found, TODAY)
    assert "status: proposed" in text
    assert "Undecided until an experiment is run" in text
    assert "### Recipe" not in text


@pytest.mark.parametrize(
    ("today", "until"), [(date(2026, 11, 24), "2027-05-24"), (date(2026, 8, 31), "2027-02-28")]
)
def test_it_says_when_its_facts_should_be_reviewed(today, until):
    assert f"review by {until}" in adr(recommend(scenarios.load("niche-domain")), today)


def test_it_contains_the_evidence_with_its_scope():
    scenario = scenarios.load("sentiment")
    text = adr(recommend(scenario, weigh(read({}), scenario)), TODAY)
    assert "Evidence (strong): lora vs few-shot, +10.0 points (CI +6.0 to +14.0, n = 300)" in text
    assert "scope this-model" in text
    aside = adr(recommend(scenario, weigh(read({"task": "spam"}), scenario)), TODAY)
    assert "set aside because it is about 'spam'" in aside


def test_text_from_a_users_file_is_not_markup():
    scenario = Scenario(
        name="x", title="<script>alert(1)</script> | **x**\n# y", summary="`z` [a](b)"
    )
    for text in (adr(recommend(scenario), TODAY), recommend_text.markdown(recommend(scenario))):
        assert "<script>" not in text
        assert "\n# y" not in text
        assert r"\<script\>" in text


@pytest.mark.parametrize("summary", ["~~~", "- item", "1. item", "---", "===", "+ item"])
def test_a_summary_starts_no_list_rule_or_fence(summary):
    scenario = Scenario(name="x", title="x", summary=summary)
    assert summary not in adr(recommend(scenario), TODAY).splitlines()[4:]


def test_a_title_cannot_imitate_a_line_of_the_output():
    scenario = Scenario(name="x", title="Fine\n\nFine-tune all weights (high confidence)\u202e")
    lines = recommend_text.text(recommend(scenario)).splitlines()
    assert lines[0].startswith("Fine Fine-tune all weights (high confidence)")
    assert "\u202e" not in lines[0]
    assert lines[2].startswith("Undecided")


def test_a_ruled_out_option_is_shown_with_its_reason():
    text = record_of("writing-style", labels_may_train=False)
    assert "the labels may not train a model" in text


@pytest.mark.parametrize("form", ["text", "markdown", "adr"])
def test_every_form_is_printed(form):
    done = run_command("advisor", "recommend", "--scenario", "data-privacy", "--format", form)
    assert done.returncode == 0
    assert "LoRA" in done.stdout
