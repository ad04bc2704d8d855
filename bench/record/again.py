"""The command that runs a plan's comparison again, with another model prompted."""

from __future__ import annotations

import shlex

import scenarios
from bench.engine.models import DEFAULT_MODEL
from bench.planning.make import MODES, Plan

PROMPTED = "few-shot@MODEL"


def command(plan: Plan, challenger: str, usd_per_hour: float | None = None) -> str:
    """`bench run` with the plan's own options; `few-shot@MODEL` takes the place of its prompting arms.

    What `--only` named beside them stays; without it the tuned arm `challenger` alone does.
    """
    families = {trial.name: trial.family for trial in plan.trials}
    named = [name for name in families if name in plan.asked["only"]]
    others = [name for name in named if families[name] not in ("floor", "prompt")]
    names = [PROMPTED, *(others or [challenger])]
    return shlex.join(
        ["bench", "run", _place(plan), *_mode(plan), "--only", ",".join(names)]
        + _options(plan, names)
        + ([] if usd_per_hour is None else ["--usd-per-hour", f"{usd_per_hour:g}"])
    )


def _place(plan: Plan) -> str:
    """The scenario as it is named on the command line: ours by name, the user's by its file."""
    name = plan.scenario["name"]
    ours = name in scenarios.names() and not plan.scenario["task"]["rows"]["path"]
    return name if ours else f"./{name}.toml"


def _mode(plan: Plan) -> list[str]:
    return [] if plan.mode["name"] == "default" else [f"--{plan.mode['name']}"]


def _options(plan: Plan, names: list[str]) -> list[str]:
    """The options that weren't left at their defaults."""
    rows = plan.mode["train_rows"]
    given = {
        "--train-rows": rows if rows != MODES[plan.mode["name"]].train_rows else None,
        "--model": _model(plan.model),
        "--seeds": _seeds(plan.asked["seeds"]),
        "--cross-fit": plan.rows["counts"].get("folds"),
        "--look": plan.look["look"] if plan.look["look"] > 1 else None,
        "--seed": plan.seed or None,
    }
    words = [word for name, value in given.items() if value for word in (name, str(value))]
    if plan.forgetting and plan.mode["name"] != "full":
        words.append("--forgetting")
    kinds = [name.partition("@")[0] for name in names]
    for kind in dict.fromkeys(("tf-idf", *kinds)):
        for setting, value in plan.asked["settings"].get(kind, {}).items():
            words += ["--set", f"{kind}.{setting}={_text(value)}"]
    return words


def _model(name: str) -> str | None:
    """A folder's name stands without its path, which isn't kept; the hub's have an owner."""
    if name == DEFAULT_MODEL:
        return None
    return name if "/" in name else f"PATH/TO/{name}"


def _seeds(seeds: list[int]) -> str | None:
    """As `--seeds` takes them: a number alone would count them."""
    return "1" if len(seeds) == 1 else ",".join(map(str, seeds)) or None


def _text(value) -> str:
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
