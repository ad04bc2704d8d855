"""A scenario inferred from the user's rows, as a file next to them."""

from __future__ import annotations

from pathlib import Path

from scenarios.errors import UserError
from scenarios.progress import say
from scenarios.terminal import plain


def write_scenario(
    data: Path, text_field: str | None, label_field: str | None, out: Path | None
) -> Path:
    """Infer a scenario from rows, report what was inferred, and write the scenario's file.

    Raises `UserError` where the file exists with different content.
    """
    from scenarios.cache import write_atomically
    from scenarios.infer import infer

    path = out or data.with_suffix(".toml")
    same_folder = path.absolute().parent == data.absolute().parent
    named = data.name if same_folder else str(data.absolute())
    found = infer(data, text_field, label_field, named)
    if path.exists() and (path.is_dir() or path.read_bytes() != found.toml.encode()):
        if out is None:
            raise UserError(
                f"'{path}' already exists with different content; run it with "
                f"`bench run {path}`, or delete it"
            )
        raise UserError(f"'{path}' already exists; choose another --out, or delete it")
    for sentence in found.said:
        say(plain(sentence))
    try:
        write_atomically(path, found.toml)
    except OSError as error:
        raise UserError(
            f"can't write '{path}': {error.strerror or error}; choose another --out"
        ) from error
    say(f"scenario: {path}")
    return path
