"""Training with Accelerate, of adapters (PEFT) or of all weights: the loss is on the answer only, and
the best epoch is chosen on validation rows."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import torch

from bench.core.errors import TrialFailed
from bench.core.kept import Kept
from bench.core.meter import synchronise
from bench.core.progress import bar
from bench.engine import adapters
from bench.engine.adapters import Adapter, Whole
from bench.engine.lean import Lean
from bench.engine.shared_prefix import packed_hidden, shares_prefix

if TYPE_CHECKING:
    from bench.engine.models import LoadedModel

MOST_TOKENS = {"cpu": 512, "mps": 2048, "cuda": 8192}
"""Padded tokens that go through the model at a time: more would cost memory and gain no speed."""


@dataclass(frozen=True)
class TrainSettings:
    """How to train, whatever is trained; `tuned(model)` returns what is to be trained.

    One update sees `batch_size` x `accumulation_steps` rows, taken through the model in pieces
    that fit in memory. The learning rate warms up over the first `warmup_share` of the updates and
    then decays linearly to zero. Training stops early after `patience` epochs that were no better
    than the best (0: never).
    """

    learning_rate: float
    epochs: int
    batch_size: int
    accumulation_steps: int
    warmup_share: float
    patience: int

    @property
    def rows_an_update(self) -> int:
        """Rows whose mean gradient makes one update."""
        return self.batch_size * self.accumulation_steps


@dataclass(frozen=True)
class LoraSettings(TrainSettings):
    """`targets` is `attention` (q, k, v, o), `all-linear`, or module names with commas.

    `variant` is `lora` (Hu et al. 2022), `dora` (Liu et al. 2024, arXiv:2402.09353: the weights'
    magnitudes are learnt separately from their directions), or `rslora` (Kalajdzievski 2023,
    arXiv:2312.03732: scaled by alpha / sqrt(rank), so that higher ranks learn equally fast).
    """

    rank: int
    alpha: int
    dropout: float
    targets: str
    variant: str = "lora"

    def tuned(self, model: LoadedModel) -> Adapter:
        """The model with a fresh adapter."""
        return adapters.fresh(
            model,
            rank=self.rank,
            alpha=self.alpha,
            dropout=self.dropout,
            targets=self.targets,
            variant=self.variant,
        )


@dataclass(frozen=True)
class FullSettings(TrainSettings):
    """All weights are trained, in float32, since a bfloat16 weight's steps are too coarse to learn."""

    def tuned(self, model: LoadedModel) -> Whole:
        """The model with all of its weights trainable."""
        return Whole(model)


@dataclass(frozen=True)
class Row:
    """A training row's own tokens, which follow the prefix that all rows share, and its answer's."""

    tokens: list[int]
    answer: list[int]


def train(
    model: LoadedModel,
    prefix: list[int],
    rows: Sequence[Row],
    settings: TrainSettings,
    seed: int,
    validate: Callable[[], tuple[float | None, float]] | None,
    kept: Kept | None,
    progress: str = "training",
    stop_after: int | None = None,
) -> tuple[Adapter | Whole, dict]:
    """Train on rows of tokens; returns what was tuned at its best epoch, and notes.

    The loss is on the answers' tokens only.
    `validate` gives the score (or None) and the mean log-likelihood of the gold answers on the
    validation rows; the best epoch has the highest score, and of equals the highest likelihood.
    Without `validate` it is the last, which is `stop_after` of the schedule's epochs (all, if None).
    Each finished epoch is put into `kept`, and epochs already there aren't trained again.
    """
    torch.manual_seed(seed)
    tuned = settings.tuned(model)
    trainable = [p for p in tuned.network.parameters() if p.requires_grad]
    updates_an_epoch = math.ceil(len(rows) / settings.rows_an_update)
    state = _State.resumed(trainable, settings, kept)
    step = _Step(model, tuned.network, prefix, trainable, settings, state, updates_an_epoch)
    rng = random.Random(seed)
    for number in range(1, (stop_after or settings.epochs) + 1):
        updates = _updates(rows, settings.rows_an_update, rng)
        if number <= len(state.epochs):
            continue
        if _has_lost_patience(state.epochs, settings.patience):
            break
        start = time.perf_counter()
        tuned.network.train()
        name = progress and f"{progress}, epoch {number} of {settings.epochs}"
        with bar(name, len(rows), "row") as done:
            losses = [step(update, done) for update in updates]
        tuned.network.eval()
        synchronise()
        seconds = time.perf_counter() - start
        score, log_likelihood = validate() if validate else (None, None)
        epoch = {
            "epoch": number,
            "loss": sum(losses) / len(losses),
            "validation_score": score,
            "validation_log_likelihood": log_likelihood,
            "seconds": seconds,
        }
        state.finish(epoch, tuned, trainable, kept)
    trained = sum(p.numel() for p in trainable)
    total = sum(p.numel() for p in tuned.network.parameters())
    tuned.load(state.best)
    best = max(state.epochs, key=_rank_of_epoch)
    return tuned, {
        "settings": asdict(settings),
        "trainable_parameters": trained,
        "total_parameters": total,
        "trainable_share": trained / total,
        "updates": len(state.epochs) * updates_an_epoch,
        "trained_tokens": len(state.epochs) * sum(len(prefix) + _own_length(row) for row in rows),
        "epochs": state.epochs,
        "best_epoch": best["epoch"],
        "validation_score": best["validation_score"],
    }


