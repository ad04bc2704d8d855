"""Published head-to-head comparisons, fine-tuned vs prompted: reading them, and a profile of each.

A profile holds what was known before the experiment: the task, its type and domain, the classes if
given, the rows, the models and their sizes, and how the prompt was made. Never a score.
"""

from __future__ import annotations

import csv
import io
import math
import re
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import get_args

from advisor.evidence.factors import FRONTIER_BILLIONS
from scenarios.cache import DISK_ERRORS, PATH_ERRORS
from scenarios.errors import UserError
from scenarios.schema import Profile, TaskType

COLUMNS = (
    "id", "source", "year", "url", "task", "task_type", "domain", "n_labels", "n_train", "ft_model",
    "ft_params_b", "ft_method", "metric", "ft_score", "prompt_model", "prompt_params_b",
    "prompt_method", "prompt_score", "winner",
)  # fmt: skip
NUMBERS = ("n_labels", "n_train", "ft_params_b", "prompt_params_b")
WORTH = {"fine_tune": 1.0, "tie": 0.5, "prompt": 0.0}
_MOST_FAULTS = 10

_FRONTIER = re.compile(r"gpt-?[45]|claude|gemini|\bo[134]\b|deepseek-?(v3|r1)|palm", re.I)
_LARGE = re.compile(r"gpt-?3|chatgpt|davinci|codex|\bbard\b", re.I)
_LARGE_BILLIONS = 175.0
_SMALL = {  # published sizes, in billions, of models whose names don't say
    "roberta-large": 0.355, "bert-large": 0.34, "bart-large": 0.406, "deberta-v3-large": 0.435,
    "t5-large": 0.77, "t5-base": 0.22, "flan-t5-xxl": 11.0, "flan-t5-xl": 3.0, "bert": 0.11,
    "bart": 0.14, "pegasus": 0.57, "mpnet": 0.11, "electra": 0.11, "codet5": 0.22, "t5": 0.22,
}  # fmt: skip
_OPTIMISED = re.compile(
    r"retriev|\brag\b|bm25|knn|k-nn|optimi[sz]|many-shot|self-consisten|ensemble|similar|medprompt"
    r"|dail-sql|dspy|mipro", re.I)  # fmt: skip
_EXAMPLES = re.compile(
    r"few|shot|demonstration|\bicl\b|in-context|\bcot\b|chain|example|rubric", re.I
)
_NO_EXAMPLES = re.compile(r"zero|no example|no prompt tuning|as shipped|instruction only", re.I)
_MANY_SHOTS = 100
_SPECIALISED = re.compile(
    r"legal|law|court|medic|clinic|health|pharma|chemi|financ|patent|agric|scien|radiol|semicond",
    re.I,
)


@dataclass(frozen=True)
class Case:
    """One published comparison: what was known before it, and which side won."""

    id: str
    source: str
    task_type: str
    profile: Profile
    outcome: float


def shipped_cases() -> list[Case]:
    """The 243 cases of `catalog/head_to_head.csv`."""
    text = (resources.files("advisor") / "catalog" / "head_to_head.csv").read_text("utf-8")
    return parse(text, "head_to_head.csv")


