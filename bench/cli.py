"""`bench`: settle a scenario by experiment. Heavy imports wait for the command that needs them."""

from __future__ import annotations

import importlib.util
import shlex
import shutil
import signal
import sys
from dataclasses import replace
from pathlib import Path

import click

import scenarios
from bench import registry
from bench.core.variables import set_variables
from scenarios import terminal
from scenarios.errors import Stopped, UserError

EXAMPLES = """
\b
Examples:
  bench run sentiment --quick
  bench run sentiment --only few-shot,lora --model HuggingFaceTB/SmolLM2-360M-Instruct
  bench run sentiment --only few-shot@./big-model,lora
  bench run --data reviews.csv --quick
  bench run sentiment --set lora.rank=32 --set lora.targets=all-linear
  bench curve sentiment --sizes 32,64,128,256 --seeds 3
  bench run sentiment --budget 20m
  bench sweep sentiment --vary rank=4,16,64 --vary targets=attention,all-linear
  bench report runs/sentiment-20261123T193400Z-1a2b
"""


ANSWERS = {
    "fine_tune": "Fine-tune",
    "prompt": "Prompt",
    "cant_tell": "Can't tell yet",
    "not_applicable": "No verdict",
}


@click.group(cls=terminal.Group, epilog=EXAMPLES)
@click.version_option(package_name="tune-or-prompt")
def cli():
    """Compare prompting with fine-tuning on the same rows, and report it."""


def main() -> None:
    """The entry point of `bench`."""
    set_variables()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends as Ctrl-C does
    terminal.main(cli, "bench")


def _a_number(context, parameter, value):
    """Refuse `nan`, which no range excludes."""
    if value is not None and value != value:
        raise click.BadParameter("'nan' is no number", context, parameter)
    return value


def _sizes(context, parameter, value):
    """Numbers of rows with commas, as a tuple."""
    if not value:
        return ()
    try:
        return tuple(int(number) for number in value.split(","))
    except ValueError:
        told = f"'{value}' isn't 16,32,64"
        raise click.BadParameter(told, context, parameter) from None


json_option = click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")


data_options = [
    click.option("--data", metavar="FILE", type=click.Path(path_type=Path),
                 help="Your rows (JSON lines, CSV, TSV, Parquet) in place of a scenario."),
    click.option("--text-field", metavar="COLUMN", help="With --data: the column of the text."),
    click.option("--label-field", metavar="COLUMN", help="With --data: the column of the label."),
]  # fmt: skip


scenario_options = [click.argument("scenario", required=False), *data_options]
train_rows_option = click.option(
    "--train-rows",
    type=click.IntRange(min=2),
    help="Training rows at most, in place of the mode's own number.",
)
model_options = [
    click.option("--model", metavar="M", help="A Hugging Face id or a folder."),
    click.option(
        "--set",
        "settings",
        multiple=True,
        metavar="CONTENDER.SETTING=VALUE",
        help="Change a setting, such as lora.rank=32; `bench plan` shows all. Repeatable.",
    ),
]
seeds_options = [
    click.option(
        "--seeds",
        metavar="N",
        help="So many seeds, or the seeds themselves as 0,1,2; five or more speak of the methods.",
    ),
    click.option(
        "--cross-fit",
        "folds",
        type=click.IntRange(min=3, max=20),
        metavar="K",
        help="For few rows: each is tested once, by what was fitted on others.",
    ),
]
look_options = [
    click.option(
        "--look",
        type=click.IntRange(min=1),
        default=1,
        show_default=True,
        help="Which of the looks declared in [decision] this is.",
    ),
    click.option("--seed", type=click.IntRange(min=0, max=2**32 - 1), default=0, show_default=True),
    json_option,
]
going_options = [
    click.option(
        "--out",
        type=click.Path(path_type=Path),
        help="The run's folder; an unfinished run goes on.",
    ),
    click.option("--strict", is_flag=True, help="Exit with 1 if a trial failed or was skipped."),
    click.option(
        "--budget",
        metavar="20m",
        help="Time (90s, 20m, 1h30m) or dollars (5usd, with --usd-per-hour): what fits it is done.",
    ),
    click.option(
        "--usd-per-hour",
        type=click.FloatRange(min=0, min_open=True, max=1e6),
        callback=_a_number,
        help="Price of this machine.",
    ),
]


