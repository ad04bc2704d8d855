"""The rules, on one page: each looks at a few factors and votes for or against some choices.

A weight of 1 is a slight reason, 2 a clear one, 3 a strong one; a negative weight votes against. A
rule that needs an unknown fact doesn't vote. No rule knows a scenario's name. What can't be done at
all (because of a budget, a licence or memory) isn't voted on: `bars` rules it out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from advisor.decision.budget import over_budget
from advisor.decision.memory import cannot_serve, too_large
from advisor.evidence import quality
from advisor.evidence.factors import Factors

CHOICES = ("prompt", "retrieval", "decision-api", "lora", "qlora", "full")
TUNING = ("lora", "qlora", "full")
ADAPTERS = ("lora", "qlora")
PROMPTING = ("prompt", "retrieval")  # retrieval is a prompt that contains retrieved text

ENOUGH_LABELS, SOME_LABELS, FEW_LABELS, FEWEST_PER_CLASS = 500, 150, 50, 5
VERY_MANY_LABELS = 100_000
SHORT_LATENCY_MS, SHORTEST_LATENCY_MS = 500.0, 200.0
FEW_TOKENS, MANY_TOKENS, MOST_TOKENS = 50_000_000, 500_000_000, 5_000_000_000
SMALL_MODEL_BILLIONS = 14.0
BURSTY, SHORT_HORIZON_MONTHS = 10.0, 3
MOST_LOG_ODDS = 2.5


@dataclass(frozen=True)
class Vote:
    """What one rule says about one choice."""

    rule: str
    option: str
    weight: float
    because: str
    source: str


Said = Iterator[tuple[tuple[str, ...], float, str]]  # choices, weight, because


@dataclass(frozen=True)
class Rule:
    """A name, its source, and what it says about some factors."""

    name: str
    source: str
    says: Callable[[Factors], Said]

    def votes(self, factors: Factors) -> list[Vote]:
        """One vote for each choice that the rule applies to; none if it doesn't apply."""
        return [
            Vote(self.name, option, weight, because, self.source)
            for options, weight, because in self.says(factors)
            for option in options
        ]


RULES: list[Rule] = []


def rule(source: str):
    """Register a function as a rule, named after the function in kebab case."""

    def register(says):
        RULES.append(Rule(says.__name__.replace("_", "-"), source, says))
        return says

    return register


# --- quality: which side is likely to answer better


@rule(quality.SOURCE)
def published_cases_of_its_kind(factors: Factors) -> Said:
    found = quality.p_tuning_better(factors.profile)
    weight = round(max(-MOST_LOG_ODDS, min(MOST_LOG_ODDS, found.log_odds)), 1)
    if weight:
        seen = f"{found.value:.0%} ({found.low:.0%} to {found.high:.0%})"
        yield TUNING, weight, f"a small tuned model gives better answers with probability {seen}"


@rule("Brown et al. 2020, arXiv:2005.14165: few-shot demonstrations set the form of an answer")
def examples_show_the_format(factors: Factors) -> Said:
    profile = factors.profile
    if profile.task_type == "classification":
        return  # a label isn't a format: it is scored, or decoding is constrained to it
    if profile.format_strictness == "strict" and profile.vocabulary == "general":
        weight = 1 if (profile.labelled_examples or 0) >= ENOUGH_LABELS else 2
        yield PROMPTING, weight, "a few examples in the prompt are enough for a strict format"


@rule("Dominguez-Olmedo et al. 2024 (Lawma), arXiv:2407.16615: a tuned 8B model beats GPT-4 on law")
def vocabulary_must_be_learned(factors: Factors) -> Said:
    if factors.profile.vocabulary == "specialised":
        yield (
            TUNING,
            3,
            "the model must learn the domain's vocabulary, which doesn't fit in a prompt",
        )
    elif factors.profile.vocabulary == "mixed":
        yield TUNING, 1, "some of the vocabulary is specific to the domain"


@rule("Chakrabarty et al. 2025, arXiv:2510.13939: readers prefer the tuned model's style")
def style_sits_in_the_weights(factors: Factors) -> Said:
    if factors.profile.style_consistency == "essential":
        yield TUNING, 3, "a consistent writing style is hard to keep with prompts only"
    elif factors.profile.style_consistency == "helpful":
        yield TUNING, 1, "a more consistent style helps"


@rule("Bertsch et al. 2024, arXiv:2405.00200: with few labels, demonstrations beat tuning")
def few_labels_belong_in_the_prompt(factors: Factors) -> Said:
    count, per_class = factors.profile.labelled_examples, factors.labels_per_class
    if count is None:
        return
    if count < FEW_LABELS or (per_class is not None and per_class < FEWEST_PER_CLASS):
        yield TUNING, -6, f"{count:,} labelled examples are too few to tune on"
        yield PROMPTING, 1, f"{count:,} labelled examples can be used as demonstrations in prompts"
    elif count < SOME_LABELS:
        yield TUNING, -1, f"{count:,} labelled examples are few to tune on"


