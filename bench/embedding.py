"""Texts as vectors: the mean of a causal model's hidden states over a text's own tokens.

A sentence encoder would do better; a causal model's states are what every model folder has. Middle
layers often tell more than the last (Skean et al. 2025, Layer by Layer), so the depth can be set.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from bench.models import LoadedModel
from bench.prompts import Renderer
from scenarios.schema import Task

MOST_TOKENS = 4096
"""Padded tokens that are read at once."""


class Embedder:
    """`depth` 1 is the last layer, 0.5 the middle one. Its network can be trained (`pooled`)."""

    def __init__(self, model: LoadedModel, task: Task, depth: float):
        self.lm = model.lm
        self.layer = max(1, round(depth * model.lm.config.num_hidden_layers))
        self._renderer = Renderer(model.tokenizer, task)

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """Shape (texts, width), float32."""
        rows = [self.tokens(text) for text in texts]
        found = np.zeros((len(rows), self.lm.config.hidden_size), dtype=np.float32)
        with torch.inference_mode():
            for batch in self._batches(rows):
                found[batch] = self.pooled([rows[i] for i in batch]).float().cpu().numpy()
        return found

    def tokens(self, text: str) -> list[int]:
        """A text's tokens, cut as the task says; one at least."""
        return self._renderer.text(text) or [self._renderer.ends[0]]

    def pooled(self, rows: Sequence[Sequence[int]]) -> torch.Tensor:
        """Means of the layer's states over each row's tokens, shape (rows, width)."""
        width = max(map(len, rows))
        ids = torch.zeros(len(rows), width, dtype=torch.long)
        mask = torch.zeros_like(ids)
        for i, row in enumerate(rows):  # padded on the right, where a causal model never looks
            ids[i, : len(row)] = torch.tensor(row)
            mask[i, : len(row)] = 1
        ids, mask = ids.to(self.lm.device), mask.to(self.lm.device)
        decoder = self.lm.get_decoder()
        states = decoder(
            input_ids=ids, attention_mask=mask, use_cache=False, output_hidden_states=True
        ).hidden_states[self.layer]
        weights = mask[..., None].to(states.dtype)
        return (states * weights).sum(1) / weights.sum(1)

    @staticmethod
    def _batches(rows: Sequence[Sequence[int]]):
        batch: list[int] = []
        for i in sorted(range(len(rows)), key=lambda i: len(rows[i])):
            if batch and (len(batch) + 1) * len(rows[i]) > MOST_TOKENS:
                yield batch
                batch = []
            batch.append(i)
        if batch:
            yield batch
