"""A scenario from a file of rows: what was inferred, and its TOML."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scenarios.errors import UserError, unknown
from scenarios.tables import FORMATS, column, content_of, load_dataset, turns_of, values

if TYPE_CHECKING:
    from datasets import Dataset

TEXT_NAMES = ("text", "sentence", "review", "content", "body", "message", "input", "question",
              "title", "description")  # fmt: skip
LABEL_NAMES = ("label", "labels", "class", "category", "sentiment", "target", "output", "answer",
               "intent", "topic")  # fmt: skip
MOST_LABELS = 300
FEWEST_ROWS_A_LABEL = 10
FEWEST_FREE_TEXTS = 24
MOST_ANSWER_TOKENS = 512
SHORT_ANSWER = 40
"""Up to this many characters an answer is right or wrong; longer ones are more or less similar to
the reference."""

Parts = tuple[str, dict[str, Any], dict[str, Any], list[str]]
"""Title, profile and task of a scenario, and what to say about it."""

_ID_NAMES = ("id", "uid", "uuid", "row_id", "example_id")


@dataclass(frozen=True)
class Inferred:
    """A scenario's TOML, and what was inferred, as sentences for the user to check."""

    toml: str
    said: tuple[str, ...]


def infer(
    file: Path,
    text_field: str | None = None,
    label_field: str | None = None,
    path: str | None = None,
) -> Inferred:
    """The task that a file of rows holds: its columns, labels, instruction and parts.

    `path` is the path of the file in the scenario; its name is enough if both are in one folder.

    Takes columns of text and label, chats in `messages`, or `instruction`, `input`, `output`.
    A column whose values repeat holds labels; otherwise the answers are free text.
    Raises `UserError` if the file holds no task.
    """
    if not file.is_file():
        raise UserError(f"no file '{file}'; --data takes JSON lines, CSV, TSV or Parquet")
    format_ = FORMATS.get(file.suffix.lower())
    if format_ is None:
        raise UserError(
            f"'{file.name}': unknown format; its name must end in {', '.join(sorted(FORMATS))}"
        )
    data = load_dataset(file, format_)
    for name in (text_field, label_field):
        if name is not None and name not in data.column_names:
            raise unknown(f"column in {file.name}", name, data.column_names)
    if text_field is not None and text_field == label_field:
        raise UserError(
            "--text-field and --label-field name the same column; name two different ones"
        )
    layout = _layout(data, text_field, label_field, file.name)
    labels = _labels(layout.answers, file.name)
    id_column = next((name for name in _ID_NAMES if _identifies(data, name)), None)
    kind = _classification if labels else _generation
    title, profile, task, said = kind(layout, labels, file)
    said = [f"{len(data):,} rows of {file.name}; {layout.said}", *said]
    if id_column:
        said.append(f"ids from '{id_column}'")
    values = {
        "title": title,
        "profile": profile,
        "task": task,
        "task.rows": {"path": path or file.name, "format": format_, **layout.columns}
        | ({"id": id_column} if id_column else {}),
        "decision": {"margin": 0.03},
    }
    return Inferred(_toml(values), tuple(said))


def _classification(layout: _Layout, labels: dict[str, int], file: Path) -> Parts:
    test, validation = _parts(labels, file.name)
    instruction = layout.instruction or f"Which label fits the text: {_listed(list(labels))}?"
    rows = sum(labels.values())
    profile = {"task_type": "classification", "classes": len(labels), "labelled_examples": rows}
    task = {
        "instruction": instruction,
        "labels": list(labels),
        "test_rows": test,
        "validation_rows": validation,
    }
    return f"Classification of {file.stem}", profile, task, [
        f"{len(labels)} labels: {_counted(labels)}",
        _said_instruction(layout, instruction),
        f"{test} test rows and {validation} validation rows, balanced; the rest are training rows",
    ]  # fmt: skip


