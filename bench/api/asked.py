"""What a caller asks of `bench`: the keywords of its functions, checked, and the request they make.

A keyword that several functions share is a field of `Asked`, and `request_of` puts it in the request.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

from pydantic import ConfigDict, Field, ValidationError
from pydantic.dataclasses import dataclass

import scenarios
from bench.api.infer import write_scenario
from scenarios.errors import UserError
from scenarios.schema import Scenario

if TYPE_CHECKING:
    from bench.core.own import Own
    from bench.planning.request import CurveRequest, Request

LARGEST_SEED = 2**32 - 1
MOST_SEEDS = 100
LARGEST_PRICE = 1e6

Settings = Mapping[str, Mapping[str, object]] | Sequence[str]
Vary = Mapping[str, Sequence[object]] | Sequence[str]


def _takes(what: str, **limits: Any) -> Any:
    """A keyword's limits, and what it takes, in words for an error."""
    return Field(description=what, **limits)


Flag = Annotated[bool, _takes("True or False")]
Column = Annotated[str | None, _takes("the name of a column")]
Place = Annotated[str | Path | None, _takes("a path")]


@dataclass(frozen=True, kw_only=True, config=ConfigDict(strict=True))
class Asked:
    """The keywords of all functions; one that a function doesn't have keeps its default."""

    scenario: Annotated[
        str | Path | Scenario | None,
        _takes("the name of a built-in scenario, the path of a .toml, or a Scenario"),
    ] = None
    data: Place = None
    text_field: Column = None
    label_field: Column = None
    quick: Flag = False
    full: Flag = False
    only: Annotated[Sequence[str], _takes("a list of names such as ['few-shot', 'lora']")] = ()
    train_rows: Annotated[int | None, _takes("a number of rows, at least 2", ge=2)] = None
    model: Annotated[str | None, _takes("a Hugging Face id or a folder, as text")] = None
    settings: Annotated[
        Settings | None,
        _takes("settings by contender such as {'lora': {'rank': 8}}, or texts as for --set"),
    ] = None
    seeds: Annotated[
        int | Sequence[int] | None, _takes("a number of seeds, or a list such as [0, 1, 2]")
    ] = None
    cross_fit: Annotated[int | None, _takes("a number of folds from 3 to 20", ge=3, le=20)] = None
    label_noise: Annotated[
        float, _takes("a share of the labels, at least 0 and below 1", ge=0, lt=1)
    ] = 0.0
    forgetting: Annotated[bool | None, _takes("True, False, or None for what the mode does")] = None
    look: Annotated[int, _takes("a whole number from 1 on", ge=1)] = 1
    seed: Annotated[
        int, _takes(f"a whole number from 0 to {LARGEST_SEED}", ge=0, le=LARGEST_SEED)
    ] = 0
    out: Place = None
    budget: Annotated[str | None, _takes("a text such as '20m' or '5usd'")] = None
    usd_per_hour: Annotated[
        float | None,
        _takes("a price in dollars, above 0 and at most a million", gt=0, le=LARGEST_PRICE),
    ] = None
    sizes: Annotated[Sequence[int], _takes("a list of numbers such as [16, 32, 64]")] = ()
    vary: Annotated[
        Vary | None, _takes("values by setting such as {'rank': [4, 16]}, or texts as for --vary")
    ] = None
    contenders: Annotated[
        Any, _takes("a folder of contenders, or a list of classes, objects and files")
    ] = ()
    metrics: Annotated[
        Any, _takes("a list of metrics: names, evaluate.Metric objects, or files")
    ] = ()
    models: Annotated[Any, _takes("a folder of kinds of models, or a list of classes")] = ()
    progress: Annotated[
        Callable[[str], None] | None, _takes("None, or a function that gets each line of progress")
    ] = None


def checked(given: Mapping[str, Any]) -> Asked:
    """Keywords as they were given. Raises `UserError` for one of a wrong type or out of range."""
    try:
        return Asked(**given)
    except ValidationError as error:
        keyword = str(error.errors()[0]["loc"][0])
        value = repr(given[keyword])
        shown = value if len(value) <= 80 else f"{value[:60]}... ({len(value):,} characters)"
        raise UserError(f"{keyword} takes {_words(keyword)}, not {shown}") from None


