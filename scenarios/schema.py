"""A scenario's file, exactly: units in the names, unknown keys refused, every fault with its place."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from scenarios.errors import UserError, did_you_mean

TaskType = Literal[
    "classification",
    "extraction",
    "generation",
    "style",
    "code",
    "reasoning",
    "knowledge",
    "tool-use",
]
Whole = Annotated[int, Field(ge=0, le=10**15)]
Amount = Annotated[float, Field(ge=0, le=10**9, allow_inf_nan=False)]
Positive = Annotated[float, Field(ge=1e-6, le=10**9, allow_inf_nan=False)]


class Strict(BaseModel):
    """Frozen, and refuses keys that it doesn't know."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _fact(asks: str, **limits):
    """A fact that may be unknown, with the question that asks for it."""
    return Field(default=None, description=asks, **limits)


class Profile(Strict):
    """What is known of a decision. None is "unknown": it stays so, and widens the doubt.

    Each fact's description is the question that asks for it, with its unit. The facts of money
    have defaults of their own, with sources, where they are used (`advisor.money.assumptions`).
    """

    # the task
    task_type: TaskType | None = _fact("What kind of task is it?")
    classes: Annotated[int, Field(ge=2, le=10**6)] | None = _fact(
        "Between how many classes does it choose?"
    )
    labelled_examples: Whole | None = _fact("How many labelled examples are there?")
    label_quality: Literal["poor", "fair", "good"] | None = _fact(
        "How good are the labels (good: checked, or two people agree)?"
    )
    vocabulary: Literal["general", "mixed", "specialised"] | None = _fact(
        "How specialised is the vocabulary?"
    )
    format_strictness: Literal["loose", "strict"] | None = _fact(
        "How strict is the form of an answer (strict: a program reads it)?"
    )
    style_consistency: Literal["unimportant", "helpful", "essential"] | None = _fact(
        "How much does one consistent style matter?"
    )
    live_data_shift: Literal["none", "some", "strong"] | None = _fact(
        "How far do live data differ from the labelled examples?"
    )
    # knowledge
    knowledge_changes: Literal["never", "yearly", "monthly", "weekly", "daily"] | None = _fact(
        "How often do the facts change that answers rest on?"
    )
    # the load
    requests_per_month: Whole | None = _fact("How many requests a month?")
    peak_to_mean_load: Annotated[float, Field(ge=1, le=1000)] | None = _fact(
        "How many times the mean load is the load of the busiest hour?"
    )
    prompt_tokens: Whole | None = _fact(
        "How many tokens has a request, instruction and text, without demonstrations?"
    )
    completion_tokens: Whole | None = _fact("How many tokens has an answer?")
    latency_target_p95_ms: Positive | None = _fact(
        "Within how many milliseconds must 95 % of the answers be there?"
    )
    horizon_months: Annotated[int, Field(ge=1, le=120)] | None = _fact(
        "Over how many months does it have to pay?"
    )
    # limits
    one_off_budget_usd: Amount | None = _fact("How many dollars may be spent once?")
    monthly_budget_usd: Amount | None = _fact("How many dollars may be spent a month?")
    data_may_leave: bool | None = _fact("May the data leave the house?")
    erasure_duty: bool | None = _fact(
        "Must a person's data be removable on demand, from a trained model too?"
    )
    base_licence_fits: bool | None = _fact("Does the licence of an open base model allow this use?")
    labels_may_train: bool | None = _fact(
        "May the labels train a model (a provider's terms may forbid it for its outputs)?"
    )
    # means
    gpu_memory_gib: Amount | None = _fact("How many GiB has the GPU at hand (0: there is none)?")
    team_practice: Literal["none", "some", "expert"] | None = _fact(
        "How practised is the team in training and serving models?"
    )
    tenants: Annotated[int, Field(ge=1, le=10**6)] | None = _fact(
        "How many tenants need behaviour of their own (1: all are alike)?"
    )
    largest_own_model_billion_parameters: Positive | None = _fact(
        "How many billion parameters has the largest model that you can tune and serve?"
    )
    prompted_model_billion_parameters: Positive | None = _fact(
        "How many billion parameters has the model that would be prompted (1000: a frontier model)?"
    )
    # where it stands
    quality_bar: Annotated[float, Field(gt=0, le=1)] | None = _fact(
        "Which share of right answers is needed (0 to 1)?"
    )
    prompting_reached: Annotated[float, Field(ge=0, le=1)] | None = _fact(
        "Which share of right answers has prompting reached so far (0 to 1)?"
    )
    prompting_effort: Literal["none", "zero-shot", "few-shot", "optimised"] | None = _fact(
        "How far has prompting been taken (optimised: examples and wording chosen on data)?"
    )
    # money
    hosted_model: str | None = _fact("Which hosted model would be prompted?", max_length=200)
    own_model: str | None = _fact("Which open model would be tuned and served?", max_length=200)
    demonstrations: Annotated[int, Field(ge=0, le=10**4)] | None = _fact(
        "How many demonstrations stand in a few-shot prompt?"
    )
    labelling_usd_per_example: Amount | None = _fact("How many dollars does one label cost?")
    retrain_every_months: Annotated[int, Field(ge=1, le=120)] | None = _fact(
        "After how many months is a model trained again?"
    )
    base_model_lasts_months: Annotated[int, Field(ge=1, le=120)] | None = _fact(
        "After how many months is the base model retired?"
    )
    operations_hours_per_month: Amount | None = _fact(
        "How many hours a month does a model of one's own take to run?"
    )
    staff_usd_per_hour: Amount | None = _fact("How many dollars does an hour of staff cost?")
    replicas: Annotated[int, Field(ge=1, le=1000)] | None = _fact(
        "How many copies must run at least, for availability?"
    )
    utilisation: Annotated[float, Field(ge=0.001, le=1)] | None = _fact(
        "Which share of its throughput may a busy server be planned at (0 to 1)?"
    )
    gpu_offer: Literal["community", "spot", "on-demand", "hyperscaler"] | None = _fact(
        "By which kind of offer are GPUs rented?"
    )
    training_rows: Annotated[int, Field(ge=1, le=10**9)] | None = _fact(
        "How many labelled examples does tuning take (for each tenant)?"
    )
    evaluation_rows: Whole | None = _fact("How many labelled examples are kept for evaluation?")
    training_trials: Annotated[int, Field(ge=1, le=10**4)] | None = _fact(
        "How often is a model trained until it is right (seeds and settings tried)?"
    )
    evaluation_hours: Amount | None = _fact("How many hours of staff does one evaluation take?")
    prompting_setup_hours: Amount | None = _fact(
        "How many hours of staff do prompts take at first?"
    )
    tuning_setup_hours: Amount | None = _fact("How many hours of staff does tuning take at first?")
    cache_hit_share: Annotated[float, Field(ge=0, le=1)] | None = _fact(
        "In which share of requests does the provider's cache hold the prompt's beginning (0 to 1)?"
    )


