"""Files of rows, read through `datasets` as texts: ids, texts and labels, whatever their layout."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scenarios.archives import Archive, fetch
from scenarios.cache import cache_folder
from scenarios.errors import UserError
from scenarios.schema import Rows

if TYPE_CHECKING:
    from datasets import Dataset

FORMATS = {".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl", ".csv": "csv", ".tsv": "tsv",
           ".parquet": "parquet"}  # fmt: skip


@dataclass(frozen=True)
class Table:
    """Columns of equal length, all texts; an empty text is a missing value."""

    ids: list[str]
    texts: list[str]
    labels: list[str]


def load_table(rows: Rows) -> Table:
    """The rows of a file or archive member, in its order.

    Raises `UserError` if the file can't be found or read, with the line where that is known.
    """
    data = load_dataset(file_of(rows), rows.format, rows.columns)
    place = rows.filename or Path(rows.path or "").name
    wanted = [rows.id, rows.before, rows.rating]
    wanted += [rows.messages] if rows.messages else [rows.text, rows.label]
    for name in wanted:
        if name is not None and name not in data.column_names:
            raise UserError(f"{place}: no column '{name}'; it has {', '.join(data.column_names)}")
    count = len(data)
    ids = column(data, rows.id) if rows.id else map(str, range(1, count + 1))
    if rows.messages:
        chats = values(data, rows.messages)
        turns = [turns_of(chat, place, n) for n, chat in enumerate(chats, start=1)]
        texts, labels = [turn[0] for turn in turns], [turn[1] for turn in turns]
    else:
        texts = column(data, rows.text)
        labels = _labels(rows, data)
    if rows.before:
        above = column(data, rows.before)
        texts = ["\n".join(filter(None, pair)) for pair in zip(above, texts, strict=True)]
    return Table(list(ids), texts, labels)


def file_of(rows: Rows) -> Path:
    """The file itself; downloaded first if it is a member of an archive."""
    if rows.archived is not None:
        return fetch(Archive(*rows.archived, rows.inner))
    file = Path(rows.path or "")
    if not file.is_file():
        raise UserError(f"no file '{file}' of rows; put it there, or fix path in [task.rows]")
    return file


def load_dataset(file: Path, format_: str, columns: tuple[str, ...] | None = None) -> Dataset:
    """A file as a `datasets.Dataset`; `columns` names those of a file without a heading."""
    import datasets

    options: dict[str, Any] = {}
    if format_ in ("csv", "tsv"):
        names = list(columns or _heading(file, format_))
        options = {
            "encoding": "utf-8-sig",
            "keep_default_na": False,  # the text "NA" is a text
            "converters": dict.fromkeys(names, str),  # and so is "007"
            "index_col": False,  # an extra cell is an error, and shifts no column
        }
        _check_width(file, format_, names, headed=not columns)
        if columns:
            options["column_names"] = names
        if format_ == "tsv":
            options |= {"sep": "\t", "quoting": csv.QUOTE_NONE}
    elif format_ == "jsonl":
        options["encoding"] = "utf-8-sig"
    builder = {"jsonl": "json", "tsv": "csv"}.get(format_, format_)
    datasets.disable_progress_bars()
    datasets.logging.set_verbosity(datasets.logging.CRITICAL)
    if file.stat().st_size == 0:
        raise UserError(f"'{file.name}' is empty; it needs one row per example")
    try:
        return datasets.load_dataset(
            builder,
            data_files=str(file),
            split="train",
            cache_dir=str(cache_folder() / "datasets"),
            **options,
        )
    except (datasets.exceptions.DatasetGenerationError, ValueError, OSError) as error:
        if isinstance(error, OSError) and error.errno:
            raise
        cause = error.__cause__ or error
        if "corresponds to no data" in str(cause):
            raise UserError(f"'{file.name}' has no rows; it needs one per example") from None
        reason = _fault(file, format_) or str(cause).strip().splitlines()[0]
        raise UserError(f"can't read '{file.name}' as {format_}: {reason}") from error


def values(data: Dataset, name: str) -> list[Any]:
    """A column's values, read in one call: row by row takes fifty times as long."""
    if "Json(" in repr(data.features[name]):  # values of several types, which are stored as JSON
        return data[:][name]
    return data.data.column(name).to_pylist()


