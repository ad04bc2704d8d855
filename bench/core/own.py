"""A user's own contenders, metrics and models: objects, classes, files or folders, checked before a run.

An own one is known by a name: its file's, or its class's in kebab-case (`MyPrompt`: `my-prompt`). Trials run in
processes of their own, so what isn't a file is sent to them by value (cloudpickle) through their standard input.
Nothing in a run's folder is ever executed.
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import importlib.util
import inspect
import json
import pickle
import re
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, ClassVar, get_args, get_origin, get_type_hints

from pydantic import TypeAdapter, ValidationError
from pydantic.errors import PydanticSchemaGenerationError

from bench import registry
from bench.core.contender import Contender, Family
from bench.core.model import Ability
from bench.core.own_code import digest_of, digest_of_file
from scenarios.errors import UserError, unknown

Given = str | Path | Sequence[Any]
"""A folder or file, or a list of folders, files, classes and objects."""

TASKS = Contender.tasks
MODES = Contender.usual
_OF_A_METRIC = ("TASKS", "SHARE", "statistics", "value")
_OF_A_MODEL = ("can", "is_ready", "fetch", "check", "facts", "price", "load")


@dataclass(frozen=True)
class Own:
    """What a user brings to a run.

    `objects` are by folder and name what the modules of these names would be, `files` the paths of the others.
    `settings` are those of contenders given as instances, `asked` the names of contenders and metrics that were given
    one by one. `digests` of their code are by `contenders/NAME`.
    """

    objects: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    files: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    asked: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    digests: Mapping[str, str] = field(default_factory=dict)

    def added(self) -> registry.Added:
        """For `registry.added`; imports the files. Raises `UserError` for one that can't be imported."""
        found: dict[str, dict[str, Any]] = {name: dict(own) for name, own in self.objects.items()}
        for folder, paths in self.files.items():
            for name, path in paths.items():
                found.setdefault(folder, {})[name] = _imported(folder, Path(path))
        return found

    def parcel(self) -> str:
        """A word from which another process of this machine has the same; empty where there is nothing.

        Raises `UserError` for an object that can't be handed to one.
        """
        if not (self.objects or self.files):
            return ""
        packed = [
            [folder, name, base64.b64encode(_packed(folder, name, found)).decode()]
            for folder, by_name in self.objects.items()
            for name, found in by_name.items()
        ]
        path = [place for place in sys.path if isinstance(place, str)]
        held = {"path": path, "files": self.files, "objects": packed}
        return base64.b64encode(json.dumps(held).encode()).decode()


def _packed(folder: str, name: str, found: Any) -> bytes:
    import cloudpickle

    _release(getattr(found, "EVALUATE", None))
    try:
        return cloudpickle.dumps(found)
    except Exception as error:  # whatever the user's object holds may refuse
        raise UserError(
            f"the {folder.removesuffix('s')} '{name}' can't be handed to the processes of the trials "
            f"({error}); put it in a file, and give that"
        ) from error


def _release(metric: Any) -> None:
    """Drop the locks that an `evaluate.Metric` still holds after it was used: they can't be pickled."""
    if metric is not None and metric.writer is None:
        metric.filelocks = metric.file_paths = metric.rendez_vous_lock = None


def unpacked(parcel: str) -> registry.Added:
    """What `Own.parcel` packed. Only for the word of the process that started this one."""
    if not parcel:
        return {}
    held = json.loads(base64.b64decode(parcel))
    # The user's modules are imported as in the process that started this one, also later on.
    sys.path += [place for place in held["path"] if place not in sys.path]
    for paths in held["files"].values():
        sys.path += [str(Path(path).parent) for path in paths.values()]
    packed: dict[str, dict[str, str]] = {}
    for folder, name, text in held["objects"]:
        packed.setdefault(folder, {})[name] = text
    files = Own(files=held["files"]).added()
    return {
        folder: _Packed(packed.get(folder, {}), files.get(folder, {}))
        for folder in (*packed, *files)
    }


