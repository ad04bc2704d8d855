"""The format of a scenario's file: units in the names, unknown keys rejected, faults with their lines."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

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
    """Frozen; unknown keys are rejected."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _fact(asks: str, **limits: Any) -> Any:
    """A fact that may be unknown, and the question that asks for it."""
    return Field(default=None, description=asks, **limits)


class Profile(Strict):
    """What is known about a decision. None means unknown: it isn't guessed, and increases the uncertainty.

    Each fact's description is the question that asks for it, with its unit. The facts about
    money have defaults, with sources, where they are used (`advisor.money.assumptions`).
    """

    # the task
    task_type: TaskType | None = _fact("What kind of task is it?")
    classes: Annotated[int, Field(ge=2, le=10**6)] | None = _fact(
        "How many classes does it choose between?"
    )
    labelled_examples: Whole | None = _fact("How many labelled examples do you have?")
    label_quality: Literal["poor", "fair", "good"] | None = _fact(
        "How good are the labels (good: checked, or two people agree)?"
    )
    vocabulary: Literal["general", "mixed", "specialised"] | None = _fact(
        "How specialised is the vocabulary?"
    )
    format_strictness: Literal["loose", "strict"] | None = _fact(
        "How strict is the format of an answer (strict: a program reads it)?"
    )
    style_consistency: Literal["unimportant", "helpful", "essential"] | None = _fact(
        "How important is a consistent style?"
    )
    live_data_shift: Literal["none", "some", "strong"] | None = _fact(
        "How much will live data differ from the labelled examples?"
    )
    # knowledge
    knowledge_changes: Literal["never", "yearly", "monthly", "weekly", "daily"] | None = _fact(
        "How often do the facts behind the answers change?"
    )
    # the load
    requests_per_month: Whole | None = _fact("How many requests do you expect per month?")
    peak_to_mean_load: Annotated[float, Field(ge=1, le=1000)] | None = _fact(
        "How many times the mean load is the load in the busiest hour?"
    )
    prompt_tokens: Whole | None = _fact(
        "How many tokens does a request have (instruction and text, excluding demonstrations)?"
    )
    completion_tokens: Whole | None = _fact("How many tokens does an answer have?")
    latency_target_p95_ms: Positive | None = _fact(
        "Within how many milliseconds must 95% of the answers arrive?"
    )
    horizon_months: Annotated[int, Field(ge=1, le=120)] | None = _fact(
        "Over how many months does it have to pay off?"
    )
    # limits
    one_off_budget_usd: Amount | None = _fact("What is the one-off budget, in dollars?")
    monthly_budget_usd: Amount | None = _fact("What is the monthly budget, in dollars?")
    data_may_leave: bool | None = _fact("May the data leave your organisation?")
    erasure_duty: bool | None = _fact(
        "Must a person's data be erasable on request, even from a trained model?"
    )
    base_licence_fits: bool | None = _fact("Does the licence of an open base model allow this use?")
    labels_may_train: bool | None = _fact(
        "May the labels be used to train a model (a provider's terms may forbid it for its outputs)?"
    )
    # means
    gpu_memory_gib: Amount | None = _fact(
        "How much memory does your GPU have, in GiB (0 if you have none)?"
    )
    team_practice: Literal["none", "some", "expert"] | None = _fact(
        "How experienced is the team in training and serving models?"
    )
    tenants: Annotated[int, Field(ge=1, le=10**6)] | None = _fact(
        "How many tenants need their own behaviour (1 if all share one)?"
    )
    largest_own_model_billion_parameters: Positive | None = _fact(
        "How many billion parameters does the largest model have that you can tune and serve?"
    )
    prompted_model_billion_parameters: Positive | None = _fact(
        "How many billion parameters does the prompted model have (1000 for a frontier model)?"
    )
    # where it stands
    quality_bar: Annotated[float, Field(gt=0, le=1)] | None = _fact(
        "What share of correct answers is needed (0 to 1)?"
    )
    prompting_reached: Annotated[float, Field(ge=0, le=1)] | None = _fact(
        "What share of correct answers has prompting reached so far (0 to 1)?"
    )
    prompting_effort: Literal["none", "zero-shot", "few-shot", "optimised"] | None = _fact(
        "How far has prompting been taken (optimised: examples and wording chosen on data)?"
    )
    # money
    hosted_model: str | None = _fact("Which hosted model would be prompted?", max_length=200)
    own_model: str | None = _fact("Which open model would be tuned and served?", max_length=200)
    demonstrations: Annotated[int, Field(ge=0, le=10**4)] | None = _fact(
        "How many demonstrations does a few-shot prompt have?"
    )
    labelling_usd_per_example: Amount | None = _fact("How many dollars does one label cost?")
    retrain_every_months: Annotated[int, Field(ge=1, le=120)] | None = _fact(
        "After how many months is a model retrained?"
    )
    base_model_lasts_months: Annotated[int, Field(ge=1, le=120)] | None = _fact(
        "After how many months is the base model retired?"
    )
    operations_hours_per_month: Amount | None = _fact(
        "How many hours a month does it take to run your own model?"
    )
    staff_usd_per_hour: Amount | None = _fact("How many dollars does an hour of staff time cost?")
    replicas: Annotated[int, Field(ge=1, le=1000)] | None = _fact(
        "How many copies must run at least, for availability?"
    )
    utilisation: Annotated[float, Field(ge=0.001, le=1)] | None = _fact(
        "What share of its throughput may a busy server be loaded with (0 to 1)?"
    )
    gpu_offer: Literal["community", "spot", "on-demand", "hyperscaler"] | None = _fact(
        "What kind of GPU pricing do you use?"
    )
    training_rows: Annotated[int, Field(ge=1, le=10**9)] | None = _fact(
        "How many labelled examples are used for tuning (per tenant)?"
    )
    evaluation_rows: Whole | None = _fact("How many labelled examples are held out for evaluation?")
    training_trials: Annotated[int, Field(ge=1, le=10**4)] | None = _fact(
        "How many training runs does it take until a model is right (seeds and settings)?"
    )
    evaluation_hours: Amount | None = _fact(
        "How many hours of staff time does one evaluation take?"
    )
    prompting_setup_hours: Amount | None = _fact(
        "How many hours of staff time does it take to set up prompts?"
    )
    tuning_setup_hours: Amount | None = _fact(
        "How many hours of staff time does it take to set up tuning?"
    )
    cache_hit_share: Annotated[float, Field(ge=0, le=1)] | None = _fact(
        "In what share of requests is the prompt prefix in the provider's cache (0 to 1)?"
    )


