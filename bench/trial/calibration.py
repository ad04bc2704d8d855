"""Forecasts of a plan's trials: a little of each one's own work, done here, carried on to all of it.

A machine's rate for one model and task is in no catalog. So a few rows are answered as each trial
would answer them, one update is trained as it would train, and the time and memory that this took
are carried on to the trial's own numbers of rows. The test rows lend their lengths, never an answer.
Run as `python -m bench.trial.calibration RUN_FOLDER`, which leaves `forecasts.json` there.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import replace
from functools import cache
from pathlib import Path
from statistics import median

import psutil

from bench import registry
from bench.core import progress
from bench.core.contender import Failed, Ground, Skipped, answers_of
from bench.core.folder import FORECAST_BYTES, FORECASTS, rows_file, settings_of, trials_of
from bench.core.meter import Meter, Usage
from bench.engine import models
from bench.trial.main import WARM_UP_REQUESTS, end_with_parent, quiet_libraries
from bench.trial.serving import Machine
from scenarios.cache import write_atomically
from scenarios.errors import UserError
from scenarios.rows import Example, Split, balanced_sample, kept_split
from scenarios.schema import Scenario, Task

SPREAD = 0.25
"""Share by which a trial may take longer or shorter than forecast."""

MEMORY_GROWS = {
    "peak_resident_bytes": {"prompt": 1.15, "between": 1.15, "fine_tune": 1.3},
    "peak_gpu_bytes": {"prompt": 1.15, "between": 1.15, "fine_tune": 1.15},
}
"""How much more a whole trial may hold than a few seconds of it: a heap that many shapes of rows
have passed through has gaps, which torch's count of a GPU's memory leaves out."""

MEMORY_REPEATS = 0.03
"""Share by which the same work's peak, that of loading for example, may come out lower."""

_ROWS = 24  # answered to measure a rate
_WRITTEN = 16  # general prompts, as many as are written at once on a CPU


def main(folder: Path) -> None:
    """Forecast every trial of the plan in a folder."""
    plan = json.loads((folder / "plan.json").read_text(encoding="utf-8"))
    fold = trials_of(plan)[0]["fold"]  # the others are about as large
    found = forecasts(plan, kept_split(folder / rows_file(fold)))
    write_atomically(folder / FORECASTS, json.dumps(found, indent=1))


def forecasts(plan: dict, split: Split) -> list[dict]:
    """Seconds and bytes of each trial as `value`, `low` and `high`, or null; and the reason."""
    imported = time.time() - psutil.Process().create_time()
    by_slug = {}
    everything = trials_of(plan)
    for wanted in dict.fromkeys(map(_weights_of, everything)):
        trials = [trial for trial in everything if _weights_of(trial) == wanted]
        loaded = _Loaded(imported)
        # Prompting comes first: a process that has trained holds more memory.
        for trial in sorted(trials, key=lambda trial: trial["family"] == "fine_tune"):
            found = (forecast_of_curve if trial.get("sizes") else _forecast)(
                trial, plan, split, loaded
            )
            by_slug[trial["slug"]] = {
                "trial": trial["slug"], "contender": trial["name"], **found
            }  # fmt: skip
    return [by_slug[trial["slug"]] for trial in everything]


def _forecast(trial: dict, plan: dict, split: Split, loaded: _Loaded) -> dict:
    if trial["model"] is None:
        return _none("it uses no model, and takes seconds")
    task = Scenario.model_validate(plan["scenario"]).task
    contender = registry.contender(trial["kind"])(**settings_of(trial))
    train = tuple(balanced_sample(split.train, trial["n_train"], task.labels))
    requests = plan["mode"]["latency_requests"]
    try:
        work = Work(
            loaded.of(contender, trial["model"]),
            task,
            replace(split, train=train),
            requests,
            loaded,
        )
        seconds = loaded.start_seconds + contender.forecast(work)
        if plan["forgetting"] and contender.family == "fine_tune":
            seconds += work.forgets()
    except (Skipped, Failed, UserError) as error:
        return _none(str(error))
    return _found(seconds, loaded, contender)