def _generation(layout: _Layout, labels: dict[str, int], file: Path) -> Parts:
    answers = [answer for answer in layout.answers if answer]
    if len(answers) < FEWEST_FREE_TEXTS:
        raise UserError(
            f"{file.name}: {len(answers)} rows with free-text answers; at least "
            f"{FEWEST_FREE_TEXTS} are needed. Add rows, or name a label column with --label-field"
        )
    test, validation = min(100, len(answers) // 4), min(40, max(8, len(answers) // 8))
    longest = max(map(len, answers))
    most = min(
        MOST_ANSWER_TOKENS, 16 * -(-longest // (16 * 2))
    )  # at least two characters per token
    instruction = layout.instruction or "Answer the following."
    metrics = ["exact-match", "chrf"] if longest <= SHORT_ANSWER else ["chrf", "exact-match"]
    task = {
        "type": "generation",
        "instruction": instruction,
        "metrics": metrics,
        "test_rows": test,
        "validation_rows": validation,
        "most_answer_tokens": most,
    }
    profile = {"task_type": "generation", "labelled_examples": len(answers)}
    return f"Answers of {file.stem}", profile, task, [
        f"the answers are free text of up to {longest:,} characters; at most {most} tokens are "
        f"generated; the deciding metric is {metrics[0]}",
        _said_instruction(layout, instruction),
        f"{test} test rows and {validation} validation rows; the rest are training rows",
    ]  # fmt: skip


def _said_instruction(layout: _Layout, instruction: str) -> str:
    if layout.instruction:
        return f"instruction: {instruction}"
    return f"instruction: {instruction} (the rows contain none; write a better one, since prompts depend on it)"


@dataclass(frozen=True)
class _Layout:
    """Which columns hold what; `answers` are the values that serve as labels or answers."""

    columns: dict[str, str]
    answers: list[str]
    said: str
    instruction: str | None = None


def _layout(data: Dataset, text_field: str | None, label_field: str | None, place: str) -> _Layout:
    names = data.column_names
    if "messages" in names and not (text_field or label_field):
        chats = values(data, "messages")
        answers = [turns_of(chat, place, n)[1] for n, chat in enumerate(chats, start=1)]
        return _Layout({"messages": "messages"}, answers, "chats in 'messages'", _system(chats))
    if {"instruction", "output"} <= set(names) and not (text_field or label_field):
        return _instruction_layout(data)
    text, label = _two_columns(data, text_field, label_field, place)
    said = f"text in '{text}', label in '{label}'"
    return _Layout({"text": text, "label": label}, column(data, label), said)


def _instruction_layout(data: Dataset) -> _Layout:
    """A single instruction is the task's; differing ones are put above each row's input."""
    given = Counter(column(data, "instruction"))
    labels = column(data, "output")
    inputs = "input" if "input" in data.column_names else None
    said = "instruction, input and output" if inputs else "instruction and output"
    if len(given) == 1 and inputs:
        return _Layout({"text": inputs, "label": "output"}, labels, said, next(iter(given)))
    columns = {"text": inputs or "instruction", "label": "output"}
    return _Layout(columns | ({"before": "instruction"} if inputs else {}), labels, said)


def _system(chats: list[Any]) -> str | None:
    """The system message, if all chats have the same."""
    found = {
        next((content_of(turn) for turn in chat or () if turn["role"] == "system"), "")
        for chat in chats
    }
    return found.pop() or None if len(found) == 1 else None


def _two_columns(
    data: Dataset, text_field: str | None, label_field: str | None, place: str
) -> tuple[str, str]:
    """The columns of text and label: as given, by their names, or by what they hold.

    The label column is the only one whose values repeat; the text column is the longest.
    """
    names = [name for name in data.column_names if name.lower() not in _ID_NAMES]
    lower = {name.lower(): name for name in names}
    named = {"text": text_field, "label": label_field}
    for kind, known in (("label", LABEL_NAMES), ("text", TEXT_NAMES)):
        taken = set(named.values())
        if named[kind] is None:
            named[kind] = next(
                (lower[n] for n in known if lower.get(n) not in {None, *taken}), None
            )
    found = {name: column(data, name) for name in names}
    if named["label"] is None:
        few = [n for n in names if n != named["text"] and 2 <= len(set(found[n])) <= len(data) / 5]
        named["label"] = few[0] if len(few) == 1 else None
    if named["text"] is None:
        lengths = {n: sum(map(len, found[n])) for n in names if n != named["label"]}
        longest = sorted(lengths, key=lengths.__getitem__)[-2:]
        clear = len(longest) == 1 or lengths[longest[-1]] > 2 * lengths[longest[0]]
        named["text"] = longest[-1] if longest and clear else None
    text, label = named["text"], named["label"]
    if text is None or label is None:
        raise UserError(
            f"{place}: can't tell which column is the text and which the label among "
            f"{', '.join(data.column_names)}; name them with --text-field and --label-field"
        )
    return text, label


def _labels(answers: list[str], place: str) -> dict[str, int]:
    """The labels with their numbers of rows, spelling variants merged; none for free text."""
    spellings: dict[str, Counter[str]] = {}
    for answer, count in Counter(filter(None, answers)).items():
        spellings.setdefault(" ".join(answer.split()).casefold(), Counter())[answer] += count
    counts = {spelled.most_common(1)[0][0]: sum(spelled.values()) for spelled in spellings.values()}
    if len(counts) < 2:
        raise UserError(
            f"{place}: {len(counts)} label in all rows, so there is nothing to choose between; "
            "name the label column with --label-field"
        )
    if len(counts) > MOST_LABELS or len(counts) > len(answers) / 3:
        return {}
    return dict(sorted(counts.items(), key=lambda item: _natural(item[0])))


def _natural(label: str) -> tuple[tuple[int, int, str], ...]:
    """A sort key by which 2 comes before 10."""
    parts = re.split(r"(\d+)", label.casefold())
    return tuple((0, int(part), "") if part.isdigit() else (1, 0, part) for part in parts)


def _parts(labels: dict[str, int], place: str) -> tuple[int, int]:
    """Test and validation rows: balanced, at most 300 and 90; most of the rarest label is for training."""
    rarest = min(labels, key=labels.__getitem__)
    if labels[rarest] < FEWEST_ROWS_A_LABEL:
        raise UserError(
            f"{place}: the label '{rarest}' has {labels[rarest]} rows; at least "
            f"{FEWEST_ROWS_A_LABEL} are needed. Add rows with it, or remove it"
        )
    count, few = len(labels), labels[rarest]
    test = max(count * 2, min(300 // count, few * 3 // 10) * count)
    validation = max(2, -(-8 // count), min(90 // count, few * 15 // 100)) * count
    return test, validation


def _identifies(data: Dataset, name: str) -> bool:
    return name in data.column_names and len(set(column(data, name))) == len(data)


def _listed(labels: list[str]) -> str:
    return f"{', '.join(labels[:-1])} or {labels[-1]}"


def _counted(labels: dict[str, int]) -> str:
    shown = [f"{label} ({count:,})" for label, count in list(labels.items())[:12]]
    more = f" and {len(labels) - 12} more" if len(labels) > 12 else ""
    return ", ".join(shown) + more


def _toml_value(value: object) -> str:
    """JSON's strings, numbers and lists are also valid TOML, except for one character."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _toml(values: dict[str, Any]) -> str:
    """TOML of a table of tables."""
    lines = []
    for key, value in values.items():
        if isinstance(value, dict):
            lines += ["", f"[{key}]"]
            lines += [f"{name} = {_toml_value(found)}" for name, found in value.items()]
        else:
            lines.append(f"{key} = {_toml_value(value)}")
    return "\n".join(lines) + "\n"
