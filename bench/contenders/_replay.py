"""Replay against forgetting: the base's own answers to general prompts among the training rows.

As in pseudo-rehearsal (Robins 1995, Connection Science 7:123), what is rehearsed isn't old data but
what the model itself says. None of the prompts is one by which forgetting is measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bench.checks import general
from bench.engine.models import LoadedModel
from bench.engine.training import Row


class Replay:
    """A base's rows for replay, generated before the model is tuned; at most `most` of them."""

    def __init__(self, model: LoadedModel, most: int, seed: int, folder: Path | None):
        asked = general.Asked(model)
        prompts = general.replay_prompts(most, seed)
        answers = general.written_by_base(model, prompts, folder)
        self._prefix = asked.prefix
        self._rows = [Row(asked.row(p), a) for p, a in zip(prompts, answers, strict=True)]

    def mixed(
        self, prefix: list[int], rows: Sequence[Row], share: float
    ) -> tuple[list[int], list[Row]]:
        """A task's rows with `round(share x rows)` of the base's, and the prefix that all share.

        The task's instruction moves into its own rows, since the base's rows have no instruction.
        """
        own = self._rows[: round(share * len(rows))]
        if not own:
            return prefix, list(rows)
        same = _common_length(prefix, self._prefix)
        task = [Row(prefix[same:] + row.tokens, row.answer) for row in rows]
        return prefix[:same], task + [Row(self._prefix[same:] + r.tokens, r.answer) for r in own]


def _common_length(one: Sequence[int], other: Sequence[int]) -> int:
    """The number of tokens that two lists have in common at their beginning."""
    pairs = zip(one, other, strict=False)
    return next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))
