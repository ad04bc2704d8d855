"""What tuning contenders share: rows as tokens, validation, a search's trials, ways of serving."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from bench import models
from bench.answering import answerer
from bench.contender import Answer, Ground, Skipped, answers_of, quality
from bench.models import LoadedModel
from bench.prompts import Renderer
from bench.replay import Replay
from bench.training import Row, mean_log_likelihood, train, without_renaming_notices
from scenarios.rows import Example

_CANARY_ROWS = 8


class Tuning:
    """A ground's rows for its model, and how a model does on the validation rows."""

    def __init__(self, ground: Ground, seed: int, replay: float = 0.0):
        self.ground = ground
        self._share = replay
        self.seed = seed
        self._model = ground.model()
        self._renderer = Renderer(self._model.tokenizer, ground.task)
        self._prefix = self._renderer.prefix()
        self.answerer()  # a prompt that is too long is told before the training
        self.replayed_rows = round(replay * len(ground.train))
        self._replay = self.replayed_rows and Replay(
            self._model, self.replayed_rows, seed, ground.shared
        )

    def answerer(self, notes: dict | None = None):
        """What answers with the model as it is now."""
        return answerer(self._model, self.ground.task, notes=notes)

    def train(self, settings, examples: Sequence[Example], kept, progress: str = "training"):
        """Train on some rows; see `bench.training.train`."""
        prefix, rows = self._prefix, self._rows(examples)
        if self._replay:
            prefix, rows = self._replay.mixed(prefix, rows, self._share)
        return train(self._model, prefix, rows, settings, self.seed, self.validate, kept, progress)

    def tried(self, settings, count: int) -> dict:
        """What an epoch of the first so many rows reaches on the validation rows."""
        progress = f"searching, learning rate {settings.learning_rate:g}"
        tuned, notes = self.train(settings, self.ground.train[:count], None, progress)
        tuned.remove()
        epoch = notes["epochs"][0]
        return {
            key: epoch[key] for key in ("validation_score", "validation_log_likelihood", "loss")
        }

    def score(self, progress: str) -> tuple[float, list[Answer]]:
        """The first metric on the validation rows, and their answers."""
        answers = answers_of(self.answerer(), self.ground.validation, progress=progress)
        return quality(answers, self.ground.validation, self.ground.task), answers

    def validate(self) -> tuple[float | None, float]:
        """Score and mean log-likelihood of the gold answers; free texts take too long to write."""
        if self.ground.task.type == "generation":
            rows = self._rows(self.ground.validation)
            return None, mean_log_likelihood(self._model.lm, self._prefix, rows)
        reached, answers = self.score("validation")
        return reached, _gold_log_likelihood(answers, self.ground)

    def of_some_rows(self) -> list[float]:
        """What the model, as it is now, makes of a few validation rows, to its last bit."""
        examples = self.ground.validation[:_CANARY_ROWS]
        if self.ground.task.type == "generation":
            rows = self._rows(examples)
            return [mean_log_likelihood(self._model.lm, self._prefix, [row]) for row in rows]
        return [score for a in answers_of(self.answerer(), examples) for score in a.scores]

    def _rows(self, examples: Sequence[Example]) -> list[Row]:
        return [Row(self._renderer.row(e.text), self._renderer.answer(e.gold)) for e in examples]


def _gold_log_likelihood(answers: list[Answer], ground: Ground) -> float:
    """Mean log-likelihood of the gold labels on the validation rows."""
    gold: dict[str, Example] = {example.id: example for example in ground.validation}
    places = {label: i for i, label in enumerate(ground.task.labels)}
    values = [answer.scores[places[gold[answer.example_id].gold]] for answer in answers]
    return sum(values) / len(values)


def served_in_three_ways(ground: Ground, base: Path) -> Iterator[tuple[str, object, int | str]]:
    """The tuned model with its adapter attached, merged, and merged in 4 bit; one after the other.

    `base` is the folder of the untuned model. Gives the way, what answers, and the bytes of the
    weights; or the way, None, and why it can't be had here.
    """
    import peft

    device = ground.model().device
    name = ground.model().name

    def loaded(folder: Path, four_bit: bool = False) -> LoadedModel:
        return models.load(name, folder, device, four_bit)

    def with_adapter() -> tuple[LoadedModel, object]:
        model = loaded(base)
        with without_renaming_notices():
            return model, peft.PeftModel.from_pretrained(model.lm, ground.folder).eval()

    model, _ = with_adapter()
    yield "attached", answerer(model, ground.task), _bytes(model)
    model, tuned = with_adapter()
    model = replace(model, lm=tuned.merge_and_unload())
    yield "merged", answerer(model, ground.task), _bytes(model)
    from bench.contenders.qlora import Contender as FourBit

    try:
        FourBit().check(device)
        with tempfile.TemporaryDirectory() as folder:
            model.lm.save_pretrained(folder)
            model.tokenizer.save_pretrained(folder)
            model = loaded(Path(folder), four_bit=True)
    except (Skipped, ImportError) as reason:
        yield "4-bit", None, str(reason)
        return
    yield "4-bit", answerer(model, ground.task), _bytes(model)


def _bytes(model: LoadedModel) -> int:
    return int(model.lm.get_memory_footprint())
