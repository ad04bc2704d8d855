"""The options of the commands, in groups; each has the name of a keyword of the Python API."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import click

from scenarios.errors import UserError

Command = Callable[..., Any]
Decorator = Callable[[Command], Command]


def _a_number(
    context: click.Context, parameter: click.Parameter, value: float | None
) -> float | None:
    """Reject `nan`, which a range of click's lets through."""
    if value is not None and value != value:
        raise click.BadParameter("'nan' isn't a number", context, parameter)
    return value


def _sizes(
    context: click.Context, parameter: click.Parameter, value: str | None
) -> tuple[int, ...]:
    """Comma-separated numbers of rows, as a tuple."""
    if not value:
        return ()
    try:
        return tuple(int(number) for number in value.split(","))
    except ValueError:
        reason = f"'{value}' isn't a list of numbers such as 16,32,64"
        raise click.BadParameter(reason, context, parameter) from None


def _count_or_numbers(
    context: click.Context, parameter: click.Parameter, value: str | None
) -> int | tuple[int, ...] | None:
    """`3` as a number of seeds, `0,1,2` as those three."""
    if not value:
        return None
    try:
        numbers = tuple(int(number) for number in value.split(","))
    except ValueError:
        raise UserError(
            f"--seeds takes a number of seeds or a list such as 0,1,2, not '{value}'"
        ) from None
    return numbers[0] if len(numbers) == 1 else numbers


def _names(context: click.Context, parameter: click.Parameter, value: str) -> tuple[str, ...]:
    """Comma-separated names of contenders."""
    return tuple(value.split(","))


json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object on stdout."
)
scenario_options: list[Decorator] = [
    click.argument("scenario", required=False),
    click.option("--data", metavar="FILE", type=click.Path(path_type=Path),
                 help="Your rows (JSON lines, CSV, TSV or Parquet) instead of a scenario."),
    click.option("--text-field", metavar="COLUMN", help="With --data: the text column."),
    click.option("--label-field", metavar="COLUMN", help="With --data: the label column."),
]  # fmt: skip


def _only_option(text: str) -> Decorator:
    return click.option("--only", metavar="A,B", default="", callback=_names, help=text)


def _quick_option(text: str) -> Decorator:
    return click.option("--quick", is_flag=True, help=text)


def _full_option(text: str) -> Decorator:
    return click.option("--full", is_flag=True, help=text)


def _train_rows_option(text: str) -> Decorator:
    return click.option("--train-rows", metavar="N", type=click.IntRange(min=2), help=text)


def _set_option(text: str) -> Decorator:
    return click.option(
        "--set", "settings", multiple=True, metavar="CONTENDER.SETTING=VALUE", help=text
    )


def _out_option(text: str) -> Decorator:
    return click.option("--out", type=click.Path(path_type=Path), help=text)


