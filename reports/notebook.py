"""What a notebook shows: the report in a frame of its own, or a table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from bench.record.types import Record
from reports.page import page
from scenarios.terminal import plain

HEIGHT_PIXELS = 720
_BASE = '<base href="about:srcdoc">'
"""Without it a link to the glossary would be one to the notebook's own address."""


def framed(record: Record) -> str:
    """The report as a sandboxed frame: its styles and the notebook's leave each other alone.

    No script runs in it; links within the page work.
    """
    html = page(record).replace("<head>", f"<head>\n{_BASE}", 1)
    return (
        f'<iframe sandbox srcdoc="{escape(html)}" title="report" '
        f'style="width: 100%; height: {HEIGHT_PIXELS}px; border: 0"></iframe>'
    )


def table(
    caption: str, head: Sequence[str], rows: Iterable[Sequence[str]], notes: Iterable[str]
) -> str:
    """A table with a caption above and paragraphs below; every text is escaped."""
    top = "".join(f"<th>{_text(cell)}</th>" for cell in head)
    body = "".join(
        f"<tr>{''.join(f'<td>{_text(cell)}</td>' for cell in cells)}</tr>" for cells in rows
    )
    below = "".join(f"<p>{_text(note)}</p>" for note in notes)
    return (
        f"<p>{_text(caption)}</p><table><thead><tr>{top}</tr></thead>"
        f"<tbody>{body}</tbody></table>{below}"
    )


def _text(text: str) -> str:
    return escape(plain(text))
