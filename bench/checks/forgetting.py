"""What a tuned model has forgotten: its divergence from its base, and the instructions it lost.

Divergence is KL(base || tuned) per token, in nats, at each token of the base's own greedy answers to
general prompts. The expectation is under the base, so it grows where the tuned model no longer gives
weight to what the base would say, which is what forgetting means; new things that it says count less.
It is exact over the vocabulary. The instructions are simple ones that a program checks.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from bench.checks.checking import followed
from bench.core.meter import Meter
from bench.statistics import intervals as statistics
from bench.statistics.intervals import Estimate
from scenarios.cache import write_atomically

MOST_EXAMPLES = 8
MOST_CHARACTERS = 300
"""Of an answer shown as an example; the run's folder has the whole answers."""


@dataclass(frozen=True)
class Pair:
    """A base and the model tuned from it. Where one model is both, `as_base` turns it into the base."""

    base: object
    tuned: object
    as_base: object = nullcontext

    def off(self) -> AbstractContextManager:
        """A context in which `base` is the base."""
        return self.as_base()


def measure(base, adapter: Path, shared: Path, slug: str) -> dict:
    """Prompt a tuned model and its base, save all answers in `shared`, and return the trial's figures.

    `base` is the untuned model as loaded, `adapter` the folder of what was trained: an adapter, which
    is attached here, or a whole model.
    """
    from bench.checks.general import instructions, measured_prompts, written_by_base

    with Meter() as meter:
        asks = [instruction.ask for instruction in instructions()]
        prompts = measured_prompts()
        answers = written_by_base(base, [*prompts, *asks], shared)
        pair = _pair(base, adapter)
        sums = divergences(pair, prompts, answers[: len(prompts)])
        rows = list(_instructions(pair, answers[len(prompts) :]))
    shared.mkdir(parents=True, exist_ok=True)
    answers_of_both = {"divergence": sums, "instructions": rows}
    text = json.dumps(answers_of_both, ensure_ascii=False, indent=1)
    write_atomically(shared / f"{slug}.json", text)
    return {
        "status": "done",
        "usage": asdict(meter.usage),
        "divergence": sums,
        "base_followed": [row["base_followed"] for row in rows],
        "tuned_followed": [row["tuned_followed"] for row in rows],
        "lost": [
            {"ask": row["ask"], "base": _short(row["base"]), "tuned": _short(row["tuned"])}
            for row in rows
            if row["base_followed"] and not row["tuned_followed"]
        ][:MOST_EXAMPLES],
    }


def _pair(base, folder: Path) -> Pair:
    """Both models; if an adapter was trained, one copy of the weights serves both."""
    from bench.engine import adapters

    if not adapters.is_adapter(folder):
        return Pair(base, base.tuned_in(folder))
    return Pair(base, base, adapters.attached(base, folder).off)


def divergences(pair: Pair, prompts: Sequence[str], answers: Sequence[Sequence[int]]) -> list[dict]:
    """For each prompt, the sum of KL(base || tuned) over the tokens of the base's answer, and their number."""
    from bench.checks.general import Asked

    asked = Asked(pair.base)
    found = []
    for prompt, answer in zip(prompts, answers, strict=True):
        before = asked.prefix + asked.row(prompt)
        tuned = _logits(pair.tuned.lm, before, answer)
        with pair.off():
            base = _logits(pair.base.lm, before, answer)
        total = float(divergence(base, tuned).sum())
        found.append({"prompt": prompt, "nats": total, "tokens": len(answer)})
    return found


def _logits(lm, before: Sequence[int], answer: Sequence[int]):
    """Logits at each of an answer's tokens, shape (tokens, vocabulary)."""
    import torch

    ids = torch.tensor([[*before, *answer[:-1]]], device=lm.device)
    with torch.inference_mode():
        return lm(input_ids=ids, use_cache=False, logits_to_keep=len(answer)).logits[0]


def divergence(base, tuned):
    """KL(base || tuned) in nats at each position, from logits of shape (positions, vocabulary).

    sum over v of p(v) (log p(v) - log q(v)), in float32 (Kullback & Leibler 1951).
    """
    import torch

    log_p, log_q = (torch.log_softmax(logits.float(), dim=-1) for logits in (base, tuned))
    p = log_p.exp()
    terms = torch.where(p > 0, p * (log_p - log_q), torch.zeros_like(p))
    return terms.sum(dim=-1).clamp(min=0)


def _instructions(pair: Pair, answers: Sequence[Sequence[int]]) -> Iterator[dict]:
    """Each instruction with both answers, and whether each follows it."""
    from bench.checks.general import Asked, instructions

    asked = Asked(pair.tuned)
    said = asked.written([instruction.ask for instruction in instructions()])
    for instruction, base, tuned in zip(instructions(), answers, said, strict=True):
        texts = asked.text(base), asked.text(tuned)
        kept = [followed(text, instruction.checks) for text in texts]
        yield {
            "ask": instruction.ask,
            "base": texts[0],
            "tuned": texts[1],
            "base_followed": kept[0],
            "tuned_followed": kept[1],
        }