forgetting_option = click.option(
    "--forgetting/--no-forgetting",
    default=None,
    help="Also ask tuned models what they forgot (part of --full).",
)
noise_and_forgetting = [
    click.option(
        "--label-noise",
        type=click.FloatRange(min=0, max=1, max_open=True),
        callback=_a_number,
        default=0.0,
        metavar="SHARE",
        help="Make a share of the training labels wrong, by chance; the test rows stay as they are.",
    ),
    forgetting_option,
]


def with_options(command, options):
    """A command with several options, shown in their order."""
    for option in reversed(options):
        command = option(command)
    return command


def run_options(command):
    """The options that `plan` and `run` share."""
    modes = [
        click.option("--quick", is_flag=True, help="Minutes on a laptop; settings of its own."),
        click.option("--full", is_flag=True, help="All training rows, five seeds, a curve."),
        click.option("--only", metavar="A,B", default="", help="These contenders and the floors."),
    ]
    options = [*scenario_options, *modes, train_rows_option, *model_options, *seeds_options]
    return with_options(command, [*options, *noise_and_forgetting, *look_options])


def curve_options(command):
    """The options of `curve`."""
    own = [
        click.option("--quick", is_flag=True, help="Four sizes up to 256, one seed."),
        click.option("--full", is_flag=True, help="Six sizes up to 1,024, five seeds."),
        click.option("--only", metavar="A,B", default="", help="These contenders and tf-idf."),
        click.option(
            "--sizes",
            metavar="16,32,...",
            callback=_sizes,
            help="Numbers of labelled rows, rising.",
        ),
        click.option(
            "--seeds",
            type=click.IntRange(min=1, max=100),
            metavar="N",
            help="How many draws of the rows; five or more give a band.",
        ),
    ]
    return with_options(command, [*scenario_options, *own, *model_options, *look_options])


def run_and_out_options(command):
    """The options of commands that do what was planned."""
    return with_options(command, going_options)


@cli.command("list")
@json_option
def list_(as_json):
    """Scenarios that can be run, contenders and metrics."""
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
    click.echo("Scenarios that `bench run` takes:")
    for name, found in runnable.items():
        click.echo(f"  {name:<12} {found.title}")
    click.echo("\nContenders (`--only`; those with a model also as NAME@MODEL):")
    for name, found in contenders.items():
        model = "uses a model" if found.uses_model else "needs no model"
        click.echo(f"  {name:<12} {found.family:<10} {model}")
    click.echo(f"\nMetrics: {', '.join(registry.names('metrics'))}, evaluate:NAME")


@cli.command()
@click.argument("data", metavar="FILE", type=click.Path(path_type=Path))
@click.option("--text-field", metavar="COLUMN", help="The column of the text.")
@click.option("--label-field", metavar="COLUMN", help="The column of the label.")
@click.option("--out", type=click.Path(path_type=Path), help="The scenario's file.")
@json_option
def init(data, text_field, label_field, out, as_json):
    """Infer a scenario from your rows and write its file, without running it.

    \b
    Example: bench init reviews.csv --label-field stars
    """
    _need_extra()
    path = _write_scenario(data, text_field, label_field, out)
    if as_json:
        terminal.print_json({"scenario": str(path)})


