"""Whether the packages of the extra `bench` are installed."""

from __future__ import annotations

import importlib.util

from scenarios.errors import UserError

_PACKAGES = ("torch", "transformers", "peft", "datasets", "sklearn", "altair")


def need_extra() -> None:
    """Raises `UserError` if the packages of the extra `bench` aren't installed."""
    if missing := missing_packages():
        raise UserError(
            f"this command needs packages that aren't installed ({', '.join(missing)}); "
            "run `pip install 'tune-or-prompt[bench]'`"
        )


def missing_packages() -> list[str]:
    """Those that aren't installed."""
    return [name for name in _PACKAGES if importlib.util.find_spec(name) is None]
