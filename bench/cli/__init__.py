"""`bench`: settle a scenario by experiment. Heavy imports wait for the command that needs them."""

from __future__ import annotations

import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import bench
import scenarios
from bench import registry
from bench.cli.options import (
    contenders_option,
    curve_options,
    json_option,
    run_and_out_options,
    run_options,
    sweep_options,
)
from bench.cli.resume import resume_command
from bench.core.variables import set_variables
from scenarios import terminal
from scenarios.errors import Stopped
from scenarios.progress import on_stderr

if TYPE_CHECKING:
    from bench.api.planned import Planned
    from bench.api.results import Findings

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
@contenders_option
@json_option
def list_(as_json: bool, contenders: Path | tuple[()]) -> None:
    """List the scenarios that can be run, contenders and metrics."""
    from bench.core.own import own

    with registry.added(own(contenders).added()):
        _list(as_json)


def _list(as_json: bool) -> None:
    from bench.api.text import FAMILIES

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
        click.echo(f"  {name:<12} {FAMILIES[kind.family]:<12} {model}")
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
def init(as_json: bool, **asked: Any) -> None:
    """Infer a scenario from your rows and write its file. Nothing is run.

    \b
    Example: bench init reviews.csv --label-field stars
    """
    path = bench.init(**asked, progress=on_stderr)
    if as_json:
        terminal.print_json({"scenario": str(path)})


@cli.command(short_help="Show what a run would do and how long it would take.")
@run_options
def plan(as_json: bool, **asked: Any) -> None:
    """Show what a run would do and how long it would take, by timing a few seconds of each trial.

    \b
    Example: bench plan sentiment --quick
    """
    _show_plan(bench.plan(**asked, progress=on_stderr), as_json)


@cli.command()
@run_options
@run_and_out_options
def run(as_json: bool, strict: bool, **asked: Any) -> int:
    """Run the trials, and write the record and a report.

    \b
    Examples:
      bench run sentiment --quick
      bench run sentiment --budget 20m
    """
    return _show_findings(partial(bench.run, **asked), as_json, strict)


@cli.command()
@curve_options
@run_and_out_options
@click.option(
    "--plan",
    "plan_only",
    is_flag=True,
    help="Show what it would do and how long it would take, then exit.",
)
def curve(plan_only: bool, as_json: bool, strict: bool, **asked: Any) -> int:
    """Find how many labelled rows tuning needs to beat prompting.

    Measures quality at several numbers of labelled rows, and reports the crossover.

    \b
    Examples:
      bench curve sentiment --quick
      bench curve sentiment --sizes 32,64,128,256,512 --seeds 5
      bench curve sentiment --only few-shot,lora --budget 45m
      bench curve sentiment --plan
    """
    if plan_only:
        del asked["out"]
        _show_plan(bench.plan_curve(**asked, progress=on_stderr), as_json)
        return terminal.DONE
    return _show_findings(partial(bench.curve, **asked), as_json, strict)


@cli.command()
@sweep_options
def sweep(plan_only: bool, as_json: bool, **asked: Any) -> int:
    """Vary settings, and compare every combination with the first.

    \b
    Examples:
      bench sweep sentiment --vary rank=4,16 --vary targets=attention,all-linear
      bench sweep sentiment --quick --vary learning-rate=3e-4,1e-3 --seeds 3
      bench sweep sentiment --quick --vary replay=0,0.2 --forgetting
      bench sweep data-quality --quick
      bench sweep --data reviews.csv --only full --vary epochs=1,2,3
    """
    if plan_only:
        del asked["out"], asked["usd_per_hour"]
        _show_plan(bench.plan_sweep(**asked, progress=on_stderr), as_json)
        return terminal.DONE
    return _show_findings(partial(bench.sweep, **asked), as_json, strict=False)


@cli.command()
@click.argument("run", type=click.Path(path_type=Path))
@json_option
def report(run: Path, as_json: bool) -> None:
    """Rewrite the HTML report of a run folder.

    \b
    Example: bench report runs/sentiment-20261123T193400Z-1a2b
    """
    written = bench.report(run)
    if as_json:
        terminal.print_json({"report": str(written)})
    else:
        click.echo(f"report: {written}")


def _show_plan(planned: Planned, as_json: bool) -> None:
    """Print what a run would do and how long it would take."""
    if as_json:
        terminal.print_json(planned.to_json())
    else:
        click.echo(str(planned))


def _show_findings(do: Callable[..., Findings], as_json: bool, strict: bool) -> int:
    """Do what was asked for and print the results; returns the exit code."""
    try:
        found = do(progress=on_stderr)
    except bench.Interrupted as stopped:
        again = resume_command(stopped.folder)
        raise Stopped(f"{stopped.saved}. Resume with `{again}`") from None
    if as_json:
        terminal.print_json(found.to_json())
    else:
        click.echo(str(found))
    return terminal.GATE_MISSED if strict and not found.all_done else terminal.DONE
