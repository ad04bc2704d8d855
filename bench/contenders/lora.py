"""Fine-tuning by low-rank adapters (Hu et al. 2022, LoRA), the weights in 16 bit or more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from bench.contender import Answer, Ground, accuracy, answers_of
from scenarios.rows import Example

if TYPE_CHECKING:
    from bench.models import LoadedModel

Whole = Annotated[int, Field(gt=0)]


@dataclass(frozen=True)
class Contender:
    """See `bench.training.LoraSettings`. `serve` is `merged` into the base, or `attached`."""

    rank: Whole = 16
    alpha: Whole = 32
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.05
    targets: str = "attention"
    learning_rate: Annotated[float, Field(gt=0)] = 2e-4
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
        from bench.answering import LabelAnswerer
        from bench.prompts import Renderer
        from bench.training import LoraSettings, Row, train_lora

        model = self._load(ground)
        renderer = Renderer(model.tokenizer, ground.task)
        rows = [Row(renderer.row(e.text), renderer.answer(e.gold)) for e in ground.train]

        def validate() -> tuple[float, float]:
            answerer = LabelAnswerer(model, ground.task)
            answers = answers_of(answerer, ground.validation, progress="validation")
            return accuracy(answers, ground.validation), _gold_log_likelihood(answers, ground)

        names = LoraSettings.__dataclass_fields__
        settings = LoraSettings(**{name: getattr(self, name) for name in names})
        peft_model, notes = train_lora(
            model, renderer.prefix(), rows, settings, seed, validate, ground.kept
        )
        peft_model.save_pretrained(ground.folder)
        adapter = ground.folder / "adapter_model.safetensors"
        notes |= {"adapter_bytes": adapter.stat().st_size, "served": self.serve}
        return LabelAnswerer(model, ground.task, notes=notes)

    def restore(self, ground: Ground, notes: dict):
        """The tuned model from its adapter on disk, merged or attached, in a fresh process.

        A process that has trained answers more slowly than a fresh one, and holds several times
        the memory.
        """
        import peft

        from bench.answering import LabelAnswerer
        from bench.training import without_renaming_notices

        model = self._load(ground)
        with without_renaming_notices():
            peft_model = peft.PeftModel.from_pretrained(model.lm, ground.folder).eval()
        if self.serve == "merged":
            peft_model.merge_and_unload()
        return LabelAnswerer(model, ground.task, notes=notes)

    def _load(self, ground: Ground) -> LoadedModel:
        """The base model that the adapters go on."""
        return ground.model()


def _gold_log_likelihood(answers: list[Answer], ground: Ground) -> float:
    """Mean log-likelihood of the gold labels on the validation rows."""
    gold: dict[str, Example] = {example.id: example for example in ground.validation}
    places = {label: i for i, label in enumerate(ground.task.labels)}
    values = [answer.scores[places[gold[answer.example_id].gold]] for answer in answers]
    return sum(values) / len(values)
