"""A sweep: contenders at every combination of some settings, each compared with the first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, replace
from functools import cache
from itertools import product
from math import prod
from typing import Any, get_origin, get_type_hints

from bench import registry
from bench.core.plan import Plan, Swept, Trial, Variant
from bench.planning.request import Axis, Sweep
from bench.planning.rows import check_validated_separately
from bench.planning.settings import parse_settings, slug_of
from bench.rows import noise
from scenarios.errors import UserError, unknown
from scenarios.rows import Split
from scenarios.schema import Claim, Scenario

ROWS, NOISE = "rows", "label-noise"
OF_ROWS = {ROWS: "training rows", NOISE: "share of wrong training labels"}
"""Axes that every contender has, in addition to its own settings."""
MOST_TRIALS = 200


def sweep_of(scenario: Scenario, vary: Sequence[str], only: Sequence[str]) -> Sweep:
    """The sweep that the options ask for, or else the scenario's own.

    Raises `UserError` for what isn't `NAME=VALUE,VALUE`, an axis that no contender has, a value that
    it can't take, a setting that is varied twice, and where nothing is varied.
    """
    own = scenario.sweep
    only = tuple(only) or (own.only if own else ()) or ("lora",)
    kinds = [name.strip().partition("@")[0] for name in only]
    texts = tuple(vary) or (own.vary if own else ())
    if not texts:
        raise UserError(
            f"nothing to vary: add --vary NAME=VALUE,VALUE, where NAME is one of "
            f"{', '.join(axis_names(kinds))}"
        )
    axes = tuple(_axis(text, kinds) for text in texts)
    names = [axis.name for axis in axes]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise UserError(f"--vary lists {twice} twice; give all of its values in one --vary")
    for kind in kinds:
        _check_settings_differ(kind, names)
    if all(len(axis.values) == 1 for axis in axes):
        raise UserError(
            "every --vary has one value, so there is nothing to compare; give at least two"
        )
    return Sweep(axes, only, own.claim if own else None)


def _check_settings_differ(kind: str, names: Sequence[str]) -> None:
    """Raises `UserError` for two axes that are one setting of a contender."""
    seen: dict[str, str] = {}
    for name in names:
        setting = _setting(kind, name)
        if setting in seen:
            raise UserError(
                f"--vary {seen[setting]} and --vary {name} are the same setting of {kind}; "
                "give all of its values under one name"
            )
        if setting:
            seen[setting] = name


def axis_names(kinds: Iterable[str]) -> list[str]:
    """What can be varied of some contenders, as people type it."""
    found = list(OF_ROWS)
    for kind in kinds:
        contender = registry.contender(kind)
        found += [_typed(kind, field.name) for field in fields(contender)]
    return list(dict.fromkeys(found))


def _of_one(name: str, kinds: Sequence[str]) -> str:
    """A name like `lora.rank`, without the contender where no other is varied; others as they are.

    Raises `UserError` for a contender that isn't varied, and for what isn't a setting of it.
    """
    kind, dot, setting = name.partition(".")
    if not dot:
        return name
    if kind not in kinds:
        raise UserError(
            f"--vary {name}: this sweep varies {', '.join(kinds)}, not {kind}; add it to --only"
        )
    if not _setting(kind, setting):
        raise unknown(f"setting of {kind}", setting, axis_names([kind])[len(OF_ROWS) :])
    return setting if set(kinds) == {kind} else name


def _axis(text: str, kinds: Sequence[str]) -> Axis:
    name, equals, given = text.partition("=")
    name = name.strip().replace("_", "-")
    values = tuple(value.strip() for value in given.split(","))
    if not equals or not name or not all(values):
        raise UserError(f"--vary takes NAME=VALUE,VALUE, not '{text}'")
    if len(set(values)) < len(values):
        raise UserError(f"--vary {name} lists the same value twice; each must be different")
    name = _of_one(name, kinds)
    having = [kind for kind in kinds if _setting(kind, name)]
    if name not in OF_ROWS and not having:
        raise unknown("axis", name, axis_names(kinds))
    for value in values:
        if name in OF_ROWS:
            _of_rows(name, value)
        for kind in having:
            _checked(kind, name, value)
    if len({_key(having, name, value) for value in values}) < len(values):
        raise UserError(f"--vary {name} lists the same value twice; each must be different")
    return Axis(name, values)


def _key(having: Sequence[str], name: str, value: str) -> Any:
    """What a value is, however it was typed."""
    return _of_rows(name, value) if name in OF_ROWS else _checked(having[0], name, value)


def _of_rows(name: str, value: str) -> int | float:
    """A number of rows, or a share of wrong labels."""
    try:
        number = int(value) if name == ROWS else float(value)
    except ValueError:
        what = "a whole number" if name == ROWS else "a share such as 0.2"
        raise UserError(f"--vary {name} takes {what}, not '{value}'") from None
    if name == ROWS and number < 2:
        raise UserError(f"--vary rows={value}: at least 2 training rows are needed")
    if name == NOISE and not 0 <= number < 1:
        raise UserError(
            f"--vary label-noise={value}: must be a share of the labels, at least 0 and below 1"
        )
    return number


def _setting(kind: str, axis: str) -> str | None:
    """The contender's setting of an axis: its name, or for lists of candidates also the singular."""
    known = {field.name for field in fields(registry.contender(kind))}
    named, _, own = axis.rpartition(".")
    if named not in ("", kind):
        return None
    name = own.replace("-", "_")
    plurals = [f"{name}s", f"{name.removesuffix('y')}ies"]
    lists = [plural for plural in plurals if plural in known and _is_list(kind, plural)]
    return name if name in known else next(iter(lists), None)