@cli.command()
@run_options
def plan(as_json, **options):
    """What a run would do and take, without doing it: a few seconds of each trial are tried.

    \b
    Example: bench plan sentiment --quick
    """
    _need_extra()
    from bench.running.run import forecast, total_duration

    found, forecasts = forecast(_request(**options))
    if as_json:
        terminal.print_json(found.to_json() | {"forecasts": forecasts})
        return
    by_trial = {forecast["trial"]: forecast for forecast in forecasts}
    counts = found.rows["counts"]
    click.echo(f"{found.scenario['title']} ({found.mode['name']}, seed {found.seed})")
    click.echo(f"rows: {counts['test']} test in {counts['test groups']} groups, "
               f"{counts['validation']} validation, {counts['train']} training")  # fmt: skip
    click.echo(found.choosing["sentence"])
    for trial in found.trials:
        model = f" on {trial.model}" if trial.model else ""
        click.echo(f"\n{trial.slug}: {trial.name}{model}, {trial.n_train} training rows at hand")
        if trial.label_noise:
            click.echo(f"    {trial.label_noise * 100:g} % of their labels made wrong")
        for key, value in trial.settings.items():
            click.echo(f"    {key} = {value}")
        if trial.slug in by_trial:
            click.echo(f"    forecast: {_forecast_text(by_trial[trial.slug])}")
    if found.curve:
        told = found.curve
        click.echo(
            f"\nlearning curve: {', '.join(map(str, told.sizes))} labelled rows, {len(told.seeds)} seeds, "
            f"{len(told.trials)} trials (`bench curve --full --plan` shows them)"
        )
    known = [forecast["seconds"] for forecast in forecasts if forecast["seconds"]]
    if known:
        click.echo(f"\nin all {total_duration(known)} for those with a forecast")
    if found.primary:
        click.echo(
            f"\nprimary comparison: {found.primary['metric']} of the best of "
            f"{', '.join(found.primary['challenger'])} against the best of "
            f"{', '.join(found.primary['baseline'])}, chosen by {found.primary['chosen_by']}; "
            f"margin {found.scenario['decision']['margin'] * 100:g} points"
        )
        look = found.look
        click.echo(
            f"look {look['look']} of {look['looks']}, at an error of {look['error']:.4f}; "
            f"{len(found.family) - 1} exploratory comparisons, adjusted after Holm"
        )


@cli.command()
@run_options
@run_and_out_options
def run(as_json, strict, **options):
    """Run the trials, and leave a record and a report.

    \b
    Examples:
      bench run sentiment --quick
      bench run sentiment --budget 20m
    """
    _need_extra()
    return _done(_request(**options), as_json, strict)


@cli.command()
@curve_options
@run_and_out_options
@click.option("--plan", "plan_only", is_flag=True, help="Show what it would do and take, and end.")
def curve(as_json, strict, plan_only, sizes, seeds, **options):
    """From how many labelled rows on does tuning pay? Quality by number of rows, and the crossover.

    \b
    Examples:
      bench curve sentiment --quick
      bench curve sentiment --sizes 32,64,128,256,512 --seeds 5
      bench curve sentiment --only few-shot,lora --budget 45m
      bench curve sentiment --plan
    """
    _need_extra()
    from bench.planning.curve import Wanted

    wanted = Wanted(sizes, seeds)
    request = _request(**options, curve=wanted, train_rows=None, seeds=(), folds=None)
    if plan_only:
        return _show_curve_plan(request, as_json)
    return _done(request, as_json, strict)


def _show_curve_plan(request, as_json: bool) -> None:
    from bench.running.run import budget_lines, duration, forecast, total_duration

    found, forecasts = forecast(request)
    if as_json:
        terminal.print_json(found.to_json() | {"forecasts": forecasts})
        return
    by_trial = {forecast["trial"]: forecast for forecast in forecasts}
    told = found.curve
    click.echo(
        f"{found.scenario['title']}: learning curve ({found.mode['name']}, seed {found.seed})"
    )
    click.echo(f"sizes: {', '.join(map(str, told.sizes))} labelled rows of "
               f"{found.rows['counts']['train']}; {len(told.seeds)} seeds; "
               f"{found.rows['counts']['test']} test rows")  # fmt: skip
    click.echo(told.choices)
    shown: set[str] = set()
    for trial in told.trials:
        click.echo(f"\n{trial.slug}" + (f" on {trial.model}" if trial.model else ""))
        if trial.name not in shown:
            for key, value in trial.settings.items():
                click.echo(f"    {key} = {value}")
            shown.add(trial.name)
        if found_forecast := by_trial.get(trial.slug):
            click.echo(f"    forecast: {_forecast_text(found_forecast)}")
            for size, seconds in found_forecast.get("by_size", {}).items():
                click.echo(f"      {size:>6} rows: {duration(seconds)}")
    known = [forecast["seconds"] for forecast in forecasts if forecast["seconds"]]
    if known:
        click.echo(f"\nin all {total_duration(known)}")
    if request.budget:
        for line in budget_lines(found, request.budget, forecasts):
            click.echo(line)