@rule(
    "Zhou et al. 2023 (LIMA), arXiv:2305.11206: the quality of examples matters more than their number"
)
def poor_labels_teach_errors(factors: Factors) -> Said:
    if factors.profile.label_quality == "poor":
        yield TUNING, -2, "a model tuned on poor labels learns their errors"


@rule("Ovadia et al. 2023, arXiv:2312.05934: retrieval adds facts better than tuning does")
def facts_that_change_are_looked_up(factors: Factors) -> Said:
    if factors.knowledge_moves:
        how = factors.profile.knowledge_changes
        why = f"knowledge that changes {how} should be retrieved, not trained in"
        if factors.profile.task_type == "knowledge":
            yield ("retrieval",), 4, why
            yield TUNING, -2, f"weights can't follow facts that change {how}"
        else:
            yield ("retrieval",), 4, why
            yield TUNING, 3, f"{why}; that works just as well with a tuned model"
    elif factors.profile.task_type == "knowledge":
        yield ("retrieval",), 4, "facts are better retrieved than recalled"


@rule(
    "Lewis et al. 2020, arXiv:2005.11401: retrieval needs an index, which is built, maintained and read from"
)
def an_index_is_work(factors: Factors) -> Said:
    yield (
        ("retrieval",),
        -1,
        "an index has to be built and maintained, and retrieved text lengthens every prompt",
    )


@rule("OpenAI's decisions and Transformers' decision pipeline: probabilities, no generated tokens")
def classes_can_be_decided_untuned(factors: Factors) -> Said:
    profile = factors.profile
    if profile.task_type == "classification" and profile.vocabulary == "general":
        yield ("decision-api",), 1, "a decision interface picks a class without generating text"


@rule("Zhao et al. 2024 (LoRA Land), arXiv:2405.00732: tuning improves 2-8B models by 34 points")
def small_own_models_are_weak_when_prompted(factors: Factors) -> Said:
    size = factors.profile.largest_own_model_billion_parameters
    if factors.profile.data_may_leave is not False or size is None or size > SMALL_MODEL_BILLIONS:
        return
    yield (
        TUNING,
        2,
        f"the data stays in-house, where only models up to {size:g}B fit, and those need tuning",
    )
    yield PROMPTING, -1, f"models up to {size:g}B perform poorly when only prompted"


# --- progress so far: what prompting has reached


@rule("the profile: prompting_reached compared with quality_bar")
def prompting_already_suffices(factors: Factors) -> Said:
    reached, bar = factors.profile.prompting_reached, factors.profile.quality_bar
    if None not in (reached, bar) and reached >= bar:
        yield TUNING, -4, f"prompting already reaches {reached:.0%}, and {bar:.0%} is needed"


@rule("OpenAI, Model optimization guide: tune when prompting with examples has stopped improving")
def prompting_has_been_exhausted(factors: Factors) -> Said:
    profile = factors.profile
    reached, bar = profile.prompting_reached, profile.quality_bar
    if None in (reached, bar) or reached >= bar:
        return
    if profile.prompting_effort == "optimised":
        yield TUNING, 2, f"optimised prompting reaches only {reached:.0%}, and {bar:.0%} is needed"


@rule("OpenAI, Model optimization guide (platform.openai.com/docs/guides/model-optimization)")
def prompting_is_cheap_to_try(factors: Factors) -> Said:
    if factors.profile.prompting_effort == "optimised":
        return
    yield PROMPTING, 1, "a prompt can be tried within hours and needs no training"


# --- load and money


@rule(
    "Pope et al. 2022, arXiv:2211.05102: decoding time is proportional to the bytes of weights read"
)
def small_models_answer_sooner(factors: Factors) -> Said:
    target = factors.profile.latency_target_p95_ms
    if target is None or target > SHORT_LATENCY_MS:
        return
    weight = 3 if target <= SHORTEST_LATENCY_MS else 2
    yield (
        TUNING,
        weight,
        f"a p95 latency of {target:g} ms needs a small model, and small models need tuning",
    )


@rule("arithmetic: hosted tokens cost $0.10 to $5 a million, a reserved GPU $300 to $1,500 a month "
      "(`advisor cost`)")  # fmt: skip
def volume_repays_training(factors: Factors) -> Said:
    tokens = factors.monthly_tokens
    if tokens is None or factors.profile.data_may_leave is False:
        return  # in-house, the same machines are reserved for both
    if tokens >= MANY_TOKENS:
        weight = 2 if tokens >= MOST_TOKENS else 1
        yield TUNING, weight, f"{tokens / 1e6:,.0f} million tokens a month pay for the training"
    elif tokens < FEW_TOKENS:
        yield PROMPTING, 1, f"{tokens / 1e6:,.1f} million tokens a month don't pay for training"