class _Packed(Mapping[str, Any]):
    """Objects by name, each unpacked when it is first asked for: a metric may bring a whole library with it."""

    def __init__(self, packed: Mapping[str, str], others: Mapping[str, Any]):
        self._packed, self._found = packed, dict(others)

    def __getitem__(self, name: str) -> Any:
        if name not in self._found:
            self._found[name] = pickle.loads(base64.b64decode(self._packed[name]))
        return self._found[name]

    def __contains__(self, name: object) -> bool:
        return name in self._found or name in self._packed

    def __iter__(self) -> Iterator[str]:
        return iter({**self._packed, **self._found})

    def __len__(self) -> int:
        return len({**self._packed, **self._found})


def own(contenders: Given = (), metrics: Given = (), models: Given = ()) -> Own:
    """What was given, each by its name. Raises `UserError` for what can't be used, before anything is run."""
    objects: dict[str, dict[str, Any]] = {}
    files: dict[str, dict[str, str]] = {}
    settings: dict[str, dict[str, Any]] = {}
    asked: dict[str, list[str]] = {}
    digests: dict[str, str] = {}
    given = (("contenders", contenders), ("metrics", metrics), ("models", models))
    for folder, things in given:
        for thing in [things] if isinstance(things, str | Path) else things:
            if folder == "metrics" and _is_name(thing):
                asked.setdefault(folder, []).append(str(thing))
                continue
            for name, found, path in _found(folder, thing):
                _check_name(folder, name, {*objects.get(folder, {}), *files.get(folder, {})})
                _CHECKS[folder](name, found)
                if folder == "metrics" or not _is_folder(thing):
                    asked.setdefault(folder, []).append(name)
                if path is None:
                    objects.setdefault(folder, {})[name] = found
                    if own_settings := _settings_of(name, thing):
                        settings[name] = own_settings
                else:
                    files.setdefault(folder, {})[name] = str(path)
                digests[f"{folder}/{name}"] = _digest(thing if path is None else path)
    return Own(objects, files, settings, {k: tuple(v) for k, v in asked.items()}, digests)


def _is_folder(thing: Any) -> bool:
    return isinstance(thing, str | Path) and Path(thing).is_dir()


def _is_name(thing: Any) -> bool:
    """Whether a metric was named rather than brought: one of ours, or one of the `evaluate` library.

    Raises `UserError` for a name that is none, and no path either.
    """
    if not isinstance(thing, str) or thing.endswith(".py") or Path(thing).exists():
        return False
    if thing.startswith("evaluate:") or thing in registry.shipped("metrics"):
        return True
    raise unknown("metric", thing, registry.shipped("metrics"))


def _found(folder: str, thing: Any) -> Iterator[tuple[str, Any, Path | None]]:
    """The name, the module (or a stand-in) and the file of each contender, metric or model that was given."""
    if isinstance(thing, str | Path):
        for path in _files_in(folder, Path(thing)):
            yield path.stem.replace("_", "-"), _imported(folder, path), path
        return
    kind = thing if isinstance(thing, type) else type(thing)
    settings = dataclasses.fields(kind) if dataclasses.is_dataclass(kind) else ()
    named = "name" not in {one.name for one in settings}
    name = getattr(kind, "name", None) if named else None
    own_name = name if isinstance(name, str) else _kebab(kind.__name__)
    if folder == "contenders":
        yield own_name, SimpleNamespace(Contender=kind), None
    elif folder == "models":
        yield own_name, SimpleNamespace(Model=kind), None
    elif _is_evaluate(thing):
        yield f"evaluate:{thing.name}", SimpleNamespace(EVALUATE=thing), None
    elif isinstance(thing, ModuleType):
        yield thing.__name__.rpartition(".")[2].replace("_", "-"), thing, None
    else:
        yield own_name, thing, None


def _files_in(folder: str, place: Path) -> list[Path]:
    """The files of a folder that are contenders (or metrics, models), or the one file that was named."""
    one = folder.removesuffix("s")
    if place.is_dir():
        files = sorted(f for f in place.glob("*.py") if not f.name.startswith("_"))
        if not files:
            raise UserError(
                f"'{place}' holds no {one}: each is a file NAME.py (a name that begins with '_' is skipped)"
            )
        return [file.resolve() for file in files]
    if place.suffix == ".py" and place.is_file():
        return [place.resolve()]
    raise UserError(f"'{place}' is neither a folder of {folder} nor a file NAME.py; check the path")


