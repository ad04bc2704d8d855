"""The profile that a command works on: a built-in scenario or a user's file, with facts replaced."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterable, Mapping
from numbers import Integral, Real
from pathlib import Path
from typing import get_args

from pydantic import ValidationError

import scenarios
from scenarios.errors import UserError, unknown
from scenarios.schema import Profile, Scenario, checked, faults


def load(name: str | None, file: Path | None, settings: Iterable[str] = ()) -> Scenario:
    """The scenario of this name, or of a file that needs to hold only facts.

    Raises `UserError` unless exactly one is given, and as `scenarios.load` and `with_settings` do.
    """
    if name is not None and file is None:
        scenario = scenarios.load(name)
    elif file is not None and name is None:
        scenario = _from_file(file)
    else:
        raise UserError("give exactly one of --scenario NAME and --profile FILE")
    profile = with_settings(scenario.profile, _pairs(settings))
    return scenario.model_copy(update={"profile": profile})


def given(scenario: str | os.PathLike[str] | Scenario | None) -> Scenario:
    """The scenario that a caller names.

    It is a built-in one, the path of a TOML file that needs to hold only facts, or one that was loaded;
    None has no facts. Raises `UserError` as `load` does, and for anything else.
    """
    if scenario is None:
        return Scenario(name="profile", title="profile")
    if isinstance(scenario, Scenario):
        return scenario
    if isinstance(scenario, str) and not is_path(scenario):
        return scenarios.load(scenario)
    if isinstance(scenario, str | os.PathLike):
        return _from_file(Path(scenario))
    raise UserError(
        f"scenario is {scenario!r:.80}; give the name of a built-in one, the path of a TOML file, a "
        "Scenario, or None"
    )


def is_path(name: str) -> bool:
    """Whether a scenario's name is the path of a file, as in `scenarios.load`."""
    return name.endswith(".toml") or "/" in name or "\\" in name


def _from_file(path: Path) -> Scenario:
    """A TOML file with a `[profile]`, or with only facts; its title may be missing."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise UserError(f"no file '{path}'; write one with `advisor interview`") from None
    except UnicodeDecodeError:
        raise UserError(f"'{path}' isn't UTF-8 text; save it as TOML in UTF-8") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"can't read '{path}': {reason}; give a TOML file") from None
    name = path.stem.replace("_", "-")
    try:
        raw = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} isn't TOML: {error}") from None
    for key in raw:
        if key != "profile" and key.lower() == "profile":
            raise UserError(f"{path}: [{key}] must be spelled [profile]")
    if not {"title", "summary", "profile", "task", "decision"} & raw.keys():
        raw = {"profile": raw}
    return checked({"title": name, **raw}, text, name, str(path), path.parent)


def holds_more_than_facts(path: Path) -> bool:
    """Whether a file has tables or a summary that rewriting its facts would lose."""
    raw = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    return bool({"summary", "task", "decision"} & raw.keys())


def with_settings(profile: Profile, settings: Mapping[str, str]) -> Profile:
    """A profile with some facts replaced, given as text; `unknown` removes a fact.

    Raises one `UserError` that names every wrong key and value.
    """
    known = list(Profile.model_fields)
    strangers = [str(unknown("factor", key, known)) for key in settings if key not in known]
    changed = {k: None if text == "unknown" else text for k, text in settings.items() if k in known}
    try:
        found = _validated(profile, changed)
    except ValidationError as error:
        strangers += [f"--set: {fault}" for fault in faults(error, Profile)]
    if strangers:
        raise UserError("; ".join(strangers))
    return found


def with_facts(profile: Profile, facts: Mapping[str, object]) -> Profile:
    """A profile with some facts replaced, given as values; None removes a fact.

    The names are those of `Profile`. Raises one `UserError` that names every wrong value.
    """
    wrong = {name: fault for name, value in facts.items() if (fault := _wrong_type(name, value))}
    right = {name: plain(value) for name, value in facts.items() if name not in wrong}
    said = list(wrong.values())
    try:
        found = _validated(profile, right)
    except ValidationError as error:
        said += faults(error, Profile)
    if said:
        raise UserError("; ".join(said))
    return found


def _validated(profile: Profile, changed: Mapping[str, object]) -> Profile:
    return Profile.model_validate({**dict(profile), **changed})


def plain(value: object) -> object:
    """A number of another library, such as NumPy's, as Python's own."""
    if isinstance(value, bool | int | float):
        return value
    if isinstance(value, Integral):
        return int(value)
    return float(value) if isinstance(value, Real) else value


def _wrong_type(name: str, value: object) -> str | None:
    """What is wrong with the type of a fact's value, and what to give; None if nothing is."""
    found = kinds(Profile.model_fields[name].annotation)
    value = plain(value)
    if value is None or isinstance(value, str):
        return None  # a text may hold a number, as it may after --set
    if bool in found:
        fits, wanted = isinstance(value, bool), "True or False"
    elif found & {int, float}:
        fits = isinstance(value, int | float) and not isinstance(value, bool)
        wanted = "a whole number" if int in found else "a number"
    else:
        choices = [str(kind) for kind in found if isinstance(kind, str)]
        fits, wanted = False, " or ".join(sorted(choices)) or "text"
    return None if fits else f"{name} is {value!r:.80}; give {wanted}, or None if it is unknown"


def kinds(annotation: object) -> set[object]:
    """The plain types inside an annotation, and the values of a `Literal`."""
    inside = get_args(annotation)
    return set().union(*map(kinds, inside)) if inside else {annotation}


def _pairs(settings: Iterable[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for setting in settings:
        key, equals, value = (part.strip() for part in setting.partition("="))
        if not equals:
            raise UserError(f"--set takes FACTOR=VALUE, not '{setting}'")
        if key in found:
            raise UserError(f"--set gives {key} twice; give it once")
        found[key] = value
    return found
