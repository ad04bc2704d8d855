"""`advisor`: prompt, retrieve or fine-tune? Answers by rules, without torch or network."""

from __future__ import annotations

import textwrap

import click

import scenarios
from scenarios import terminal
from scenarios.errors import UserError, unknown

EXAMPLES = """
\b
Examples:
  advisor recommend --scenario niche-domain
  advisor recommend --scenario data-privacy --set labelled_examples=40
  advisor recommend --scenario ./my-decision.toml --json
"""

WORDS = {
    "prompt": "Prompt a model",
    "retrieval": "Prompt a model with retrieved text",
    "decision-api": "Use a decision interface (typed answers, no generated text)",
    "lora": "Fine-tune with LoRA",
    "qlora": "Fine-tune with QLoRA",
    "full": "Fine-tune all weights",
    "undecided": "Undecided: no side leads beyond the doubt",
}
PLACES = {
    "self-hosted": "on your own machines, since the data may not leave",
    "hosted": "at a provider",
    "either": "at a provider or on your own machines",
}


@click.group(cls=terminal.Group, epilog=EXAMPLES)
@click.version_option(package_name="tune-or-prompt")
def cli():
    """Say whether to prompt, retrieve or fine-tune, why, and what would flip it."""


def main() -> None:
    """The entry point of `advisor`."""
    terminal.main(cli, "advisor")


json_option = click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")


@cli.command("scenarios")
@json_option
def scenarios_(as_json):
    """The scenarios that come with the product."""
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
        runs = "  (`bench run` takes it)" if scenario.task else ""
        click.echo(f"{name:<18} {scenario.title}{runs}")


@cli.command(epilog=EXAMPLES)
@click.option("--scenario", "name", required=True, metavar="NAME|FILE.toml",
              help="A scenario of ours, or a file with a [profile].")  # fmt: skip
@click.option("--set", "settings", multiple=True, metavar="FACTOR=VALUE",
              help="Replace a fact of the profile; `unknown` removes it. Repeatable.")  # fmt: skip
@json_option
def recommend(name, settings, as_json):
    """Advise on a scenario: the choice, the votes behind it, and what would flip it."""
    from advisor.recommend import recommend as decide
    from advisor.recommend import with_settings

    scenario = scenarios.load(name)
    profile = with_settings(scenario.profile, dict(map(_pair, settings)))
    found = decide(scenario.model_copy(update={"profile": profile}))
    if as_json:
        terminal.print_json(found.to_json())
    else:
        click.echo(_text(scenario, found))


SHORT_TYPES = {"bf16": "bfloat16", "fp16": "float16", "fp32": "float32"}
SIZE_EXAMPLES = """
\b
Examples:
  advisor size Llama-3.1-8B --gpu A100-80GB
  advisor size Qwen2.5-7B --method qlora --rank 64 --targets all-linear --seq-len 2048 --gpu L4
  advisor size ./my-model/config.json --method lora --loss fused-linear --json
  advisor size --table
"""


@cli.command(epilog=SIZE_EXAMPLES)
@click.argument("model", required=False)
@click.option("--method", default="all", show_default=True, metavar="full|lora|qlora|all",
              help="How the model is tuned.")  # fmt: skip
@click.option("--rank", type=int, default=16, show_default=True, help="LoRA's rank.")
@click.option("--targets", default="attention", show_default=True, metavar="NAMES",
              help="attention, all-linear, or names of linear layers with commas between.")  # fmt: skip
@click.option("--batch", type=int, default=4, show_default=True, help="Rows of a micro-batch.")
@click.option("--seq-len", type=int, default=512, show_default=True, help="Tokens of a row.")
@click.option("--accumulation", type=int, default=1, show_default=True,
              help="Micro-batches whose gradients are added.")  # fmt: skip
@click.option("--optimizer", default="adamw_torch", show_default=True,
              help="By Transformers' `optim` name.")  # fmt: skip
@click.option("--gradient-checkpointing/--no-gradient-checkpointing", "checkpointing",
              default=True, show_default=True, help="Keep each block's input only.")  # fmt: skip
@click.option("--dtype", default="bfloat16", show_default=True, help="Of the weights.")
@click.option("--adapter-dtype", default="float32", show_default=True,
              help="Of the adapters; PEFT keeps them in float32.")  # fmt: skip
@click.option("--autocast/--no-autocast", default=True, show_default=True,
              help="Mixed precision, as the Trainer's --bf16.")  # fmt: skip
@click.option("--attention", default="sdpa", show_default=True, metavar="sdpa|eager|flash",
              help="The attention's kernel.")  # fmt: skip
@click.option("--padded/--no-padded", default=False, show_default=True,
              help="Rows are padded, so attention takes a mask.")  # fmt: skip
@click.option("--loss", default="full", show_default=True, metavar="full|fused-ce|fused-linear",
              help="How logits and loss are formed.")  # fmt: skip
