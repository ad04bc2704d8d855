"""The pieces of work that trials are made of, each timed on a few rows when it is first asked for."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import replace
from functools import cache
from pathlib import Path
from statistics import median
from typing import Any

from bench import models
from bench.core.contender import Contender, Ground, answers_of
from bench.core.errors import TrialSkipped
from bench.core.files import Forecast
from bench.core.kept import Unkept
from bench.core.meter import Meter, Usage
from bench.trial.machine import load
from bench.trial.serving import WARM_UP_REQUESTS
from scenarios.rows import Example, Split, balanced_sample
from scenarios.schema import Task

ROWS = 24
"""Answered to measure a rate."""
_WRITTEN = 16  # general prompts, the number written at a time on a CPU


class Loaded:
    """A model that is loaded once for all trials that use it, and the peaks of memory so far."""

    def __init__(self, import_seconds: float):
        self.start_seconds = import_seconds
        self.usages: list[Usage] = []
        self.curves: dict[tuple[str, tuple[int, ...]], Forecast] = {}
        self.base_has_written = False
        self._model: Any = None

    def of(self, contender: Contender, name: str) -> Any:
        """The model. Raises `TrialSkipped` where it isn't on this machine or can't run here."""
        if self._model is None:
            if not models.named(name).is_ready():
                raise TrialSkipped("the model isn't on this machine yet; a run fetches it first")
            with Meter() as meter:
                self._model = load(contender, name)
            self.start_seconds += meter.usage.seconds
            self.usages.append(meter.usage)
        return self._model


class Work:
    """How long the pieces of a trial take on this machine, in seconds.

    The rows that are timed are of about the mean length, so that their time is the mean row's.
    """

    def __init__(self, model: Any, task: Task, split: Split, requests: int, loaded: Loaded):
        self._model, self._task, self._split = model, task, split
        self._requests = requests
        self._loaded = loaded
        self._answering = cache(self._try_answering)
        self._answering_near = cache(self._try_answering_near)
        self._reading = cache(self._try_reading)
        self._training = cache(self._try_training)
        self._writing = cache(self._try_writing)
        self._import_seconds = 0.0

    @property
    def _folds(self) -> int:
        return len(self._split.folds)

    @property
    def _judging(self) -> Sequence[Example]:
        return self._split.train if self._split.folds else self._split.validation

    @property
    def fittings(self) -> int:
        """How often something is fitted: once, or on each fold's others and then on all rows."""
        return self._folds + 1 if self._folds else 1

    def on(
        self, train: Sequence[Example], validation: Sequence[Example], test: bool = True
    ) -> Work:
        """The same measurements, extrapolated to other rows; to no test row without `test`."""
        other = copy(self)
        kept = self._split.test if test else ()
        other._import_seconds = 0.0  # what is imported is imported once
        other._split = replace(
            self._split, train=tuple(train), validation=tuple(validation), test=kept, folds=()
        )
        return other

    @property
    def import_seconds(self) -> float:
        """Seconds until what training needs was imported; 0 where nothing was trained."""
        return self._import_seconds

    @property
    def free_texts(self) -> bool:
        """Whether answers are written rather than scored."""
        return self._task.type == "generation"

    @property
    def wordings(self) -> int:
        """How many instructions the task has."""
        return len(self._task.wordings)

    def timed(self, work: Callable[[Ground], object]) -> float:
        """Seconds of a piece of work on the trial's rows, which is done twice and keeps nothing."""
        ground = Ground(
            self._task,
            self._split.train,
            self._split.validation,
            lambda: self._model,
            Path(),
            Unkept(),
        )
        work(ground)  # the first time is slower than all others
        with Meter() as meter:
            work(ground)
        self._loaded.usages.append(meter.usage)
        return meter.usage.seconds

    def reads(self, part: str) -> float:
        """Seconds to turn a part's texts into vectors."""
        return self._reading(part == "test") * len(getattr(self._split, part))

    def _rows_of(self, part: str) -> Sequence[Example]:
        """The test rows, or those that choose."""
        return self._split.test if part == "test" else self._judging

    def answers_near(self, part: str, shots: int) -> float:
        """Seconds to answer validation or test rows, each with a number of demonstrations of its own.

        With folds "validation" means all training rows, each answered once."""
        return self._answering_near(shots)[0] * len(self._rows_of(part))

    def serves_near(self, shots: int) -> float:
        """As `serves`, each row with demonstrations of its own."""
        return self.answers_near("test", shots) + self._answering_near(shots)[1] * self._singles()

    def answers(self, part: str, shots: int = 0) -> float:
        """Seconds to answer the validation or test rows after a number of demonstrations.

        With folds "validation" means all training rows, and each fold has a prompt of its own."""
        first, each, _ = self._answering(shots)
        prompts = max(1, self._folds) if part == "validation" else 1
        return prompts * first + each * len(self._rows_of(part))

    def serves(self, shots: int = 0) -> float:
        """Seconds of warming up, answering the test rows, and the single requests that are timed."""
        return self.answers("test", shots) + self._answering(shots)[2] * self._singles()

    def _singles(self) -> int:
        return WARM_UP_REQUESTS + min(self._requests, len(self._split.test))

    @property
    def train_rows(self) -> int:
        """How many rows there are to train on."""
        return len(self._split.train)

    def trains(self, settings: Any, searched: Sequence[tuple[int, int]] = ()) -> float:
        """Seconds of training with some `TrainSettings`, including the validation after each epoch.

        With folds, training is on the other folds of each, and then on all rows. `searched` are the
        rungs of a search before it: a number of settings, each trained for an epoch of a number of
        rows.
        """
        each, validated = self._training(replace(settings, epochs=1))
        validation = validated * len(self._judging)
        n, parts = len(self._split.train), max(1, self._folds)
        of_part = n - n // self._folds if self._folds else n
        search = sum(
            count * (parts * each * min(rows, of_part) + validation) for count, rows in searched
        )
        epochs = settings.epochs * (parts * each * of_part + validation)
        if self._folds:  # and then on all rows, validated by none
            epochs += settings.epochs * each * n
        return search + epochs + self._import_seconds

    def _try_training(self, settings: Any) -> tuple[float, float]:
        """Seconds of a row in an update, and of one in a validation."""
        imported = time.perf_counter()
        trainer = self._model.trainer(self._task)
        self._import_seconds = time.perf_counter() - imported
        self._answerer(0)  # a prompt that is too long is reported before anything is trained
        few = of_mean_length(self._judging or self._split.test, ROWS)
        validated: list[float] = []

        def validate() -> tuple[float, float]:
            start = time.perf_counter()
            if self.free_texts:
                trainer.log_likelihood(trainer.rows(few))
            else:
                answers_of(self._answerer(0), few)
            validated.append((time.perf_counter() - start) / len(few))
            return 0.0, 0.0

        def seconds_a_row(examples: Sequence[Example]) -> float:
            rows = trainer.rows(examples)
            tuned, notes = trainer.train(rows, settings, 0, validate, progress="")
            tuned.remove()
            return notes["epochs"][0]["seconds"] / len(rows)

        count = settings.rows_an_update
        with Meter() as meter:
            seconds_a_row(sorted(self._split.train, key=lambda e: -len(e.text))[:count])
            each = seconds_a_row(of_mean_length(self._split.train, count))
        self._loaded.usages.append(meter.usage)
        return each, validated[-1]

    def replays(self, share: float, settings: Any, searched: Sequence[tuple[int, int]]) -> float:
        """Seconds that a share of replayed rows takes: writing them, and training on them.

        The task's instruction is then read with each of its rows, which takes time as well.
        """
        from bench.engine.training import Row

        write, asked, prompts, answers = self._writing()
        trainer = self._model.trainer(self._task)
        rows = [Row(asked.row(p), a) for p, a in zip(prompts, answers, strict=True)]
        once = replace(settings, epochs=1)
        tuned, notes = trainer.train(
            rows, once, 0, lambda: (0.0, 0.0), progress="", prefix=asked.prefix
        )
        tuned.remove()
        seconds = notes["epochs"][0]["seconds"]
        a_token = seconds / sum(len(row.tokens) + len(row.answer) for row in rows)
        unshared = max(0, len(trainer.prefix) - len(asked.prefix)) * a_token
        passes = settings.epochs * self.train_rows + sum(count * most for count, most in searched)
        once_a_row = share * seconds / len(rows) + unshared
        return round(share * self.train_rows) * write + passes * once_a_row

    def forgets(self) -> float:
        """Seconds of asking a tuned model and its base; what the base says is written once a run."""
        from bench.checks.general import instructions, measured_prompts

        write, _, _, _ = self._writing()
        asked = len(instructions()) + len(measured_prompts()) * (not self._loaded.base_has_written)
        asked += len(instructions()) * (not self._loaded.base_has_written)
        self._loaded.base_has_written = True
        single = self._try_reading_general()
        return self.restarts() + asked * write + 2 * len(measured_prompts()) * single

    def _try_writing(self) -> tuple[float, Any, list[str], list[list[int]]]:
        """Seconds of an answer to a general prompt, what was asked, the prompts and the answers."""
        from bench.checks.general import Asked, replay_prompts

        asked, prompts = Asked(self._model), replay_prompts(_WRITTEN, 0)
        with Meter() as meter:
            answers = asked.written(prompts)
        self._loaded.usages.append(meter.usage)
        return meter.usage.seconds / len(prompts), asked, prompts, answers

    def _try_reading_general(self) -> float:
        """Seconds of one pass over a general prompt and its answer."""
        from bench.checks.forgetting import Pair, divergences

        _, _, prompts, answers = self._writing()
        pair = Pair(self._model, self._model)
        start = time.perf_counter()
        divergences(pair, prompts[:3], answers[:3])
        return (time.perf_counter() - start) / 6

    def restarts(self) -> float:
        """Seconds until a fresh process has the tuned model."""
        return self._loaded.start_seconds + self._import_seconds

    def _answerer(self, shots: int) -> Any:
        demonstrations = balanced_sample(self._split.train, shots, self._task.labels)
        return self._model.answerer(self._task, demonstrations)

    def _try_answering(self, shots: int) -> tuple[float, float, float]:
        """Seconds of the first rows beyond the others', of a row in a batch, and of a single request."""
        examples = of_mean_length(self._split.test, ROWS)
        with Meter() as meter:
            found = self._answerer(shots)
            first = _seconds(found, examples[:1])
            singles = [_seconds(found, [example]) for example in examples[:3]]
            each = _seconds(found, examples) / len(examples)
        self._loaded.usages.append(meter.usage)
        return max(0.0, first - median(singles)), each, median(singles)

    def _try_answering_near(self, shots: int) -> tuple[float, float]:
        """Seconds of a row in a batch, and of a single request, behind rows of about mean length."""
        shown = of_mean_length(self._split.train, shots)
        examples = of_mean_length(self._split.test, ROWS // 2)
        with Meter() as meter:
            found = self._model.answerer(
                self._task, near=lambda asked: [shown] * len(asked), longest=shown
            )
            _seconds(found, examples[:1])
            single = median(_seconds(found, [example]) for example in examples[:3])
            each = _seconds(found, examples) / len(examples)
        self._loaded.usages.append(meter.usage)
        return each, single

    def _try_reading(self, single: bool) -> float:
        """Seconds to turn a text into a vector, one of many or alone."""
        texts = [example.text for example in of_mean_length(self._split.train, ROWS)]
        embedder = self._model.embedder(self._task, [1.0])
        with Meter() as meter:
            embedder.embed(texts[:2])
            start = time.perf_counter()
            for batch in [[text] for text in texts[:3]] if single else [texts]:
                embedder.embed(batch)
            seconds = time.perf_counter() - start
        self._loaded.usages.append(meter.usage)
        return seconds / (3 if single else len(texts))


def _seconds(answerer: Any, examples: Sequence[Example]) -> float:
    start = time.perf_counter()
    answers_of(answerer, examples)
    return time.perf_counter() - start


def of_mean_length(examples: Sequence[Example], count: int) -> list[Example]:
    """A number of rows whose texts are about as long as the mean."""
    mean = sum(len(example.text) for example in examples) / len(examples)
    return sorted(examples, key=lambda example: abs(len(example.text) - mean))[:count]
