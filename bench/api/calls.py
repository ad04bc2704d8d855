"""The functions of `import bench`. Each command of the same name calls one of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import scenarios as built_in
from bench import registry
from bench.api.asked import (
    Asked,
    Settings,
    Vary,
    checked,
    curve_request,
    own_of,
    run_request,
    sweep_request,
)
from bench.api.extra import need_extra
from bench.api.infer import write_scenario
from bench.api.keywords import known_keywords
from scenarios.errors import UserError
from scenarios.progress import Listener, heard_by, on_stderr

if TYPE_CHECKING:
    from bench.api.planned import Planned
    from bench.api.results import Findings
    from bench.core.own import Given, Own
    from bench.planning.request import Request
    from bench.running.executor import StartsExecutor
    from scenarios.schema import Scenario


@known_keywords
def run(
    scenario: str | Path | Scenario | None = None,
    *,
    data: str | Path | None = None,
    text_field: str | None = None,
    label_field: str | None = None,
    quick: bool = False,
    full: bool = False,
    only: Sequence[str] = (),
    train_rows: int | None = None,
    model: str | None = None,
    settings: Settings | None = None,
    seeds: int | Sequence[int] | None = None,
    cross_fit: int | None = None,
    label_noise: float = 0.0,
    forgetting: bool | None = None,
    look: int = 1,
    seed: int = 0,
    out: str | Path | None = None,
    budget: str | None = None,
    usd_per_hour: float | None = None,
    contenders: Given = (),
    metrics: Given = (),
    models: Given = (),
    progress: Listener | None = None,
) -> Findings:
    """Run a comparison, as `bench run`: do its trials, and write the record and a report.

    Keywords mean what the command's options of the same name mean (`bench run --help`). `settings` are
    by contender, such as `{"lora": {"rank": 8}}`. `progress` gets each line of progress, in this thread;
    without it nothing is printed. An unfinished run in the folder `out` is resumed.

    `contenders` are your own: classes or objects that derive from `bench.Contender`, or a folder with a file for each
    (`only` chooses among those of a folder; the others always run). `metrics` replace the task's: names, any
    `evaluate.Metric`, or files like those in `bench/metrics/`; the first one decides. `models` are kinds of models,
    each with a class as `bench.core.model.Model`, used as `KIND:NAME`.

    Raises `bench.UserError` for wrong input, and `bench.Interrupted` after Ctrl-C; finished trials are
    kept.
    """
    return _found(checked(locals()), run_request)


@known_keywords
def plan(
    scenario: str | Path | Scenario | None = None,
    *,
    data: str | Path | None = None,
    text_field: str | None = None,
    label_field: str | None = None,
    quick: bool = False,
    full: bool = False,
    only: Sequence[str] = (),
    train_rows: int | None = None,
    model: str | None = None,
    settings: Settings | None = None,
    seeds: int | Sequence[int] | None = None,
    cross_fit: int | None = None,
    label_noise: float = 0.0,
    forgetting: bool | None = None,
    look: int = 1,
    seed: int = 0,
    contenders: Given = (),
    metrics: Given = (),
    models: Given = (),
    progress: Listener | None = None,
) -> Planned:
    """What `run` would do with these keywords, and how long it would take. Nothing is run.

    A few seconds of each trial are timed, except where its model would have to be fetched.
    """
    return _planned(checked(locals()), run_request)


@known_keywords
def curve(
    scenario: str | Path | Scenario | None = None,
    *,
    data: str | Path | None = None,
    text_field: str | None = None,
    label_field: str | None = None,
    quick: bool = False,
    full: bool = False,
    only: Sequence[str] = (),
    sizes: Sequence[int] = (),
    seeds: int | None = None,
    model: str | None = None,
    settings: Settings | None = None,
    look: int = 1,
    seed: int = 0,
    out: str | Path | None = None,
    budget: str | None = None,
    usd_per_hour: float | None = None,
    contenders: Given = (),
    metrics: Given = (),
    models: Given = (),
    progress: Listener | None = None,
) -> Findings:
    """Find how many labelled rows tuning needs to beat prompting, as `bench curve`.

    `seeds` is the number of random draws of the rows. The findings' `curve` holds the points and the
    crossover; otherwise as `run`.
    """
    return _found(checked(locals()), curve_request)


@known_keywords
def plan_curve(
    scenario: str | Path | Scenario | None = None,
    *,
    data: str | Path | None = None,
    text_field: str | None = None,
    label_field: str | None = None,
    quick: bool = False,
    full: bool = False,
    only: Sequence[str] = (),
    sizes: Sequence[int] = (),
    seeds: int | None = None,
    model: str | None = None,
    settings: Settings | None = None,
    look: int = 1,
    seed: int = 0,
    budget: str | None = None,
    usd_per_hour: float | None = None,
    contenders: Given = (),
    metrics: Given = (),
    models: Given = (),
    progress: Listener | None = None,
) -> Planned:
    """What `curve` would do with these keywords, and how long it would take. Nothing is run."""
    return _planned(checked(locals()), curve_request)


@known_keywords
def sweep(
    scenario: str | Path | Scenario | None = None,
    *,
    vary: Vary | None = None,
    data: str | Path | None = None,
    text_field: str | None = None,
    label_field: str | None = None,
    only: Sequence[str] = (),
    quick: bool = False,
    train_rows: int | None = None,
    model: str | None = None,
    settings: Settings | None = None,
    seeds: int | Sequence[int] | None = None,
    seed: int = 0,
    out: str | Path | None = None,
    usd_per_hour: float | None = None,
    forgetting: bool | None = None,
    contenders: Given = (),
    metrics: Given = (),
    models: Given = (),
    progress: Listener | None = None,
) -> Findings:
    """Vary settings, and compare every combination with the first, as `bench sweep`.

    `vary` is such as `{"rank": [4, 16]}`; without it the scenario's own sweep is done. The findings'
    `sweep` holds what each contender's combinations showed; otherwise as `run`.
    """
    return _found(checked(locals()), sweep_request)


@known_keywords
def plan_sweep(
    scenario: str | Path | Scenario | None = None,
    *,
    vary: Vary | None = None,
    data: str | Path | None = None,
    text_field: str | None = None,
    label_field: str | None = None,
    only: Sequence[str] = (),
    quick: bool = False,
    train_rows: int | None = None,
    model: str | None = None,
    settings: Settings | None = None,
    seeds: int | Sequence[int] | None = None,
    seed: int = 0,
    forgetting: bool | None = None,
    contenders: Given = (),
    metrics: Given = (),
    models: Given = (),
    progress: Listener | None = None,
) -> Planned:
    """What `sweep` would do with these keywords, and how long it would take. Nothing is run."""
    return _planned(checked(locals()), sweep_request)


@known_keywords
def init(
    data: str | Path,
    *,
    text_field: str | None = None,
    label_field: str | None = None,
    out: str | Path | None = None,
    progress: Listener | None = None,
) -> Path:
    """Infer a scenario from rows, and write its file next to them or as `out`, as `bench init`.

    What was inferred is said as progress. Raises `bench.UserError` where the file exists with different
    content.
    """
    checked(locals())
    if data is None:
        raise UserError("bench.init takes the path of a file of rows, not None")
    need_extra()
    with heard_by(progress):
        return write_scenario(Path(data), text_field, label_field, Path(out) if out else None)


@known_keywords
def read(path: str | Path) -> Findings:
    """The findings of a run's folder, or of a record's file. Raises `bench.UserError` for others."""
    from bench.api.results import findings

    if not isinstance(path, str | Path):
        raise UserError(f"bench.read takes the path of a run's folder or of a record, not {path!r}")
    return findings(Path(path))


@known_keywords
def report(findings: Findings | str | Path, *, to: str | Path | None = None) -> Path:
    """Write the HTML report of findings, a run's folder or a record; returns its path.

    It is the file `to`, or else `report.html` next to the record.
    """
    need_extra()
    from reports.page import write_report

    if not isinstance(findings, str | Path) and not hasattr(findings, "source"):
        raise UserError(
            f"bench.report takes findings, or the path of a run's folder or of a record, not {findings!r:.60}"
        )
    source = findings if isinstance(findings, str | Path) else findings.source
    if to is None:
        return write_report(Path(source))
    try:
        return write_report(Path(source), Path(to))
    except OSError as error:
        raise UserError(
            f"can't write '{to}': {error.strerror or error}; give another to="
        ) from None


@known_keywords
def scenarios() -> dict[str, str]:
    """The built-in scenarios that can be run: their titles by name."""
    found = {name: built_in.load(name) for name in built_in.names()}
    return {name: one.title for name, one in found.items() if one.task is not None}


def _found(asked: Asked, request_of: Callable[[Asked, Own], Request]) -> Findings:
    """Do what is asked for, and write its report."""
    need_extra()
    from bench.api.results import findings
    from bench.running.run import run
    from reports.page import write_report

    with heard_by(asked.progress):
        own = own_of(asked)
        with registry.added(own.added()):
            folder, _ = run(request_of(asked, own), _executor(asked, own))
            write_report(folder)
            return findings(folder)


def _planned(asked: Asked, request_of: Callable[[Asked, Own], Request]) -> Planned:
    """Plan and forecast what is asked for."""
    need_extra()
    from bench.api.planned import Planned
    from bench.running.run import forecast

    with heard_by(asked.progress):
        own = own_of(asked)
        with registry.added(own.added()):
            request = request_of(asked, own)
            return Planned(*forecast(request, _executor(asked, own)), request.budget)


def _executor(asked: Asked, own: Own) -> StartsExecutor:
    """Processes that print only where progress is shown on stderr."""
    from bench.running.local import LocalProcesses

    return partial(LocalProcesses, shown=asked.progress is on_stderr, own=own.parcel())
