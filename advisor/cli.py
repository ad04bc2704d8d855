"""`advisor`: prompt, retrieve or fine-tune? Answers by rules, without torch or network."""

from __future__ import annotations

import textwrap

import click

import scenarios
from scenarios import terminal
from scenarios.errors import UserError

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
