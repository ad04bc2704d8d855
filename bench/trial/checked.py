"""What a contender's fit returned, made sure of: rows are asked without their gold, and answers are answers."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from bench.core.contender import Answer, Answerer
from bench.core.errors import TrialFailed
from scenarios.rows import Example
from scenarios.schema import Task

_NUMBERS = ("validation_score", "trainable_parameters", "trainable_share", "adapter_bytes")
"""Notes that the record computes with."""


class Checked:
    """An answerer whose batches are checked, and timed where it doesn't say how long they took.

    Raises `TrialFailed` for one that can't answer, and for notes that JSON doesn't have.
    """

    def __init__(self, answerer: Any, task: Task):
        missing = [name for name in ("answer", "notes") if not hasattr(answerer, name)]
        if missing:
            raise TrialFailed(
                f"its fit returned {type(answerer).__name__}, which has no {' and no '.join(missing)}; "
                "return an object with answer(examples, done) and notes, a dict"
            )
        try:
            json.dumps(answerer.notes, allow_nan=False, ensure_ascii=False).encode()
        except (TypeError, ValueError, RecursionError) as error:
            raise TrialFailed(
                f"its notes can't be written as JSON ({error}); use plain values"
            ) from None
        if not isinstance(answerer.notes, dict):
            raise TrialFailed(f"its notes are {type(answerer.notes).__name__}; make them a dict")
        for key in _NUMBERS:
            value = answerer.notes.get(key)
            if value is not None and (
                isinstance(value, bool) or not isinstance(value, int | float)
            ):
                raise TrialFailed(
                    f"its note '{key}' is {value!r:.60}, and the record takes a number"
                )
        self.notes: dict[str, Any] = answerer.notes
        self._answerer: Answerer = answerer
        self._labels = len(task.labels)

    def answer(
        self, examples: Sequence[Example], done: Container[str] = ()
    ) -> Iterator[list[Answer]]:
        """Its answers to the rows, which don't show their gold; each row once."""
        left = {example.id for example in examples}
        start = time.perf_counter()
        for batch in self._answerer.answer([replace(row, gold="") for row in examples], done=done):
            if not isinstance(batch, list | tuple):
                raise TrialFailed(
                    f"its answer() gave {type(batch).__name__}; it must give batches, which are lists of Answer"
                )
            seconds = (time.perf_counter() - start) / max(len(batch), 1)
            for answer in batch:
                self._check(answer)
                if answer.example_id not in left:
                    raise TrialFailed(
                        f"it answered '{answer.example_id}' twice, or wasn't asked it; answer each row once"
                    )
                left.remove(answer.example_id)
            yield [one if one.seconds > 0 else replace(one, seconds=seconds) for one in batch]
            start = time.perf_counter()

    def _check(self, answer: Any) -> None:
        if not (isinstance(answer, Answer) and isinstance(answer.text, str)):
            raise TrialFailed("its batches must be lists of Answer, each with a text")
        if not 0 <= answer.seconds < math.inf:
            raise TrialFailed(f"'{answer.example_id}' took {answer.seconds} s; give a time, or 0")
        wrong = len(answer.scores) not in (0, self._labels)
        if wrong or not all(map(math.isfinite, answer.scores)):
            raise TrialFailed(
                f"the scores of '{answer.example_id}' are {answer.scores}; give a finite one for each of "
                f"the {self._labels} labels, or none"
            )
        try:
            answer.text.encode()
        except UnicodeEncodeError:
            raise TrialFailed(
                f"the answer to '{answer.example_id}' has half a surrogate pair, which no file can hold"
            ) from None


def all_answered(examples: Iterable[Example], found: Container[str]) -> None:
    """Raises `TrialFailed` where a row has no answer."""
    rows = list(examples)
    missing = [row.id for row in rows if row.id not in found]
    if missing:
        raise TrialFailed(
            f"it answered {len(rows) - len(missing)} of {len(rows)} rows; '{missing[0]}' has no answer"
        )
