"""The Markdown of this package as HTML: headings, paragraphs, lists, tables, bold and code.

Only what `advisor.text` writes is understood; all else is text, and all text is escaped, so that no
input can add an element or an attribute.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import escape
from itertools import groupby

_HEADING = re.compile(r"(#{1,6}) +(.*)")
_ITEM = re.compile(r"(?:[-*]|(\d+)\.) +(.*)")
_RULE = re.compile(r"\|(?:\s*-+\s*\|)+\s*")
_INLINE = re.compile(
    r"\\(?P<mark>[\\`*_\[\]<>|#~.)=+-])"
    r"|(?<!`)(?P<fence>`+)(?!`)(?P<code>.+?)(?<!`)(?P=fence)(?!`)"
    r"|\*\*(?P<bold>(?:\\.|[^\\*])+)\*\*"
)


def html(markdown: str) -> str:
    """A `<div>` with the document; well formed whatever the input is.

    Its classes tell notebooks that a dollar isn't the beginning of a formula.
    """
    opening = '<div class="tex2jax_ignore mathjax_ignore">'
    return "\n".join([opening, *_blocks(markdown), "</div>"])


def _blocks(markdown: str) -> Iterator[str]:
    """Each heading, paragraph, list and table, in order."""
    for kind, run in groupby(markdown.splitlines(), key=_kind):
        lines = list(run)
        if kind == "heading":
            for match in filter(None, map(_HEADING.fullmatch, lines)):
                level = len(match[1])
                yield f"<h{level}>{_inline(match[2])}</h{level}>"
        elif kind in ("ul", "ol"):
            items = filter(None, map(_ITEM.fullmatch, lines))
            yield f"<{kind}>{''.join(f'<li>{_inline(item[2])}</li>' for item in items)}</{kind}>"
        elif kind == "table":
            yield _table(lines)
        elif kind == "text":
            yield f"<p>{_inline(' '.join(lines))}</p>"


def _kind(line: str) -> str:
    if not line.strip():
        return "blank"
    if _HEADING.fullmatch(line):
        return "heading"
    if item := _ITEM.fullmatch(line):
        return "ol" if item[1] else "ul"
    return "table" if line.startswith("|") else "text"


def _table(lines: list[str]) -> str:
    """The first line is the head if a rule follows it."""
    head, body = "", lines
    if len(lines) > 1 and _RULE.fullmatch(lines[1]):
        head, body = f"<thead>{_row('th', lines[0])}</thead>", lines[2:]
    rows = "".join(_row("td", line) for line in body)
    return f"<table>{head}<tbody>{rows}</tbody></table>"


def _row(tag: str, line: str) -> str:
    """The cells between the pipes that aren't escaped."""
    *cells, rest = re.split(r"(?<!\\)\|", line.strip()[1:])
    cells += [rest] if rest.strip() else []
    return f"<tr>{''.join(f'<{tag}>{_inline(cell.strip())}</{tag}>' for cell in cells)}</tr>"


def _inline(text: str) -> str:
    """Text with its escapes resolved, its code and bold as elements, and the rest escaped for HTML."""
    parts, end = [], 0
    for found in _INLINE.finditer(text):
        parts.append(escape(text[end : found.start()]))
        end = found.end()
        if found["mark"]:
            parts.append(escape(found["mark"]))
        elif found["code"]:
            parts.append(f"<code>{escape(found['code'].strip())}</code>")
        else:
            parts.append(f"<strong>{_inline(found['bold'])}</strong>")
    return "".join([*parts, escape(text[end:])])
