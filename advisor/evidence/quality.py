"""How likely a small tuned model is to beat the prompted one in quality, before any experiment.

A logistic model: each trait of a profile times its weight. The weights started as judgements from
the literature (`PRIOR`, each with its reason) and were then fitted towards the published cases
(`benchmarks/fit_quality.py`), each source counting once. Cost, privacy and latency play no part.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources

from advisor.evidence.factors import Factors
from scenarios.schema import Profile

PRIOR: dict[str, tuple[float, str]] = {
    "constant": (0.8, "with enough labels, a tuned model beats a prompted one more often than not"),
    "capability": (-1.5, "reasoning and knowledge, and half of code and of tool use, depend on what the base model can do; "
                         "tuning adds little (Wei et al. 2022, arXiv:2201.11903)"),
    "capability_gap": (-0.5, "... the more so, the larger the prompted model is compared with the tuned one"),
    "form": (0.7, "extraction and style are learned well from labels (Zhou et al. "
                  "2023, arXiv:2308.03279; Chakrabarty et al. 2025, arXiv:2510.13939)"),
    "rows": (1.2, "with few labels per class, demonstrations beat tuning; with many they lose "
                  "(Bertsch et al. 2024, arXiv:2405.00200; Loukas et al. 2023, arXiv:2311.06102)"),
    "very_few": (-1.0, "a handful of rows doesn't determine the weights (Ma et al. 2023, arXiv:2303.08559: "
                       "with 5 rows a large prompted model extracts better, with 20 a small tuned one)"),
    "no_labels": (-1.5, "a model trained only on the domain's texts, without labels for the task "
                        "(Li et al. 2023, arXiv:2305.05862)"),
    "optimised_prompt": (-1.0, "retrieved demonstrations, many shots and optimised wording close "
                               "much of the gap (Agrawal et al. 2025, arXiv:2507.19457)"),
    "zero_shot": (0.2, "a prompt without examples is easier to beat"),
    "poor_labels": (-0.8, "a model learns the errors of its labels (Zhou et al. 2023, "
                          "arXiv:2305.11206); no case covers it"),
    "shift": (-0.5, "a tuned model loses more if live data differ (Yuan et al. 2023, "
                    "arXiv:2306.04618); no case covers it"),
}  # fmt: skip
"""Each trait's prior weight, before the cases, in log-odds, and why."""

NEEDS_CAPABILITY = {"reasoning": 1.0, "knowledge": 1.0, "code": 0.5, "tool-use": 0.5}
SOURCE = (
    "prior weights from the literature, fitted to 243 published head-to-head comparisons "
    "(`advisor backtest`)"
)
_CLASSES_WHERE_UNSAID = 4  # the usual number in cases that describe their classes in words
_TYPICAL_GAP = 1.5  # log10 of how many times larger the prompted model was in the median case


@dataclass(frozen=True)
class Probability:
    """A probability with its 95% confidence interval, all in 0..1, and what it is based on."""

    value: float
    low: float
    high: float
    method: str = SOURCE

    @property
    def log_odds(self) -> float:
        """ln(p / (1 - p))."""
        return math.log(self.value / (1 - self.value))


@dataclass(frozen=True)
class Weights:
    """A weight for each trait in log-odds, with their covariance (rows and columns in the same order)."""

    traits: tuple[str, ...]
    values: tuple[float, ...]
    covariance: tuple[tuple[float, ...], ...]


@cache
def shipped_weights() -> Weights:
    """The weights in `catalog/quality_weights.json`."""
    text = (resources.files("advisor") / "catalog" / "quality_weights.json").read_text("utf-8")
    found = json.loads(text)
    return Weights(
        tuple(found["traits"]), tuple(found["values"]), tuple(map(tuple, found["covariance"]))
    )


