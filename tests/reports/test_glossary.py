"""The glossary: one source, links that lead somewhere, and a document that agrees with it."""

import json
import re

import pytest

from bench.record.read import read_record
from reports.blocks import Paragraph, Piece, Table, Term, Verdict
from reports.glossary import Entry, Links, entries, markdown, terms
from reports.page import page
from tests.conftest import ROOT
from tests.reports import records

DOCUMENT = ROOT / "docs" / "glossary.md"
KEPT = [
    path
    for path in sorted((ROOT / "docs" / "measurements").glob("*.json"))
    if {"plan", "verdict"} <= json.loads(path.read_text(encoding="utf-8")).keys()
]
HOSTILE = 'margin<img src=x onerror="f()"> & "trial"'


def ids(html):
    return re.findall(r'\sid="([^"]+)"', html)


def links(html):
    return re.findall(r'href="#([^"]+)"', html)


@pytest.mark.parametrize("path", KEPT, ids=lambda path: path.stem)
def test_every_link_of_a_kept_record_leads_to_the_one_entry_of_its_page(path):
    html = page(read_record(path))
    assert len(ids(html)) == len(set(ids(html)))
    assert links(html)
    assert set(links(html)) <= set(ids(html))


@pytest.mark.parametrize("path", KEPT, ids=lambda path: path.stem)
def test_the_glossary_of_a_kept_record_is_last_and_holds_just_the_terms_that_it_uses(path):
    html = page(read_record(path))
    before, after = html.split("<h2>Glossary</h2>")
    assert "<h2>" not in after
    assert set(ids(after)) == set(links(before))
    assert not links(after)


def test_more_than_one_kind_of_record_is_kept():
    assert len(KEPT) >= 7


def test_every_anchor_and_every_spelling_is_unique():
    anchors = [term.anchor for term in terms()]
    words = [word.casefold() for entry in entries() for word in entry.words]
    assert len(set(anchors)) == len(anchors)
    assert len(set(words)) == len(words)


def test_an_anchor_is_the_terms_heading_as_a_repository_shows_it():
    """Markdown headings become lower case with hyphens, so report and document share anchors."""
    for term in terms():
        assert term.anchor == re.sub(r"[^\w -]", "", term.term.lower()).replace(" ", "-")


def test_the_document_is_what_its_command_prints():
    assert DOCUMENT.read_text(encoding="utf-8") == markdown(), (
        "run: python -m reports.glossary > docs/glossary.md"
    )


def test_a_term_that_no_report_uses_is_in_the_document():
    used = set(links(page(records.finished()))) | set(links(page(records.curved())))
    assert "break-even" not in used
    assert "\n## break-even\n" in DOCUMENT.read_text(encoding="utf-8")


def test_the_terms_that_a_reader_of_a_report_meets_are_explained():
    wanted = {
        "accuracy", "macro-f1", "exact-match", "chrf", "baseline", "contender", "trial", "arm",
        "confidence-interval", "margin", "group", "design-effect", "near-duplicate", "p-value",
        "adjusted-p-value", "interim-analysis", "primary-comparison", "exploratory-comparison",
        "canary", "cross-fitting", "cross-validation", "validation-rows", "label-calibration",
        "few-shot", "lora", "qlora", "nf4", "p50-and-p95-latency", "time-to-first-token",
        "throughput", "peak-memory", "learning-curve", "crossover", "break-even", "forgetting",
        "replay", "forecast",
    }  # fmt: skip
    assert wanted <= {term.anchor for term in terms()}


@pytest.fixture
def own_links():
    """Links to two terms, of which one is also spelled otherwise."""
    margin = Entry(Term("margin", "margin", "What a gain must exceed."), ("margin",))
    trial = Entry(Term("trial", "trial", "A contender with a seed."), ("trial", "trials"))
    return Links([margin, trial])


def test_the_first_use_in_a_section_is_a_link_and_the_second_is_not(own_links):
    first, second = own_links.section(
        [Paragraph("Margin and margin."), Paragraph("A margin of trials.")]
    )
    assert first.text == (Piece(""), Piece("Margin", "margin"), Piece(" and margin."))
    assert second.text == (Piece("A margin of "), Piece("trials", "trial"), Piece("."))
    [again] = own_links.section([Paragraph("The margin")])
    assert again.text[1] == Piece("margin", "margin")
    assert own_links.used == {"margin", "trial"}


def test_a_word_that_only_contains_a_term_is_no_link(own_links):
    [found] = own_links.section([Paragraph("marginal, pre-trial, trial-run, lora[margin=3]")])
    assert found.text == "marginal, pre-trial, trial-run, lora[margin=3]"
    assert own_links.used == set()


def test_quoted_text_and_cells_of_data_are_no_links(own_links):
    table = Table("margin", ("trial",), (("margin", "trials"),), linked=frozenset((1,)))
    quoted, table = own_links.section([Paragraph("a margin", linked=False), table])
    assert quoted.text == "a margin"
    assert table.rows == (("margin", "trials"),)  # both were linked in caption and heading
    other = Table("", (), (("margin", "trials"),), linked=frozenset((1,)))
    [other] = own_links.section([other])
    assert other.rows == (("margin", (Piece(""), Piece("trials", "trial"), Piece(""))),)


def test_the_words_of_a_linked_text_stay_the_same(own_links):
    text = "No trial within the margin: see trials."
    [found] = own_links.section([Verdict("Overall", "?", text, None, "open")])
    assert "".join(piece.text for piece in found.sentence) == text


def test_hostile_text_with_terms_in_it_is_linked_and_escaped():
    record = records.finished()
    record["verdict"]["overall"]["sentence"] = HOSTILE
    record["contenders"][0] |= {"status": "failed", "reason": HOSTILE}
    html = page(record)
    assert "<img" not in html
    assert '<a class="term" href="#margin">margin</a>&lt;img src=x' in html
    assert "&amp; &#34;<a" in html
