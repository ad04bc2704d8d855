"""`bench`: settle a scenario by experiment. Heavy imports wait for the command that needs them."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

import scenarios
from bench import registry
from bench.cli.options import (
    RunOptions,
    curve_options,
    gathered,
    json_option,
    run_and_out_options,
    run_options,
    sweep_options,
)
from bench.cli.request import (
    curve_request,
    need_extra,
    resume_command,
    run_request,
    sweep_request,
    write_scenario,
)
from bench.core.files import Forecast
from bench.core.variables import set_variables
from scenarios import terminal
from scenarios.errors import Stopped

if TYPE_CHECKING:
    from bench.core.plan import Plan
    from bench.planning.request import Request

EXAMPLES = """
\b
Examples:
  bench run sentiment --quick
  bench run sentiment --model HuggingFaceTB/SmolLM2-360M-Instruct
  bench run sentiment --only few-shot@./big-model,lora
  bench run --data reviews.csv --quick
  bench run sentiment --set lora.rank=32 --set lora.targets=all-linear
  bench curve sentiment --sizes 32,64,128,256 --seeds 3
  bench run sentiment --budget 20m
  bench sweep sentiment --vary rank=4,16 --vary targets=attention,all-linear
  bench report runs/sentiment-20261123T193400Z-1a2b
