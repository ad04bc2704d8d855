"""A trial's answers, each batch on disk before the next begins, and single requests timed."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from bench.core.contender import Answer, Answerer, Way, answers_of
from bench.core.folder import RunFolder
from bench.core.meter import Meter, Usage
from bench.core.progress import bar
from bench.trial.checked import all_answered
from bench.trial.machine import machine_speed
from scenarios.cache import write_atomically
from scenarios.rows import Example

WARM_UP_REQUESTS = 3
WAYS_REQUESTS = 24
"""Requests by which each way of serving a tuned model is timed."""


@dataclass(frozen=True)
class Timed:
    """Milliseconds of single requests; the last two are known where texts are written."""

    latencies_ms: list[float]
    first_token_ms: list[float]
    per_token_ms: list[float]


@dataclass(frozen=True)
class Served:
    """All test rows answered, and then single requests at the machine's speed of that moment."""

    usage: Usage
    rows: int
    timed: Timed
    machine_gflops: float


def serve(
    answerer: Answerer,
    test: Sequence[Example],
    requests: int,
    folder: RunFolder,
    slug: str,
    title: str,
) -> Served:
    """Answer every test row, then time single requests."""
    answers_of(answerer, test[:WARM_UP_REQUESTS])
    with Meter() as serving:
        answers = answer_all(answerer, test, folder, slug, title)
    speed = machine_speed()
    timed = time_requests(answerer, test[:requests])
    return Served(_of_answers(serving.usage, answers), len(answers), timed, speed)


def answer_all(
    answerer: Answerer, examples: Sequence[Example], folder: RunFolder, name: str, title: str
) -> list[Answer]:
    """Every answer in the order of the rows; each batch is on disk before the next begins.

    `name` is that of the answers' file, `title` what the progress bar shows.
    """
    journal = folder.journal(name)
    found = read_journal(journal)
    before = frozenset(found)
    with (
        open(journal, "a", encoding="utf-8", newline="\n") as out,
        bar(f"{title}, test rows", len(examples), "row") as shown,
    ):
        shown.update(len(before))
        for batch in answerer.answer(examples, done=before):
            found |= {answer.example_id: answer for answer in batch}
            out.write("\n" + "".join(line_of(answer) for answer in batch))
            out.flush()
            os.fsync(out.fileno())
            shown.update(len(batch))
    all_answered(examples, found)
    answers = [found[example.id] for example in examples]
    write_atomically(folder.answers_file(name), "".join(map(line_of, answers)))
    return answers


def line_of(answer: Answer) -> str:
    """An answer as a line of JSON."""
    return json.dumps(asdict(answer), ensure_ascii=False) + "\n"


def read_journal(journal: Path) -> dict[str, Answer]:
    """The answers of an earlier start by id; a line that was cut short counts as none."""
    found = {}
    if journal.exists():
        for line in journal.read_text(encoding="utf-8", errors="replace").split("\n"):
            try:
                answer = json.loads(line)
                found[answer["example_id"]] = Answer(**answer)
            except (json.JSONDecodeError, KeyError, TypeError):
                continue
    return found


def time_ways(ways: Iterable[Way], examples: Sequence[Example]) -> list[dict[str, Any]]:
    """Single requests to the tuned model for each way of serving it, and what that changes.

    `weight_bytes` is the size of the weights, `alike` the share of answers equal to the first way's.
    """
    found: list[dict[str, Any]] = []
    first: dict[str, str] | None = None
    for way in ways:
        answerer = way.answerer
        if answerer is None:
            found.append({"way": way.name, "status": "skipped", "reason": way.reason})
            continue
        answers_of(answerer, examples[:WARM_UP_REQUESTS])
        timed = time_requests(answerer, examples).latencies_ms
        said = {answer.example_id: answer.text for answer in answers_of(answerer, examples)}
        first = first or said
        alike = sum(said[key] == first[key] for key in said) / len(said)
        found.append(
            {"way": way.name, "status": "done", "latencies_ms": timed, "weight_bytes": way.weight_bytes,
             "alike": alike, "machine_gflops": machine_speed()}
        )  # fmt: skip
    return found


def time_requests(answerer: Answerer, examples: Sequence[Example]) -> Timed:
    """Milliseconds of single requests, one after the other, from text to answer.

    Where texts are written also those to the first token, and of each token after it.
    """
    whole: list[float] = []
    first: list[float] = []
    after: list[float] = []
    with bar("single requests", len(examples), "request") as done:
        for example in examples:
            start = time.perf_counter()
            [answer] = answers_of(answerer, [example])
            whole.append((time.perf_counter() - start) * 1000)
            if answer.first_token_seconds is not None:
                first.append(answer.first_token_seconds * 1000)
                if answer.tokens_out is not None and answer.tokens_out > 1:
                    rest = answer.seconds - answer.first_token_seconds
                    after.append(rest / (answer.tokens_out - 1) * 1000)
            done.update()
    return Timed(whole, first, after)


def _of_answers(usage: Usage, answers: Sequence[Answer]) -> Usage:
    """With the answers' own seconds and tokens, whichever start of the trial gave them."""

    def total(values: Iterable[int | None]) -> int | None:
        known = [value for value in values if value is not None]
        return sum(known) if known else None

    return replace(
        usage,
        seconds=sum(answer.seconds for answer in answers),
        tokens_in=total(answer.tokens_in for answer in answers),
        tokens_out=total(answer.tokens_out for answer in answers),
    )