def p_tuning_better(profile: Profile, weights: Weights | None = None) -> Probability:
    """The probability that a small tuned model's quality is above the prompted one's.

    Its confidence interval covers the uncertainty of the weights and that of the unknown traits.
    """
    weights = weights or shipped_weights()
    values, spreads = traits(profile), unknown_spreads(profile)
    x = [values[name] for name in weights.traits]
    score = sum(a * b for a, b in zip(x, weights.values, strict=True))
    there = [place for place, value in enumerate(x) if value]
    variance = sum(x[i] * x[j] * weights.covariance[i][j] for i in there for j in there)
    by_name = dict(zip(weights.traits, weights.values, strict=True))
    variance += sum((spread * by_name.get(name, 0.0)) ** 2 for name, spread in spreads.items())
    half = 1.959964 * math.sqrt(variance)
    return Probability(*(_logistic(score + shift) for shift in (0.0, -half, half)))


def traits(profile: Profile) -> dict[str, float]:
    """The traits that are weighted, a number each; unknown facts take their usual value."""
    factors = Factors(profile)
    kind, effort = profile.task_type, profile.prompting_effort
    capability = _capability(profile)
    return {
        "constant": 1.0,
        "capability": capability,
        "capability_gap": capability * (_gap(factors) - 1),
        "form": 0.15 if kind is None else float(kind in ("extraction", "style")),
        "rows": _rows(profile),
        "very_few": _very_few(profile),
        "no_labels": float(profile.labelled_examples == 0),
        "optimised_prompt": 0.3 if effort in (None, "none") else float(effort == "optimised"),
        "zero_shot": 0.3 if effort in (None, "none") else float(effort == "zero-shot"),
        "poor_labels": float(profile.label_quality == "poor"),
        "shift": {"some": 0.5, "strong": 1.0}.get(profile.live_data_shift or "", 0.0),
    }


def unknown_spreads(profile: Profile) -> Mapping[str, float]:
    """Standard deviations of the traits whose facts are unknown, over the published cases."""
    spreads = {}
    if profile.task_type is None:
        spreads |= {"capability": 0.45, "form": 0.35}
    if profile.labelled_examples is None and profile.task_type in (None, "classification"):
        spreads["rows"] = 0.8
    elif profile.classes is None and profile.task_type == "classification":
        spreads["rows"] = 0.4
    if profile.prompting_effort in (None, "none"):
        spreads |= {"optimised_prompt": 0.45, "zero_shot": 0.45}
    if profile.label_quality is None:
        spreads["poor_labels"] = 0.3
    if profile.live_data_shift is None:
        spreads["shift"] = 0.3
    return spreads


def _gap(factors: Factors) -> float:
    """log10 of the prompted model's size over the tuned one's, from -0.5 to 2.5."""
    prompted, own = factors.prompted_billions, factors.profile.largest_own_model_billion_parameters
    if None in (prompted, own):
        return _TYPICAL_GAP
    return min(max(math.log10(prompted / own), -0.5), 2.5)


def _rows(profile: Profile) -> float:
    """log10 of the labelled examples per class over 10, from -1.5 to 1.5.

    For a task without classes the slope is half as steep, around a hundred examples; above that it
    gains only as far as it doesn't depend on the base model's capability.
    """
    if profile.labelled_examples is None:
        return 0.0
    count = max(profile.labelled_examples, 1)
    if profile.task_type == "classification":
        return _within(math.log10(count / (profile.classes or _CLASSES_WHERE_UNSAID)) - 1, 1.5)
    half = _within((math.log10(count) - 2) / 2, 0.75)
    return half if half <= 0 else half * (1 - _capability(profile))


def _very_few(profile: Profile) -> float:
    """How many powers of ten the labelled examples are below 32, from 0 to 1.5."""
    if profile.labelled_examples is None:
        return 0.0
    return max(0.0, 1.5 - math.log10(max(profile.labelled_examples, 1)))


def _capability(profile: Profile) -> float:
    return 0.35 if profile.task_type is None else NEEDS_CAPABILITY.get(profile.task_type, 0.0)


def _within(value: float, most: float) -> float:
    return min(max(value, -most), most)


def _logistic(score: float) -> float:
    return 1 / (1 + math.exp(-max(min(score, 30.0), -30.0)))
