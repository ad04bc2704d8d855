"""Where a decision's facts come from: a scenario, or a file of facts alone, with single ones replaced."""

from __future__ import annotations

import tomllib
from pathlib import Path

from pydantic import ValidationError

import scenarios
from advisor.recommend import with_settings
from scenarios.errors import UserError
from scenarios.schema import Scenario, faults


def load(scenario: str | None, profile_file: str | None, settings: dict[str, str]) -> Scenario:
    """The scenario of a name or a path, or one made of a TOML file with a `[profile]`.

    `settings` replace facts, as texts; `unknown` removes one. Exactly one of the two sources is
    given. Raises `UserError` for neither or both, for what `scenarios.load` refuses, for a file
    without `[profile]`, and for wrong facts.
    """
    if (scenario is None) == (profile_file is None):
        raise UserError("give one of --scenario NAME and --profile FILE.toml")
    found = scenarios.load(scenario) if scenario is not None else _of_file(profile_file)
    return found.model_copy(update={"profile": with_settings(found.profile, settings)})


def _of_file(profile_file: str) -> Scenario:
    """A scenario of a file of facts; a whole scenario's file is one too."""
    path = Path(profile_file)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UserError(f"can't read the profile '{path}': {reason}") from None
    try:
        raw = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} isn't TOML: {error}") from None
    if "profile" not in raw:
        raise UserError(
            f"{path} has no [profile]; begin it with that line, and put the facts under it"
        )
    if "title" in raw:  # a whole scenario
        return scenarios.load(str(path))
    name = path.stem.replace("_", "-")
    try:
        return Scenario.model_validate({**raw, "name": name, "title": path.stem})
    except ValidationError as error:
        raise UserError(f"{path}: {'; '.join(faults(error, Scenario, text))}") from None
