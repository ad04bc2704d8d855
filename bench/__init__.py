"""Measure: contenders of one shape, on the same rows, by one meter.

    plan, run                what `bench plan` and `bench run` do; `run` gives `Findings`
    curve, plan_curve        `bench curve`, and `bench curve --plan`
    sweep, plan_sweep        `bench sweep`, and `bench sweep --plan`
    read                     the findings of a run's folder or of a record.json
    report                   writes the HTML report of findings, a run's folder or a record
    init                     infers a scenario from rows and writes its file
    scenarios                the built-in scenarios that can be run, with their titles
    Findings, Planned        what `run` and `read`, and what `plan`, give
    Contender, Ground, Answer  what a contender of your own derives from, gets and gives
    as_evaluate              one of our metrics as an `evaluate.Metric`
    UserError, Interrupted   what is raised for wrong input, and after Ctrl-C
    on_stderr                as `progress=`: lines and bars on stderr, as the command shows them

Only these are public.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.api.calls import (
        curve,
        init,
        plan,
        plan_curve,
        plan_sweep,
        read,
        report,
        run,
        scenarios,
        sweep,
    )
    from bench.api.planned import Planned
    from bench.api.results import Findings
    from bench.core.contender import Answer, Contender, Ground
    from bench.core.errors import Interrupted
    from bench.metrics import as_evaluate
    from scenarios.errors import UserError
    from scenarios.progress import on_stderr

__all__ = [
    "Answer",
    "Contender",
    "Findings",
    "Ground",
    "Interrupted",
    "Planned",
    "UserError",
    "as_evaluate",
    "curve",
    "init",
    "on_stderr",
    "plan",
    "plan_curve",
    "plan_sweep",
    "read",
    "report",
    "run",
    "scenarios",
    "sweep",
]

_ELSEWHERE = {
    "Answer": "bench.core.contender",
    "Contender": "bench.core.contender",
    "Ground": "bench.core.contender",
    "as_evaluate": "bench.metrics",
    "Findings": "bench.api.results",
    "Interrupted": "bench.core.errors",
    "Planned": "bench.api.planned",
    "UserError": "scenarios.errors",
    "on_stderr": "scenarios.progress",
}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module 'bench' has no attribute '{name}'")
    return getattr(import_module(_ELSEWHERE.get(name, "bench.api.calls")), name)


def __dir__() -> list[str]:
    return __all__
