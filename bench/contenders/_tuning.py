"""What tuning contenders share: rows as tokens, validation, a search's trials, ways of serving.

With folds in place of validation rows, each setting is trained on all folds but one and answers that
one, for each fold, and the answers are judged together. The learning rate and the number of epochs are
chosen so; then all rows are trained on for as many epochs of the same schedule, with nothing left to stop
by (Goodfellow, Bengio & Courville 2016, Deep Learning, 7.8: early stopping, then retraining on all data).
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from bench.checks.canaries import with_shuffled_labels
from bench.contenders._replay import Replay
from bench.core.contender import Answer, Ground, Skipped, answers_of, quality, quality_of
from bench.engine import models
from bench.engine.answering import answerer
from bench.engine.four_bit import check_four_bit
from bench.engine.models import LoadedModel
from bench.engine.prompts import Renderer
from bench.engine.training import Row, mean_log_likelihood, train, without_renaming_notices
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
        """Train on some rows; see `bench.engine.training.train`."""
        prefix, rows = self._with_replay(self._rows(examples))
        validate = self.validate if self.ground.validation else None
        return train(self._model, prefix, rows, settings, self.seed, validate, kept, progress)

    def _with_replay(self, rows: list[Row]) -> tuple[list[int], list[Row]]:
        """Prefix and rows to train on, with what the base says to general prompts among them."""
        if not self._replay:
            return self._prefix, rows
        return self._replay.mixed(self._prefix, rows, self._share)

    def tuned(self, settings):
        """The model trained on all training rows for the best number of epochs, and notes."""
        if not self.ground.folds:
            tuned, notes = self.train(settings, self.ground.train, self.ground.kept)
            if notes["validation_score"] is None and self.ground.validation:
                answers = self._answers(self.ground, "validation, the best epoch")
                score = quality(answers, self.ground.validation, self.ground.task)
                notes["validation_score"] = score
            return tuned, notes
        epochs, written = self._over_parts("epochs", replace(settings, patience=0), writes=True)
        best = max(epochs, key=rank)  # of equals the first
        count = epochs.index(best) + 1
        prefix, rows = self._with_replay(self._rows(self.ground.train))
        tuned, notes = train(
            self._model, prefix, rows, settings, self.seed, None, self.ground.kept,
            stop_after=count,
        )  # fmt: skip
        score = best["validation_score"] if written is None else written
        return tuned, notes | {"validation_score": score, "epochs_over_folds": epochs}

    def tried(self, settings, count: int) -> dict:
        """What an epoch of the first so many rows reaches on the rows that judge."""
        [epoch], _ = self._over_parts(f"{settings.learning_rate:g}-{count}", settings, count)
        return epoch

    def _over_parts(
        self, name: str, settings, count: int | None = None, writes: bool = False
    ) -> tuple[list[dict], float | None]:
        """Of each epoch, how well the rows that judge were answered by then, and its loss.

        Each part trains on its first `count` rows (all, if None) and answers those it holds out; a
        part that is finished is kept. Free texts are judged by their likelihood; where it `writes`,
        they are also written by each part's likeliest epoch, and their score is the second value.
        """
        found = [
            self.ground.kept.once(
                f"{name}-part-{i}", lambda part=part: self._of_part(part, settings, count, writes)
            )
            for i, part in enumerate(self.ground.parts())
        ]
        by_epoch = zip(*(part["epochs"] for part in found), strict=True)
        texts = {id_: text for part in found for id_, text in part["written"].items()}
        return [self._joined(epochs) for epochs in by_epoch], self._quality(texts)

    def _of_part(self, part: Ground, settings, count: int | None, writes: bool) -> dict:
        told: list[dict] = []

        def validate() -> tuple[None, float]:
            told.append(self._told(part))
            return None, told[-1]["log_likelihood"]

        prefix, rows = self._with_replay(self._rows(part.train[:count]))
        progress = f"trying learning rate {settings.learning_rate:g}"
        tuned, notes = train(
            self._model, prefix, rows, settings, self.seed, validate, None, progress
        )
        written = {}
        if writes and self._generates:
            written = _texts(self._answers(part, "validation, the best epoch"))
        tuned.remove()
        for one, epoch in zip(told, notes["epochs"], strict=True):
            one["loss"] = epoch["loss"]
        return {"epochs": told, "written": written}

    def _joined(self, epochs: Sequence[dict]) -> dict:
        """One epoch of all parts."""
        weight = sum(epoch["weight"] for epoch in epochs)
        total = sum(epoch["log_likelihood"] * epoch["weight"] for epoch in epochs)
        texts = {id_: text for epoch in epochs for id_, text in epoch["texts"].items()}
        return {
            "validation_score": self._quality(texts),
            "validation_log_likelihood": total / weight,
            "loss": sum(epoch["loss"] for epoch in epochs) / len(epochs),
        }

    def _quality(self, texts: dict[str, str]) -> float | None:
        return quality_of(texts, self.ground.judging, self.ground.task) if texts else None

    def of_shuffled(self, settings) -> list[Answer]:
        """What training on shuffled labels makes of the rows that judge."""
        found = []
        for part in self.ground.parts():
            rows = self._rows(with_shuffled_labels(part.train, self.seed))
            progress = "training on shuffled labels"
            tuned, _ = train(
                self._model, self._prefix, rows, settings, self.seed, None, None, progress
            )
            found += self._answers(part, "validation")
            tuned.remove()
        return found

    @property
    def _generates(self) -> bool:
        return self.ground.task.type == "generation"

    def _answers(self, part: Ground, progress: str) -> list[Answer]:
        return answers_of(self.answerer(), part.validation, progress=progress)

    def validate(self) -> tuple[float | None, float]:
        """Score and mean log-likelihood of the gold answers; free texts take too long to write."""
        told = self._told(self.ground)
        return self._quality(told["texts"]), told["log_likelihood"]

    def _told(self, part: Ground) -> dict:
        """The mean log-likelihood of a part's gold answers, its weight, and what labels were said."""
        if self._generates:
            rows = self._rows(part.validation)
            likelihood = mean_log_likelihood(self._model.lm, self._prefix, rows)
            tokens = sum(len(row.answer) for row in rows)
            return {"log_likelihood": likelihood, "weight": tokens, "texts": {}}
        answers = self._answers(part, "validation")
        likelihood = _gold_log_likelihood(answers, part)
        return {"log_likelihood": likelihood, "weight": len(answers), "texts": _texts(answers)}

    def of_some_rows(self) -> list[float]:
        """What the model, as it is now, makes of a few of the rows that judge, to its last bit."""
        examples = self.ground.judging[:_CANARY_ROWS]
        if self.ground.task.type == "generation":
            rows = self._rows(examples)
            return [mean_log_likelihood(self._model.lm, self._prefix, [row]) for row in rows]
        return [score for a in answers_of(self.answerer(), examples) for score in a.scores]

    def _rows(self, examples: Sequence[Example]) -> list[Row]:
        return [Row(self._renderer.row(e.text), self._renderer.answer(e.gold)) for e in examples]


def rank(epoch: dict) -> tuple[float, float]:
    """What makes one epoch or learning rate better than another: score, then likelihood."""
    return epoch["validation_score"] or 0.0, epoch["validation_log_likelihood"]


def _texts(answers: Sequence[Answer]) -> dict[str, str]:
    return {answer.example_id: answer.text for answer in answers}


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
    try:
        check_four_bit(device)
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