def column(data: Dataset, name: str) -> list[str]:
    """A column's values as texts."""
    return list(map(as_text, values(data, name)))


def as_text(value: object) -> str:
    """A value as people write it: a whole number without a point, a missing value empty."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return "" if value != value else str(int(value)) if value.is_integer() else str(value)
    return str(value).strip()


def turns_of(chat: Any, place: str, number: int) -> tuple[str, str]:
    """The user turn that the assistant's last answer in a chat is to, and that answer."""
    try:
        said = [(turn["role"], content_of(turn)) for turn in chat or ()]
    except (TypeError, KeyError):
        raise UserError(
            f"{place}: row {number} isn't a chat; it must be a list of turns with role and content"
        ) from None
    answered = [i for i, (role, _) in enumerate(said) if role == "assistant"]
    if not answered:
        return next((text for role, text in reversed(said) if role == "user"), ""), ""
    before = reversed(said[: answered[-1]])
    return next((text for role, text in before if role == "user"), ""), said[answered[-1]][1]


def content_of(turn: dict[str, Any]) -> str:
    """A turn's text; if it is a list of parts, their texts, one per line."""
    content = turn["content"]
    if isinstance(content, list):
        return "\n".join(as_text(part["text"]) for part in content if part.get("text"))
    return as_text(content)


def _labels(rows: Rows, data: Dataset) -> list[str]:
    if rows.label:
        return column(data, rows.label)
    assert rows.rating  # checked by Rows
    return [_banded(rows, value) for value in values(data, rows.rating)]


def _banded(rows: Rows, value: Any) -> str:
    """The label of the band that a rating is in, or an empty text."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return ""
    return next((band.label for band in rows.bands if band.holds(number)), "")


def _heading(file: Path, format_: str) -> list[str]:
    """The column names in a file's first line."""
    return next(_cells(file, format_), [])


def _check_width(file: Path, format_: str, names: list[str], headed: bool) -> None:
    """Raise `UserError` where the first row has more cells than there are columns."""
    rows = _cells(file, format_)
    row = next(rows, []) if not headed else next(rows, []) and next(rows, [])
    if len(row) > len(names):
        raise UserError(
            f"'{file.name}': line {1 + headed} has {len(row)} cells, but there are {len(names)} columns "
            f"({', '.join(names)}); quote texts that contain the separator, or name every column"
        )


def _cells(file: Path, format_: str) -> Iterator[list[str]]:
    """The cells of each row."""
    csv.field_size_limit(2**31 - 1)
    with open(file, encoding="utf-8-sig", newline="", errors="replace") as lines:
        if format_ == "tsv":
            yield from csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
        else:
            yield from csv.reader(lines)


def _fault(file: Path, format_: str) -> str | None:
    """The first line that can't be read, and why; None if no line is at fault."""
    if format_ == "parquet":
        import pyarrow
        from pyarrow.parquet import ParquetFile

        try:
            found = ParquetFile(file)
        except (pyarrow.ArrowException, OSError):
            return "it isn't a complete Parquet file (truncated, or of another type)"
        return None if found.metadata.num_rows else "it has no rows"
    for number, line in _lines(file):
        try:
            text = line.decode("utf-8-sig")
        except UnicodeDecodeError:
            return f"line {number} isn't UTF-8; save the file as UTF-8"
        if format_ == "jsonl" and text.strip():
            try:
                if not isinstance(json.loads(text), dict):
                    return f"line {number} isn't a JSON object"
            except json.JSONDecodeError as error:
                return f"line {number} isn't JSON ({error.msg} at character {error.pos + 1})"
    return None


def _lines(file: Path) -> Iterator[tuple[int, bytes]]:
    with open(file, "rb") as lines:
        yield from enumerate(lines, start=1)
