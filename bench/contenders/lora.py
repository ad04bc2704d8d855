"""Fine-tuning by low-rank adapters (Hu et al. 2022, LoRA), the weights in 16 bit or more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from bench.contender import Answer, Ground, answers_of, quality
from scenarios.cache import disk_errors_told
from scenarios.rows import Example

Whole = Annotated[int, Field(gt=0)]


@dataclass(frozen=True)
class Contender:
    """See `bench.training.LoraSettings`. `serve` is `merged` into the base, or `attached`."""

    rank: Whole = 16
    alpha: Whole = 32
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.05
    targets: Annotated[str, Field(min_length=1)] = "attention"
    learning_rate: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 2e-4
    epochs: Whole = 3
    batch_size: Whole = 4
    accumulation_steps: Whole = 4
    warmup_share: Annotated[float, Field(ge=0, le=1)] = 0.1
    serve: Literal["merged", "attached"] = "merged"
    family: ClassVar = "fine_tune"
    uses_model: ClassVar = True
    seeded: ClassVar = True
    quick: ClassVar = {
        "rank": 8,
        "alpha": 16,
        "dropout": 0.0,
        "targets": "all-linear",
        "learning_rate": 1e-3,
        "epochs": 3,
        "batch_size": 16,
        "accumulation_steps": 1,
    }

    def fit(self, ground: Ground, seed: int):
        """Train, keep the epoch that does best on the validation rows, save the adapter."""
        from bench.answering import answerer
        from bench.prompts import Renderer
        from bench.training import Row, mean_log_likelihood, train_lora

        model = ground.model()
        answerer(model, ground.task)  # a prompt that is too long is told before the training
        renderer = Renderer(model.tokenizer, ground.task)
        prefix = renderer.prefix()

        def rows_of(examples: Sequence[Example]) -> list[Row]:
            return [Row(renderer.row(e.text), renderer.answer(e.gold)) for e in examples]

        def score(progress: str) -> tuple[float, list[Answer]]:
            found = answerer(model, ground.task)
            answers = answers_of(found, ground.validation, progress=progress)
            return quality(answers, ground.validation, ground.task), answers

        def validate() -> tuple[float | None, float]:
            if ground.task.type == "generation":  # writing every answer takes too long
                return None, mean_log_likelihood(model.lm, prefix, rows_of(ground.validation))
            reached, answers = score("validation")
            return reached, _gold_log_likelihood(answers, ground)

        settings = self._settings()
        peft_model, notes = train_lora(
            model, prefix, rows_of(ground.train), settings, seed, validate, ground.kept
        )
        if notes["validation_score"] is None:
            notes["validation_score"] = score("validation, the best epoch")[0]
        with disk_errors_told():
            peft_model.save_pretrained(ground.folder, save_embedding_layers=False)
        adapter = ground.folder / "adapter_model.safetensors"
        notes |= {"adapter_bytes": adapter.stat().st_size, "served": self.serve}
        return answerer(model, ground.task, notes=notes)

    def restore(self, ground: Ground, notes: dict):
        """The tuned model from its adapter on disk, merged or attached, in a fresh process.

        A process that has trained answers more slowly than a fresh one, and holds several times
        the memory.
        """
        import peft

        from bench.answering import answerer
        from bench.training import without_renaming_notices

        model = ground.model()
        with without_renaming_notices():
            peft_model = peft.PeftModel.from_pretrained(model.lm, ground.folder).eval()
        if self.serve == "merged":
            peft_model.merge_and_unload()
        return answerer(model, ground.task, notes=notes)

    def forecast(self, work) -> float:
        """Seconds of a trial: training here, serving in a fresh process."""
        last = work.answers("validation") if work.free_texts else 0.0
        return work.trains(self._settings()) + last + work.restarts() + work.serves()

    def _settings(self):
        from bench.training import LoraSettings

        names = LoraSettings.__dataclass_fields__
        return LoraSettings(**{name: getattr(self, name) for name in names})


def _gold_log_likelihood(answers: list[Answer], ground: Ground) -> float:
    """Mean log-likelihood of the gold labels on the validation rows."""
    gold: dict[str, Example] = {example.id: example for example in ground.validation}
    places = {label: i for i, label in enumerate(ground.task.labels)}
    values = [answer.scores[places[gold[answer.example_id].gold]] for answer in answers]
    return sum(values) / len(values)