def _done(request, as_json: bool, strict: bool) -> int:
    """Do what is asked for and tell it; the exit code."""
    from bench.running import run as running
    from reports.page import write_report

    try:
        folder, record = running.run(request)
    except running.Interrupted as stopped:
        raise Stopped(f"{stopped}; `{_again(stopped.folder)}` goes on") from None
    report = write_report(folder)
    trials = record["trials"] + (record["curve"]["trials"] if record["curve"] else [])
    missed = strict and any(trial["outcome"]["status"] != "done" for trial in trials)
    code = terminal.GATE_MISSED if missed else terminal.DONE
    if as_json:
        terminal.print_json(_summary(folder, report, record))
        return code
    if record["contenders"]:
        click.echo(f"\n{_table(record)}\n{_forgotten(record)}")
    if record["curve"]:
        from bench.record.text import curve_text

        click.echo(f"\n{curve_text(record['curve'])}\n")
    if record["budget"]:
        from bench.record.text import budget_text

        click.echo(f"{budget_text(record['budget'])}\n")
    overall = record["verdict"]["overall"]
    click.echo(f"{ANSWERS[overall['answer']]}. {overall['sentence']}")
    if settle := overall["would_settle"]:
        click.echo(f"What would settle it: {settle}.")
    click.echo(record["verdict"]["scope"])
    click.echo(f"\nreport: {report}")
    return code


@cli.command()
@click.argument("scenario", required=False)
@click.option(
    "--vary",
    multiple=True,
    metavar="NAME=VALUE,VALUE",
    help="A contender's setting, rows or label-noise; repeat it for every combination of several.",
)
@click.option("--data", metavar="FILE", type=click.Path(path_type=Path),
              help="Your rows (JSON lines, CSV, TSV, Parquet) in place of a scenario.")  # fmt: skip
@click.option("--text-field", metavar="COLUMN", help="With --data: the column of the text.")
@click.option("--label-field", metavar="COLUMN", help="With --data: the column of the label.")
@click.option(
    "--only", metavar="A,B", default="", help="Whose settings are varied; lora unless named."
)
@click.option(
    "--quick", is_flag=True, help="Settings of a quick run, beside those that are varied."
)
@click.option(
    "--train-rows",
    type=click.IntRange(min=2),
    help="Training rows at most, unless rows are varied.",
)
@click.option("--model", metavar="M", help="A Hugging Face id or a folder.")
@click.option("--set", "settings", multiple=True, metavar="CONTENDER.SETTING=VALUE",
              help="Set what isn't varied, such as lora.epochs=1. Repeatable.")  # fmt: skip