def read_cases(path: Path) -> list[Case]:
    """The cases of a user's file. Raises one `UserError` that names all its faults."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise UserError(f"'{path}' isn't UTF-8 text; save it as CSV in UTF-8") from None
    except ValueError as error:  # a path that no system takes
        raise UserError(f"can't read '{path}': {error}; give a CSV file of cases") from None
    except OSError as error:
        if error.errno in (*PATH_ERRORS, *DISK_ERRORS):
            raise UserError(
                f"can't read '{path}': {error.strerror}; give a CSV file of cases"
            ) from None
        raise
    return parse(text, str(path))


def parse(text: str, place: str) -> list[Case]:
    """The cases of a CSV text with the columns of `COLUMNS`, in any order; other columns are ignored.

    Raises `UserError` that names every missing column, or the first ten faulty cells.
    """
    try:
        lines = list(csv.DictReader(io.StringIO(text), strict=True))
    except csv.Error as error:
        raise UserError(f"'{place}' isn't CSV: {error}") from None
    if not lines:
        raise UserError(f"'{place}' has no cases; it needs the columns {', '.join(COLUMNS)}")
    missing = [column for column in COLUMNS if column not in lines[0]]
    if missing:
        raise UserError(f"'{place}' has no columns {', '.join(missing)}; add them")
    faults = [f"line {n}, {why}" for n, line in enumerate(lines, 2) for why in _faults(line)]
    ids = [line["id"] for line in lines]
    faults += [f"id '{id_}' is used twice" for id_ in sorted({i for i in ids if ids.count(i) > 1})]
    if faults:
        more = f"; and {len(faults) - _MOST_FAULTS} more" if len(faults) > _MOST_FAULTS else ""
        raise UserError(f"'{place}': {'; '.join(faults[:_MOST_FAULTS])}{more}")
    return [_case(line) for line in lines]


def _faults(line: dict) -> list[str]:
    if None in line or None in line.values():
        return ["the number of cells must match the number of columns"]
    found = []
    if not line["id"].strip():
        found.append("id: empty")
    if _type(line) not in get_args(TaskType):
        found.append(
            f"task_type: '{line['task_type']}' isn't one of {', '.join(get_args(TaskType))}"
        )
    if line["winner"] not in WORTH:
        found.append(f"winner: '{line['winner']}' isn't one of {', '.join(WORTH)}")
    for column in NUMBERS:
        number = _number(line[column])
        least, most = (1, 10**6) if column == "n_labels" else (0, 10**15)
        if not _is_blank(line[column]) and (number is None or not least <= number <= most):
            found.append(f"{column}: '{line[column]}' isn't a number from {least} to {most:g}")
    return found


def _type(line: dict) -> str:
    return re.sub(r"[ _]+", "-", line["task_type"].strip().lower())


def _is_blank(text: str) -> bool:
    return text.strip().lower() in ("", "na", "n/a", "nan", "-", "?", "unknown")


def _number(text: str) -> float | None:
    """A finite number, with or without thousands separators; None if there is none."""
    try:
        number = float(text.replace(",", ""))
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _case(line: dict) -> Case:
    return Case(
        id=line["id"],
        source=line["id"].split("-")[0],
        task_type=_type(line),
        profile=profile_of(line),
        outcome=WORTH[line["winner"]],
    )


def profile_of(line: dict) -> Profile:
    """What was known before the experiment; what the line doesn't say stays unknown."""
    tuned = _billions(line["ft_params_b"], line["ft_model"])
    same = "same" in line["prompt_model"].lower()
    prompted = tuned if same and tuned else _billions(line["prompt_params_b"], line["prompt_model"])
    classes, rows = _number(line["n_labels"]), _number(line["n_train"])
    if re.search("pre-train", line["ft_method"], re.I) and re.search(
        "scratch", line["ft_method"], re.I
    ):
        rows = 0  # trained on the domain's texts: no example of the task was labelled for it
    return Profile(
        task_type=_type(line),
        classes=int(classes) if classes and classes >= 2 else None,
        labelled_examples=None if rows is None else int(rows),
        vocabulary="specialised" if _SPECIALISED.search(line["domain"]) else None,
        prompting_effort=effort(line["prompt_method"]),
        largest_own_model_billion_parameters=tuned,
        prompted_model_billion_parameters=prompted,
    )


def effort(method: str) -> str | None:
    """How far prompting was taken, from the words that a paper uses for it."""
    shots = [int(digits) for digits in re.findall(r"(\d+)-?shot", method.replace(",", ""))]
    if _OPTIMISED.search(method) or max(shots, default=0) >= _MANY_SHOTS:
        return "optimised"
    if _NO_EXAMPLES.search(method):
        return "zero-shot"
    return "few-shot" if _EXAMPLES.search(method) else None


def _billions(given: str, name: str) -> float | None:
    """A model's size in billions of parameters: as given, from its name, or by its family."""
    if number := _number(given):
        return number
    if match := re.search(r"(\d+(?:\.\d+)?)\s*b\b", name, re.I):
        return float(match[1]) or None
    if _FRONTIER.search(name):
        return FRONTIER_BILLIONS
    if _LARGE.search(name):
        return _LARGE_BILLIONS
    return next((size for known, size in _SMALL.items() if known in name.lower()), None)