def _imported(folder: str, path: Path) -> ModuleType:
    """The module in a user's file, which can import its neighbours while it is imported."""
    name = f"own_{folder}_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where dataclasses and pydantic look up the names in annotations
    try:
        with _neighbours_of(path):
            spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        sys.modules.pop(name)
        raise UserError(f"can't import '{path}': {type(error).__name__}: {error}") from error
    return module


@contextmanager
def _neighbours_of(path: Path) -> Iterator[None]:
    known = set(sys.modules)
    sys.path.insert(0, str(path.parent))
    try:
        yield
    finally:
        with suppress(ValueError):  # the file's own code took it out
            sys.path.remove(str(path.parent))
        for name in set(sys.modules) - known:  # so that the next import reads them again
            file = getattr(sys.modules[name], "__file__", None)
            if file and Path(file).parent == path.parent:
                del sys.modules[name]


def _kebab(name: str) -> str:
    """`MyPrompt` as `my-prompt`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", name).replace("_", "-").strip("-").lower()


def _check_name(folder: str, name: str, known: Iterable[str]) -> None:
    one = folder.removesuffix("s")
    if name in registry.shipped(folder):
        raise UserError(f"there is already a {one} named '{name}'; give yours another name")
    if name in known:
        raise UserError(f"two {folder} are named '{name}'; give one of them another name")
    if not re.fullmatch(r"(evaluate:)?[a-z0-9][a-z0-9_-]*", name):
        raise UserError(
            f"'{name}' can't be the name of a {one}; use lower-case letters, digits and '-'"
        )


def _check_contender(name: str, module: Any) -> None:
    kind = getattr(module, "Contender", None)
    if kind is None:
        raise UserError(
            f"the file of '{name}' has no class Contender; add `class Contender(bench.Contender)`"
        )
    what = f"the contender '{name}'"
    if not (isinstance(kind, type) and issubclass(kind, Contender)):
        raise UserError(f"{what} isn't one: derive its class from bench.Contender")
    if kind.fit is Contender.fit:
        raise UserError(f"{what} has no fit(ground, seed); give it one that returns an answerer")
    families = get_args(Family)
    if getattr(kind, "family", None) not in families:
        raise UserError(f"{what} has no family; set `family` to one of {', '.join(families)}")
    _check_declared(what, kind)
    _check_fields(what, kind)
    known = {one.name for one in dataclasses.fields(kind)}
    for part, settings in (("quick", kind.quick), ("curve", kind.curve or {})):
        for key, value in settings.items():
            if key not in known:
                raise unknown(f"setting of {name} (in `{part}`)", key, known)
            _check_value(what, kind, key, value)


def _check_declared(what: str, kind: type[Contender]) -> None:
    """Class variables are of the types that the base class declares."""

    def refused(variable: str, takes: str) -> UserError:
        return UserError(
            f"`{variable}` of {what} is {getattr(kind, variable)!r:.60}; it takes {takes}"
        )

    for variable, known in (("needs", get_args(Ability)), ("tasks", TASKS), ("usual", MODES)):
        value = getattr(kind, variable)
        if isinstance(value, str) or not isinstance(value, Collection) or not {*value} <= {*known}:
            raise refused(variable, f"some of {', '.join(known)}, as a tuple or a frozenset")
    for variable in ("quick", "curve"):
        value = getattr(kind, variable)
        if not (isinstance(value, Mapping) or (variable == "curve" and value is None)):
            raise refused(variable, "settings by name, as a dictionary")
    for variable, method in (("restores", "restore"), ("fits_once", "fit_once")):
        if getattr(kind, variable) and getattr(kind, method) is getattr(Contender, method):
            raise UserError(
                f"{what} declares {variable} and has no {method}; see bench/core/contender.py"
            )


def _check_fields(what: str, kind: type[Contender]) -> None:
    """Settings are the fields of a dataclass, each with a default."""
    if "__dataclass_params__" not in vars(kind) and "__init__" in vars(kind):
        raise UserError(
            f"{what} has an __init__ of its own; make it a dataclass (frozen=True), whose fields are settings"
        )
    if "__dataclass_params__" not in vars(kind) and any(
        get_origin(hint) is not ClassVar and hint is not ClassVar
        for hint in _hints(what, kind, inspect.get_annotations(kind)).values()
    ):
        raise UserError(f"{what} has settings but is no dataclass; add @dataclass(frozen=True)")
    for one in dataclasses.fields(kind):
        if one.default is dataclasses.MISSING:
            raise UserError(f"the setting '{one.name}' of {what} has no default; give it one")
        _check_value(what, kind, one.name, one.default)


def _hints(what: str, kind: type, names: Iterable[str]) -> dict[str, Any]:
    try:
        hints = get_type_hints(kind, include_extras=True)
    except NameError as error:
        raise UserError(
            f"{what}: {error}; import the names in its annotations at run time as well"
        ) from error
    return {name: hints[name] for name in names if name in hints}


def _check_value(what: str, kind: type[Contender], name: str, value: Any) -> None:
    """A setting's value is plain, and what its annotation says."""
    _check_plain(what, name, value)
    try:
        TypeAdapter(_hints(what, kind, [name])[name]).validate_python(value)
    except ValidationError as error:
        why = error.errors()[0]["msg"]
        raise UserError(
            f"the setting '{name}' of {what}: {why[0].lower()}{why[1:]}, not {value!r:.60}"
        ) from None
    except PydanticSchemaGenerationError:
        raise UserError(
            f"the setting '{name}' of {what} has a type that can't be checked; annotate it with "
            "numbers, texts, and tuples of them"
        ) from None


