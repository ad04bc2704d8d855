"""The plan of a run as a value: trials, settings, rows and the one comparison, to and from JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from typing import Any

from pydantic import TypeAdapter, ValidationError

from scenarios.schema import Scenario, Task

SCHEMA_VERSION = 2
"""Number of the format of plans and records. Version 1 grew fields under its number; `from_json` fills them."""
READABLE = (1, SCHEMA_VERSION)


class UnreadableVersion(ValueError):
    """A plan that a newer version wrote; `version` is its number."""

    def __init__(self, version: int):
        super().__init__(f"schema_version {version}")
        self.version = version


@dataclass(frozen=True)
class Mode:
    """How much a run does: seeds of the trials that chance decides, training rows, requests timed,
    whether tuned models are also timed in other ways of serving, and whether one of each kind is
    trained on shuffled labels too."""

    name: str
    seeds: int
    train_rows: int | None
    latency_requests: int
    serving_ways: bool
    shuffled_canary: bool


MODES = {
    "quick": Mode("quick", 1, 384, 50, serving_ways=False, shuffled_canary=False),
    "default": Mode("default", 1, 1000, 100, serving_ways=True, shuffled_canary=False),
    "full": Mode("full", 5, None, 100, serving_ways=True, shuffled_canary=True),
}


@dataclass(frozen=True)
class Trial:
    """One contender with one seed, and one fold of the rows where they are cross-fitted.

    `name` is as people write it, `kind` the file's name; `label_noise` is the share of its training
    labels that are made wrong (`bench.rows.noise`). One of a learning curve runs through `sizes` (0: no
    labelled rows); the others have none.
    """

    slug: str
    name: str
    kind: str
    family: str
    model: str | None
    seed: int
    n_train: int
    settings: dict[str, Any]
    fold: int | None = None
    sizes: tuple[int, ...] = ()
    label_noise: float = 0.0


@dataclass(frozen=True)
class Rows:
    """Which rows a run has, by the digest of their texts and labels, and how many of them do what."""

    digest: str
    counts: dict[str, int]


@dataclass(frozen=True)
class Primary:
    """The one comparison that the verdict is drawn from: the arms of each side, and how one is chosen."""

    metric: str
    baseline: list[str]
    challenger: list[str]
    chosen_by: str
    scope: str = "this-model"


@dataclass(frozen=True)
class Look:
    """Which interim analysis of the test rows this is, of how many, and the error that it may spend."""

    look: int
    looks: int
    error: float


@dataclass(frozen=True)
class Choosing:
    """On how many rows everything is chosen, in how many folds (0: on validation rows), in words."""

    folds: int
    rows: int
    sentence: str


@dataclass(frozen=True)
class Asked:
    """What the user named beyond the mode, and the SHA-256 of the user's own code."""

    only: list[str] = field(default_factory=list)
    settings: dict[str, dict[str, Any]] = field(default_factory=dict)
    seeds: list[int] = field(default_factory=list)
    own: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Compared:
    """A curve's arms: the tuned ones, all prompts that each must beat, and the primary pair."""

    tuned: list[str]
    prompts: list[str]
    baseline: str | None
    challenger: str | None


@dataclass(frozen=True)
class Curve:
    """A learning curve (`bench.planning.curve`): sizes in labelled rows, seeds of their draws, trials.

    `choices` says which rows the arms choose on.
    """

    sizes: tuple[int, ...]
    seeds: tuple[int, ...]
    trials: tuple[Trial, ...]
    choices: str
    compared: Compared


@dataclass(frozen=True)
class Variant:
    """A contender at one combination of a sweep's values, by axis."""

    contender: str
    values: dict[str, str]


@dataclass(frozen=True)
class Swept:
    """A sweep's axes with their values, its combinations by the name of their trials, and its claim."""

    axes: dict[str, list[str]]
    variants: dict[str, Variant]
    claim: dict[str, Any] | None


