"""What a user asks of a run: scenario, contenders, settings, curve, sweep and budget."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.core.own import Own
from bench.core.plan import Mode
from bench.models.local import DEFAULT_MODEL
from scenarios.schema import Claim, Scenario


@dataclass(frozen=True)
class CurveRequest:
    """A learning curve; sizes and seeds that aren't given are the mode's. `alone` is `bench curve`."""

    sizes: tuple[int, ...] = ()
    seeds: int | None = None
    alone: bool = True


@dataclass(frozen=True)
class Axis:
    """What a sweep varies, by the name that people type, and its values as they typed them.

    A name like `lora.rank` belongs to one contender, where others are varied as well.
    """

    name: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class Sweep:
    """Axes whose product is tried, for the contenders that `only` names; and what is claimed of it."""

    axes: tuple[Axis, ...]
    only: tuple[str, ...]
    claim: Claim | None = None


@dataclass(frozen=True)
class Budget:
    """As the user gave it, and in seconds of this machine; `usd` where it was given in dollars."""

    said: str
    seconds: float
    usd: float | None = None


@dataclass(frozen=True)
class Request:
    """A run as it is asked for.

    `changed` are settings by the kind of contender, `usd_per_hour` is the price of this machine.
    `curve` asks for a learning curve, alone or in addition to the run's trials. Where `forgetting`
    is None the mode decides. `own` are the user's own contenders, metrics and models.
    """

    scenario: Scenario
    mode: Mode
    seed: int = 0
    model: str = DEFAULT_MODEL
    only: tuple[str, ...] = ()
    changed: Mapping[str, dict[str, Any]] = field(default_factory=dict)
    out: Path | None = None
    usd_per_hour: float | None = None
    seeds: tuple[int, ...] = ()
    look: int = 1
    folds: int = 0
    curve: CurveRequest | None = None
    budget: Budget | None = None
    label_noise: float = 0.0
    forgetting: bool | None = None
    sweep: Sweep | None = None
    own: Own = field(default_factory=Own)
