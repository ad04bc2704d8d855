"""What tuning contenders are: a search of the learning rate, training, and serving in a fresh process.

The learning rate is found by successive halving (Jamieson & Talwalkar 2016): all rates train on a few
rows, the better half on twice as many, until one is left, which trains on all rows.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from bench.core import contender as base
from bench.core.contender import Answerer, Ground
from scenarios.cache import disk_errors_as_os_errors

if TYPE_CHECKING:
    from bench.contenders._tuning import Tuning
    from bench.core.work import Work
    from bench.engine.training import TrainSettings

LEAST_UPDATES = 24
"""In a training of a curve: as many as one epoch of the quick run's 384 rows. With a fixed number of
epochs, few rows would hardly move the weights (Mosbach et al. 2021, Zhang et al. 2021: train longer)."""
KEPT_FROM_ROWS = 256
"""For a size of a curve: an epoch on fewer rows takes less time than keeping it on disk."""
Whole = Annotated[int, Field(gt=0)]
Rate = Annotated[float, Field(gt=0, allow_inf_nan=False)]


@dataclass(frozen=True)
class Tuned(base.Contender):
    """`learning_rates` compete, first on `search_rows`; a single one is used without a search. `replay`
    adds that share of training rows, with the base's own answers to general prompts.

    A contender that derives from this says what is trained (`_settings`) and how it is served (`restore`).
    """

    learning_rates: tuple[Rate, ...] = ()
    search_rows: Whole = 128
    epochs: Whole = 3
    patience: Annotated[int, Field(ge=0)] = 1
    batch_size: Whole = 4
    accumulation_steps: Whole = 4
    warmup_share: Annotated[float, Field(ge=0, le=1)] = 0.1
    replay: Annotated[float, Field(ge=0, le=10)] = 0.0
    family: ClassVar = "fine_tune"
    uses_model: ClassVar = True
    needs: ClassVar = frozenset({"score", "train"})  # labels judge its epochs by their scores
    seeded: ClassVar = True
    restores: ClassVar = True
    fits_once: ClassVar = True

    @property
    def _serve(self) -> str:
        """How it is served, for the notes."""
        raise NotImplementedError

    def _settings(self, rate: float) -> TrainSettings:
        """How to train with a learning rate."""
        raise NotImplementedError

    def _schedule(self, rate: float) -> dict[str, Any]:
        """The fields of `bench.engine.training.TrainSettings`, whatever is trained."""
        names = ("epochs", "batch_size", "accumulation_steps", "warmup_share", "patience")
        return {"learning_rate": rate, **{name: getattr(self, name) for name in names}}

    def fit(self, ground: Ground, seed: int) -> Answerer:
        """Find the learning rate, train, keep the best epoch on validation rows, save what was tuned.

        Without validation rows both are chosen over folds (`bench.contenders._tuning`)."""
        from bench.checks import canaries
        from bench.contenders._tuning import Tuning
        from bench.engine.adapters import Adapter

        tuning = Tuning(ground, seed, self.replay)
        before = tuning.of_some_rows()
        rate, tried = self._searched(tuning)
        tuned, notes = tuning.tuned(self._settings(rate))
        notes["canaries"] = [canaries.of_prompts(ground)]
        if isinstance(tuned, Adapter):
            with tuned.off():
                after = tuning.of_some_rows()
            notes["canaries"].append(canaries.adapter_off(before, after, self.four_bit))
        with disk_errors_as_os_errors():
            file = tuned.save(ground.folder)
        notes |= {"adapter_bytes": file.stat().st_size, "served": self._serve, "tried": tried}
        notes["replayed_rows"] = tuning.replayed_rows
        if ground.shuffled_canary and ground.judging:
            tuned.remove()
            notes["canaries"].append(self._shuffled(tuning, rate))
        return tuning.answerer(notes)

    def fit_once(self, ground: Ground, seed: int) -> tuple[Answerer, Callable[[], None]]:
        """Train with the declared settings for one size of a curve; the last epoch counts.

        Returns an answerer, and a function that turns the model back into the base.
        """
        from bench.contenders._tuning import Tuning

        tuning = Tuning(ground, seed)
        settings = self._settings_once(len(ground.train))
        kept = ground.kept if len(ground.train) >= KEPT_FROM_ROWS else None
        tuned, notes = tuning.train(settings, ground.train, kept)
        return tuning.answerer(notes), tuned.remove

    def forecast_once(self, work: Work) -> float:
        """Seconds of `fit_once` and of answering the test rows."""
        return work.trains(self._settings_once(work.train_rows)) + work.answers("test")

    def _settings_once(self, rows: int) -> TrainSettings:
        settings = self._settings(self.learning_rates[0])
        enough = math.ceil(LEAST_UPDATES / math.ceil(rows / settings.rows_an_update))
        return replace(settings, epochs=max(settings.epochs, enough))

    def forecast(self, work: Work) -> float:
        """Seconds of a trial: search and training here, serving in a fresh process."""
        last = work.answers("validation") if work.free_texts else 0.0
        rungs = [(len(rates), rows) for rates, rows in self._rungs(work.train_rows)]
        settings = self._settings(self.learning_rates[0])
        replayed = work.replays(self.replay, settings, rungs) if self.replay else 0.0
        return work.trains(settings, rungs) + replayed + last + work.restarts() + work.serves()

    def _rungs(self, most: int) -> list[tuple[tuple[float, ...], int]]:
        """How many rates train on how many rows in each round, if the first half always won."""
        rates, rows = self.learning_rates, self.search_rows
        rungs: list[tuple[tuple[float, ...], int]] = []
        while len(rates) > 1:
            rungs.append((rates, min(rows, most)))
            rates, rows = rates[: (len(rates) + 1) // 2], 2 * rows
        return rungs

    def _searched(self, tuning: Tuning) -> tuple[float, list[dict]]:
        """The learning rate that won, and what was tried; the first without rows to choose on."""
        from bench.contenders._tuning import rank

        if not tuning.ground.judging:
            return self.learning_rates[0], []

        rates, tried = list(self.learning_rates), []
        most = min(len(part.train) for part in tuning.ground.parts())
        for rung, (_, rows) in enumerate(self._rungs(most)):
            found = []
            for rate in rates:
                settings = replace(self._settings(rate), epochs=1)
                epoch = tuning.ground.kept.once(
                    f"search-{rung}-{rate:g}",
                    partial(tuning.tried, settings, rows),
                )
                found.append({"learning_rate": rate, "rows": rows, **epoch})
            tried += found
            found.sort(key=rank, reverse=True)
            rates = [one["learning_rate"] for one in found[: (len(found) + 1) // 2]]
        return rates[0], tried

    def _shuffled(self, tuning: Tuning, rate: float) -> dict:
        """What one epoch on shuffled labels reaches, which must not exceed chance."""
        from bench.checks import canaries

        def train() -> dict:
            settings = replace(self._settings(rate), epochs=1)
            return canaries.shuffled(tuning.of_shuffled(settings), tuning.ground)

        return tuning.ground.kept.once("shuffled", train)
