"""What the contracts hold for: every file in the folders, and a user's own ones from elsewhere.

A new file is tested without a new test, and a new promise is tested over all files. Nothing here names a file.
"""

from __future__ import annotations

from bench import registry
from bench.core.own import own
from tests.conftest import ROOT

_FOLDER = ROOT / "tests" / "data" / "own"
OWN = own(*(_FOLDER / name for name in ("contenders", "metrics", "models"))).added()


def names(folder: str, promises=lambda module: True) -> list[str]:
    """The names of the files that make a promise, and of the user's own."""
    with registry.added(OWN):
        return [name for name in registry.names(folder) if promises(registry.load(folder, name))]


def contenders(promises=lambda kind: True) -> list[str]:
    """The names of the contenders whose class makes a promise."""
    return names("contenders", lambda module: promises(module.Contender))