def own_of(asked: Asked) -> Own:
    """The caller's own contenders, metrics and models. Raises `UserError` for what can't be used."""
    from bench.core.own import own

    for keyword in ("contenders", "metrics", "models"):
        given = getattr(asked, keyword)
        if not isinstance(given, str | Path | list | tuple):
            raise UserError(f"{keyword} takes {_words(keyword)}, not {given!r}")
    return own(asked.contenders, asked.metrics, asked.models)


def _words(keyword: str) -> str:
    return get_type_hints(Asked, include_extras=True)[keyword].__metadata__[0].description


def run_request(asked: Asked, own: Own) -> Request:
    """The request of `run` and `plan`; a full run also has a learning curve."""
    from bench.planning.request import CurveRequest

    return request_of(asked, own, curve=CurveRequest(alone=False) if asked.full else None)


def curve_request(asked: Asked, own: Own) -> Request:
    """The request of `curve`, where `seeds` is the number of draws of the rows."""
    from bench.planning.request import CurveRequest

    draws = asked.seeds
    if draws is not None and not isinstance(draws, int):
        raise UserError(f"seeds takes a number of draws of the rows for a curve, not {draws!r}")
    if draws is not None and not 1 <= draws <= MOST_SEEDS:
        raise UserError(f"seeds takes a number of draws from 1 to {MOST_SEEDS}, not {draws}")
    return request_of(
        replace(asked, seeds=None), own, curve=CurveRequest(tuple(asked.sizes), draws)
    )


def sweep_request(asked: Asked, own: Own) -> Request:
    """The request of `sweep`; what `vary` and `only` leave open, the scenario's sweep sets."""
    from bench.planning.sweep import sweep_of

    scenario = _scenario(asked)
    sweep = sweep_of(scenario, _vary_texts(asked.vary), _names(asked.only))
    declared = scenario.sweep.settings if scenario.sweep else ()
    settings = (*declared, *_setting_texts(asked.settings))
    request = request_of(replace(asked, only=sweep.only, settings=settings), own, scenario)
    return replace(request, sweep=sweep, mode=replace(request.mode, serving_ways=False))


def request_of(
    asked: Asked, own: Own, scenario: Scenario | None = None, curve: CurveRequest | None = None
) -> Request:
    """The request, with everything checked that can be before rows or models are fetched.

    The caller's own contenders have been added to the registry by now.

    Raises `UserError` for the first thing that is wrong.
    """
    from bench.core.plan import MODES
    from bench.models.local import DEFAULT_MODEL
    from bench.planning.budget import parse
    from bench.planning.request import Request
    from bench.planning.settings import contender_names, parse_settings

    if asked.quick and asked.full:
        raise UserError("--quick can't be combined with --full: use one of them")
    mode = MODES["quick" if asked.quick else "full" if asked.full else "default"]
    if asked.train_rows:
        mode = replace(mode, train_rows=asked.train_rows)
    contender_names(_names(asked.only))  # a misspelt name is reported before anything is written
    if asked.budget is not None and asked.cross_fit:
        raise UserError(
            "--budget can't be combined with --cross-fit: dropping a fold would not drop a contender"
        )
    budget = None if asked.budget is None else parse(asked.budget, asked.usd_per_hour)
    scenario = scenario or _scenario(asked)
    return Request(
        scenario=_measured_by(scenario, own),
        mode=mode,
        seed=asked.seed,
        model=asked.model or DEFAULT_MODEL,
        only=_with_own(_names(asked.only), own, mode.name, scenario),
        seeds=_seeds(asked.seeds, asked.seed),
        changed=_changed(own, parse_settings(_setting_texts(asked.settings))),
        out=None if asked.out is None else Path(asked.out),
        usd_per_hour=asked.usd_per_hour,
        look=asked.look,
        folds=asked.cross_fit or 0,
        curve=curve,
        budget=budget,
        label_noise=asked.label_noise,
        forgetting=asked.forgetting,
        own=own,
    )


