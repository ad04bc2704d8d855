"""General prompts and simple instructions, and what a base model answers to them.

They have nothing to do with any task. They show what a tuned model has forgotten
(`bench.checks.forgetting`), and a model's own answers may be mixed into its training
(`bench.contenders._replay`). The two sets of prompts are disjoint.
"""

from __future__ import annotations

import hashlib
import json
import random
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import resources
from itertools import product
from pathlib import Path

from bench.engine.models import LoadedModel
from bench.engine.prompts import Prompts, Renderer
from scenarios.cache import write_atomically
from scenarios.schema import Task

MOST_ANSWER_TOKENS = 40
"""In an answer to a general prompt or an instruction: each of them can be followed in fewer."""


@dataclass(frozen=True)
class Instruction:
    """What is asked, and the checks of `bench.checks.checking` that an answer must pass."""

    ask: str
    checks: tuple[Mapping, ...]


@cache
def instructions() -> tuple[Instruction, ...]:
    """All instructions, in the order of their file."""
    found = _read("instructions.toml")["instructions"]
    return tuple(Instruction(one["ask"], tuple(one["checks"])) for one in found)


@cache
def measured_prompts() -> tuple[str, ...]:
    """The prompts whose answers are used to measure divergence."""
    return tuple(_read("general_prompts.toml")["measured"])


def replay_prompts(count: int, seed: int) -> list[str]:
    """`count` prompts for replay in random order; they repeat where more are needed."""
    found = _read("general_prompts.toml")["replay"]
    prompts = [f.format(topic=t) for f, t in product(found["forms"], found["topics"])]
    random.Random(seed).shuffle(prompts)
    return [prompts[i % len(prompts)] for i in range(count)]


def _read(name: str) -> dict:
    return tomllib.loads((resources.files("bench.checks") / name).read_text(encoding="utf-8"))


TASK = Task.model_construct(
    type="generation",
    instruction="",
    instructions=(),
    labels=(),
    most_text_tokens=128,
    most_answer_tokens=MOST_ANSWER_TOKENS,
)
"""A prompt as is, with no instruction above it."""


class Asked:
    """A model in its current state, to be given general prompts."""

    def __init__(self, model: LoadedModel):
        self._model = model
        self._renderer = Renderer(model.tokenizer, TASK)

    @cached_property
    def prefix(self) -> list[int]:
        """Tokens before a prompt's own."""
        return self._renderer.prefix()

    def row(self, prompt: str) -> list[int]:
        """A prompt's own tokens, and the template's up to the answer."""
        return self._renderer.row(prompt)

    def written(self, prompts: Sequence[str]) -> list[list[int]]:
        """The tokens of its greedy answers, each including the one that ended it."""
        from bench.engine.generating import TextAnswerer

        answerer = TextAnswerer(self._model, TASK, Prompts(self._renderer))
        return answerer.tokens([self.row(prompt) for prompt in prompts])

    def text(self, tokens: Sequence[int]) -> str:
        """An answer's tokens as text."""
        return self._renderer.written(tokens)


def written_by_base(
    model: LoadedModel, prompts: Sequence[str], folder: Path | None
) -> list[list[int]]:
    """What an untuned model answers; kept in `folder`, if given, for the run's other trials."""
    file = folder / f"base-{_key(model)}.json" if folder else None
    known = _kept(file)
    missing = [prompt for prompt in dict.fromkeys(prompts) if prompt not in known]
    if missing:
        known |= dict(zip(missing, Asked(model).written(missing), strict=True))
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(file, json.dumps(known, ensure_ascii=False))
    return [known[prompt] for prompt in prompts]


def _key(model: LoadedModel) -> str:
    """What distinguishes one base from another within a run: the model, and its weights' format."""
    four_bit = bool(getattr(model.lm, "is_loaded_in_4bit", False))
    parts = model.name, model.device.kind, model.device.dtype, four_bit, MOST_ANSWER_TOKENS
    return hashlib.sha256("|".join(map(str, parts)).encode()).hexdigest()[:16]


def _kept(file: Path | None) -> dict[str, list[int]]:
    """The answers in a file; none if it is missing or damaged."""
    try:
        return json.loads(file.read_text(encoding="utf-8")) if file else {}
    except (OSError, ValueError):
        return {}
