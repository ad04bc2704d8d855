"""How a trial ended: with figures, skipped, or failed. What `outcomes/<trial>.json` holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from typing import Any, ClassVar, Literal

from pydantic import TypeAdapter

from bench.core.meter import Usage

Status = Literal["done", "skipped", "failed"]


@dataclass(frozen=True, kw_only=True)
class Done:
    """A trial that answered every test row.

    `setup` measures fitting, `restoring` loading what was fitted into a fresh process, `serving`
    answering `rows` test rows. The milliseconds are those of single requests: whole, to the first
    token, and per token after it (the last two only where texts are written). `machine_gflops` is
    the speed of a fixed product just before them. A value that wasn't measured, or that an earlier
    version didn't record, is None.
    """

    status: ClassVar[Status] = "done"
    notes: dict[str, Any]
    setup: Usage
    restoring: Usage | None = None
    loading: Usage | None = None
    serving: Usage
    rows: int
    latencies_ms: list[float]
    first_token_ms: list[float] = field(default_factory=list)
    per_token_ms: list[float] = field(default_factory=list)
    machine_gflops: float | None = None
    wrong_labels: int | None = None
    ways: list[dict[str, Any]] | None = None
    device: dict[str, Any] | None
    forgetting: dict[str, Any] | None = None
    wall_seconds: float | None = None


@dataclass(frozen=True, kw_only=True)
class CurveDone:
    """A learning curve's trial that finished its `sizes`; its figures are in a file for each size."""

    status: ClassVar[Status] = "done"
    sizes: tuple[int, ...]
    loading: Usage | None = None
    setup: Usage | None = None
    device: dict[str, Any] | None
    wall_seconds: float | None = None


@dataclass(frozen=True)
class Skipped:
    """A trial that can't run here, or that a budget has no room for."""

    status: ClassVar[Status] = "skipped"
    reason: str


@dataclass(frozen=True)
class Failed:
    """A trial that ended without figures."""

    status: ClassVar[Status] = "failed"
    reason: str


Outcome = Done | CurveDone | Skipped | Failed
_KEPT_IF_NONE = ("device",)  # null says that no model was used; other nulls are left out


def to_json(outcome: Outcome) -> dict[str, Any]:
    """Plain values, as an outcome's file and a record hold them."""
    values = asdict(outcome)
    known = {k: v for k, v in values.items() if v is not None or k in _KEPT_IF_NONE}
    return {"status": outcome.status, **known}


def from_json(values: Mapping[str, Any]) -> Outcome:
    """The outcome that `to_json` wrote, also by earlier versions. Raises `ValueError` for others."""
    status = values.get("status")
    figures = {key: value for key, value in values.items() if key != "status"}
    kinds: dict[object, type] = {"skipped": Skipped, "failed": Failed}
    kinds["done"] = CurveDone if "sizes" in figures else Done
    if not isinstance(status, str) or status not in kinds:
        raise ValueError(f"no outcome has the status {status!r}")
    return _reader(kinds[status]).validate_python(figures)


@cache
def _reader(kind: type) -> TypeAdapter[Any]:
    return TypeAdapter(kind)