def _with_own(only: tuple[str, ...], own: Own, mode: str, scenario: Scenario) -> tuple[str, ...]:
    """With the contenders that were given one by one, which always run."""
    from bench.planning.settings import contender_names

    given = own.asked.get("contenders", ())
    usual = only
    if not only and scenario.task is not None:
        usual = tuple(contender_names((), mode, scenario.task.type))
    named = {name.strip().partition("@")[0] for name in usual}
    missing = [name for name in given if name not in named]
    return (*usual, *missing) if missing else only


def _measured_by(scenario: Scenario, own: Own) -> Scenario:
    """With the metrics that were given in place of the scenario's; the first decides.

    Raises `UserError` for one that is listed twice.
    """
    metrics = own.asked.get("metrics", ())
    twice = next((name for i, name in enumerate(metrics) if name in metrics[:i]), None)
    if twice is not None:
        raise UserError(f"metrics lists {twice} twice; each must be different")
    if not metrics or scenario.task is None:
        return scenario
    from bench.record.types import ContenderEntry

    taken = [name for name in metrics if f"metrics/{name}" in own.digests]
    taken = [name for name in taken if name.replace("-", "_") in ContenderEntry.__annotations__]
    if taken:
        raise UserError(
            f"'{taken[0]}' is something else in a record; give the metric of that name another one"
        )
    task = scenario.task.model_copy(update={"metrics": tuple(metrics)})
    return scenario.model_copy(update={"task": task})


def _changed(own: Own, given: Mapping[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Settings by contender: those of instances, and the others that were given."""
    kinds = dict.fromkeys([*own.settings, *given])
    return {kind: {**own.settings.get(kind, {}), **given.get(kind, {})} for kind in kinds}


def _scenario(asked: Asked) -> Scenario:
    """The scenario, or one inferred from the user's rows and written next to them."""
    if (asked.scenario is None) == (asked.data is None):
        raise UserError("give either a scenario or --data FILE")
    if asked.data is not None:
        file = write_scenario(Path(asked.data), asked.text_field, asked.label_field, None)
        return scenarios.load(str(file))
    if asked.text_field or asked.label_field:
        raise UserError("--text-field and --label-field need --data")
    if isinstance(asked.scenario, Scenario):
        return asked.scenario
    return scenarios.load(str(asked.scenario))


def _names(only: Iterable[str]) -> tuple[str, ...]:
    return tuple(name for name in only if name.strip())


def _seeds(seeds: int | Sequence[int] | None, first: int) -> tuple[int, ...]:
    """The seeds: as listed, or a number of them from `first` on."""
    if seeds is None:
        return ()
    if isinstance(seeds, int):
        if not 1 <= seeds <= MOST_SEEDS:
            raise UserError(
                f"--seeds {seeds}: the number of seeds must be from 1 to {MOST_SEEDS}; "
                "--seed sets the first"
            )
        return tuple(range(first, first + seeds))
    if not all(0 <= seed <= LARGEST_SEED for seed in seeds):
        raise UserError(f"--seeds: each seed must be from 0 to {LARGEST_SEED}")
    return tuple(seeds)


def _setting_texts(settings: Settings | None) -> tuple[str, ...]:
    """Settings as `lora.rank=8`, as scenarios' files write them."""
    if not isinstance(settings, Mapping):
        return tuple(settings or ())
    return tuple(
        f"{kind}.{name}={_text(value)}"
        for kind, own in settings.items()
        for name, value in own.items()
    )


def _vary_texts(vary: Vary | None) -> tuple[str, ...]:
    """Axes as `rank=4,16`, as scenarios' files write them."""
    if not isinstance(vary, Mapping):
        return tuple(vary or ())
    return tuple(f"{name}={_text(values)}" for name, values in vary.items())


def _text(value: object) -> str:
    several = isinstance(value, list | tuple)
    return ",".join(map(str, value)) if several else str(value)  # type: ignore[call-overload]
