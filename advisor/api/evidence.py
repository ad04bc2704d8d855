"""Evidence as a caller may give it: a record's file, a run's folder, what was read of one, or several."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Protocol

from advisor.evidence.records import Given, Weighed, weighed_of
from scenarios.errors import UserError
from scenarios.schema import Scenario


class HasRecord(Protocol):
    """A run that was read: `record` is the value of its record.json."""

    @property
    def record(self) -> dict: ...


One = str | os.PathLike[str] | HasRecord
Evidence = One | Iterable[One]


def weighed(evidence: Evidence | None, scenario: Scenario) -> tuple[Weighed, dict] | None:
    """What the evidence says about this scenario's decision, and the record that says so.

    Raises `UserError` for what isn't a record, and if several records count.
    """
    if evidence is None:
        return None
    found, given = weighed_of(_given(evidence), scenario)
    return found, given.record


def _given(evidence: object) -> list[Given]:
    if isinstance(evidence, str | os.PathLike):
        return [Given.read(Path(evidence))]
    record = getattr(evidence, "record", None)
    if isinstance(record, dict):
        return [Given.of(record)]
    if not isinstance(evidence, Iterable) or isinstance(evidence, Mapping | bytes):
        raise UserError(
            f"evidence is {evidence!r:.80}; give the path of a record.json, a run's folder, an object "
            "whose .record is such a record, or a list of these"
        )
    found = [given for each in evidence for given in _given(each)]
    if not found:
        raise UserError("evidence is empty; give at least one record, or None")
    return found
