"""Where a trial's model runs, and its answers, each batch on disk before the next begins."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from bench.core.contender import Answer, Answerer
from bench.core.progress import bar
from scenarios.cache import write_atomically
from scenarios.rows import Example


class Machine:
    """Where the trial's model runs, how exactly it repeats itself there, and what it is."""

    def __init__(self):
        self.folder: Path | None = None  # of the model's files
        self._device: dict | None = None
        self._not_repeatable: set[str] = set()

    def load(self, contender, name: str | None):
        """The trial's model; None for a contender without one. Raises `Skipped`."""
        if name is None:
            return None
        from bench.engine import models

        with models.no_search_for_garbage():
            device = models.best_device()
            if hasattr(contender, "check"):
                contender.check(device)
            self._not_repeatable = models.repeat_exactly(device)
            self._device = asdict(device) | _torch_facts()
            self.folder = models.folder_of(name)
            return models.load(name, self.folder, device, getattr(contender, "four_bit", False))

    def facts(self) -> dict:
        """Device, and the operations that may give other last bits next time; None without a model."""
        if self._device is None:
            return {"device": None}
        return {"device": self._device | {"not_deterministic": sorted(self._not_repeatable)}}


def _torch_facts() -> dict:
    import torch

    gpu = torch.cuda.get_device_name(0) if torch.cuda.is_available() else None
    return {"gpu": gpu, "threads": torch.get_num_threads()}


def answer_all(
    answerer: Answerer, examples: Sequence[Example], folder: Path, trial: dict
) -> list[Answer]:
    """Every answer in the order of the rows; each batch is on disk before the next begins."""
    journal = folder / f"{trial['slug']}.jsonl.partial"
    found = _read_journal(journal)
    before = frozenset(found)
    with (
        open(journal, "a", encoding="utf-8", newline="\n") as out,
        bar(f"{trial['name']}, test rows", len(examples), "row") as shown,
    ):
        shown.update(len(before))
        for batch in answerer.answer(examples, done=before):
            found |= {answer.example_id: answer for answer in batch}
            out.write("\n" + "".join(_line(answer) for answer in batch))
            out.flush()
            os.fsync(out.fileno())
            shown.update(len(batch))
    answers = [found[example.id] for example in examples]
    write_atomically(folder / f"{trial['slug']}.jsonl", "".join(map(_line, answers)))
    return answers


def _line(answer: Answer) -> str:
    return json.dumps(asdict(answer), ensure_ascii=False) + "\n"


def _read_journal(journal: Path) -> dict[str, Answer]:
    """The answers of an earlier start by id; a line that was cut short counts as none."""
    found = {}
    if journal.exists():
        for line in journal.read_text(encoding="utf-8", errors="replace").split("\n"):
            try:
                answer = json.loads(line)
                found[answer["example_id"]] = Answer(**answer)
            except (json.JSONDecodeError, KeyError, TypeError):
                continue
    return found