def _found(seconds: float, loaded: _Loaded, contender) -> dict:
    return {
        "seconds": {
            "value": seconds,
            "low": seconds / (1 + SPREAD),
            "high": seconds * (1 + SPREAD),
        },
        **{key: _memory(key, loaded.usages, contender.family) for key in FORECAST_BYTES},
        "reason": "from a few seconds of its own work on this machine",
    }


def forecast_of_curve(trial: dict, plan: dict, split: Split, loaded: _Loaded) -> dict:
    """As of any trial, and `by_size`: the seconds of each size, beside `start_seconds` once.

    What a seed's trial takes is told of the others too, since their rows are about as long.
    """
    key = trial["name"], tuple(trial["sizes"])
    if key not in loaded.curves:
        loaded.curves[key] = _curve_forecast(trial, plan, split, loaded)
    return loaded.curves[key]


def _curve_forecast(trial: dict, plan: dict, split: Split, loaded: _Loaded) -> dict:
    from bench.rows.subsets import Subset, subsets

    task = Scenario.model_validate(plan["scenario"]).task
    contender = registry.contender(trial["kind"])(**settings_of(trial))
    drawn = subsets(split.train, [n for n in trial["sizes"] if n], task.labels, trial["seed"])
    parts = {size: drawn.get(size, Subset((), (), 0)) for size in trial["sizes"]}
    if trial["model"] is None:
        seconds = _timed_without_model(contender, trial, task, split, parts)
        start = loaded.start_seconds
    else:
        try:
            model = loaded.of(contender, trial["model"])
            rows = parts[trial["sizes"][-1]].rows or split.train[:_ROWS]
            work = Work(model, task, replace(split, train=rows), 0, loaded)
            seconds = _seconds_by_size(contender, work, parts)
        except (Skipped, Failed, UserError) as error:
            return _none(str(error))
        start = loaded.start_seconds + work.import_seconds
    found = _found(start + sum(seconds.values()), loaded, contender)
    by_size = {str(size): value for size, value in seconds.items()}
    return found | {"start_seconds": start, "by_size": by_size}


def _seconds_by_size(contender, work: Work, parts: dict) -> dict[int, float]:
    """Each size's fitting and answering, by the pieces of work that the contender names."""
    if hasattr(contender, "forecast_once"):
        return {n: contender.forecast_once(work.on(part.rows, ())) for n, part in parts.items()}
    if not getattr(contender, "remembers", False):
        return {
            n: contender.forecast(work.on(part.learn, part.choose)) for n, part in parts.items()
        }
    found, known = {}, set()
    for size, part in parts.items():  # each text is read once
        new = [row for row in part.rows if row.id not in known]
        found[size] = contender.forecast(work.on(new, (), test=not known))
        known |= {row.id for row in new}
    return found


def _timed_without_model(contender, trial: dict, task: Task, split: Split, parts: dict) -> dict:
    """The smallest and the largest size are done; the others lie on the line between."""
    sizes = list(parts)

    def seconds(size: int) -> float:
        start = time.perf_counter()
        subset = parts[size]
        for train, choose in ((subset.learn, subset.choose), (subset.rows, ())):
            ground = Ground(task, train, choose, lambda: None, Path(), None)
            found = contender.fit(ground, trial["seed"])
        answers_of(found, split.test)
        return time.perf_counter() - start

    imported = seconds(sizes[0])
    low, high = seconds(sizes[0]), seconds(sizes[-1])
    apart = max(sizes[-1] - sizes[0], 1)
    line = {n: low + max(0.0, high - low) * (n - sizes[0]) / apart for n in sizes}
    return line | {sizes[0]: max(imported, low)}


def _none(reason: str) -> dict:
    return {**dict.fromkeys(("seconds", *FORECAST_BYTES)), "reason": reason}


def _weights_of(trial: dict) -> tuple[str | None, bool]:
    """Which weights a trial loads, and whether in 4 bit."""
    return trial["model"], getattr(registry.contender(trial["kind"]), "four_bit", False)


def _memory(key: str, usages: list[Usage], family: str) -> dict | None:
    """From the highest seen; None where there is no such memory here."""
    seen = max((getattr(usage, key) or 0 for usage in usages), default=0)
    if not seen:
        return None
    grows = MEMORY_GROWS[key][family]
    least = 1 - MEMORY_REPEATS
    return {
        "value": round(seen * (least * grows) ** 0.5),
        "low": round(seen * least),
        "high": round(seen * grows),
    }


