"""From the options of a command to the request for a run, and to the command that resumes it."""

from __future__ import annotations

import importlib.util
import shlex
import shutil
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

import scenarios
from bench.cli.options import RunOptions, count_or_numbers
from scenarios import terminal
from scenarios.errors import UserError

if TYPE_CHECKING:
    from bench.planning.request import CurveRequest, Request
    from scenarios.schema import Scenario


def run_request(options: RunOptions) -> Request:
    """The request of `bench run` and `bench plan`; a full run also has a learning curve."""
    from bench.planning.request import CurveRequest

    return _request(options, curve=CurveRequest(alone=False) if options.full else None)


def curve_request(options: RunOptions, sizes: tuple[int, ...], seeds: int | None) -> Request:
    """The request of `bench curve`; `seeds` is the number of draws of the rows."""
    from bench.planning.request import CurveRequest

    return _request(options, curve=CurveRequest(sizes, seeds))


def sweep_request(options: RunOptions, vary: Sequence[str]) -> Request:
    """The request of `bench sweep`; what `--vary` and `--only` leave open, the scenario's sweep sets."""
    from bench.planning.sweep import sweep_of

    scenario = _scenario(options)
    sweep = sweep_of(scenario, vary, _names(options.only))
    own = scenario.sweep.settings if scenario.sweep else ()
    options = replace(options, only=",".join(sweep.only), settings=(*own, *options.settings))
    request = _request(options, scenario)
    return replace(request, sweep=sweep, mode=replace(request.mode, serving_ways=False))


def _request(
    options: RunOptions, scenario: Scenario | None = None, curve: CurveRequest | None = None
) -> Request:
    """The request, with all options checked that can be before rows or models are fetched.

    Raises `UserError` for the first one that is wrong.
    """
    from bench.core.plan import MODES
    from bench.models.local import DEFAULT_MODEL
    from bench.planning.budget import parse
    from bench.planning.request import Request
    from bench.planning.settings import contender_names, parse_settings

    if options.quick and options.full:
        raise UserError("--quick can't be combined with --full: use one of them")
    mode = MODES["quick" if options.quick else "full" if options.full else "default"]
    if options.train_rows:
        mode = replace(mode, train_rows=options.train_rows)
    only = _names(options.only)
    contender_names(only)  # a misspelt name is reported before anything is fetched
    if options.budget is not None and options.folds:
        raise UserError(
            "--budget can't be combined with --cross-fit: dropping a fold would not drop a contender"
        )
    budget = None if options.budget is None else parse(options.budget, options.usd_per_hour)
    return Request(
        scenario=scenario or _scenario(options),
        mode=mode,
        seed=options.seed,
        model=options.model or DEFAULT_MODEL,
        only=only,
        seeds=count_or_numbers(options.seeds, options.seed),
        changed=parse_settings(options.settings),
        out=options.out,
        usd_per_hour=options.usd_per_hour,
        look=options.look,
        folds=options.folds or 0,
        curve=curve,
        budget=budget,
        label_noise=options.label_noise,
        forgetting=options.forgetting,
    )


def _names(text: str) -> tuple[str, ...]:
    """The contenders that `--only` lists."""
    return tuple(name for name in text.split(",") if name.strip())


def _scenario(options: RunOptions) -> Scenario:
    """The named scenario, or one inferred from the user's rows and written next to them."""
    if (options.scenario is None) == (options.data is None):
        raise UserError("give either a scenario or --data FILE")
    if options.scenario is not None:
        if options.text_field or options.label_field:
            raise UserError("--text-field and --label-field need --data")
        return scenarios.load(options.scenario)
    assert options.data is not None
    path = write_scenario(options.data, options.text_field, options.label_field, None)
    return scenarios.load(str(path))


def write_scenario(
    data: Path, text_field: str | None, label_field: str | None, out: Path | None
) -> Path:
    """Infer a scenario from rows, print what was inferred to stderr, and write the scenario's file.

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
        click.echo(terminal.plain(sentence), err=True)
    write_atomically(path, found.toml)
    click.echo(f"scenario: {path}", err=True)
    return path


def need_extra() -> None:
    """Raises `UserError` if the packages of the extra `bench` aren't installed."""
    missing = [name for name in ("torch", "transformers", "peft", "datasets", "sklearn", "altair")
               if importlib.util.find_spec(name) is None]  # fmt: skip
    if missing:
        raise UserError(
            f"this command needs packages that aren't installed ({', '.join(missing)}); "
            "run `pip install 'tune-or-prompt[bench]'`"
        )


def resume_command(folder: Path) -> str:
    """The command as it was typed, with the folder of the run that it started as `--out`."""
    typed = [*_own_name(), *sys.argv[1:]]
    named = any(word == "--out" or word.startswith("--out=") for word in typed)
    return shlex.join(typed if named else [*typed, "--out", str(folder)])


def _own_name() -> list[str]:
    """The words that call `bench` again from the user's shell."""
    if shutil.which("bench"):
        return ["bench"]
    by_module = Path(sys.argv[0]).name == "__main__.py"
    return [sys.executable, "-m", "bench"] if by_module else [sys.argv[0]]