class Band(Strict):
    """A label for the values between two bounds, both included; a missing bound is open."""

    label: str
    at_least: float | None = None
    at_most: float | None = None

    def holds(self, value: float) -> bool:
        """Whether the value lies between the bounds."""
        above = self.at_least is None or value >= self.at_least
        return above and (self.at_most is None or value <= self.at_most)


class Rows(Strict):
    """Where the rows are and how to read them: a file of the user's, or a member of an archive.

    `text` and `label` are columns, or `messages` is one that holds chats (the last user turn is
    the text, the assistant's answer the label). A column `before` stands above the text.

    The label is a column (`label`), or made from a number (`rating` and `bands`; a rating
    outside all bands leaves its row out). `group` is a regular expression on the id: rows with
    the same first match belong together and never stand in two parts.
    """

    path: str | None = None
    project: str | None = None
    filename: str | None = None
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = None
    member: str | None = None
    inner: str | None = None
    format: Literal["jsonl", "csv", "tsv", "parquet"]
    columns: tuple[str, ...] | None = None
    id: str | None = None
    text: str = "text"
    label: str | None = None
    before: str | None = None
    messages: str | None = None
    rating: str | None = None
    bands: tuple[Band, ...] = ()
    group: str | None = None
    licence: str = "not stated"
    provenance: str = "not stated"

    @model_validator(mode="after")
    def _is_whole(self) -> Rows:
        archive = (self.project, self.filename, self.sha256, self.member)
        if (self.path is None) == (None in archive):
            raise ValueError("give either path, or all of project, filename, sha256 and member")
        ways = (self.label, self.messages, self.rating if self.bands else None)
        if sum(way is not None for way in ways) != 1:
            raise ValueError("give one of label, messages, or both rating and bands")
        if self.group is not None:
            try:
                if re.compile(self.group).groups == 0:
                    raise ValueError(
                        "group needs parentheses around what rows share, as in '^(\\d+)_'"
                    )
            except re.error as error:
                raise ValueError(f"group isn't a regular expression: {error}") from None
            if self.id is None:
                raise ValueError("group reads the id, so id must name a column")
        return self