@click.option(
    "--seeds",
    metavar="N",
    help="So many seeds, or the seeds themselves as 0,1,2; five or more speak of the methods.",
)
@click.option("--seed", type=click.IntRange(min=0, max=2**32 - 1), default=0, show_default=True)
@click.option(
    "--out", type=click.Path(path_type=Path), help="The sweep's folder; an unfinished one goes on."
)
@click.option(
    "--usd-per-hour",
    type=click.FloatRange(min=0, min_open=True, max=1e6),
    callback=_a_number,
    help="Price of this machine.",
)
@forgetting_option
@click.option("--plan", "only_plan", is_flag=True, help="Say what it would do and take, and stop.")
@json_option
@click.pass_context
def sweep(context, scenario, vary, only, seeds, seed, settings, only_plan, as_json, out, **options):
    """Try contenders at every combination of some settings, and compare each with the first.

    \b
    Examples:
      bench sweep sentiment --vary rank=4,16,64 --vary targets=attention,all-linear
      bench sweep sentiment --quick --vary learning-rate=3e-4,1e-3 --seeds 3
      bench sweep sentiment --quick --vary replay=0,0.2 --forgetting
      bench sweep data-quality --quick
      bench sweep --data reviews.csv --only full --vary epochs=1,2,3
    """
    _need_extra()
    from bench.planning.sweep import sweep_of
    from bench.running import run as running
    from reports.page import write_report

    named = _scenario(scenario, options.pop("data"), options.pop("text_field"),
                      options.pop("label_field"))  # fmt: skip
    asked = sweep_of(named, vary, tuple(name for name in only.split(",") if name.strip()))
    own = named.sweep.settings if named.sweep else ()
    request = _request(
        named, None, None, None, options.pop("quick"), False, ",".join(asked.only),
        options.pop("train_rows"), options.pop("model"), [*own, *settings], seed,
        _count_or_numbers(seeds, seed), 1, None, sweep=asked, out=out, **options,
    )  # fmt: skip
    request = replace(request, mode=replace(request.mode, serving_ways=False))
    if only_plan:
        return _say_sweeps_plan(*running.forecast(request), as_json)
    try:
        folder, record = running.run(request)
    except running.Interrupted as stopped:
        raise Stopped(f"{stopped}; `{_again(stopped.folder)}` goes on") from None
    report = write_report(folder)
    if as_json:
        terminal.print_json(_summary(folder, report, record) | {"sweep": record["sweep"]})
        return None
    click.echo(f"\n{_sweeps_table(record)}\n{_forgotten(record)}")
    if record["verdict"]["overall"]["answer"] == "cant_tell":  # withheld
        click.echo(record["verdict"]["overall"]["sentence"])
    for one in record["sweep"]["contenders"]:
        click.echo(one["sentence"])
    if claims := record["sweep"]["claims"]:
        click.echo(f"\nThe claim: {record['sweep']['claim']['text']}.")
        for claim in claims:
            click.echo(claim["sentence"])
    click.echo(f"\n{record['verdict']['scope']}")
    click.echo(f"\nreport: {report}")
    return None


def _count_or_numbers(text: str | None, first: int) -> tuple[int, ...]:
    """`3` as three seeds from the first on, `0,1,2` as those."""
    if not text:
        return ()
    try:
        numbers = tuple(int(number) for number in text.split(","))
    except ValueError:
        raise UserError(f"--seeds takes a number of seeds, or 0,1,2, not '{text}'") from None
    if len(numbers) == 1:
        if not 1 <= numbers[0] <= 100:
            raise UserError(f"--seeds {text}: give 1 to 100 seeds; --seed says where they begin")
        return tuple(range(first, first + numbers[0]))
    if not all(0 <= number < 2**32 for number in numbers):
        raise UserError("--seeds: a seed lies between 0 and 4294967295")
    return numbers


def _say_sweeps_plan(found, forecasts: list[dict], as_json: bool) -> None:
    from bench.running.run import total_duration

    if as_json:
        terminal.print_json(found.to_json() | {"forecasts": forecasts})
        return
    by_trial = {forecast["trial"]: forecast for forecast in forecasts}
    for trial in found.trials:
        told = _forecast_text(by_trial[trial.slug]) if trial.slug in by_trial else "none"
        noise = f", {trial.label_noise:g} of the labels wrong" if trial.label_noise else ""
        click.echo(f"{trial.slug}: {trial.n_train} training rows{noise}; forecast: {told}")
    known = [forecast["seconds"] for forecast in forecasts if forecast["seconds"]]
    if known:
        click.echo(f"\nin all {total_duration(known)} for those with a forecast")
    click.echo(f"{len(found.family)} exploratory comparisons, adjusted after Holm")


