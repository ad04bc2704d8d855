"""The report: a record's sections on one self-contained page."""

from __future__ import annotations

from importlib import import_module, resources
from pathlib import Path

from bench.core.folder import RunFolder
from bench.record.read import read_record
from bench.record.types import Record
from reports.blocks import Block
from reports.glossary import Links
from scenarios.cache import write_atomically
from scenarios.errors import UserError
from scenarios.terminal import plain


def write_report(run: Path, to: Path | None = None) -> Path:
    """Write `report.html` into a run's folder, or the file `to`.

    Raises `UserError` without a readable record.
    """
    record = read_record(run)
    folder = run if run.is_dir() else run.parent
    try:
        html = page(record)
    except KeyError as error:
        raise UserError(f"the record of '{run}' lacks {error}; run it again") from error
    except (TypeError, AttributeError, ValueError, IndexError) as error:
        raise UserError(f"the record of '{run}' is damaged ({error}); run it again") from error
    file = to or RunFolder(folder).report_file
    write_atomically(file, html)
    return file


def page(record: Record) -> str:
    """The whole page as HTML, with styles and charts inside and nothing to load."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=PackageLoader("reports", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["drawn"] = Markup  # only for charts: vl-convert has escaped their texts
    html = environment.get_template("page.html").render(
        title=record["plan"]["scenario"]["title"],
        summary=record["plan"]["scenario"]["summary"],
        sections=_sections(record),
    )
    return plain(html)


def _sections(record: Record) -> list[tuple[str, list[Block]]]:
    """Titles and blocks of the sections in their order, linked to the glossary, which is the last."""
    files = resources.files("reports").joinpath("sections").iterdir()
    stems = [f.name[:-3] for f in files if f.name.endswith(".py") and not f.name.startswith("_")]
    modules = [import_module(f"reports.sections.{stem}") for stem in stems]
    found = [(m.TITLE, m.blocks(record)) for m in sorted(modules, key=lambda m: m.PLACE)]
    links = Links()
    return [(title, links.section(blocks)) for title, blocks in found if blocks]
