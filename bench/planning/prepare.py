"""From a request to its plan and its rows; everything that can be refused before any work is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from bench.core.plan import Curve, Plan
from bench.core.progress import say
from bench.planning.curve import check_sizes, has_curve, make_curve
from bench.planning.make import check_declared, curve_plan, make_plan
from bench.planning.request import CurveRequest, Request
from bench.planning.rows import check_validated_separately, splits_of
from bench.planning.settings import check_changed, contender_names
from bench.planning.sweep import widened
from bench.rows import noise
from scenarios.errors import UserError
from scenarios.rows import Split, load_split


def prepare(request: Request) -> tuple[Plan, list[Split]]:
    """The run's plan and its rows (a split, or one a fold), which are fetched if they aren't there."""
    task = request.scenario.task
    if task is None:
        raise UserError(
            f"the scenario '{request.scenario.name}' has no [task], so there is nothing to run; "
            f"`advisor recommend --scenario {request.scenario.name}` gives advice on it"
        )
    check_declared(request.scenario, request.seeds, request.look)
    noise.check(request.label_noise, task)
    if request.curve:
        check_sizes(request.curve.sizes, len(task.labels))
    if request.curve and request.curve.alone:
        return _curve_alone(request, request.curve)
    check_changed(contender_names(request.only, request.mode.name, task.type), request.changed)
    splits = splits_of(request, task)
    plan = make_plan(
        request.scenario,
        splits,
        request.mode,
        request.seed,
        request.model,
        request.only,
        request.changed,
        request.seeds,
        request.look,
    )
    plan = _with_own(_as_asked(plan, request, splits), request)
    return (_with_curve(plan, request, request.curve, splits) if request.curve else plan), splits


def _curve_alone(request: Request, wanted: CurveRequest) -> tuple[Plan, list[Split]]:
    assert request.scenario.task is not None
    _check_curve_can(request)
    split = load_split(request.scenario.task, request.seed)
    curve = _curve(request, wanted, split, request.only, request.changed)
    plan = curve_plan(
        request.scenario, split, request.mode, request.seed, request.model, request.look, curve
    )
    return _with_own(plan, request), [split]


def _with_own(plan: Plan, request: Request) -> Plan:
    """The plan with the digests of the user's own code, so that a run isn't resumed with other code."""
    return replace(plan, asked=replace(plan.asked, own=dict(request.own.digests)))


def _with_curve(
    plan: Plan, request: Request, wanted: CurveRequest, splits: Sequence[Split]
) -> Plan:
    """The plan with a learning curve as a part of the run; without one where there can't be one."""
    if request.folds:
        say("no learning curve in this run: cross-fitting uses all rows for the race")
        return plan
    only = [name for name in request.only if has_curve(name)]
    changed = {kind: own for kind, own in request.changed.items() if kind != "zero-shot"}
    try:
        _check_curve_can(request)
        curve = _curve(request, wanted, splits[0], only, changed, len(plan.trials) + 1)
    except UserError as reason:  # the run was asked for, and the curve is only a part of it
        say(f"no learning curve in this run: {reason}")
        return plan
    return replace(plan, curve=curve)


def _as_asked(plan: Plan, request: Request, splits: Sequence[Split]) -> Plan:
    """The plan with wrong labels, the sweep's combinations and the question of what is forgotten."""
    asked = request.forgetting
    if request.label_noise:
        check_validated_separately(plan, "--label-noise")
    plan = replace(
        plan,
        trials=tuple(replace(t, label_noise=request.label_noise) for t in plan.trials),
        forgetting=plan.mode.name == "full" if asked is None else asked,
    )
    return widened(plan, request.sweep, splits) if request.sweep else plan


def _check_curve_can(request: Request) -> None:
    """Raises `UserError` for what a run can do and a curve can't."""
    if request.label_noise:
        raise UserError(
            "a curve uses the labels as they are; leave --label-noise out of `bench curve`"
        )
    kinds = (kind for kind, own in request.changed.items() if own.get("replay"))
    if replayed := next(kinds, None):
        raise UserError(
            f"a curve trains without replay; leave {replayed}.replay out of `bench curve`, "
            "and try it with `bench sweep --vary replay=0,0.2`"
        )


def _curve(
    request: Request,
    wanted: CurveRequest,
    split: Split,
    only: Sequence[str],
    changed: Mapping[str, dict[str, Any]],
    number: int = 1,
) -> Curve:
    assert request.scenario.task is not None
    return make_curve(
        wanted,
        request.scenario.task,
        split,
        request.mode.name,
        request.seed,
        request.model,
        only,
        changed,
        number,
    )