def _sweeps_table(record: dict) -> str:
    metric = record["plan"]["scenario"]["task"]["metrics"][0]
    width = max(len(entry["name"]) for entry in record["contenders"]) + 2
    lines = [f"{'':<{width}}{metric:>24}{'set-up':>10}{'memory':>12}{'adapter':>11}"]
    for entry in record["contenders"]:
        if entry["status"] != "done":
            lines.append(f"{entry['name']:<{width}}{entry['status']}: {entry['reason']}")
            continue
        found = entry[metric.replace("-", "_")]
        interval = "" if found["low"] is None else f" ({found['low']:.3f}-{found['high']:.3f})"
        size = entry.get("adapter_bytes")
        adapter = f"{size / 2**20:,.1f} MiB" if size else "-"
        lines.append(
            f"{entry['name']:<{width}}{found['value']:>10.3f}{interval:<14}"
            f"{entry['train_seconds']:>8.0f} s{entry['peak_resident_bytes'] / 2**20:>8.0f} MiB"
            f"{adapter:>11}"
        )
    return "\n".join(lines)


def _forgotten(record: dict) -> str:
    """A line for each tuned model that was asked what it forgot."""
    lines = []
    for entry in record["contenders"]:
        found = entry.get("forgetting")
        if not found:
            continue
        if found["status"] != "done":
            lines.append(f"{entry['name']} wasn't asked what it forgot: {found['reason']}")
            continue
        kl = found["kl_per_token"]
        interval = "" if kl["low"] is None else f" ({kl['low']:.3g}-{kl['high']:.3g})"
        lines.append(
            f"{entry['name']} is {kl['value']:.3g}{interval} nats a token from its base, and lost "
            f"{found['lost']:g} of the {found['base_followed']:g} instructions that it followed "
            f"({found['gained']:g} gained)"
        )
    return "".join(f"{line}\n" for line in lines)


@cli.command()
@click.argument("run", type=click.Path(path_type=Path))
@json_option
def report(run, as_json):
    """Write the HTML report of a run's folder again.

    \b
    Example: bench report runs/sentiment-20261123T193400Z-1a2b
    """
    _need_extra()
    from reports.page import write_report

    written = write_report(run)
    if as_json:
        terminal.print_json({"report": str(written)})
    else:
        click.echo(f"report: {written}")


def _need_extra() -> None:
    """One line where the package was installed for the advisor alone."""
    missing = [name for name in ("torch", "transformers", "peft", "datasets", "sklearn", "altair")
               if importlib.util.find_spec(name) is None]  # fmt: skip
    if missing:
        raise UserError(
            f"this command needs {', '.join(missing)}, which isn't installed; "
            "`pip install 'tune-or-prompt[bench]'` brings it"
        )


def _request(
    scenario,
    data,
    text_field,
    label_field,
    quick,
    full,
    only,
    train_rows,
    model,
    settings,
    seed,
    seeds,
    look,
    folds,
    budget=None,
    usd_per_hour=None,
    curve=None,
    **more,
):
    from bench.engine.models import DEFAULT_MODEL
    from bench.planning.budget import parse
    from bench.planning.curve import Wanted
    from bench.planning.make import MODES, contender_names, parse_settings
    from bench.running.run import Request

    if quick and full:
        raise UserError("--quick and --full exclude each other; give one of them")
    mode = MODES["quick" if quick else "full" if full else "default"]
    names = tuple(name for name in only.split(",") if name.strip())
    contender_names(names)  # a misspelt name is told before anything is fetched
    if budget is not None and folds:
        raise UserError(
            "--budget and --cross-fit exclude each other: a fold less is no contender less"
        )
    return Request(
        curve=curve or (Wanted(alone=False) if full and "sweep" not in more else None),
        budget=None if budget is None else parse(budget, usd_per_hour),
        usd_per_hour=usd_per_hour,
        scenario=(
            _scenario(scenario, data, text_field, label_field)
            if scenario is None or isinstance(scenario, str)
            else scenario
        ),
        mode=replace(mode, train_rows=train_rows) if train_rows else mode,
        seed=seed,
        seeds=seeds if isinstance(seeds, tuple) else _count_or_numbers(seeds, seed),
        look=look,
        folds=folds or 0,
        model=model or DEFAULT_MODEL,
        only=names,
        changed=parse_settings(settings),
        **more,
    )


