"""Texts as vectors: the mean of a causal model's hidden states over a text's own tokens.

A sentence encoder would do better; a causal model's states are what every model folder has. Middle
layers are often more informative than the last (Skean et al. 2025, Layer by Layer), so the depth can
be set.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from bench.engine.prompts import Renderer
from scenarios.schema import Task

if TYPE_CHECKING:
    from bench.engine.models import LoadedModel

MOST_TOKENS = 1024
"""Padded tokens in a batch, at most."""


class Embedder:
    """`depths` are relative layers: 1 is the last, 0.5 the middle one; one pass reads all of them.

    The network can be trained through `pooled`.
    """

    def __init__(self, model: LoadedModel, task: Task, depths: Sequence[float]):
        self.lm = model.lm
        layers = model.lm.config.num_hidden_layers
        self.layers = [max(1, round(depth * layers)) for depth in depths]
        self._renderer = Renderer(model.tokenizer, task)

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """Shape (depths, texts, hidden), float32."""
        rows = [self.tokens(text) for text in texts]
        shape = (len(self.layers), len(rows), self.lm.config.hidden_size)
        found = np.zeros(shape, dtype=np.float32)
        with torch.inference_mode():
            for batch in self._batches(rows):
                found[:, batch] = self.pooled([rows[i] for i in batch]).float().cpu().numpy()
        return found

    def tokens(self, text: str) -> list[int]:
        """A text's tokens, truncated as the task says; at least one."""
        return self._renderer.text(text) or [self._renderer.ends[0]]

    def pooled(self, rows: Sequence[Sequence[int]]) -> torch.Tensor:
        """Means of the layers' states over each row's tokens, shape (depths, rows, hidden)."""
        width = max(map(len, rows))
        ids = torch.zeros(len(rows), width, dtype=torch.long)
        mask = torch.zeros_like(ids)
        for i, row in enumerate(rows):  # padded on the right, which a causal model never attends to
            ids[i, : len(row)] = torch.tensor(row)
            mask[i, : len(row)] = 1
        ids, mask = ids.to(self.lm.device), mask.to(self.lm.device)
        decoder = self.lm.get_decoder()
        states = decoder(
            input_ids=ids, attention_mask=mask, use_cache=False, output_hidden_states=True
        ).hidden_states
        weights = mask[..., None].to(states[-1].dtype)
        means = [(states[layer] * weights).sum(1) / weights.sum(1) for layer in self.layers]
        return torch.stack(means)

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