@dataclass(frozen=True)
class Plan:
    """What a run will do; written before it starts, and never changed after.

    `family` holds the exploratory comparisons, (baseline, challenger), among which p-values are
    adjusted. `sweep` says which trial is which combination; `forgetting` whether tuned models are
    also asked what they have forgotten.
    """

    schema_version: int
    scenario: Scenario
    mode: Mode
    seed: int
    model: str
    rows: Rows
    trials: tuple[Trial, ...]
    primary: Primary | None
    family: tuple[tuple[str, str], ...]
    look: Look
    choosing: Choosing
    asked: Asked
    curve: Curve | None = None
    sweep: Swept | None = None
    forgetting: bool = False

    @property
    def task(self) -> Task:
        """The scenario's task, which a scenario that is run has."""
        assert self.scenario.task is not None
        return self.scenario.task

    @property
    def all_trials(self) -> tuple[Trial, ...]:
        """The run's own and the curve's."""
        return self.trials + (self.curve.trials if self.curve else ())

    def trial(self, slug: str) -> Trial:
        """The trial with a slug. Raises `KeyError` where there is none."""
        return {trial.slug: trial for trial in self.all_trials}[slug]

    def models(self) -> list[str]:
        """The models that the trials use, each once."""
        return list(dict.fromkeys(trial.model for trial in self.all_trials if trial.model))

    def to_json(self) -> dict[str, Any]:
        """Plain values; equal plans are equal here. Most have nothing of the user's own."""
        values = asdict(self) | {"scenario": self.scenario.model_dump(mode="json")}
        if not self.asked.own:
            del values["asked"]["own"]
        return values

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Plan:
        """The plan that `to_json` wrote, of this version or of version 1.

        Raises `UnreadableVersion` for another version's, and `ValueError` where it isn't a plan.
        """
        version = values.get("schema_version")
        if type(version) is int and version > SCHEMA_VERSION:
            raise UnreadableVersion(version)
        if version not in READABLE or isinstance(version, bool):
            raise ValueError("it has no schema_version")
        try:
            found = _reader().validate_python(_upgraded(values) if version == 1 else values)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"])) or "plan"
            raise ValueError(f"{place}: {first['msg'].lower()}") from None
        except (KeyError, TypeError, AttributeError) as error:  # of `_upgraded`
            raise ValueError(f"a part is missing or wrong: {error}") from None
        for trial in found.all_trials:
            trial.settings.update(_with_tuples(trial.settings))
        for settings in found.asked.settings.values():
            settings.update(_with_tuples(settings))
        return found

    def differences(self, other: Plan) -> list[str]:
        """The parts in which two plans differ in what is done; titles and sentences may differ.

        Other code of the user's own, which has the same name, is named.
        """
        ours, theirs = self._substance(), other._substance()
        own, others = ours["asked"].pop("own", {}), theirs["asked"].pop("own", {})
        code = [f"the code of {name}" for name in own if own[name] != others.get(name, own[name])]
        return [key for key in ours if ours[key] != theirs[key]] + code

    def _substance(self) -> dict[str, Any]:
        values = self.to_json()
        del values["schema_version"], values["choosing"]["sentence"]
        del values["scenario"]["title"], values["scenario"]["summary"]
        for part, words in (("primary", "chosen_by"), ("curve", "choices")):
            if values[part]:
                del values[part][words]
        return values


def _upgraded(values: Mapping[str, Any]) -> dict[str, Any]:
    """A plan of version 1 with what was added under that number, as it was then done.

    The first plans compared whatever the mode named, chose on the validation rows, knew no interim
    analyses and no cross-fitting; the next ones lacked only what had been asked for by name.
    """
    validation = values["rows"]["counts"].get("validation", 0)
    sentence = f"choices are made on {validation} validation rows"
    added: dict[str, Any] = {
        "family": (),
        "look": {"look": 1, "looks": 1, "error": 0.05},
        "choosing": {"folds": 0, "rows": validation, "sentence": sentence},
        "asked": {},
    }
    mode = {"serving_ways": False, "shuffled_canary": False} | values["mode"]
    return added | dict(values) | {"mode": mode, "schema_version": SCHEMA_VERSION}


def _with_tuples(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings as contenders take them: JSON has no tuples."""
    return {k: tuple(v) if isinstance(v, list) else v for k, v in settings.items()}


@cache
def _reader() -> TypeAdapter[Plan]:
    return TypeAdapter(Plan)