def _scenario(name, data, text_field, label_field):
    """The named scenario, or one that is inferred from the user's rows and written beside them."""
    if (name is None) == (data is None):
        raise UserError("give either a scenario's name or --data FILE")
    if data is None:
        if text_field or label_field:
            raise UserError("--text-field and --label-field go with --data")
        return scenarios.load(name)
    return scenarios.load(str(_write_scenario(data, text_field, label_field, None)))


def _write_scenario(data: Path, text_field, label_field, out: Path | None) -> Path:
    """Infer a scenario from rows, say what was inferred, and write its file; never over another."""
    from scenarios.cache import write_atomically
    from scenarios.infer import infer

    path = out or data.with_suffix(".toml")
    beside = path.absolute().parent == data.absolute().parent
    named = data.name if beside else str(data.absolute())
    found = infer(data, text_field, label_field, named)
    if path.exists() and (path.is_dir() or path.read_bytes() != found.toml.encode()):
        if out is None:
            raise UserError(
                f"'{path}' is there already and says something else; run it as "
                f"`bench run {path}`, or remove it"
            )
        raise UserError(f"'{path}' is there already; give another --out, or remove it")
    for sentence in found.said:
        click.echo(terminal.plain(sentence), err=True)
    write_atomically(path, found.toml)
    click.echo(f"scenario: {path}", err=True)
    return path


def _summary(folder: Path, report: Path, record: dict) -> dict:
    return {
        "run": str(folder),
        "record": str(folder / "record.json"),
        "report": str(report),
        "verdict": record["verdict"],
        "comparisons": record["comparisons"],
        "contenders": record["contenders"],
        **{key: record[key] for key in ("curve", "budget") if record[key]},
    }


def _table(record: dict) -> str:
    metric = record["plan"]["scenario"]["task"]["metrics"][0]
    lines = [f"{'':<14}{metric:>22}{'p50':>12}{'p95':>12}{'rows/s':>10}{'set-up':>9}{'memory':>10}"]
    for entry in record["contenders"]:
        if entry["status"] != "done":
            lines.append(f"{entry['name']:<14}{entry['status']}: {entry['reason']}")
            continue
        found = entry[metric.replace("-", "_")]
        interval = "" if found["low"] is None else f" ({found['low']:.3f}-{found['high']:.3f})"
        lines.append(
            f"{entry['name']:<14}{found['value']:>8.3f}{interval:<14}"
            f"{entry['p50_latency_ms']:>9,.1f} ms{entry['p95_latency_ms']:>9,.1f} ms"
            f"{entry['throughput_rows_per_s']:>10,.0f}{entry['train_seconds']:>7.0f} s"
            f"{entry['peak_resident_bytes'] / 2**20:>6.0f} MiB"
        )
    return "\n".join(lines)


def _forecast_text(forecast: dict) -> str:
    seconds = forecast["seconds"]
    if seconds is None:
        return f"none, {forecast['reason']}"
    from bench.running.run import total_duration

    text = total_duration([seconds])
    for key, where in (("peak_resident_bytes", ""), ("peak_gpu_bytes", " on the GPU")):
        if memory := forecast[key]:
            text += f", {memory['low'] / 2**20:,.0f} to {memory['high'] / 2**20:,.0f} MiB{where}"
    return text


def _own_name() -> list[str]:
    """How this command can be called again from where the user is."""
    if shutil.which("bench"):
        return ["bench"]
    by_module = Path(sys.argv[0]).name == "__main__.py"
    return [sys.executable, "-m", "bench"] if by_module else [sys.argv[0]]


def _again(folder: Path) -> str:
    """The command as it was typed, with the folder of the run that it began."""
    typed = [*_own_name(), *sys.argv[1:]]
    named = any(word == "--out" or word.startswith("--out=") for word in typed)
    return shlex.join(typed if named else [*typed, "--out", str(folder)])
