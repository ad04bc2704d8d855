"""Models and GPUs by name: from the catalog, a `config.json`, or the hub if it can be reached."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path

from advisor.sizes.shapes import Shape, read_shape
from scenarios.errors import UserError, did_you_mean


@dataclass(frozen=True)
class Gpu:
    """A graphics card. `usable_bytes` is what CUDA reports; `peak_flops` is dense, in bfloat16."""

    name: str
    usable_bytes: int
    peak_flops: float
    bandwidth_bytes_per_s: float
    hopper_or_later: bool
    source: str


@cache
def catalog(name: str) -> dict[str, dict]:
    """A catalog's entries by name, each with its source and date."""
    file = resources.files("advisor") / "catalog" / f"{name}.json"
    return json.loads(file.read_text(encoding="utf-8"))


@cache
def gpu_named(name: str) -> Gpu:
    """A GPU in the catalog, however it is spelled. Raises `UserError` with the nearest name."""
    spellings = {}
    for known, entry in catalog("gpus").items():
        for spelling in (known, *entry["aliases"]):
            spellings[_plain(spelling)] = known
    found = spellings.get(_plain(name).removeprefix("nvidia"))
    if found is None:
        raise UserError(f"no GPU named '{name}'; {_nearest(name, catalog('gpus'))}")
    entry = catalog("gpus")[found]
    return Gpu(
        name=found,
        usable_bytes=entry["usable_bytes"],
        peak_flops=entry["bf16_dense_tflops"] * 1e12,
        bandwidth_bytes_per_s=entry["bandwidth_gb_per_s"] * 1e9,
        hopper_or_later=entry["compute_capability"] >= 9,
        source=f"{entry['source']} ({entry['date']})",
    )


def shape_of(model: str) -> Shape:
    """A model's shape: by its name in the catalog (with or without its owner), by the path of a
    `config.json` or its folder, or by its id on the hub. Raises `UserError`.
    """  # fmt: skip
    models = catalog("models")
    for name, entry in models.items():
        if model.lower() in (name.lower(), name.split("/")[1].lower()):
            return read_shape(entry["config"], name)
    try:
        path = Path(model).expanduser()
        if path.is_dir():
            path = path / "config.json"
        if path.is_file():
            return read_shape(_read_config(path), model)
    except (OSError, RuntimeError) as error:  # a name that is too long, or an unknown user
        raise UserError(f"can't use '{model[:80]}' as a path: {error}") from None
    if path.suffix == ".json" or model.startswith((".", "/", "~")):
        raise UserError(f"no file '{path}'; give a config.json, or its folder")
    if re.fullmatch(r"[\w.-]+/[\w.-]+", model):
        return read_shape(_from_hub(model), model)
    raise UserError(f"no model named '{model}'; {_nearest(model, models)}")


def _read_config(path: Path) -> dict:
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"can't read '{path}': {error}") from None
    if not isinstance(config, dict):
        raise UserError(
            f"'{path}' isn't the config of a model: it has no JSON object; give its config.json"
        )
    return config


def _from_hub(model: str) -> dict:
    """The config of a model on the hub. Raises `UserError` if it isn't available."""
    hint = f"or give its config.json; {_nearest(model, catalog('models'))}"
    try:
        from huggingface_hub import constants, hf_hub_download
        from huggingface_hub.errors import EntryNotFoundError, RepositoryNotFoundError
    except ImportError:
        raise UserError(
            f"'{model}' isn't in the catalog, and the hub's client isn't installed: "
            f"pip install huggingface_hub, {hint}"
        ) from None
    try:
        _reach(constants.ENDPOINT)
        return _read_config(Path(hf_hub_download(model, "config.json")))
    except (RepositoryNotFoundError, EntryNotFoundError):
        raise UserError(
            f"the hub has no readable config of '{model}'; check the name, {hint}"
        ) from None
    except UserError:
        raise
    except Exception as error:  # the client raises those of several transports
        raise UserError(
            f"'{model}' isn't in the catalog, and the hub can't be reached "
            f"({type(error).__name__}); try again, {hint}"
        ) from None


def _reach(endpoint: str) -> None:
    """Raise `OSError` immediately if the hub doesn't answer: its client would retry for a long time."""
    import socket
    from urllib.parse import urlsplit
    from urllib.request import getproxies

    if getproxies():  # then the connection isn't made to the hub itself
        return
    place = urlsplit(endpoint)
    port = place.port or (443 if place.scheme == "https" else 80)
    socket.create_connection((place.hostname, port), timeout=3).close()


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _nearest(name: str, known: dict) -> str:
    """The nearest known name, also by its last part; a few examples if none is near."""
    plain = {key.lower(): key for key in known} | {key.split("/")[-1].lower(): key for key in known}
    said = did_you_mean(name.split("/")[-1] if "/" not in name else name, plain)
    if not said.startswith("did you mean"):
        said = did_you_mean(name.split("/")[-1], plain)
    near = re.fullmatch(r"did you mean '(.*)'\?", said)
    if near:
        return f"did you mean '{plain[near[1]]}'?"
    return f"known names include {', '.join(list(known)[:3])} (all: `advisor size --list`)"