model_option = click.option("--model", metavar="M", help="Model: a Hugging Face id, or a folder.")
contenders_option = click.option(
    "--contenders",
    type=click.Path(path_type=Path),
    callback=lambda context, parameter, value: value or (),
    metavar="FOLDER",
    help="Your own contenders: a folder with a file for each, as in bench/contenders. Their code is run.",
)
set_option = _set_option(
    "Change a setting, such as lora.rank=32; `bench plan` lists them all. Repeatable."
)
seeds_option = click.option(
    "--seeds",
    metavar="N",
    callback=_count_or_numbers,
    help="Number of seeds, or a list (0,1,2). With five or more the verdict generalises to the methods.",
)
folds_option = click.option(
    "--cross-fit",
    type=click.IntRange(min=3, max=20),
    metavar="K",
    help="For small data sets: K-fold cross-fitting; each row is tested once, by models that never saw it.",
)
noise_option = click.option(
    "--label-noise",
    type=click.FloatRange(min=0, max=1, max_open=True),
    callback=_a_number,
    default=0.0,
    metavar="SHARE",
    help="Share of training labels to replace at random with wrong ones; test rows are left as is.",
)
forgetting_option = click.option(
    "--forgetting/--no-forgetting",
    default=None,
    help="Also measure what tuned models have forgotten (on with --full).",
)
look_option = click.option(
    "--look",
    metavar="N",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Which of the interim analyses declared in [decision] this run is.",
)
seed_option = click.option(
    "--seed",
    metavar="N",
    type=click.IntRange(min=0, max=2**32 - 1),
    default=0,
    show_default=True,
    help="Random seed, also of the split; the first one if there are several.",
)
price_option = click.option(
    "--usd-per-hour",
    metavar="USD",
    type=click.FloatRange(min=0, min_open=True, max=1e6),
    callback=_a_number,
    help="Price of this machine per hour, in US dollars.",
)
doing_options: list[Decorator] = [
    _out_option("Run folder. An unfinished run in it is resumed."),
    click.option("--strict", is_flag=True, help="Exit with 1 if a trial failed or was skipped."),
    click.option(
        "--budget",
        metavar="20m",
        help="Time (90s, 20m, 1h30m) or dollars (5usd, with --usd-per-hour). Only trials forecast to fit are run.",
    ),
    price_option,
]


def with_options(command: Command, options: Iterable[Decorator]) -> Command:
    """Add several options to a command; its help lists them in this order."""
    for option in reversed(list(options)):
        command = option(command)
    return command


def run_options(command: Command) -> Command:
    """Add the options that `plan` and `run` share."""
    return with_options(command, [
        *scenario_options,
        _quick_option("Takes minutes on a laptop, with reduced settings."),
        _full_option("All training rows, five seeds and a learning curve."),
        _only_option("Run only these contenders (baselines always run)."),
        _train_rows_option("Maximum number of training rows, instead of the mode's own."),
        model_option, contenders_option, set_option, seeds_option, folds_option, noise_option, forgetting_option,
        look_option, seed_option, json_option,
    ])  # fmt: skip


def curve_options(command: Command) -> Command:
    """Add the options of `curve`."""
    return with_options(command, [
        *scenario_options,
        _quick_option("Four sizes of up to 256 rows, one seed."),
        _full_option("Six sizes of up to 1,024 rows, five seeds."),
        _only_option("Run only these contenders (tf-idf always runs)."),
        click.option("--sizes", metavar="16,32,...", callback=_sizes,
                     help="Numbers of labelled rows, in ascending order."),
        click.option("--seeds", type=click.IntRange(min=1, max=100), metavar="N",
                     help="Number of random draws of the rows; five or more give a confidence band."),
        model_option, contenders_option, set_option, look_option, seed_option, json_option,
    ])  # fmt: skip


def sweep_options(command: Command) -> Command:
    """Add the options of `sweep`."""
    return with_options(command, [
        scenario_options[0],
        click.option(
            "--vary", multiple=True, metavar="NAME=VALUE,VALUE",
            help="Vary a setting of the contender, rows or label-noise. Repeat it to run every combination.",
        ),
        *scenario_options[1:],
        _only_option("Contenders whose settings are varied; lora by default."),
        _quick_option("Use the settings of a quick run for all that isn't varied."),
        _train_rows_option("Maximum number of training rows, unless rows are varied."),
        model_option, contenders_option,
        _set_option("Change a setting that isn't varied, such as lora.epochs=1. Repeatable."),
        seeds_option, seed_option,
        _out_option("Sweep folder. An unfinished sweep in it is resumed."),
        price_option, forgetting_option,
        click.option("--plan", "plan_only", is_flag=True,
                     help="Show what it would do and how long it would take, then exit."),
        json_option,
    ])  # fmt: skip


def run_and_out_options(command: Command) -> Command:
    """Add the options of commands that run what was planned and keep it in a folder."""
    return with_options(command, doing_options)