class Band(Strict):
    """A label for the values between two bounds, both included; without a bound that side is open."""

    label: str
    at_least: float | None = None
    at_most: float | None = None

    def holds(self, value: float) -> bool:
        """Whether the value is between the bounds."""
        above = self.at_least is None or value >= self.at_least
        return above and (self.at_most is None or value <= self.at_most)


class Rows(Strict):
    """Where the rows are and how to read them: a file of the user's, or a member of an archive.

    `text` and `label` are columns, or `messages` is one that holds chats (the last user turn is
    the text, the assistant's answer the label). The column `before` is put above the text.

    The label is a column (`label`), or made from a number (`rating` and `bands`; a row
    whose rating is outside all bands is left out). `group` is a regular expression on the id: rows with
    the same first match belong together and are never in two parts.
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

    @property
    def archived(self) -> tuple[str, str, str, str] | None:
        """Project, file name, SHA-256 and member of an archive; None for a file of the user's."""
        if self.project is None or self.filename is None:
            return None
        if self.sha256 is None or self.member is None:
            return None
        return self.project, self.filename, self.sha256, self.member

    @model_validator(mode="after")
    def _is_whole(self) -> Rows:
        if (self.path is None) == (self.archived is None):
            raise ValueError("give either path or all of project, filename, sha256 and member")
        ways = (self.label, self.messages, self.rating if self.bands else None)
        if sum(way is not None for way in ways) != 1:
            raise ValueError("give exactly one of: label, messages, or rating with bands")
        if self.group is not None:
            try:
                if re.compile(self.group).groups == 0:
                    raise ValueError(
                        "group needs parentheses around the part that rows share, as in '^(\\d+)_'"
                    )
            except re.error as error:
                raise ValueError(f"group isn't a regular expression: {error}") from None
            if self.id is None:
                raise ValueError("group is matched against the id, so id must name a column")
        return self


METRICS = {"classification": ("accuracy", "macro-f1"), "generation": ("exact-match", "chrf")}
"""The default metrics, by the type of task."""