def _has_lost_patience(epochs: list[dict], patience: int) -> bool:
    """Whether none of the last `patience` epochs was better than the best before them."""
    if not patience or len(epochs) <= patience:
        return False
    best = max(epochs, key=_rank_of_epoch)  # of equals the first
    return epochs[-1]["epoch"] - best["epoch"] >= patience


class _State:
    """What training needs to resume after an epoch: the optimizer's moments, and the best weights."""

    def __init__(self, optimizer: torch.optim.AdamW):
        self.optimizer = optimizer
        self.epochs: list[dict] = []
        self.best: dict[str, torch.Tensor] = {}

    @classmethod
    def resumed(cls, trainable, settings: TrainSettings, kept: Kept | None) -> _State:
        """The state after the last epoch that was kept, with the weights set to it."""
        state = cls(torch.optim.AdamW(trainable, lr=settings.learning_rate, weight_decay=0.0))
        if kept is None:
            return state
        state.epochs = kept.value("epochs") or []
        tensors = kept.tensors(f"epoch-{len(state.epochs)}")
        if not (state.epochs and tensors):
            state.epochs = []
            return state
        with torch.no_grad():
            for i, parameter in enumerate(trainable):
                parameter.copy_(tensors[f"{i}.weight"])
                state.optimizer.state[parameter] = {
                    key: tensors[f"{i}.{key}"].to(parameter.device if key != "step" else "cpu")
                    for key in ("step", "exp_avg", "exp_avg_sq")
                }
        torch.set_rng_state(tensors["rng"])
        if "cuda_rng" in tensors:
            torch.cuda.set_rng_state(tensors["cuda_rng"])
        state.best = {
            name.removeprefix("best."): value
            for name, value in tensors.items()
            if name.startswith("best.")
        }
        return state

    def finish(self, epoch: dict, tuned, trainable, kept: Kept | None) -> None:
        """Record an epoch, and put everything on disk."""
        self.epochs.append(epoch)
        if max(self.epochs, key=_rank_of_epoch) is epoch:
            self.best = tuned.state()
        if kept is None:
            return
        tensors = {f"best.{name}": value for name, value in self.best.items()}
        tensors["rng"] = torch.get_rng_state()
        if torch.cuda.is_available():
            tensors["cuda_rng"] = torch.cuda.get_rng_state()
        for i, parameter in enumerate(trainable):
            tensors[f"{i}.weight"] = parameter.detach()
            for key, value in self.optimizer.state[parameter].items():
                tensors[f"{i}.{key}"] = value
        kept.keep_tensors(f"epoch-{len(self.epochs)}", tensors)
        kept.keep("epochs", self.epochs)
        kept.drop_tensors(f"epoch-{len(self.epochs) - 1}")


class _Step:
    """One update: its rows go through the model in pieces; gradients clipped to norm 1; AdamW."""

    def __init__(self, model, network, prefix, trainable, settings, state, updates_an_epoch):
        from accelerate import Accelerator

        self._lm, self._prefix, self._trainable = model.lm, prefix, trainable
        self._accelerator = Accelerator(
            mixed_precision="bf16" if model.device.dtype == "bfloat16" else "no",
            cpu=model.device.kind == "cpu",
        )
        _, self._optimizer = self._accelerator.prepare(network, state.optimizer)
        total = settings.epochs * updates_an_epoch
        done = len(state.epochs) * updates_an_epoch
        self._schedule = _schedule(self._optimizer, total, done, settings)

    def __call__(self, rows: list[Row], done) -> float:
        """Train on the rows of an update; returns the mean loss over their answers' tokens."""
        total = 0.0
        tokens = sum(len(row.answer) for row in rows)
        for piece in _pieces(rows, self._prefix, self._lm):
            with self._accelerator.autocast():
                loss = answer_loss(self._lm, self._prefix, piece) / tokens
            if not torch.isfinite(loss):
                raise TrialFailed(f"the loss became {loss.item()}; a lower learning rate may help")
            self._accelerator.backward(loss)
            total += loss.item()
            done.update(len(piece))
        self._accelerator.clip_grad_norm_(self._trainable, 1.0)
        self._optimizer.step()
        self._schedule.step()
        self._optimizer.zero_grad()
        return total