@click.option("--fused-kernels/--no-fused-kernels", default=None,
              help="Norms and rotations fused, as with Liger; by default where the loss is.")  # fmt: skip
@click.option("--dropout", type=float, default=0.05, show_default=True, help="The adapters'.")
@click.option("--train-embeddings/--no-train-embeddings", default=False, show_default=True,
              help="Embedding and output layer are trained too (PEFT's modules_to_save).")  # fmt: skip
@click.option("--kbit-upcast/--no-kbit-upcast", default=True, show_default=True,
              help="QLoRA: whether prepare_model_for_kbit_training is called.")  # fmt: skip
@click.option("--master-weights/--no-master-weights", default=False, show_default=True,
              help="Full tuning: the optimizer keeps float32 weights, as DeepSpeed does.")  # fmt: skip
@click.option("--gpu", "gpu_name", metavar="NAME", help="Whether it fits there, and how fast.")
@click.option("--table", is_flag=True, help="The article's table for 7B and 70B beside ours.")
@click.option("--list", "as_list", is_flag=True, help="The models and GPUs of the catalog.")  # fmt: skip
@json_option
def size(model, method, gpu_name, table, as_list, as_json, **settings):
    """Forecast parameters, memory and time of tuning MODEL, and the memory of serving it.

    MODEL is a name of the catalog, a config.json or its folder, or an id on the hub.
    """
    if as_list:
        _list_catalog(as_json)
    elif table:
        _article_table(as_json)
    elif model is None:
        raise UserError("give a MODEL, or --table or --list; see `advisor size --help`")
    else:
        _size(model, method, gpu_name, as_json, settings)


def _size(model, method, gpu_name, as_json, settings):
    from advisor import models, size_text
    from advisor.size import report
    from advisor.sizing import METHODS, Settings

    if method not in (*METHODS, "all"):
        raise unknown("method", method, (*METHODS, "all"))
    for name in ("dtype", "adapter_dtype"):
        settings[name] = SHORT_TYPES.get(settings[name], settings[name])
    gpu = models.gpu_named(gpu_name) if gpu_name else None
    found = report(models.shape_of(model), method, Settings(**settings), gpu)
    if as_json:
        terminal.print_json(found.to_json())
    else:
        click.echo(size_text.text(found))


def _article_table(as_json):
    from advisor import article, size_text

    found = article.table()
    if as_json:
        terminal.print_json(found)
    else:
        click.echo(size_text.table_text(found))


def _list_catalog(as_json):
    from advisor import models

    known = {kind: list(models.catalog(kind)) for kind in ("models", "gpus")}
    if as_json:
        terminal.print_json(known)
    else:
        click.echo("\n".join(name for names in known.values() for name in names))


def _pair(setting: str) -> tuple[str, str]:
    key, equals, value = setting.partition("=")
    if not equals:
        raise UserError(f"--set takes FACTOR=VALUE, not '{setting}'")
    return key.strip(), value.strip()


def _text(scenario, found) -> str:
    """The recommendation for people."""
    share = found.to_json()["p_tuning_better"]
    scores = ", ".join(f"{option} {score:+g}" for option, score in
                       sorted(found.scores.items(), key=lambda item: -item[1]))  # fmt: skip
    lines = [
        scenario.title,
        "",
        f"{WORDS[found.choice]} ({found.confidence} confidence)",
        *(f"  together with {other}" for other in found.combine_with),
        f"  runs {PLACES[found.placement]}",
        f"  {'leader' if found.choice == 'undecided' else 'runner-up'}: {found.runner_up}",
        f"  lead {found.lead:g}, doubt {found.doubt:.1f}",
        "",
        "Why:",
        *_reasons(found),
        f"  sums: {scores}",
        "",
        f"In quality alone, a tuned small model beat a prompted one in {share['value']:.0%} "
        f"({share['low']:.0%} to {share['high']:.0%}) of such published comparisons, "
        f"{share['n']} sources.",
        "",
    ]
    if found.flips_when:
        lines.append("What would flip it, each alone:")
        for flip in found.flips_when:
            was = "unknown" if flip.from_ is None else _value(flip.from_)
            lines.append(f"  {flip.factor} {was} -> {_value(flip.to)}: {flip.choice}")
    else:
        lines.append("No single fact would flip it.")
    if found.next_experiment:
        lines += ["", f"Settle it by experiment: {found.next_experiment}"]
    return "\n".join(lines)


def _reasons(found) -> list[str]:
    """One line a rule and reason, strongest first, with the options it speaks of."""
    said: dict[tuple, list[str]] = {}
    for vote in found.votes:
        said.setdefault((vote.weight, vote.because, vote.source), []).append(vote.option)
    lines = []
    for (weight, because, source), options in sorted(
        said.items(), key=lambda item: -abs(item[0][0])
    ):
        lines.append(f"  {weight:+g} {', '.join(options)}: {because}")
        lines += textwrap.wrap(
            f"[{source}]", 96, initial_indent="     ", subsequent_indent="      "
        )
    return lines


def _value(value) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)