class _Loaded:
    """A model that is loaded once for all trials that use it, and the peaks of memory so far."""

    def __init__(self, import_seconds: float):
        self.start_seconds = import_seconds
        self.usages: list[Usage] = []
        self.curves: dict[tuple, dict] = {}
        self.base_has_written = False
        self._model = None

    def of(self, contender, name: str):
        """The model. Raises `Skipped` where it isn't on this machine, or can't be run."""
        if self._model is None:
            if not models.at_hand(name):
                raise Skipped("the model isn't on this machine yet; a run fetches it first")
            with Meter() as meter:
                self._model = Machine().load(contender, name)
            self.start_seconds += meter.usage.seconds
            self.usages.append(meter.usage)
        return self._model


class Work:
    """How long the pieces of a trial take, each measured on a few rows when it is first asked for.

    The rows that are tried are of about the mean length, so that their time is the mean row's.
    """

    def __init__(self, model, task: Task, split: Split, requests: int, loaded: _Loaded):
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
        """The same measurements, carried on to other rows; to no test row without `test`."""
        other = copy(self)
        kept = self._split.test if test else ()
        other._import_seconds = 0.0  # what is imported is imported once
        other._split = replace(self._split, train=train, validation=validation, test=kept, folds=())
        return other

    @property
    def import_seconds(self) -> float:
        """Seconds until what training needs was imported; 0 where nothing was trained."""
        return self._import_seconds

    @property
    def free_texts(self) -> bool:
        """Whether answers are written, and not scored."""
        return self._task.type == "generation"

    @property
    def wordings(self) -> int:
        """How many instructions the task has."""
        return len(self._task.wordings)

    def timed(self, work: Callable[[Ground], object]) -> float:
        """Seconds of a piece of work on the trial's rows, which is done twice and leaves nothing."""
        ground = Ground(
            self._task, self._split.train, self._split.validation, lambda: self._model, Path(), None
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
        """Seconds to answer validation or test rows behind so many demonstrations of each's own.

        With folds "validation" stands for all training rows, each answered once."""
        return self._answering_near(shots)[0] * len(self._rows_of(part))

    def serves_near(self, shots: int) -> float:
        """As `serves`, behind demonstrations of each row's own."""
        return self.answers_near("test", shots) + self._answering_near(shots)[1] * self._singles()

    def answers(self, part: str, shots: int = 0) -> float:
        """Seconds to answer the validation or test rows behind so many demonstrations.

        With folds "validation" stands for all training rows, and each fold has a prompt of its own."""
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

    def trains(self, settings, searched: Sequence[tuple[int, int]] = ()) -> float:
        """Seconds of training with such `TrainSettings`, the validation after each epoch included.

        With folds on the others of each, and then on all rows.

        `searched` are the rungs of a search before it: so many settings, each for an epoch of so
        many rows.
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

    def _try_training(self, settings) -> tuple[float, float]:
        """Seconds of a row in an update, and of one in a validation."""
        imported = time.perf_counter()
        from bench.engine.prompts import Renderer
        from bench.engine.training import Row, mean_log_likelihood, train

        self._import_seconds = time.perf_counter() - imported
        self._answerer(0)  # a prompt that is too long is told before anything is trained
        renderer = Renderer(self._model.tokenizer, self._task)
        prefix = renderer.prefix()
        few = _of_mean_length(self._judging or self._split.test, _ROWS)
        validated: list[float] = []

        def rows_of(examples: Sequence[Example]) -> list[Row]:
            return [Row(renderer.row(e.text), renderer.answer(e.gold)) for e in examples]

        def validate() -> tuple[float, float]:
            start = time.perf_counter()
            if self.free_texts:
                mean_log_likelihood(self._model.lm, prefix, rows_of(few))
            else:
                answers_of(self._answerer(0), few)
            validated.append((time.perf_counter() - start) / len(few))
            return 0.0, 0.0

        def seconds_a_row(examples: Sequence[Example]) -> float:
            rows = rows_of(examples)
            tuned, notes = train(self._model, prefix, rows, settings, 0, validate, None, "")
            tuned.remove()
            return notes["epochs"][0]["seconds"] / len(rows)

        count = settings.rows_an_update
        with Meter() as meter:
            seconds_a_row(sorted(self._split.train, key=lambda e: -len(e.text))[:count])
            each = seconds_a_row(_of_mean_length(self._split.train, count))
        self._loaded.usages.append(meter.usage)
        return each, validated[-1]

    def replays(self, share: float, settings, searched: Sequence[tuple[int, int]]) -> float:
        """Seconds that such a share of replayed rows takes: writing them, and training on them.

        The task's instruction is then read with each of its rows, which takes time as well.
        """
        from bench.engine.prompts import Renderer
        from bench.engine.training import Row, train

        write, asked, prompts, answers = self._writing()
        rows = [Row(asked.row(p), a) for p, a in zip(prompts, answers, strict=True)]
        once = replace(settings, epochs=1)
        tuned, notes = train(self._model, asked.prefix, rows, once, 0, lambda: (0.0, 0.0), None, "")
        tuned.remove()
        seconds = notes["epochs"][0]["seconds"]
        a_token = seconds / sum(len(row.tokens) + len(row.answer) for row in rows)
        prefix = Renderer(self._model.tokenizer, self._task).prefix()
        unshared = max(0, len(prefix) - len(asked.prefix)) * a_token
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

    def _try_writing(self) -> tuple[float, object, list[str], list[list[int]]]:
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

    def _answerer(self, shots: int):
        from bench.engine.answering import answerer

        demonstrations = balanced_sample(self._split.train, shots, self._task.labels)
        return answerer(self._model, self._task, demonstrations)

    def _try_answering(self, shots: int) -> tuple[float, float, float]:
        """Seconds of the first rows beyond the others', of a row in a batch, and of a single request."""
        examples = _of_mean_length(self._split.test, _ROWS)
        with Meter() as meter:
            found = self._answerer(shots)
            first = _seconds(found, examples[:1])
            singles = [_seconds(found, [example]) for example in examples[:3]]
            each = _seconds(found, examples) / len(examples)
        self._loaded.usages.append(meter.usage)
        return max(0.0, first - median(singles)), each, median(singles)

    def _try_answering_near(self, shots: int) -> tuple[float, float]:
        """Seconds of a row in a batch, and of a single request, behind rows of about mean length."""
        from bench.engine.answering import answerer

        shown = _of_mean_length(self._split.train, shots)
        examples = _of_mean_length(self._split.test, _ROWS // 2)
        with Meter() as meter:
            found = answerer(
                self._model, self._task, near=lambda asked: [shown] * len(asked), longest=shown
            )
            _seconds(found, examples[:1])
            single = median(_seconds(found, [example]) for example in examples[:3])
            each = _seconds(found, examples) / len(examples)
        self._loaded.usages.append(meter.usage)
        return each, single

    def _try_reading(self, single: bool) -> float:
        """Seconds to turn a text into a vector, one of many or by itself."""
        from bench.engine.embedding import Embedder

        texts = [example.text for example in _of_mean_length(self._split.train, _ROWS)]
        embedder = Embedder(self._model, self._task, [1.0])
        with Meter() as meter:
            embedder.embed(texts[:2])
            start = time.perf_counter()
            for batch in [[text] for text in texts[:3]] if single else [texts]:
                embedder.embed(batch)
            seconds = time.perf_counter() - start
        self._loaded.usages.append(meter.usage)
        return seconds / (3 if single else len(texts))


def _seconds(answerer, examples: Sequence[Example]) -> float:
    start = time.perf_counter()
    answers_of(answerer, examples)
    return time.perf_counter() - start


def _of_mean_length(examples: Sequence[Example], count: int) -> list[Example]:
    """So many rows whose texts are about as long as the mean."""
    mean = sum(len(example.text) for example in examples) / len(examples)
    return sorted(examples, key=lambda example: abs(len(example.text) - mean))[:count]


if __name__ == "__main__":
    end_with_parent()
    quiet_libraries()
    progress.SILENT = True
    try:
        main(Path(sys.argv[1]))
    except KeyboardInterrupt:
        sys.exit(130)