def _rank_of_epoch(epoch: dict) -> tuple[float, float]:
    """Score, then likelihood; of epochs that weren't validated, the later ranks higher."""
    likelihood = epoch["validation_log_likelihood"]
    return epoch["validation_score"] or 0.0, epoch["epoch"] if likelihood is None else likelihood


def _schedule(optimizer, updates: int, done: int, settings: TrainSettings):
    """Warm-up and linear decay, positioned after `done` updates."""
    from transformers import get_linear_schedule_with_warmup

    for group in optimizer.param_groups:
        group["initial_lr"] = settings.learning_rate
    warmup = round(updates * settings.warmup_share)
    return get_linear_schedule_with_warmup(optimizer, warmup, updates, last_epoch=done - 1)


def _updates(rows, size: int, rng: random.Random) -> list[list]:
    """The rows in a random order, in updates of `size` rows of about equal lengths."""
    order = list(rows)
    rng.shuffle(order)
    updates = []
    for start in range(0, len(order), 8 * size):
        near = sorted(order[start : start + 8 * size], key=_own_length)
        updates += [near[i : i + size] for i in range(0, len(near), size)]
    rng.shuffle(updates)
    return updates


def _pieces(rows: list[Row], prefix: list[int], lm) -> list[list[Row]]:
    """An update's rows, shortest first, in pieces of bounded padded tokens (or one row)."""
    shared = shares_prefix(lm.config)
    once, each = (len(prefix), 0) if shared else (0, len(prefix))
    most = MOST_TOKENS[lm.device.type] - once
    pieces: list[list[Row]] = [[]]
    for row in sorted(rows, key=_own_length):
        if pieces[-1] and (len(pieces[-1]) + 1) * (_own_length(row) + each) > most:
            pieces.append([])
        pieces[-1].append(row)
    return pieces


def answer_loss(lm, prefix: list[int], rows: Sequence[Row]) -> torch.Tensor:
    """Sum of the cross-entropies of the answers' tokens; logits are computed for those only.

    Rows are padded on the right, which a causal model's real tokens never attend to.
    """
    inputs = [row.tokens + row.answer[:-1] for row in rows]
    at_row = torch.tensor([i for i, row in enumerate(rows) for _ in row.answer])
    at_token = torch.tensor(
        [len(row.tokens) - 1 + k for row in rows for k in range(len(row.answer))]
    )
    lean = Lean.of(lm)
    if lean:
        hidden = lean.packed(prefix, inputs, at_row * max(map(len, inputs)) + at_token)
    else:
        hidden = _hidden(lm, prefix, inputs)[at_row, at_token]
    logits = lm.get_output_embeddings()(hidden)
    targets = torch.tensor([token for row in rows for token in row.answer], device=logits.device)
    return torch.nn.functional.cross_entropy(logits.float(), targets, reduction="sum")


def _hidden(lm, prefix: list[int], rows: list[list[int]]) -> torch.Tensor:
    """The library's last hidden states of the rows' own tokens, shape (rows, longest row, hidden)."""
    if prefix and shares_prefix(lm.config):
        return packed_hidden(lm, prefix, rows)
    whole = torch.zeros(len(rows), len(prefix) + max(map(len, rows)), dtype=torch.long)
    for i, tokens in enumerate(rows):
        whole[i, : len(prefix) + len(tokens)] = torch.tensor(prefix + tokens)
    hidden = lm.get_decoder()(input_ids=whole.to(lm.device), use_cache=False).last_hidden_state
    return hidden[:, len(prefix) :]


def mean_log_likelihood(lm, prefix: list[int], rows: Sequence[Row]) -> float:
    """Mean log-likelihood of a token in the rows' answers, without gradients."""
    with torch.inference_mode():
        losses = [answer_loss(lm, prefix, piece).item() for piece in _pieces(rows, prefix, lm)]
    return -sum(losses) / sum(len(row.answer) for row in rows)


def _own_length(row: Row) -> int:
    return len(row.tokens) + len(row.answer)
