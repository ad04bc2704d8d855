"""The command that runs a plan's comparison again, with another model prompted."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any

import scenarios
from bench.core.plan import MODES, Plan
from bench.models.local import DEFAULT_MODEL

PROMPTED = "few-shot@MODEL"


def command(plan: Plan, challenger: str, usd_per_hour: float | None = None) -> str:
    """`bench run` with the plan's own options, and `few-shot@MODEL` in place of its prompting arms.

    The other contenders that `--only` named are kept; without `--only` just the tuned arm `challenger`.
    """
    families = {trial.name: trial.family for trial in plan.trials}
    named = [name for name in families if name in plan.asked.only]
    others = [name for name in named if families[name] not in ("floor", "prompt")]
    names = [PROMPTED, *(others or [challenger])]
    return shlex.join(
        ["bench", "run", _place(plan), *_mode(plan), "--only", ",".join(names)]
        + _options(plan, names)
        + ([] if usd_per_hour is None else ["--usd-per-hour", f"{usd_per_hour:g}"])
    )


def _place(plan: Plan) -> str:
    """The scenario as it is named on the command line: ours by name, the user's by its file."""
    name = plan.scenario.name
    ours = name in scenarios.names() and not plan.task.rows.path
    return name if ours else f"./{name}.toml"


def _mode(plan: Plan) -> list[str]:
    return [] if plan.mode.name == "default" else [f"--{plan.mode.name}"]


def _options(plan: Plan, names: Sequence[str]) -> list[str]:
    """The options that weren't left at their defaults."""
    rows = plan.mode.train_rows
    given = {
        "--train-rows": rows if rows != MODES[plan.mode.name].train_rows else None,
        "--model": _model(plan.model),
        "--seeds": _seeds(plan.asked.seeds),
        "--cross-fit": plan.rows.counts.get("folds"),
        "--look": plan.look.look if plan.look.look > 1 else None,
        "--seed": plan.seed or None,
    }
    words = [word for name, value in given.items() if value for word in (name, str(value))]
    if plan.forgetting and plan.mode.name != "full":
        words.append("--forgetting")
    kinds = [name.partition("@")[0] for name in names]
    if any(f"contenders/{kind}" in plan.asked.own for kind in kinds):
        words += ["--contenders", "PATH/TO/CONTENDERS"]
    for kind in dict.fromkeys(("tf-idf", *kinds)):
        for setting, value in plan.asked.settings.get(kind, {}).items():
            words += ["--set", f"{kind}.{setting}={_text(value)}"]
    return words


def _model(name: str) -> str | None:
    """A model of the hub by its id, which has an owner; of a folder only the name is kept."""
    if name == DEFAULT_MODEL:
        return None
    return name if "/" in name else f"PATH/TO/{name}"


def _seeds(seeds: Sequence[int]) -> str | None:
    """As `--seeds` takes them: a single number would be read as a count."""
    return "1" if len(seeds) == 1 else ",".join(map(str, seeds)) or None


def _text(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
