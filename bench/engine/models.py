"""Local weights: loaded on the best device available, and what they can do there."""

from __future__ import annotations

import gc
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from bench.core.model import Ability, Near
from scenarios.errors import UserError
from scenarios.rows import Example
from scenarios.schema import Task


@dataclass(frozen=True)
class Device:
    """Where a model runs, in which number format, and why."""

    kind: str  # cpu, cuda or mps
    dtype: str  # bfloat16, float16 or float32
    reason: str


@dataclass(frozen=True)
class LoadedModel:
    """A causal language model with its tokenizer, ready to answer: see `bench.core.model.Loaded`.

    `folder` is where its files are, `unrepeatable` collects the operations that another time may give other last
    bits.
    """

    name: str
    lm: Any
    tokenizer: Any
    device: Device
    folder: Path | None = None
    four_bit: bool = False
    unrepeatable: set[str] = field(default_factory=set)
    can: ClassVar[frozenset[Ability]] = frozenset({"score", "write", "train", "embed"})

    def answerer(
        self,
        task: Task,
        demonstrations: Sequence[Example] = (),
        notes: dict[str, Any] | None = None,
        bias: Sequence[float] = (),
        near: Near | None = None,
        longest: Sequence[Example] = (),
    ) -> Any:
        """Scores a task's labels, or writes its answers."""
        from bench.engine.answering import answerer

        return answerer(self, task, demonstrations, notes, bias, near, longest)

    def embedder(self, task: Task, depths: Sequence[float]) -> Any:
        """Mean hidden states; see `bench.engine.embedding`."""
        from bench.engine.embedding import Embedder

        return Embedder(self, task, depths)

    def trainer(self, task: Task) -> Any:
        """Training on a task's rows; see `bench.engine.trainer`."""
        from bench.engine.trainer import Trainer

        return Trainer(self, task)

    def ran_on(self) -> dict[str, Any]:
        """Device, GPU, threads, and the operations without a repeatable form that were used so far."""
        import torch

        gpu = torch.cuda.get_device_name(0) if torch.cuda.is_available() else None
        facts = asdict(self.device) | {"gpu": gpu, "threads": torch.get_num_threads()}
        return facts | {"not_deterministic": sorted(self.unrepeatable)}

    def again(self) -> LoadedModel:
        """The same weights in memory of their own, as they are in the model's folder."""
        assert self.folder is not None
        return load(self.name, self.folder, self.device, self.four_bit)

    def tuned_in(self, folder: Path) -> LoadedModel:
        """The model that was made of this one by tuning all weights, from its own folder."""
        return load(self.name, folder, self.device)

    def weight_bytes(self) -> int:
        """Of the weights and buffers in memory."""
        return int(self.lm.get_memory_footprint())


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
    return LoadedModel(name, lm, tokenizer, device, Path(folder), four_bit)
