"""How to tune, if that is the advice: each setting with its reason and its source."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from advisor.evidence.records import size_in_name
from scenarios.schema import Profile

LORA = "Hu et al. 2021 (LoRA), arXiv:2106.09685"
REGRET = "Schulman et al. 2025, LoRA without regret (thinkingmachines.ai/blog/lora)"
QLORA = "Dettmers et al. 2023 (QLoRA), arXiv:2305.14314"
BIDERMAN = "Biderman et al. 2024 (LoRA learns less and forgets less), arXiv:2405.09673"
LIMA = "Zhou et al. 2023 (LIMA), arXiv:2305.11206"
ENOUGH_LABELS, ENOUGH_PER_CLASS = 500, 50
LEAST_TEST_ROWS = 100
BASE = "base_billion_parameters"
USUAL_BASE_BILLIONS = 8.0
_SIMPLE, _HARD = ("classification", "extraction"), ("code", "reasoning", "tool-use")


@dataclass(frozen=True)
class Setting:
    """One setting, the reason for it, and the source."""

    setting: str
    value: object
    because: str
    source: str


def recipe(profile: Profile, method: str) -> Iterator[Setting]:
    """Settings for `lora`, `qlora` or `full`, in the order in which they are chosen."""
    rows = profile.labelled_examples or 0
    yield _base(profile)
    yield Setting("method", method, "the choice above", "the votes")
    if method != "full":
        rank, why = _rank(profile, rows)
        yield Setting("rank", rank, why, BIDERMAN if rank > 16 else LORA)
        yield Setting("alpha", 2 * rank, "twice the rank, the best of the values tried", BIDERMAN)
        yield Setting("targets", "all-linear", "adapting every linear layer beats a higher rank on "
                     "attention alone", f"{QLORA}; {REGRET}")  # fmt: skip
        yield Setting("learning_rate", 2e-4, "about ten times the rate for full tuning", REGRET)
    else:
        yield Setting("learning_rate", 2e-5, "a tenth of the rate for adapters", REGRET)
    epochs = 5 if rows < 500 else 3 if rows < 5000 else 2 if rows < 50_000 else 1
    yield Setting("epochs", epochs, f"about {max(1, rows * epochs // 16):,} updates on {rows:,} rows; the "
                 "epoch with the best validation score is kept", LIMA)  # fmt: skip
    yield Setting(
        "batch", 16, "small batches suit adapters; accumulate gradients if memory is short", REGRET
    )
    yield Setting("warm_up_share", 0.05, "a share of the updates: a fixed 100 steps could outlast a "
                 "small training run", "arithmetic: 500 rows, batch 16 and 3 epochs are 94 updates")  # fmt: skip
    yield _more_labels(profile, rows)
    yield _set_aside(rows)


def _base(profile: Profile) -> Setting:
    if named := size_in_name(profile.own_model):
        return Setting(
            BASE, named, f"the model named in the profile, {profile.own_model}", "the profile"
        )
    largest = profile.largest_own_model_billion_parameters
    hard = profile.task_type in _HARD or profile.task_type in ("knowledge", "generation", "style")
    wanted = USUAL_BASE_BILLIONS if hard else 3.0
    fast = profile.latency_target_p95_ms is not None and profile.latency_target_p95_ms <= 200
    if fast:
        wanted = min(wanted, 1.0 if profile.task_type in _SIMPLE else 3.0)
    size = min(wanted, largest) if largest else wanted
    why = (
        "fast enough"
        if fast
        else "large enough for the task"
        if size == wanted
        else "the largest available"
    )
    return Setting(BASE, size, f"{why}; also try the next size down, it may suffice",
                  "Zhao et al. 2024 (LoRA Land), arXiv:2405.00732: 2 to 8B models, tuned, beat GPT-4 on "
                  "most tasks")  # fmt: skip


def _rank(profile: Profile, rows: int) -> tuple[int, str]:
    if profile.task_type in _HARD and rows >= 10_000:
        return (
            256,
            "much to learn from many rows: on code, rank 16 reached 72% of full tuning, rank 256 all",
        )
    if profile.task_type in _HARD:
        return 64, "code and reasoning need more capacity than labels do"
    if profile.task_type == "classification":
        return 8, "ranks of 1 to 8 are enough for simple tasks"
    return 16, "enough for most tasks; try others with `bench run --set lora.rank=...`"


def _more_labels(profile: Profile, rows: int) -> Setting:
    wanted = ENOUGH_LABELS
    if profile.task_type == "classification" and profile.classes:
        wanted = max(wanted, ENOUGH_PER_CLASS * profile.classes)
    source = "Bertsch et al. 2024, arXiv:2405.00200; Loukas et al. 2023, arXiv:2311.06102"
    missing = max(0, wanted - rows)
    why = f"{wanted:,} are recommended and {rows:,} are available" if missing else (
        f"{rows:,} are enough to start; improve them before adding more")  # fmt: skip
    return Setting("more_labels", missing, why, source)


def _set_aside(rows: int) -> Setting:
    share = min(0.3, max(0.1, LEAST_TEST_ROWS / rows)) if rows else 0.2
    return Setting("share_set_aside", round(share, 2), f"{round(share * rows):,} rows, held out; with fewer than "
                  f"{LEAST_TEST_ROWS} a difference of 10 points can't be detected",
                  "Card et al. 2020, arXiv:2010.06595")  # fmt: skip
