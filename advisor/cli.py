"""The `advisor` command: whether to prompt, retrieve or fine-tune, by rules, without torch or network."""

from __future__ import annotations

import sys
from pathlib import Path

import click

import scenarios
from scenarios import terminal
from scenarios.errors import Stopped, UserError

EXAMPLES = """
\b
Examples:
  advisor recommend --scenario niche-domain
  advisor recommend --scenario data-privacy --set labelled_examples=40
  advisor recommend --profile ./my-decision.toml --json
  advisor recommend --scenario sentiment --evidence ./runs/RUN --format adr
"""


@click.group(cls=terminal.Group, epilog=EXAMPLES)
@click.version_option(package_name="tune-or-prompt")
def cli():
    """Advise whether to prompt, retrieve or fine-tune, why, and what would change the advice."""


def main() -> None:
    """The entry point of `advisor`."""
    terminal.main(cli, "advisor")


json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object on stdout."
)


@cli.command("scenarios")
@json_option
def scenarios_(as_json):
    """List the built-in scenarios."""
    found = {name: scenarios.load(name) for name in scenarios.names()}
    if as_json:
        terminal.print_json(
            {
                "scenarios": [
                    {"name": name, "title": s.title, "runnable": s.task is not None}
                    for name, s in found.items()
                ]
            }
        )
        return
    for name, scenario in found.items():
        runs = "  (for `bench run`)" if scenario.task else ""
        click.echo(f"{name:<18} {scenario.title}{runs}")


profile_options = [
    click.option("--scenario", "name", metavar="NAME|FILE.toml",
                 help="A built-in scenario, or a file with a [profile]."),
    click.option("--profile", "file", metavar="FILE.toml", type=click.Path(path_type=Path),
                 help="A file of facts instead of a scenario; `advisor interview` writes one."),
    click.option("--set", "settings", multiple=True, metavar="FACTOR=VALUE",
                 help="Replace a fact of the profile; `unknown` removes it. Repeatable."),
]  # fmt: skip


def takes_profile(command):
    """Add the options that name a profile."""
    for option in reversed(profile_options):
        command = option(command)
    return command


evidence_option = click.option(
    "--evidence", metavar="record.json", type=click.Path(path_type=Path),
    help="Record of a `bench run` or `bench curve`; it outranks the rules of thumb.",
)  # fmt: skip


@cli.command(epilog=EXAMPLES)
@takes_profile
@evidence_option
@click.option("--format", "form", type=click.Choice(("text", "markdown", "adr")), default="text",
              show_default=True, help="adr: a decision record (MADR).")  # fmt: skip
@json_option
def recommend(name, file, settings, evidence, form, as_json):
    """Advise on a scenario: the choice, the votes behind it, and what would change it."""
    import gc

    gc.disable()  # everything made here lives to the end; collecting garbage would take a tenth of the time
    from advisor import profiles
    from advisor.api.recommend import recommend as advise

    found = advise(profiles.load(name, file, settings), evidence=evidence)
    if as_json:
        terminal.print_json(found.to_json())
    elif form == "adr":
        click.echo(found.to_adr())
    else:
        click.echo(found.to_markdown() if form == "markdown" else found)


INTERVIEW_EXAMPLES = """
\b
Examples:
  advisor interview
  advisor interview --profile half-known.toml --out decision.toml
  advisor recommend --profile profile.toml
"""


@cli.command(epilog=INTERVIEW_EXAMPLES)
@click.option("--profile", "file", metavar="FILE.toml", type=click.Path(path_type=Path),
              help="Facts that are already known.")  # fmt: skip
@click.option("--out", metavar="FILE.toml", type=click.Path(path_type=Path), default="profile.toml",
              show_default=True, help="Where the profile is written, after every answer.")  # fmt: skip
