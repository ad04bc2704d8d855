"""The profile that a command works on: a built-in scenario or a user's file, with facts replaced."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path

from pydantic import ValidationError

import scenarios
from scenarios.errors import UserError, unknown
from scenarios.schema import Profile, Scenario, checked, faults


def load(name: str | None, file: Path | None, settings: Iterable[str] = ()) -> Scenario:
    """The scenario of this name, or of a file that needs to hold only facts.

    Raises `UserError` unless exactly one is given, and as `scenarios.load` and `with_settings` do.
    """
    if (name is None) == (file is None):
        raise UserError("give exactly one of --scenario NAME and --profile FILE")
    scenario = scenarios.load(name) if name is not None else _from_file(file)
    profile = with_settings(scenario.profile, _pairs(settings))
    return scenario.model_copy(update={"profile": profile})


def _from_file(path: Path) -> Scenario:
    """A TOML file with a `[profile]`, or with only facts; its title may be missing."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise UserError(f"no file '{path}'; write one with `advisor interview`") from None
    except UnicodeDecodeError:
        raise UserError(f"'{path}' isn't UTF-8 text; save it as TOML in UTF-8") from None
    except OSError as error:
        raise UserError(f"can't read '{path}': {error.strerror}; give a TOML file") from None
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
        found = Profile.model_validate({**dict(profile), **changed})
    except ValidationError as error:
        strangers += [f"--set: {fault}" for fault in faults(error, Profile)]
    if strangers:
        raise UserError("; ".join(strangers))
    return found


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
