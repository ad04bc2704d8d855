"""Records on disk: written once a run has finished, and read again, of this version or of version 1."""

from __future__ import annotations

import json
from pathlib import Path

from bench.core.folder import RunFolder, read_json
from bench.core.plan import READABLE, Plan
from bench.record.types import Record
from scenarios.cache import write_atomically
from scenarios.errors import UserError


def read_record(path: Path) -> Record:
    """A record from its file or its run's folder. Raises `UserError` where it isn't one."""
    file = RunFolder(path).record_file if path.is_dir() else path
    try:
        record = read_json(file)
    except FileNotFoundError:
        raise UserError(f"no record at '{file}'; a finished run leaves record.json") from None
    except OSError as error:
        raise UserError(
            f"can't read '{file}': {error.strerror or error}; check its permissions and the path"
        ) from None
    except (ValueError, RecursionError):  # not JSON, or nested too deeply
        raise UserError(
            f"'{file}' isn't a record: it isn't JSON that can be read; give the path of a run's folder "
            "or of its record.json"
        ) from None
    version = record.get("schema_version") if isinstance(record, dict) else None
    if type(version) is not int:
        raise UserError(
            f"'{file}' isn't a record of `bench run`: it has no schema_version; give a run's folder "
            "or its record.json"
        )
    if version < min(READABLE):
        raise UserError(f"'{file}' isn't a record: it has schema_version {version}; run it again")
    if version not in READABLE:
        known = " and ".join(map(str, READABLE))
        raise UserError(
            f"'{file}' has schema_version {version}, and this version reads {known}: it was written by "
            "a newer version; upgrade tune-or-prompt to read it"
        )
    return record


def keep_record(folder: RunFolder, plan: Plan, record: Record) -> None:
    """Write the record into the run's folder."""
    text = json.dumps(record, indent=1, ensure_ascii=False, allow_nan=False)
    write_atomically(folder.record_file, _without_folders(text, plan))


def _without_folders(text: str, plan: Plan) -> str:
    """A record's text with folders' names for absolute paths of models, since it may be passed on."""
    for name in sorted(plan.models(), key=len, reverse=True):
        if Path(name).is_absolute() and len(Path(name).parts) > 1:
            text = text.replace(_quoted(name), _quoted(Path(name).resolve().name))
    return text


def _quoted(name: str) -> str:
    """A name as it is written within a JSON string."""
    return json.dumps(name, ensure_ascii=False)[1:-1]