@cache
def _is_list(kind: str, setting: str) -> bool:
    types = get_type_hints(registry.contender(kind), include_extras=True)
    return get_origin(types[setting]) is tuple


def _typed(kind: str, setting: str) -> str:
    name = setting.replace("_", "-")
    one = f"{name.removesuffix('ies')}y" if name.endswith("ies") else name.removesuffix("s")
    return one if _is_list(kind, setting) and _setting(kind, one) == setting else name


def _checked(kind: str, axis: str, value: str) -> Any:
    """The value of a setting that the contender has, by its type. Raises `UserError` for a wrong one."""
    return _checked_setting(kind, _setting(kind, axis) or axis, value)


def _checked_setting(kind: str, setting: str, value: str) -> Any:
    if setting == "targets":  # a comma ends a value here
        value = value.replace("+", ",")
    return parse_settings([f"{kind}.{setting}={value}"])[kind][setting]


def widened(plan: Plan, sweep: Sweep, splits: Sequence[Split]) -> Plan:
    """The plan with each named contender at every combination of the axes that it has.

    Baselines that weren't named stay as they are. There is no primary comparison: each combination is
    compared with its contender's first, as exploratory. Raises `UserError` for more rows than there
    are, too many combinations, and for rows or wrong labels that are varied where the training rows
    choose.
    """
    _check_rows(plan, sweep, splits)
    named = {name.strip() for name in sweep.only}
    trials: list[Trial] = []
    variants: dict[str, Variant] = {}
    for name in dict.fromkeys(trial.name for trial in plan.trials):
        own = [trial for trial in plan.trials if trial.name == name]
        if name not in named:
            trials += own
            continue
        axes = [a for a in sweep.axes if a.name in OF_ROWS or _setting(own[0].kind, a.name)]
        for chosen in _combinations(axes):
            values = ",".join(f"{axis}={value}" for axis, value in chosen.items())
            variant = f"{name}[{values}]" if values else name
            variants[variant] = Variant(name, chosen)
            trials += [_varied(trial, variant, chosen) for trial in _drawn(own, chosen, plan)]
    if len(trials) > MOST_TRIALS:
        raise UserError(
            f"{len(trials)} trials are more than a sweep's {MOST_TRIALS}; give fewer values"
        )
    numbered = tuple(_numbered(trial, i) for i, trial in enumerate(trials, start=1))
    return replace(
        plan,
        trials=numbered,
        primary=None,
        family=tuple(_pairs(variants, sweep.claim)),
        sweep=Swept(
            {axis.name: list(axis.values) for axis in sweep.axes},
            variants,
            sweep.claim.model_dump(mode="json") if sweep.claim else None,
        ),
    )