@json_option
def interview(file, out, as_json):
    """Ask for the facts that could still change the advice, most informative first; then advise."""
    from advisor import profiles
    from advisor.api.recommend import recommend as advise
    from advisor.decision import interview as talk
    from scenarios.cache import write_atomically
    from scenarios.schema import Scenario

    known = profiles.load(None, file) if file else Scenario(name=out.stem, title=out.stem)
    if out.exists() and (file is None or not out.samefile(file)):
        raise UserError(
            f"'{out}' exists; pass it as --profile to continue it, or choose another --out"
        )
    if out.exists() and profiles.holds_more_than_facts(out):
        raise UserError(f"'{out}' holds more than facts, which would be lost; choose another --out")
    kept = []

    def keep(profile):
        write_atomically(out, talk.to_toml(known.title, profile))
        kept.append(out)

    click.echo(
        "Press Enter to leave a fact unknown, or type 'stop' to end; each answer is saved.",
        err=True,
    )
    try:
        found, finished = talk.interview(known.profile, _ask, keep)
    except KeyboardInterrupt:
        where = f"the answers are in {out}; continue with --profile {out} --out {out}" if kept else (
            "nothing was answered")  # fmt: skip
        raise Stopped(f"interrupted; {where}") from None
    advice = advise(known.model_copy(update={"profile": found}))
    if finished:
        click.echo("No other single fact would change the advice.", err=True)
    click.echo(f"The profile is in {out}." if kept else "Nothing was answered.", err=True)
    if as_json:
        terminal.print_json(advice.to_json())
    else:
        click.echo(advice)


def _ask(found, wrong: str | None) -> str | None:
    """One question on stderr, one answer from stdin; None at the end of the input."""
    if wrong:
        click.echo(f"  {wrong}", err=True)
    click.echo(f"{found.asks} [{found.answers}] ", nl=False, err=True)
    line = sys.stdin.readline()
    if not line or line.strip().lower() == "stop":
        click.echo(err=True)
        return None
    return line


@cli.command()
@json_option
def rules(as_json):
    """List the rules with their sources; `recommend` shows how they vote on a profile."""
    from advisor.decision.decide import EVIDENCE_RULE
    from advisor.decision.rules import RULES
    from advisor.evidence.quality import NEEDS_CAPABILITY, shipped_weights
    from advisor.evidence.quality import PRIOR as prior

    weights = dict(zip(shipped_weights().traits, shipped_weights().values, strict=True))
    if as_json:
        terminal.print_json(
            {
                "rules": [{"name": rule.name, "source": rule.source} for rule in RULES],
                "quality": [{"trait": name, "prior": before, "weight": weights[name], "because": why}
                            for name, (before, why) in prior.items()],
                "capability": NEEDS_CAPABILITY,
            }
        )  # fmt: skip
        return
    for rule in RULES:
        click.echo(f"{rule.name:<42} {rule.source}")
    click.echo(f"{EVIDENCE_RULE:<42} a record of `bench run` (--evidence)")
    click.echo("\nLog-odds that tuning gives better answers: trait, weight, reason")
    for name, (_, why) in prior.items():
        click.echo(f"{name:<20} {weights[name]:+.2f}  {why}")


@cli.command()
@click.argument("cases", required=False, metavar="[CASES.csv]", type=click.Path(path_type=Path))
@json_option
def backtest(cases, as_json):
    """Test the advice on quality against published experiments: the built-in ones, or your own file."""
    from advisor.api.backtest import backtest as test

    found = test(cases)
    if as_json:
        terminal.print_json(found.to_json())
    else:
        click.echo(found)


SIZE_EXAMPLES = """
\b
Examples:
  advisor size Llama-3.1-8B --gpu A100-80GB
  advisor size Qwen2.5-7B --method qlora --rank 64 --seq-len 2048 --gpu L4
  advisor size ./my-model/config.json --method lora --loss fused-linear --json
  advisor size --table
"""


@cli.command(epilog=SIZE_EXAMPLES)
@click.argument("model", required=False)
@click.option("--method", default="all", show_default=True, metavar="full|lora|qlora|all",
              help="How the model is tuned.")  # fmt: skip
@click.option("--rank", type=int, default=16, show_default=True, help="Rank of LoRA.")
@click.option("--targets", default="attention", show_default=True, metavar="NAMES",
              help="attention, all-linear, or names of linear layers, separated by commas.")  # fmt: skip
@click.option("--batch", type=int, default=4, show_default=True, help="Rows in a micro-batch.")
@click.option("--seq-len", type=int, default=512, show_default=True, help="Tokens in a row.")
@click.option("--accumulation", type=int, default=1, show_default=True,
              help="Micro-batches per optimizer step.")  # fmt: skip
@click.option("--optimizer", default="adamw_torch", show_default=True,
              help="Optimizer, by its `optim` name in Transformers.")  # fmt: skip
@click.option("--gradient-checkpointing/--no-gradient-checkpointing", default=True,
              show_default=True, help="Keep only each block's input, and recompute the rest.")  # fmt: skip
@click.option("--dtype", default="bfloat16", show_default=True, help="Type of the weights.")
@click.option("--adapter-dtype", default="float32", show_default=True,
              help="Type of the adapters; PEFT keeps them in float32.")  # fmt: skip