"""


@click.group(cls=terminal.Group, epilog=EXAMPLES)
@click.version_option(package_name="tune-or-prompt")
def cli() -> None:
    """Compare prompting with fine-tuning on the same rows, and write a report."""


def main() -> None:
    """The entry point of `bench`."""
    set_variables()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # SIGTERM ends a run as Ctrl-C does
    terminal.main(cli, "bench")


@cli.command("list")
@json_option
def list_(as_json: bool) -> None:
    """List the scenarios that can be run, contenders and metrics."""
    from bench.cli import text

    runnable = {name: scenarios.load(name) for name in scenarios.names()}
    runnable = {name: found for name, found in runnable.items() if found.task is not None}
    contenders = {name: registry.contender(name) for name in registry.names("contenders")}
    if as_json:
        terminal.print_json(
            {
                "scenarios": {name: found.title for name, found in runnable.items()},
                "contenders": {name: found.family for name, found in contenders.items()},
                "metrics": registry.names("metrics"),
            }
        )
        return
    click.echo("Scenarios for `bench run`:")
    for name, found in runnable.items():
        click.echo(f"  {name:<12} {found.title}")
    click.echo("\nContenders (`--only NAME`, or NAME@MODEL for those that use a model):")
    for name, kind in contenders.items():
        model = "uses a model" if kind.uses_model else "needs no model"
        click.echo(f"  {name:<12} {text.FAMILIES[kind.family]:<12} {model}")
    click.echo(f"\nMetrics: {', '.join(registry.names('metrics'))}, evaluate:NAME")


@cli.command()
@click.argument("data", metavar="FILE", type=click.Path(path_type=Path))
@click.option("--text-field", metavar="COLUMN", help="Text column.")
@click.option("--label-field", metavar="COLUMN", help="Label column.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Scenario file to write; next to the rows by default.",
)
@json_option
def init(
    data: Path, text_field: str | None, label_field: str | None, out: Path | None, as_json: bool
) -> None:
    """Infer a scenario from your rows and write its file. Nothing is run.

    \b
    Example: bench init reviews.csv --label-field stars
    """
    need_extra()
    path = write_scenario(data, text_field, label_field, out)
    if as_json:
        terminal.print_json({"scenario": str(path)})


@cli.command(short_help="Show what a run would do and how long it would take.")
@run_options
@gathered
def plan(options: RunOptions, as_json: bool) -> None:
    """Show what a run would do and how long it would take, by timing a few seconds of each trial.

    \b
    Example: bench plan sentiment --quick
    """
    from bench.cli import text

    need_extra()
    _show_plan(run_request(options), as_json, text.plan_lines)


@cli.command()
@run_options
@run_and_out_options
@gathered
def run(options: RunOptions, as_json: bool, strict: bool) -> int:
    """Run the trials, and write the record and a report.

    \b
    Examples:
      bench run sentiment --quick
      bench run sentiment --budget 20m
    """
    need_extra()
    return _run_and_report(run_request(options), as_json, strict)


@cli.command()
@curve_options
@run_and_out_options
@click.option(
    "--plan",
    "plan_only",
    is_flag=True,
    help="Show what it would do and how long it would take, then exit.",
)
@gathered
def curve(
    options: RunOptions,
    sizes: tuple[int, ...],
    draws: int | None,
    plan_only: bool,
    as_json: bool,
    strict: bool,
) -> int:
    """Find how many labelled rows tuning needs to beat prompting.

    Measures quality at several numbers of labelled rows, and reports the crossover.

    \b
    Examples:
      bench curve sentiment --quick
      bench curve sentiment --sizes 32,64,128,256,512 --seeds 5
      bench curve sentiment --only few-shot,lora --budget 45m
      bench curve sentiment --plan
    """
    from bench.cli import text

    need_extra()
    request = curve_request(options, sizes, draws)
    if plan_only:
        _show_plan(request, as_json, partial(text.curve_plan_lines, budget=request.budget))
        return terminal.DONE
    return _run_and_report(request, as_json, strict)


@cli.command()
@sweep_options
@gathered
def sweep(options: RunOptions, vary: tuple[str, ...], plan_only: bool, as_json: bool) -> int:
    """Vary settings, and compare every combination with the first.

    \b
    Examples:
      bench sweep sentiment --vary rank=4,16 --vary targets=attention,all-linear
      bench sweep sentiment --quick --vary learning-rate=3e-4,1e-3 --seeds 3
      bench sweep sentiment --quick --vary replay=0,0.2 --forgetting
      bench sweep data-quality --quick
      bench sweep --data reviews.csv --only full --vary epochs=1,2,3
    """
    from bench.cli import text

    need_extra()
    request = sweep_request(options, vary)
    if plan_only:
        _show_plan(request, as_json, text.sweep_plan_lines)
        return terminal.DONE
    return _run_and_report(request, as_json, strict=False)


@cli.command()
@click.argument("run", type=click.Path(path_type=Path))
@json_option
def report(run: Path, as_json: bool) -> None:
    """Rewrite the HTML report of a run folder.

    \b
    Example: bench report runs/sentiment-20261123T193400Z-1a2b
    """
    need_extra()
    from reports.page import write_report

    written = write_report(run)
    if as_json:
        terminal.print_json({"report": str(written)})
    else:
        click.echo(f"report: {written}")


def _show_plan(
    request: Request, as_json: bool, lines: Callable[[Plan, Sequence[Forecast]], Iterator[str]]
) -> None:
    """Print what a run would do and how long it would take, without running it."""
    from bench.running.run import forecast

    plan, forecasts = forecast(request)
    if as_json:
        terminal.print_json(plan.to_json() | {"forecasts": forecasts})
        return
    for line in lines(plan, forecasts):
        click.echo(line)


def _run_and_report(request: Request, as_json: bool, strict: bool) -> int:
    """Run what was requested, write its report and print the results; returns the exit code."""
    from bench.cli import text
    from bench.running import run as running
    from reports.page import write_report

    try:
        folder, record = running.run(request)
    except running.Interrupted as stopped:
        raise Stopped(f"{stopped}. Resume with `{resume_command(stopped.folder)}`") from None
    report = write_report(folder)
    if as_json:
        terminal.print_json(text.summary(folder, report, record))
    else:
        for line in text.results_lines(record):
            click.echo(line)
        click.echo(f"\nreport: {report}")
    trials = record["trials"] + (record["curve"]["trials"] if record["curve"] else [])
    missed = strict and any(trial["outcome"]["status"] != "done" for trial in trials)
    return terminal.GATE_MISSED if missed else terminal.DONE
