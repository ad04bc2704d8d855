"""Scenarios: what is to be done, in one TOML file each, and the rows that it names."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from scenarios.errors import UserError, unknown
from scenarios.schema import Scenario, parse


def names() -> list[str]:
    """The names of the scenarios that ship with the product, in kebab-case, sorted."""
    files = resources.files("scenarios").iterdir()
    return sorted(f.name[:-5].replace("_", "-") for f in files if f.name.endswith(".toml"))


def load(name_or_path: str) -> Scenario:
    """A built-in scenario by name, or one of the user's by the path of its `.toml`.

    Raises `UserError` for an unknown name (with the nearest one), an unreadable file, or a
    file with faults (all are listed, each with its line).
    """
    if name_or_path.endswith(".toml") or "/" in name_or_path or "\\" in name_or_path:
        path = Path(name_or_path)
        if path.exists() and not path.is_file():
            raise UserError(
                f"'{path}' isn't a file; give a scenario's name or the path of its .toml"
            )
        try:
            text = path.read_text(encoding="utf-8-sig")
        except FileNotFoundError:
            raise UserError(f"no file '{path}'; known scenarios: {', '.join(names())}") from None
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"can't read '{path}': {error}") from error
        return parse(text, name=path.stem.replace("_", "-"), place=str(path), folder=path.parent)
    if name_or_path not in names():
        raise unknown("scenario", name_or_path, names())
    file = resources.files("scenarios") / f"{name_or_path.replace('-', '_')}.toml"
    return parse(file.read_text(encoding="utf-8"), name=name_or_path, place=file.name)