class Task(Strict):
    """What makes a scenario runnable: the rows, what is asked of the model, and the parts' sizes.

    A classification lists its labels; a generation has free-text answers of at most
    `most_answer_tokens`. A text is cut after `most_text_tokens` of the model's tokens, for every
    contender. Everything is chosen and judged by the first of the metrics. `instructions` are other
    wordings of the instruction, from which prompting chooses on validation rows; tuning uses the
    first. With few `validation_rows`, or none, everything is chosen by cross-validation on the rows
    that aren't test rows.
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
    def _usual_metrics(cls, values: Any) -> Any:
        if isinstance(values, dict) and "metrics" not in values:
            values = values | {"metrics": METRICS.get(values.get("type", "classification"), ())}
        return values

    @property
    def wordings(self) -> tuple[str, ...]:
        """All instructions, the main one first."""
        return (self.instruction, *self.instructions)

    def worded(self, number: int) -> Task:
        """The task with that one of its wordings as its instruction."""
        return self.model_copy(update={"instruction": self.wordings[number]})

    @field_validator("instruction")
    @classmethod
    def _says_something(cls, value: str) -> str:
        if not value.strip():
            raise ValueError("an instruction is blank; write what the model is to do")
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
            shown = twice if len(twice) <= 60 else f"{twice[:57]}..."
            raise ValueError(
                f"the instruction '{shown}' appears twice in instruction and instructions; remove one"
            )
        return self

    @model_validator(mode="after")
    def _labels_differ(self) -> Task:
        if self.type == "generation":
            if self.labels or self.rows.bands:
                raise ValueError("a generation has free-text answers; remove labels and bands")
            return self
        if len(self.labels) < 2:
            raise ValueError(
                f"labels has {len(self.labels)} entries, so there is nothing to choose between; "
                "list at least two"
            )
        if len(set(self.labels)) < len(self.labels):
            raise ValueError("labels lists the same label twice; remove one")
        strangers = sorted({band.label for band in self.rows.bands} - set(self.labels))
        if strangers:
            raise ValueError(
                f"bands use labels that aren't in labels: {', '.join(strangers)}; add them there"
            )
        return self


class Decision(Strict):
    """The thresholds, set before the run and copied into its plan.

    `margin` is the smallest gain in accuracy (0 to 1) that is worth the trouble of tuning, and
    `quality_bar` what an arm must reach to be of any use. Requests per month and a horizon turn
    prices into costs. `looks` is the number of interim analyses, each with more test rows: they share
    the error between them, and one more than declared is exploratory.
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
                "a margin must be between 0 and 1, since no number of rows can show a gain of zero; set "
                "it to the smallest gain that is worth the trouble, such as 0.03"
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
            raise ValueError(f"{has} without {missing[0]} gives no cost; set both, or neither")
        return self


class Claim(Strict):
    """A claim that a sweep tests: the combination `better` does better than each of `worse`.

    A combination is written as `rows=500,label-noise=0`.
    """

    text: Annotated[str, Field(min_length=1)]
    better: Annotated[str, Field(min_length=1)]
    worse: Annotated[tuple[str, ...], Field(min_length=1)]


class Sweep(Strict):
    """What `bench sweep` varies in this scenario unless the command says otherwise.

    `vary` and `settings` are written as for its options `--vary` and `--set`.
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
    """A scenario from the text of its file; relative paths of rows start at `folder`.

    Raises `UserError` that lists every fault with its line.
    """
    try:
        raw = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # TOMLDecodeError is a ValueError
        raise UserError(f"{place} isn't TOML: {error}") from None
    return checked(raw, text, name, place, folder)


def checked(raw: dict, text: str, name: str, place: str, folder: Path | None = None) -> Scenario:
    """A scenario from the values of its file; `text` gives the lines of faults. Raises as `parse`."""
    if "name" in raw:
        raise UserError(f"{place}: a scenario is named by its file; remove the key 'name'")
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
                shown = repr(value)
                shown = (
                    shown if len(shown) <= 80 else f"{shown[:60]}... ({len(shown):,} characters)"
                )
                why = f"{why[0].lower()}{why[1:]}, not {shown}"
        line = _line_of(text, fault["loc"])
        lines.append(f"line {line}, {path}: {why}" if line else f"{path}: {why}")
    return lines


def _keys(model: type[BaseModel], loc: tuple[int | str, ...]) -> list[str]:
    """The known keys at the place of an unknown one."""
    for part in loc[:-1]:
        field = model.model_fields.get(part) if isinstance(part, str) else None
        if field is not None:
            model = _model_in(field.annotation) or model
    return [key for key in model.model_fields if key != "name"]


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The model inside `Model`, `Model | None` or `tuple[Model, ...]`."""
    for candidate in (annotation, *getattr(annotation, "__args__", ())):
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            return candidate
    return None


def _line_of(text: str, loc: tuple[int | str, ...]) -> int | None:
    """The line of a key in its table, or else that of the table's heading; None if neither."""
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
