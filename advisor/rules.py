"""The rules, on one page: each looks at a few factors and votes for or against some choices.

A weight of 1 leans, 2 speaks clearly, 3 speaks strongly; a negative one speaks against. A rule
that lacks a fact is silent. No rule knows a scenario's name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from advisor.factors import Factors, weights_gib
from advisor.published import SOURCE as PUBLISHED
from advisor.published import tuning_won

CHOICES = ("prompt", "retrieval", "decision-api", "lora", "qlora", "full")
TUNING = ("lora", "qlora", "full")
ADAPTERS = ("lora", "qlora")

ENOUGH_LABELS, SOME_LABELS, FEW_LABELS = 500, 150, 50
SHORT_LATENCY_MS, SHORTEST_LATENCY_MS = 500.0, 200.0
MANY_TOKENS, MOST_TOKENS = 50_000_000, 500_000_000
LABELS_COST_USD = 500 * 2 / 60 * 20  # 500 labels, two minutes each, $20 an hour: $333
SMALL_MODEL_BILLIONS = 14.0


@dataclass(frozen=True)
class Vote:
    """What one rule says of one choice."""

    rule: str
    option: str
    weight: float
    because: str
    source: str


Said = Iterator[tuple[tuple[str, ...], float, str]]  # choices, weight, because


@dataclass(frozen=True)
class Rule:
    """A name, where it is from, and what it says of some factors."""

    name: str
    source: str
    says: Callable[[Factors], Said]

    def votes(self, factors: Factors) -> list[Vote]:
        """One vote for each choice that the rule speaks of; none where it is silent."""
        return [
            Vote(self.name, option, weight, because, self.source)
            for options, weight, because in self.says(factors)
            for option in options
        ]


RULES: list[Rule] = []


def rule(source: str):
    """Register a function as the rule of its name in kebab-case."""

    def register(says):
        RULES.append(Rule(says.__name__.replace("_", "-"), source, says))
        return says

    return register


@rule("OpenAI, Model optimization guide (platform.openai.com/docs/guides/model-optimization)")
def prompting_is_cheap_to_try(factors: Factors) -> Said:
    yield ("prompt",), 1, "a prompt is tried within hours and needs no training"


@rule(PUBLISHED)
def published_results_on_such_tasks(factors: Factors) -> Said:
    kind = factors.profile.task_type
    if kind is None:
        return
    share = tuning_won(kind)
    if share.sources == 0:
        return
    seen = f"tuning won {share.value:.0%} of the published comparisons on {kind}"
    if share.value >= 0.55:
        yield TUNING, 1, seen
    elif share.value <= 0.45:
        yield ("prompt",), 1, seen


@rule("Brown et al. 2020, arXiv:2005.14165: few-shot demonstrations fix the form of an answer")
def examples_show_the_format(factors: Factors) -> Said:
    profile = factors.profile
    if profile.task_type == "classification":
        return  # a label is no format: it is scored, or constrained
    if profile.format_strictness == "strict" and profile.vocabulary == "general":
        yield ("prompt",), 2, "a few examples in the prompt are enough for a strict format"


@rule("Dominguez-Olmedo et al. 2024 (Lawma), arXiv:2407.16615: a tuned 8B model beats GPT-4 on law")
def vocabulary_must_be_learned(factors: Factors) -> Said:
    if factors.profile.vocabulary == "specialised":
        yield TUNING, 3, "the model must learn the domain's vocabulary, which a prompt can't hold"
    elif factors.profile.vocabulary == "mixed":
        yield TUNING, 1, "some of the vocabulary is the domain's own"


@rule("Chakrabarty et al. 2025, arXiv:2510.13939: readers prefer the tuned model's style")
def style_sits_in_the_weights(factors: Factors) -> Said:
    if factors.profile.style_consistency == "essential":
        yield TUNING, 3, "one writing style is hard to hold with prompts alone"
    elif factors.profile.style_consistency == "helpful":
        yield TUNING, 1, "a steadier style is welcome"


@rule("Bertsch et al. 2024, arXiv:2405.00200: with few labels, demonstrations beat tuning")
def labels_decide_what_can_be_learned(factors: Factors) -> Said:
    count, per_class = factors.profile.labelled_examples, factors.labels_per_class
    if count is None:
        return
    if count < FEW_LABELS or per_class < 10:
        yield TUNING, -6, f"{count} labelled examples are too few to tune on"
        yield ("prompt",), 1, f"{count} labelled examples fit into a prompt"
    elif count < SOME_LABELS:
        yield TUNING, -1, f"{count} labelled examples are few to tune on"
    elif factors.profile.label_quality == "poor":
        return
    elif count >= ENOUGH_LABELS:
        yield TUNING, 2, f"{count} labelled examples are enough to tune on"
    else:
        yield TUNING, 1, f"{count} labelled examples can be tuned on"


@rule("Zhou et al. 2023 (LIMA), arXiv:2305.11206: quality of examples before their number")
def poor_labels_teach_errors(factors: Factors) -> Said:
    if factors.profile.label_quality == "poor":
        yield TUNING, -2, "a model that is tuned on poor labels learns their errors"


@rule("arithmetic: 500 labels x 2 minutes x $20 an hour = $333, before any compute")
def tuning_needs_money_first(factors: Factors) -> Said:
    budget = factors.profile.one_off_budget_usd
    if budget is None:
        return
    lacking = (factors.profile.labelled_examples or 0) < ENOUGH_LABELS
    if budget < LABELS_COST_USD and lacking:
        yield TUNING, -3, f"${budget:,.0f} don't pay for the labels and the compute of a tuning"
        yield ("prompt",), 1, "a prompt costs nothing up front"


@rule("Pope et al. 2022, arXiv:2211.05102: decoding time follows the bytes of weights read")
def small_models_answer_sooner(factors: Factors) -> Said:
    target = factors.profile.latency_target_p95_ms
    if target is None or target > SHORT_LATENCY_MS:
        return
    weight = 3 if target <= SHORTEST_LATENCY_MS else 2
    why = f"{target:g} ms at p95 call for a small model, and small models are good when tuned"
    yield TUNING, weight, why


@rule("arithmetic: a tuned model needs no demonstrations in every request, and can be smaller")
def volume_repays_training(factors: Factors) -> Said:
    tokens = factors.monthly_tokens
    if tokens is None:
        return
    if tokens >= MANY_TOKENS:
        weight = 2 if tokens >= MOST_TOKENS else 1
        yield TUNING, weight, f"{tokens / 1e6:,.0f} million tokens a month repay a training"
    elif tokens < MANY_TOKENS / 10:
        yield ("prompt",), 1, f"{tokens / 1e6:,.1f} million tokens a month repay no training"


@rule("the profile: data_may_leave = false decides where a model runs, not whether it is tuned")
def data_stays_in_the_house(factors: Factors) -> Said:
    if factors.profile.data_may_leave is False:
        yield ("decision-api",), -3, "a hosted interface would receive the data"


@rule("Zhao et al. 2024 (LoRA Land), arXiv:2405.00732: tuning lifts 2-8B models by 34 points")
def small_own_models_are_weak_when_prompted(factors: Factors) -> Said:
    size = factors.profile.largest_own_model_billion_parameters
    if factors.profile.data_may_leave is not False or size is None or size > SMALL_MODEL_BILLIONS:
        return
    yield TUNING, 2, f"the data stays in, only models up to {size:g}B fit, and they need tuning"
    yield ("prompt", "retrieval"), -1, f"models up to {size:g}B are weak when only prompted"


@rule("Ovadia et al. 2023, arXiv:2312.05934: retrieval brings in facts better than tuning")
def facts_that_change_are_looked_up(factors: Factors) -> Said:
    if factors.knowledge_moves:
        how = factors.profile.knowledge_changes
        yield ("retrieval",), 4, f"knowledge that changes {how} is looked up, not trained in"
        if factors.profile.task_type == "knowledge":
            yield TUNING, -2, f"weights can't follow facts that change {how}"
    elif factors.profile.task_type == "knowledge":
        yield ("retrieval",), 3, "facts are better looked up than recalled"


@rule("OpenAI and Transformers: typed decisions with probabilities and no generated tokens")
def classes_can_be_decided_untuned(factors: Factors) -> Said:
    profile = factors.profile
    if profile.task_type == "classification" and profile.vocabulary == "general":
        yield ("decision-api",), 1, "a decision interface picks a class without generating text"


@rule("Hu et al. 2021 (LoRA), arXiv:2106.09685: adapters reach full tuning at under 1 % of weights")
def adapters_before_full_tuning(factors: Factors) -> Said:
    yield ("full",), -2, "full tuning costs several times the memory, seldom for more quality"


@rule("Dettmers et al. 2023 (QLoRA), arXiv:2305.14314: NF4 equals 16-bit LoRA, but runs slower")
def four_bits_where_memory_is_short(factors: Factors) -> Said:
    memory = factors.profile.gpu_memory_gib
    size = factors.profile.largest_own_model_billion_parameters
    if memory is None or size is None:
        yield ("qlora",), -1, "4-bit weights slow training down, and nothing says memory is short"
        return
    needed = weights_gib(size, bytes_each=2)
    if needed <= 0.8 * memory:
        yield ("qlora",), -1, f"{needed:.0f} GiB of 16-bit weights leave room in {memory:g} GiB"
        return
    why = f"the 16-bit weights alone take {needed:.0f} of {memory:g} GiB"
    yield ("lora",), -2, why
    yield ("full",), -3, why
    if weights_gib(size, bytes_each=0.55) > 0.8 * memory:
        yield ("qlora",), -2, f"even 4-bit weights of {size:g}B don't fit well into {memory:g} GiB"


@rule("the profile: team_practice; training, evaluation and serving are work of their own")
def practice_makes_tuning_cheap(factors: Factors) -> Said:
    if factors.profile.team_practice == "none":
        yield TUNING, -1, "the team has never trained or served a model"
    elif factors.profile.team_practice == "expert":
        yield ADAPTERS, 1, "the team trains models as a matter of course"
