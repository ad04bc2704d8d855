"""Free-text answers by a language model: greedy and batched, with the library's own generation."""

from __future__ import annotations

import copy
import time
from collections.abc import Container, Iterator, Sequence
from typing import TYPE_CHECKING

import torch

from bench.core.contender import Answer
from bench.engine.prompts import Prompts, check_context
from bench.engine.shared_prefix import shares_prefix
from scenarios.rows import Example
from scenarios.schema import Task

if TYPE_CHECKING:
    from bench.engine.models import LoadedModel

MOST_ROWS = {"cpu": 16, "mps": 16, "cuda": 64}
"""Rows in a batch: with more of them, more wait for the longest."""

MOST_TOKENS = 16_384
"""Tokens of all prompts and answers in a batch, which bounds the memory of its key-value cache."""


class TextAnswerer:
    """Answers with what the model writes after a prompt.

    It takes the likeliest token each time, until the end of the turn or `most_answer_tokens`. The
    prefix that all rows share is computed once; padding goes between the prefix and the row.
    """

    def __init__(
        self,
        model: LoadedModel,
        task: Task,
        prompts: Prompts,
        notes: dict | None = None,
    ):
        self.notes = notes or {}
        self.prompts = prompts
        self._lm = model.lm
        self._most = task.most_answer_tokens
        self._renderer = prompts.renderer
        self._prefix = prompts.start
        check_context(model, task, prompts, self._most)
        self._shared = None

    def answer(
        self, examples: Sequence[Example], done: Container[str] = ()
    ) -> Iterator[list[Answer]]:
        """Answers in batches, shortest texts first."""
        rows = self.prompts.rows(examples, self.notes)
        for batch in self._batches(rows):
            if not all(examples[i].id in done for i in batch):
                yield self._answers([examples[i] for i in batch], [rows[i] for i in batch])

    def tokens(self, rows: Sequence[Sequence[int]]) -> list[list[int]]:
        """The tokens written after each row of tokens, in the rows' order."""
        found: dict[int, list[int]] = {}
        for batch in self._batches(rows):
            found |= zip(batch, self._generate([rows[i] for i in batch], None), strict=True)
        return [found[i] for i in range(len(rows))]

    def _batches(self, rows: Sequence[Sequence[int]]) -> Iterator[list[int]]:
        batch: list[int] = []
        for i in sorted(range(len(rows)), key=lambda i: len(rows[i])):
            longest = len(self._prefix) + len(rows[i]) + self._most
            full = len(batch) == MOST_ROWS[self._lm.device.type]
            if batch and (full or (len(batch) + 1) * longest > MOST_TOKENS):
                yield batch
                batch = []
            batch.append(i)
        if batch:
            yield batch

    def _answers(self, examples: list[Example], rows: list[Sequence[int]]) -> list[Answer]:
        watch = _FirstToken()
        written = self._generate(rows, watch if len(rows) == 1 else None)
        seconds = (time.perf_counter() - watch.start) / len(rows)
        return [
            Answer(
                example_id=example.id,
                text=self._renderer.written(tokens),
                tokens_in=len(self._prefix) + len(row),
                tokens_out=len(tokens),
                seconds=seconds,
                first_token_seconds=watch.seconds,
            )
            for example, row, tokens in zip(examples, rows, written, strict=True)
        ]

    def _generate(self, rows: list[Sequence[int]], streamer) -> list[list[int]]:
        """The tokens written after each row, including the one that ended them."""
        ends = self._renderer.ends
        width = max(map(len, rows))
        # (rows, prefix + width), the rows padded on the left
        ids = torch.full((len(rows), len(self._prefix) + width), ends[0])
        ids[:, : len(self._prefix)] = torch.tensor(self._prefix)
        mask = torch.ones_like(ids)
        for i, row in enumerate(rows):
            ids[i, ids.shape[1] - len(row) :] = torch.tensor(row)
            mask[i, len(self._prefix) : ids.shape[1] - len(row)] = 0
        with torch.inference_mode():
            written = self._lm.generate(
                input_ids=ids.to(self._lm.device),
                attention_mask=mask.to(self._lm.device),
                past_key_values=self._prefix_cache(len(rows)),
                do_sample=False,
                num_beams=1,
                max_new_tokens=self._most,
                eos_token_id=ends,
                pad_token_id=ends[0],
                streamer=streamer,
            )
        return [_until(tokens, ends) for tokens in written[:, ids.shape[1] :].tolist()]

    def _prefix_cache(self, rows: int):
        """The prefix's keys and values, repeated for each row; None where they can't be shared."""
        if not shares_prefix(self._lm.config) or not self._prefix:
            return None
        if self._shared is None:
            from transformers import DynamicCache

            ids = torch.tensor([self._prefix], device=self._lm.device)
            self._shared = DynamicCache(config=self._lm.config)
            self._lm.get_decoder()(input_ids=ids, past_key_values=self._shared, use_cache=True)
        own = copy.deepcopy(self._shared)
        own.batch_repeat_interleave(rows)
        return own


def _until(tokens: list[int], ends: Sequence[int]) -> list[int]:
    """Tokens up to and including the first that ends an answer; what follows is padding."""
    last = next((i for i, token in enumerate(tokens) if token in ends), len(tokens) - 1)
    return tokens[: last + 1]


class _FirstToken:
    """Times the first token of a generation; the library passes each token on once it is on the CPU."""

    def __init__(self):
        self.start = time.perf_counter()
        self.seconds: float | None = None
        self._prompt_is_over = False

    def put(self, value) -> None:
        if self._prompt_is_over and self.seconds is None:
            self.seconds = time.perf_counter() - self.start
        self._prompt_is_over = True

    def end(self) -> None:
        pass