@click.option("--autocast/--no-autocast", default=True, show_default=True,
              help="Mixed precision, as the Trainer's --bf16.")  # fmt: skip
@click.option("--attention", default="sdpa", show_default=True, metavar="sdpa|eager|flash",
              help="Attention kernel.")  # fmt: skip
@click.option("--padded/--no-padded", default=False, show_default=True,
              help="Rows are padded, so attention takes a mask.")  # fmt: skip
@click.option("--loss", default="full", show_default=True, metavar="full|fused-ce|fused-linear",
              help="How logits and loss are computed.")  # fmt: skip
@click.option("--fused-kernels/--no-fused-kernels", default=None,
              help="Fuse norms and rotations, as Liger does; the default follows --loss.")  # fmt: skip
@click.option(
    "--dropout", type=float, default=0.05, show_default=True, help="Dropout of the adapters."
)
@click.option("--train-embeddings/--no-train-embeddings", default=False, show_default=True,
              help="Also train the embedding and the output layer (PEFT's modules_to_save).")  # fmt: skip
@click.option("--kbit-upcast/--no-kbit-upcast", default=True, show_default=True,
              help="QLoRA: call prepare_model_for_kbit_training.")  # fmt: skip
@click.option("--master-weights/--no-master-weights", default=False, show_default=True,
              help="Full tuning: the optimizer keeps float32 weights, as DeepSpeed does.")  # fmt: skip
@click.option(
    "--gpu",
    "gpu_name",
    metavar="NAME",
    help="Also say whether it fits this GPU, and how fast it trains.",
)
@click.option(
    "--table",
    is_flag=True,
    help="A widely quoted table of memory for 7B and 70B, compared with our forecast.",
)
@click.option("--list", "as_list", is_flag=True, help="List the models and GPUs in the catalog.")  # fmt: skip
@json_option
def size(model, method, gpu_name, table, as_list, as_json, **settings):
    """Forecast parameters, memory and time for tuning MODEL, and memory for serving it.

    MODEL is a name in the catalog, a config.json or its folder, or an id on the hub.
    """
    if as_list:
        _list_catalog(as_json)
    elif table:
        _article_table(as_json)
    elif model is None:
        raise UserError("name a MODEL, or give --table or --list; see `advisor size --help`")
    else:
        _size(model, method, gpu_name, as_json, settings)


def _size(model, method, gpu_name, as_json, settings):
    from advisor.api.size import size as sized

    found = sized(model, methods=method, gpu=gpu_name or None, **settings)
    if as_json:
        terminal.print_json(found.to_json())
    else:
        click.echo(found)


def _article_table(as_json):
    from advisor.sizes import article
    from advisor.text import size as size_text

    found = article.table()
    if as_json:
        terminal.print_json(found)
    else:
        click.echo(size_text.table_text(found))


def _list_catalog(as_json):
    from advisor.sizes import models

    known = {kind: list(models.catalog(kind)) for kind in ("models", "gpus")}
    if as_json:
        terminal.print_json(known)
    else:
        click.echo("\n".join(name for names in known.values() for name in names))


COST_EXAMPLES = """
\b
Examples:
  advisor cost --scenario niche-domain
  advisor cost --scenario critical-latency --set hosted_model=gpt-6.1-terra
  advisor cost --profile ./my-decision.toml --prices ./our-prices.toml
  advisor cost --scenario sentiment --evidence ./runs/RUN/record.json --json
"""


@cli.command(epilog=COST_EXAMPLES)
@takes_profile
@evidence_option
@click.option("--prices", "prices_file", metavar="FILE.toml", type=click.Path(path_type=Path),
              help="Your own prices, which replace the catalog's; see docs/cost.md for the format.")  # fmt: skip
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True,
              help="Random seed of the draws behind the ranges.")  # fmt: skip
@json_option
def cost(name, file, settings, evidence, prices_file, seed, as_json):
    """Price prompting and tuning, hosted and self-hosted, and find the volume at which tuning pays."""
    import gc

    gc.disable()  # everything made here lives to the end; collecting garbage would take a tenth of the time
    from advisor import profiles
    from advisor.api.cost import cost as priced

    scenario = profiles.load(name, file, settings)
    report = priced(scenario, evidence=evidence, prices=prices_file, seed=seed)
    for warning in report.warnings:
        click.echo(f"warning: {warning}", err=True)
    if as_json:
        terminal.print_json(report.to_json())
    else:
        click.echo(report)
    gc.freeze()