@rule("arithmetic: a server reserved for its busiest hour is idle in the other hours")
def bursts_leave_servers_idle(factors: Factors) -> Said:
    peak = factors.profile.peak_to_mean_load
    if peak is not None and peak >= BURSTY and factors.profile.data_may_leave is not False:
        yield TUNING, -1, f"your own server, sized for {peak:g} times the mean load, is mostly idle"


@rule("arithmetic: labels, training and operations are paid for before anything is saved")
def a_short_horizon_repays_nothing(factors: Factors) -> Said:
    months = factors.profile.horizon_months
    if months is not None and months <= SHORT_HORIZON_MONTHS:
        yield TUNING, -1, f"{months} months is a short time for training to pay off"


# --- obligations and resources


@rule("the profile: data_may_leave = false decides where a model runs, not whether it is tuned")
def data_stays_in_the_house(factors: Factors) -> Said:
    if factors.profile.data_may_leave is False:
        yield ("decision-api",), -3, "a hosted interface would receive the data"


@rule("EDPB opinion 28/2024: personal data can remain in a trained model; a prompt keeps none")
def weights_do_not_forget(factors: Factors) -> Said:
    if factors.profile.erasure_duty:
        yield (
            TUNING,
            -3,
            "data that must be erasable can be removed from weights only by training again",
        )


@rule("Sheng et al. 2023 (S-LoRA), arXiv:2311.03285: thousands of adapters share one base")
def tenants_share_a_base(factors: Factors) -> Said:
    tenants = factors.profile.tenants
    if tenants is not None and tenants > 1:
        yield ADAPTERS, 1, f"the adapters of {tenants:,} tenants share one base model"
        yield ("full",), -3, f"each of {tenants:,} tenants would need a whole model"


@rule(
    "Hu et al. 2021 (LoRA), arXiv:2106.09685: adapters match full tuning with under 1% of the weights"
)
def adapters_before_full_tuning(factors: Factors) -> Said:
    yield (
        ("full",),
        -2,
        "full tuning takes several times the memory and rarely gives better quality",
    )


@rule(
    "Biderman et al. 2024, arXiv:2405.09673: on code and maths with very many rows, LoRA learns less"
)
def very_many_rows_fill_all_weights(factors: Factors) -> Said:
    profile = factors.profile
    if (profile.labelled_examples or 0) < VERY_MANY_LABELS or profile.label_quality == "poor":
        return
    if profile.task_type in ("code", "reasoning") or profile.vocabulary == "specialised":
        yield ("full",), 3, f"{profile.labelled_examples:,} rows teach more than adapters can hold"


@rule(
    "Dettmers et al. 2023 (QLoRA), arXiv:2305.14314: NF4 matches 16-bit LoRA in quality, but is slower"
)
def four_bits_only_where_memory_is_short(factors: Factors) -> Said:
    yield (
        ("qlora",),
        -1,
        "4-bit weights slow training down; they are worth it only if memory is short",
    )


@rule("forecast: advisor.sizes.sizing, batch 1 of 1,024 tokens (`advisor size`)")
def memory_at_hand_is_short(factors: Factors) -> Said:
    profile = factors.profile
    memory, size = profile.gpu_memory_gib, profile.largest_own_model_billion_parameters
    for option, why in too_large(memory, size).items():
        yield (option,), -3, f"{why}; you would have to rent a larger GPU"


@rule("the profile: team_practice; training, evaluation and serving take experience")
def practice_makes_tuning_cheap(factors: Factors) -> Said:
    if factors.profile.team_practice == "none":
        yield TUNING, -1, "the team has never trained or served a model"
    elif factors.profile.team_practice == "expert":
        yield ADAPTERS, 1, "the team trains models routinely"


def bars(factors: Factors, over: dict[str, str] | None = None) -> dict[str, str]:
    """The choices that are ruled out, with the reason: by terms, by memory, by budget.

    `over` is what is over a budget, if already known.
    """
    profile = factors.profile
    found: dict[str, str] = {}
    if profile.labels_may_train is False:
        found |= dict.fromkeys(TUNING, "the labels may not train a model")
    if profile.base_licence_fits is False:
        found |= dict.fromkeys(TUNING, "no open base model's licence allows this use")
    if profile.data_may_leave is False:  # then no machine may be rented
        sizes = too_large(profile.gpu_memory_gib, profile.largest_own_model_billion_parameters)
        if unable := cannot_serve(
            profile.gpu_memory_gib, profile.largest_own_model_billion_parameters
        ):
            sizes = dict.fromkeys(CHOICES, unable)
        found = {
            option: f"{why}, and the data may not leave your organisation"
            for option, why in sizes.items()
        } | found
    return (over_budget(factors.whole) if over is None else over) | found
