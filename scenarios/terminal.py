"""What both commands share: errors as one line, exit codes, and machine-readable output."""

from __future__ import annotations

import json
import re
import sys
import traceback

import click

from scenarios.cache import DISK_ERRORS, PATH_ERRORS
from scenarios.errors import Stopped, UserError, unknown

_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
DONE, GATE_MISSED, USER_AT_FAULT, BUG, INTERRUPTED = 0, 1, 2, 70, 130


class Group(click.Group):
    """A command group that suggests the nearest command if one is misspelt."""

    def resolve_command(
        self, context: click.Context, arguments: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that the arguments name. Raises `UserError` for an unknown one."""
        if arguments and self.get_command(context, arguments[0]) is None:
            raise unknown("command", arguments[0], self.list_commands(context))
        return super().resolve_command(context, arguments)


def main(group: click.Group, name: str, arguments: list[str] | None = None) -> None:
    """Run a command group and exit with the code of its outcome."""
    sys.exit(_exit_code(group, name, arguments))


def _exit_code(group: click.Group, name: str, arguments: list[str] | None) -> int:
    try:
        code = group.main(arguments, prog_name=name, standalone_mode=False)
        return code if isinstance(code, int) else DONE
    except UserError as error:
        return _complain(str(error))
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        return DONE
    except click.ClickException as error:
        return _complain(f"{error.format_message().rstrip('.')}; see `{name} --help`")
    except (Stopped, KeyboardInterrupt, click.Abort) as error:
        kept = "interrupted: the same command starts again; what was downloaded is kept"
        print(f"error: {str(error) or kept}", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # the reader of the output has closed it, which isn't an error
        sys.stderr.close()
        return DONE
    except OSError as error:
        if error.errno in PATH_ERRORS and error.filename:
            return _complain(f"can't use '{error.filename}': {error.strerror}; give another path")
        if error.errno in DISK_ERRORS:
            place = f"'{error.filename}'" if error.filename else "the disk"
            return _complain(f"can't write to {place}: {error.strerror}; free some space or "
                             "choose another folder, then start again; finished work is kept")  # fmt: skip
        traceback.print_exc()
        return BUG
    except Exception:
        traceback.print_exc()
        return BUG


def _complain(text: str) -> int:
    print(f"error: {plain(' '.join(text.split()))}", file=sys.stderr)
    return USER_AT_FAULT


def plain(text: str) -> str:
    """Text with control characters replaced: a terminal would obey those that data contains."""
    return _CONTROL.sub("\ufffd", text)


def one_line(text: str) -> str:
    """Text on one line without control characters, so that it can't imitate our own lines."""
    return " ".join(plain(text).split())


def print_json(value: object) -> None:
    """One JSON object on stdout, and nothing else."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False))