def _combinations(axes: Sequence[Axis]) -> list[dict[str, str]]:
    """Each value of each axis with each of the others. Raises `UserError` for too many."""
    count = prod(len(axis.values) for axis in axes)
    if count > MOST_TRIALS:
        raise UserError(
            f"{count:,} combinations are more than a sweep's {MOST_TRIALS} trials; give fewer values"
        )
    names = [axis.name for axis in axes]
    return [dict(zip(names, values, strict=True)) for values in product(*(a.values for a in axes))]


def _check_rows(plan: Plan, sweep: Sweep, splits: Sequence[Split]) -> None:
    available = min(len(split.train) for split in splits)
    labels = len(plan.task.labels)
    for axis in sweep.axes:
        if axis.name in OF_ROWS:
            check_validated_separately(plan, f"--vary {axis.name}")
        for value in axis.values:
            if axis.name == ROWS and int(value) > available:
                raise UserError(
                    f"--vary rows={value}, but there are {available:,} training rows; use at most {available:,}"
                )
            if axis.name == ROWS and int(value) < labels:
                raise UserError(
                    f"--vary rows={value}: fewer rows than the {labels} labels; use at least {labels}"
                )
            if axis.name == NOISE:
                noise.check(float(value), plan.task, "--vary label-noise")


def _drawn(own: Sequence[Trial], values: Mapping[str, str], plan: Plan) -> list[Trial]:
    """A contender's trials; where wrong labels are drawn, every contender has each seed asked for."""
    noisy = float(values.get(NOISE, own[0].label_noise)) > 0
    if not noisy:
        return list(own)
    seeds = plan.asked.seeds or range(plan.seed, plan.seed + plan.mode.seeds)
    return [replace(own[0], seed=seed) for seed in seeds]


def _varied(trial: Trial, name: str, values: Mapping[str, str]) -> Trial:
    """A trial at a combination. Alpha stays twice the rank, unless alpha is varied too."""
    varied = {
        setting: _checked_setting(trial.kind, setting, value)
        for axis, value in values.items()
        if axis not in OF_ROWS and (setting := _setting(trial.kind, axis))
    }
    settings = trial.settings | varied
    if "rank" in varied and "alpha" not in varied and "alpha" in settings:
        ratio = trial.settings["alpha"] / trial.settings["rank"]
        settings["alpha"] = max(1, round(ratio * settings["rank"]))
    return replace(
        trial,
        name=name,
        n_train=int(values.get(ROWS, trial.n_train)),
        label_noise=float(values.get(NOISE, trial.label_noise)),
        settings=settings,
    )


def _numbered(trial: Trial, number: int) -> Trial:
    fold = "" if trial.fold is None else f"-f{trial.fold + 1}"
    return replace(trial, slug=f"{number:02d}-{slug_of(trial.name)}-s{trial.seed}{fold}")


def _pairs(variants: Mapping[str, Variant], claim: Claim | None) -> list[tuple[str, str]]:
    """Each combination against its contender's first, and what a claim compares besides."""
    found: list[tuple[str, str]] = []
    for contender in dict.fromkeys(v.contender for v in variants.values()):
        first, *others = (name for name, v in variants.items() if v.contender == contender)
        found += [(first, other) for other in others]
    found += [pair for pair in claimed(variants, claim) if pair[::-1] not in found]
    return list(dict.fromkeys(found))


def claimed(variants: Mapping[str, Variant], claim: Claim | None) -> list[tuple[str, str]]:
    """What a claim says is better and what is worse, of each contender that has both."""
    if claim is None:
        return []
    found = []
    for contender in dict.fromkeys(v.contender for v in variants.values()):
        own = {name: _plain(v.values) for name, v in variants.items() if v.contender == contender}
        better, *worse = (_named(text, own) for text in (claim.better, *claim.worse))
        found += [(better, name) for name in worse if better and name]
    return found


def _named(text: str, variants: Mapping[str, dict]) -> str | None:
    """The variant that is written as `rows=500,label-noise=0`, in any order of its axes."""
    wanted = _plain(dict(part.split("=", 1) for part in text.split(",")))
    return next((name for name, values in variants.items() if values == wanted), None)


def _plain(values: Mapping[str, str]) -> dict:
    """Values of axes as numbers where they are numbers, so that 0.20 is 0.2."""

    def number(text: str) -> float | str:
        try:
            return float(text)
        except ValueError:
            return text.strip()

    return {axis.strip(): number(value) for axis, value in values.items()}
