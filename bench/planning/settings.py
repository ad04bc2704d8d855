"""Which contenders a run has, and with which settings."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, get_origin, get_type_hints

from pydantic import TypeAdapter, ValidationError

from bench import models, registry
from bench.core.contender import Contender
from scenarios.errors import UserError, unknown

FLOORS = ("majority", "tf-idf")
_FIRST = ("zero-shot", "few-shot", "lora")  # of their families, since of equals the first is taken
_PLACES = {"floor": 0, "prompt": 1, "between": 2, "fine_tune": 3}


def contender_names(
    only: Sequence[str], mode: str = "default", task_type: str = "classification"
) -> list[str]:
    """The baselines and the named contenders (the mode's usual ones if none), in the order of families.

    A name is `few-shot` or `few-shot@MODEL`. Raises `UserError` for an unknown one, and for a
    model on a contender that uses none.
    """
    wanted = [name.strip() for name in only] or [
        name
        for name in registry.names("contenders")
        if mode in registry.contender(name).usual and task_type in registry.contender(name).tasks
    ]
    for name in wanted:
        kind, at, model = name.partition("@")
        if at and not registry.contender(kind).uses_model:
            raise UserError(f"'{name}': {kind} uses no model; write just '{kind}'")
        if at and not model:
            raise UserError(f"'{name}' names no model after '@'; write '{kind}' or '{kind}@MODEL'")
        if task_type not in registry.contender(kind).tasks:
            raise UserError(
                f"'{name}' answers with labels, and this task's answers are free texts; leave it out"
            )

    def place(name: str) -> tuple:
        kind = name.partition("@")[0]
        return _PLACES[registry.contender(kind).family], kind != "zero-shot", kind not in _FIRST

    return sorted(dict.fromkeys([*FLOORS, *wanted]), key=place)


def model_of(name: str, default: str) -> str | None:
    """The model of a contender as people write it, else the run's; None for one that uses none.

    Raises `UserError` for a model that can't do what the contender needs.
    """
    kind, _, own = name.partition("@")
    contender = registry.contender(kind)
    if not contender.uses_model:
        return None
    model = own or default
    can = frozenset(models.named(model).can)
    if missing := sorted(contender.needs - can):
        raise UserError(
            f"{kind} needs a model that can {' and '.join(missing)}, and '{model}' can only "
            f"{' and '.join(sorted(can))}; leave {kind} out (--only), or write {kind}@MODEL"
        )
    return model


def settings_of(
    contender: type[Contender], quick: bool, changed: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """A contender's settings by name: its defaults, those of its quick runs, the user's own."""
    values = {field.name: field.default for field in fields(contender)}
    return values | dict(contender.quick if quick else {}) | dict(changed or {})


def check_changed(names: Sequence[str], changed: Mapping[str, Mapping[str, Any]]) -> None:
    """Raises `UserError` for a setting of a contender that isn't in the run."""
    kinds = {name.partition("@")[0] for name in names}
    for kind, settings in changed.items():
        if kind not in kinds:
            raise UserError(
                f"--set {kind}.{next(iter(settings))}: {kind} isn't in this run, which has "
                f"{', '.join(names)}; add it to --only, or leave out the setting"
            )


def shots_available(kind: str, settings: Mapping[str, Any], own: bool, rows: int) -> dict[str, Any]:
    """Numbers of demonstrations that there are rows for; raises `UserError` for the user's others."""
    shots = settings.get("shots")
    if not isinstance(shots, tuple):  # a contender of the user's own may mean something else by it
        return {}
    fitting = tuple(number for number in shots if number <= rows)
    if fitting == shots:
        return {}
    if own:
        raise UserError(
            f"{kind}.shots={max(shots)} is more demonstrations than the {rows} rows that can be "
            f"shown; set at most {rows}, or add training rows"
        )
    return {"shots": fitting or (rows,)}


def parse_settings(texts: Sequence[str]) -> dict[str, dict[str, Any]]:
    """`lora.rank=32` and the like, by contender and setting; values are checked by their types.

    Raises `UserError` for an unknown contender or setting, or a value that doesn't fit.
    """
    found: dict[str, dict[str, Any]] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        kind, dot, setting = name.strip().partition(".")
        if not (equals and dot):
            raise UserError(f"--set takes CONTENDER.SETTING=VALUE, not '{text}'")
        types = get_type_hints(registry.contender(kind), include_extras=True)
        known = [field.name for field in fields(registry.contender(kind))]
        if setting not in known:
            raise unknown(f"setting of {kind}", setting, known)
        several = get_origin(types[setting]) is tuple
        given = tuple(value.split(",")) if several else value.strip()
        try:
            checked = TypeAdapter(types[setting]).validate_python(given)
        except ValidationError as error:
            why = error.errors()[0]["msg"]
            raise UserError(f"{name}: {why[0].lower()}{why[1:]}, not '{value}'") from None
        if several:
            twice = next((v for i, v in enumerate(checked) if v in checked[:i]), None)
            if twice is not None:
                raise UserError(f"{name} lists {twice} twice; each value must be different")
        found.setdefault(kind, {})[setting] = checked
    return found


def slug_of(name: str) -> str:
    """A name in `[a-z0-9-]`, for files."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:60]