METRICS = {"classification": ("accuracy", "macro-f1"), "generation": ("exact-match", "chrf")}
"""The metrics of a task that names none."""


class Task(Strict):
    """What makes a scenario runnable: the rows, what is asked of the model, and the parts' sizes.

    A classification names its labels; a generation has free texts as answers, of at most
    `most_answer_tokens`. A text is cut after `most_text_tokens` of the model's tokens, for every
    contender alike. The first of the metrics is the one that everything is chosen and judged by.
    `instructions` are other wordings of the instruction, among which prompting chooses on
    validation rows; tuning learns the first. With few `validation_rows`, or none, everything is
    chosen by cross-validation within the rows that aren't tested.
    """

    type: Literal["classification", "generation"] = "classification"
    instruction: Annotated[str, Field(min_length=1)]
    instructions: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    labels: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    metrics: Annotated[tuple[str, ...], Field(min_length=1)]
    test_rows: Annotated[int, Field(ge=2)] = 300
    validation_rows: Annotated[int, Field(ge=0)] = 90
    most_text_tokens: Annotated[int, Field(ge=8)] = 512
    most_answer_tokens: Annotated[int, Field(ge=1)] = 128
    rows: Rows

    @model_validator(mode="before")
    @classmethod
    def _usual_metrics(cls, values):
        if isinstance(values, dict) and "metrics" not in values:
            values = values | {"metrics": METRICS.get(values.get("type", "classification"), ())}
        return values

    @property
    def wordings(self) -> tuple[str, ...]:
        """All instructions, the task's own first."""
        return (self.instruction, *self.instructions)

    def worded(self, number: int) -> Task:
        """The task with the instruction of that number among its wordings."""
        return self.model_copy(update={"instruction": self.wordings[number]})

    @field_validator("instruction")
    @classmethod
    def _says_something(cls, value: str) -> str:
        if not value.strip():
            raise ValueError("an instruction is blank; write what is asked of the model")
        return value

    @field_validator("instructions")
    @classmethod
    def _say_something(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(cls._says_something(value) for value in values)

    @model_validator(mode="after")
    def _wordings_differ(self) -> Task:
        said = [" ".join(wording.split()) for wording in self.wordings]
        twice = next((one for i, one in enumerate(said) if one in said[:i]), None)
        if twice is not None:
            told = twice if len(twice) <= 60 else f"{twice[:57]}..."
            raise ValueError(
                f"the instruction '{told}' stands twice among instruction and instructions; a "
                "repeated wording is no other candidate, remove one"
            )
        return self

    @model_validator(mode="after")
    def _labels_differ(self) -> Task:
        if self.type == "generation":
            if self.labels or self.rows.bands:
                raise ValueError("a generation has no labels; its answers are free texts")
            return self
        if len(self.labels) < 2:
            raise ValueError(
                f"labels holds {len(self.labels)}: there is nothing to choose between; "
                "name at least two"
            )
        if len(set(self.labels)) < len(self.labels):
            raise ValueError("labels holds the same label twice")
        strangers = sorted({band.label for band in self.rows.bands} - set(self.labels))
        if strangers:
            raise ValueError(f"bands give labels that aren't in labels: {', '.join(strangers)}")
        return self


class Decision(Strict):
    """The thresholds, set before the run and copied into its plan.

    `margin` is the smallest gain in accuracy (0 to 1) that is worth the trouble of tuning, and
    `quality_bar` what an arm must reach to be of use at all. Requests a month and a horizon turn
    prices into sums. `looks` says how often the test rows may be looked at, each time with more of
    them: the error is spent over these looks, and one more than was declared is exploratory.
    """

    margin: float = 0.03
    quality_bar: Annotated[float, Field(gt=0, lt=1)] | None = None
    latency_target_p95_ms: Positive | None = None
    requests_per_month: Annotated[int, Field(gt=0, le=10**15)] | None = None
    horizon_months: Positive | None = None
    looks: Annotated[int, Field(ge=1, le=10)] = 1

    @field_validator("margin")
    @classmethod
    def _is_a_margin(cls, value: float) -> float:
        if not 0 < value < 1:
            raise ValueError(
                "a margin lies between 0 and 1: no number of rows shows a gain of nothing; give "
                "the smallest gain that is worth the trouble, such as 0.03"
            )
        return value

    @model_validator(mode="after")
    def _volume_and_horizon_go_together(self) -> Decision:
        given = {
            "requests_per_month": self.requests_per_month,
            "horizon_months": self.horizon_months,
        }
        missing = [name for name, value in given.items() if value is None]
        if len(missing) == 1:
            [has] = given.keys() - set(missing)
            raise ValueError(f"{has} without {missing[0]} prices nothing; give both, or neither")
        return self


class Claim(Strict):
    """What somebody states of a sweep: the combination `better` does better than each of `worse`.

    A combination is written as `rows=500,label-noise=0`.
    """

    text: Annotated[str, Field(min_length=1)]
    better: Annotated[str, Field(min_length=1)]
    worse: Annotated[tuple[str, ...], Field(min_length=1)]


class Sweep(Strict):
    """What `bench sweep` varies in this scenario where the command names nothing else.

    `vary` and `settings` are written as its options `--vary` and `--set` take them.
    """

    vary: Annotated[tuple[str, ...], Field(min_length=1)]
    only: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    claim: Claim | None = None


class Scenario(Strict):
    """A scenario's file: `[profile]` is enough to advise on, `[task]` makes it runnable."""

    name: str
    title: str
    summary: str = ""
    profile: Profile = Profile()
    task: Task | None = None
    decision: Decision = Decision()
    sweep: Sweep | None = None


def parse(text: str, name: str, place: str, folder: Path | None = None) -> Scenario:
    """A scenario from the text of its file; relative paths of rows are taken from `folder`.

    Raises `UserError` that lists every fault with its line.
    """
    try:
        raw = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # TOMLDecodeError is a ValueError
        raise UserError(f"{place} isn't TOML: {error}") from None
    return checked(raw, text, name, place, folder)


def checked(raw: dict, text: str, name: str, place: str, folder: Path | None = None) -> Scenario:
    """A scenario from what its file holds; `text` tells the lines of its faults. Raises as `parse`."""
    if "name" in raw:
        raise UserError(f"{place}: the file's name is the scenario's name; remove the key 'name'")
    try:
        scenario = Scenario.model_validate({"name": name, **raw})
    except ValidationError as error:
        found = faults(error, Scenario, text)
        raise UserError(f"{place}: {'; '.join(found)}") from None
    task = scenario.task
    if folder is not None and task is not None and task.rows.path is not None:
        rows = task.rows.model_copy(update={"path": str(folder.absolute() / task.rows.path)})
        scenario = scenario.model_copy(update={"task": task.model_copy(update={"rows": rows})})
    return scenario


def faults(error: ValidationError, model: type[BaseModel], text: str = "") -> list[str]:
    """Each fault of a validation as `line 4, profile.classes: why`, in the order of the fields."""
    lines = []
    for fault in error.errors():
        path = ".".join(str(part) for part in fault["loc"]) or "file"
        if fault["type"] == "extra_forbidden":
            why = f"unknown key; {did_you_mean(str(fault['loc'][-1]), _keys(model, fault['loc']))}"
        elif fault["type"] == "missing":
            why = "missing"
        else:
            why = fault["msg"].removeprefix("Value error, ")
            value = fault["input"]
            if isinstance(value, str | int | float | bool):
                told = repr(value)
                told = told if len(told) <= 80 else f"{told[:60]}... ({len(told):,} characters)"
                why = f"{why[0].lower()}{why[1:]}, not {told}"
        line = _line_of(text, fault["loc"])
        lines.append(f"line {line}, {path}: {why}" if line else f"{path}: {why}")
    return lines


def _keys(model: type[BaseModel], loc: tuple) -> list[str]:
    """The keys known where an unknown one stood."""
    for part in loc[:-1]:
        field = model.model_fields.get(part) if isinstance(part, str) else None
        if field is not None:
            model = _model_in(field.annotation) or model
    return [key for key in model.model_fields if key != "name"]


def _model_in(annotation) -> type[BaseModel] | None:
    """The model inside `Model`, `Model | None` or `tuple[Model, ...]`."""
    for candidate in (annotation, *getattr(annotation, "__args__", ())):
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            return candidate
    return None


def _line_of(text: str, loc: tuple) -> int | None:
    """The line on which a key stands in its table, or else its table's heading; None if neither."""
    path = [str(part) for part in loc if isinstance(part, str)]
    table: list[str] = []
    heading = None
    for number, line in enumerate(text.splitlines(), start=1):
        if match := re.match(r"\s*\[+([^\]]+)\]", line):
            table = [part.strip() for part in match[1].split(".")]
            heading = number if table == path else heading
        else:
            match = re.match(r"""\s*["']?([\w-]+)["']?\s*=""", line)
            if match and [*table, match[1]] == path[: len(table) + 1]:
                return number
    return heading