def _check_plain(what: str, name: str, value: Any) -> None:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        raise UserError(
            f"the setting '{name}' of {what} is {value!r:.60}, which JSON doesn't have; use finite "
            "numbers, texts, and tuples of them"
        ) from None


def _is_evaluate(thing: Any) -> bool:
    """Whether it is an `evaluate.Metric`; without importing the library for what isn't one."""
    evaluate = sys.modules.get("evaluate")
    return evaluate is not None and isinstance(thing, evaluate.EvaluationModule)


def _check_metric(name: str, module: Any) -> None:
    if hasattr(module, "EVALUATE"):
        return
    missing = [one for one in _OF_A_METRIC if not hasattr(module, one)]
    if missing:
        raise UserError(
            f"the metric '{name}' lacks {', '.join(missing)}; give an evaluate.Metric, or a "
            f"module with {', '.join(_OF_A_METRIC)}"
        )


def _check_model(name: str, module: Any) -> None:
    kind = getattr(module, "Model", None)
    if kind is None:
        raise UserError(f"the file of '{name}' has no class Model; see bench/core/model.py")
    missing = [one for one in _OF_A_MODEL if not hasattr(kind, one)]
    if missing:
        raise UserError(f"the model '{name}' lacks {', '.join(missing)}; see bench/core/model.py")
    can = kind.can
    if (
        isinstance(can, str)
        or not isinstance(can, Collection)
        or not {*can} <= {*get_args(Ability)}
    ):
        raise UserError(
            f"`can` of the model '{name}' is {can!r:.60}; it takes some of {', '.join(get_args(Ability))}, "
            "as a frozenset"
        )


_CHECKS = {"contenders": _check_contender, "metrics": _check_metric, "models": _check_model}


def _settings_of(name: str, thing: Any) -> dict[str, Any]:
    """Of a contender that was given as an instance: its values that aren't the defaults."""
    if isinstance(thing, type) or not isinstance(thing, Contender):
        return {}
    values = {
        one.name: value
        for one in dataclasses.fields(thing)
        if (value := getattr(thing, one.name)) != one.default
    }
    for key, value in values.items():
        _check_value(f"the contender '{name}'", type(thing), key, value)
    return values


def _digest(thing: Any) -> str:
    """SHA-256 of a file, or of what a class, an object's class or a module does."""
    if isinstance(thing, Path):
        return digest_of_file(thing)
    if _is_evaluate(thing):  # whose places and seeds differ each time
        of_class = digest_of(type(thing))
        said = f"{of_class}\n{thing.name}\n{thing.config_name}\n{thing.description}"
        return hashlib.sha256(said.encode()).hexdigest()
    try:
        # The values of a contender are its settings, which the plan has.
        return digest_of(type(thing) if isinstance(thing, Contender) else thing)
    except RecursionError:
        raise UserError(
            f"a value that '{getattr(thing, '__name__', type(thing).__name__)}' uses is nested too deeply "
            "to compare its code with another time's; read it from a file in fit"
        ) from None