def _short(text: str) -> str:
    return text if len(text) <= MOST_CHARACTERS else f"{text[: MOST_CHARACTERS - 3]}..."


def summary(found: Sequence[dict], seed: int) -> dict | None:
    """A contender's forgetting over its trials: each prompt and each instruction counts once.

    None where no trial was measured. Divergence is the ratio of sums with a bootstrap interval over
    prompts; losses are paired by instruction.
    """
    done = [one for one in found if one.get("status") == "done"]
    if not done:
        reasons = [one["reason"] for one in found if "reason" in one]
        return {"status": "skipped", "reason": reasons[0]} if reasons else None
    base = np.mean([one["base_followed"] for one in done], axis=0)
    tuned = np.mean([one["tuned_followed"] for one in done], axis=0)
    each = np.arange(len(base))
    difference = statistics.paired_difference(base, tuned, each)
    p_value, test = statistics.paired_p_value(base, tuned, each, seed)
    known = base > 0
    return {
        "status": "done",
        "trials": len(done),
        "kl_per_token": asdict(_per_token(done, seed)),
        "prompts": len(done[0]["divergence"]),
        "tokens": sum(row["tokens"] for row in done[0]["divergence"]),
        "instructions": len(base),
        "base_followed": float(base.sum()),
        "tuned_followed": float(tuned.sum()),
        "lost": float(np.maximum(base - tuned, 0).sum()),
        "gained": float(np.maximum(tuned - base, 0).sum()),
        "lost_share": _lost_share(base[known], tuned[known]),
        "difference": asdict(difference),
        "p_value": p_value,
        "test": test,
        "beyond_noise": bool(p_value < 1 - statistics.LEVEL and difference.value < 0),
        "examples": done[0]["lost"],
        "seconds": float(np.mean([one["usage"]["seconds"] for one in done])),
    }


def _per_token(done: Sequence[dict], seed: int) -> Estimate:
    """Mean over tokens, resampling prompts."""
    sums = _sums(done)
    return statistics.resampled(sums, lambda s: s[..., 0] / s[..., 1], np.arange(len(sums)), seed)


def _sums(done: Sequence[dict]) -> np.ndarray:
    """Nats and tokens of each prompt summed over all trials, shape (prompts, 2)."""
    each = [[[row["nats"], row["tokens"]] for row in one["divergence"]] for one in done]
    return np.array(each).sum(axis=0)


def _lost_share(base: np.ndarray, tuned: np.ndarray) -> dict | None:
    """The share of the instructions that the base follows and the tuned model doesn't."""
    if not len(base):
        return None
    lost = np.clip(1 - tuned / base, 0, 1)
    return asdict(statistics.share(lost, np.arange(len(lost))))


def compared(one: Sequence[dict], other: Sequence[dict], seed: int) -> dict | None:
    """How much more or less another contender forgot than one did, from the trials of both.

    A negative divergence and a positive share of instructions mean that the other kept more. Paired:
    the same prompts by bootstrap, the same instructions as shares followed. None where one of the two
    wasn't measured.
    """
    both = [[t for t in trials if t.get("status") == "done"] for trials in (one, other)]
    if not all(both):
        return None
    sums = np.stack([_sums(done) for done in both], axis=1)
    each = np.arange(len(sums))

    def difference(s: np.ndarray) -> np.ndarray:
        rates = s[..., 0] / s[..., 1]
        return rates[..., 1] - rates[..., 0]

    kept = [np.mean([t["tuned_followed"] for t in done], axis=0) for done in both]
    rows = np.arange(len(kept[0]))
    p_value, test = statistics.paired_p_value(*kept, rows, seed)
    return {
        "kl_per_token": asdict(statistics.resampled(sums, difference, each, seed)),
        "followed": asdict(statistics.paired_difference(*kept, rows)),
        "p_value": p_value,
        "test": test,
    }


def sentence(name: str, found: dict | None) -> str | None:
    """What a verdict says where more was lost than chance explains; otherwise None."""
    if not found or found["status"] != "done" or not found["beyond_noise"]:
        return None
    p = "< 0.001" if found["p_value"] < 0.001 else f"= {found['p_value']:.3f}"
    return (
        f"But {name} has forgotten: of {found['base_followed']:g} simple instructions that the base "
        f"follows, it no longer follows {found['lost']:g}; it newly follows {found['gained']:g} "
        f"(p {p})."
    )


@contextmanager
def recorded_as_skipped(found: dict) -> Iterator[None]:
    """Puts a reason in place of figures where measuring fails, since the trial itself has succeeded."""
    from bench.core.errors import TrialFailed, TrialSkipped
    from scenarios.errors import UserError

    try:
        yield
    except (TrialFailed, TrialSkipped, UserError, ImportError, MemoryError) as error:
        found |= {"status": "skipped", "reason": str(error) or "out of memory"}
    except RuntimeError as error:
        if "out of memory" not in str(error) and "can't allocate memory" not in str(error):
            raise
        found |= {"status": "skipped", "reason": str(error).splitlines()[0]}
