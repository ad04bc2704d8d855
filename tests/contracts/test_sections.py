"""What every section of the report promises, for every kept record and for minimal ones."""

import copy
import dataclasses
import json
from collections.abc import Iterator
from functools import cache
from html.parser import HTMLParser
from importlib import import_module

import pytest

from reports.blocks import Facts, Figure, Paragraph, Piece, Table, Term, Terms, Verdict
from reports.page import page
from tests.conftest import ROOT
from tests.reports import records

BLOCKS = Paragraph | Verdict | Table | Facts | Figure | Terms
SECTIONS = sorted(
    file.stem for file in (ROOT / "reports" / "sections").glob("*.py") if file.stem[0] != "_"
)
KEPT = sorted(
    file.stem
    for file in (ROOT / "docs" / "measurements").glob("*.json")
    if "schema_version" in json.loads(file.read_text(encoding="utf-8"))
)
MADE = {"made: run": records.finished, "made: curve": records.curved}
EVIL = "\"'><script>alert(1)</script><img src=x onerror='alert(2)'>{{ 'ev' ~ 'al27' }}{% raw %}&lt;b&gt;"

every_section = pytest.mark.parametrize("name", SECTIONS)
every_record = pytest.mark.parametrize("record", [*MADE, *KEPT])


@cache
def text_of(name: str) -> str:
    """A record as JSON."""
    if name in MADE:
        return json.dumps(MADE[name]())
    return (ROOT / "docs" / "measurements" / f"{name}.json").read_text(encoding="utf-8")


def section(name):
    return import_module(f"reports.sections.{name}")


@every_section
def test_it_has_a_title_and_a_place_of_its_own(name):
    module = section(name)
    assert module.TITLE.strip() == module.TITLE != ""
    others = [section(other) for other in SECTIONS if other != name]
    assert module.PLACE not in [other.PLACE for other in others]
    assert module.TITLE not in [other.TITLE for other in others]


@pytest.fixture
def _no_charts(monkeypatch):
    """Making a chart takes longer than all sections."""
    for name in SECTIONS:
        for chart in ("quality_against_latency", "quality_by_rows"):
            if hasattr(section(name), chart):
                monkeypatch.setattr(section(name), chart, lambda *_: "<svg></svg>")


@every_record
@every_section
@pytest.mark.usefixtures("_no_charts")
def test_it_gives_blocks_of_plain_data_the_same_twice_and_changes_no_record(name, record):
    given = json.loads(text_of(record))
    before = copy.deepcopy(given)
    found = section(name).blocks(given)
    assert isinstance(found, list)
    for block in found:
        assert isinstance(block, BLOCKS)
        assert_plain(block)
    assert given == before
    assert section(name).blocks(given) == found


def assert_plain(value):
    """Texts, numbers, and frozen collections of them; never HTML or an object that draws itself."""
    if dataclasses.is_dataclass(value):
        assert isinstance(value, BLOCKS | Piece | Term)
        for one in dataclasses.fields(value):
            assert_plain(getattr(value, one.name))
    elif isinstance(value, tuple | frozenset):
        for one in value:
            assert_plain(one)
    else:
        assert type(value) in (str, bool, int, type(None)), repr(value)


class Shape(HTMLParser):
    """The tags and the attributes of a page."""

    def __init__(self, html: str):
        super().__init__()
        self.found: set[str] = set()
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.found |= {tag, *(f"{tag} {name}" for name, _ in attrs)}


def places(value, key: str = "") -> Iterator[str]:
    """The keys under which a record has texts, each once for all of its places."""
    if isinstance(value, dict):
        for name, one in value.items():
            yield from places(one, name)
    elif isinstance(value, list):
        for one in value:
            yield from places(one, key)
    elif isinstance(value, str):
        yield key


def hostile(value, key: str, under: str = ""):
    """A record in which each text under a key ends with the hostile one."""
    if isinstance(value, dict):
        return {name: hostile(one, key, name) for name, one in value.items()}
    if isinstance(value, list):
        return [hostile(one, key, under) for one in value]
    return value + EVIL if isinstance(value, str) and under == key else value


HOSTILE = ["made: run", "made: curve", *(n for n in KEPT if n.endswith(("replay-cpu", "rank-cpu")))]


@pytest.mark.parametrize("record", HOSTILE)
@pytest.mark.usefixtures("_no_charts")
def test_a_hostile_text_anywhere_in_a_record_is_escaped_by_the_page(record):
    given = json.loads(text_of(record))
    clean = Shape(page(given)).found
    shown = []
    for key in sorted(set(places(given))):
        try:
            html = page(hostile(given, key))
        except (KeyError, ValueError, TypeError, AttributeError, IndexError, StopIteration):
            continue  # not a text but a name that others refer to; reported as damaged
        assert "<script" not in html, key
        assert "eval27" not in html, key
        assert Shape(html).found <= clean, key
        if "alert(1)" in html:
            shown.append(key)
    assert {"sentence", "title", "source"} <= set(shown)
    assert len(shown) > 10


@pytest.mark.parametrize("record", ["made: run", "made: curve"])
def test_hostile_names_of_contenders_and_models_are_escaped_in_charts_too(record):
    text = text_of(record)
    for word in ("few-shot", "zero-shot", "lora", "tiny", "majority", "tf-idf"):
        text = text.replace(f'"{word}"', json.dumps(word + EVIL))
    html = page(json.loads(text))
    assert "alert(1)" in html
    assert "<script" not in html
    assert "eval27" not in html
    assert not any("onerror" in one or "img" in one for one in Shape(html).found)
