"""Peak training memory, forecast before anything is loaded: weights, states, and one training step.

The peak is the highest of the step's moments: the forward pass, the loss, the backward pass of the
first and of the last block, and the optimizer's step. Each moment holds what persists (weights,
adapters, optimizer states) and what `advisor.sizes.blocks` finds alive at that moment. The bytes grow
linearly with the number of blocks, so two short runs give every depth.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cache

from advisor.sizes import optimizers
from advisor.sizes.blocks import LOSSES, Step, run_step
from advisor.sizes.shapes import Shape
from scenarios.errors import UserError, unknown

METHODS = ("full", "lora", "qlora")
WIDTHS = {"bfloat16": 2, "float16": 2, "float32": 4}
ATTENTIONS = ("sdpa", "eager", "flash")
PARTS = ("weights", "adapters", "gradients", "optimizer", "activations", "logits_and_loss",
         "workspace", "context")  # fmt: skip

# NF4 with double quantisation: half a byte, a byte of scale per 64 weights, and a float32 per 256 of
# those (Dettmers et al. 2023, section 3: 4.127 bits a parameter). Without: a float32 per 64 weights.
NF4_BYTES = 1 / 2 + 1 / 64 + 4 / (64 * 256)
NF4_SINGLE_BYTES = 1 / 2 + 4 / 64

# The workspace of cuBLAS, once for the forward and once for the backward thread
# (aten/src/ATen/cuda/CublasHandlePool.cpp: ":4096:2:16:8" in KiB, and 32 MiB from Hopper on).
CUBLAS_BYTES = 2 * (4096 * 2 + 16 * 8) * 1024
DEVICES = {"cuda": CUBLAS_BYTES, "cuda-hopper": 2 * 32 * 2**20, "cpu": 0}


@dataclass(frozen=True)
class Settings:
    """How a model is tuned. The defaults are the article's recipe and current PEFT's types.

    `dtype` is that of the weights (in QLoRA, of what isn't quantised, and of the products); `loss` is
    one of `advisor.sizes.blocks.LOSSES`. `padded`: rows are padded, so attention takes a mask.
    `fused_kernels`: norms and rotations are fused too, as in Liger's and FOAK's kernels; None follows
    the loss. `kbit_upcast`: `prepare_model_for_kbit_training` was called, which moves what
    isn't quantised to float32; `embeddings_cast_back`: TRL's `peft_module_casting_to_bf16` then
    moved embedding and output layer back. `train_embeddings`: PEFT's `modules_to_save` trains
    copies of both. `master_weights`: the optimizer keeps float32 copies of weights and gradients,
    as DeepSpeed does. `logit_tokens`: for how many tokens of each row the output layer and the loss
    are computed; None is all. `device`: one of `DEVICES`.
    """

    rank: int = 16
    targets: str = "attention"
    batch: int = 4
    seq_len: int = 512
    accumulation: int = 1
    optimizer: str = "adamw_torch"
    checkpointing: bool = True
    dtype: str = "bfloat16"
    adapter_dtype: str = "float32"
    autocast: bool = True
    attention: str = "sdpa"
    padded: bool = False
    loss: str = "full"
    fused_kernels: bool | None = None
    dropout: float = 0.05
    kbit_upcast: bool = True
    embeddings_cast_back: bool = False
    double_quant: bool = True
    train_embeddings: bool = False
    master_weights: bool = False
    logit_tokens: int | None = None
    device: str = "cuda"


@dataclass(frozen=True)
class Forecast:
    """A step's peak. `breakdown` is of that moment; all but `context` add up to the allocated peak.

    `moment` names it. `process_low_bytes` and `process_high_bytes` bound what `nvidia-smi` shows.
    """

    method: str
    total_parameters: int
    trainable_parameters: int
    moment: str
    breakdown: dict[str, int]
    peak_allocated_bytes: int
    process_low_bytes: int
    process_high_bytes: int
    adapter_file_bytes: int

    @property
    def trainable_share(self) -> float:
        """Trained parameters as a share of all, including adapters."""
        return self.trainable_parameters / self.total_parameters

    def fits(self, usable_bytes: int) -> str:
        """`yes` if the upper bound for the process fits, `no` if the lower one doesn't, else `probably`."""
        if self.process_high_bytes <= usable_bytes:
            return "yes"
        return "probably" if self.process_low_bytes <= usable_bytes else "no"


def training_memory(shape: Shape, method: str, settings: Settings | None = None) -> Forecast:
    """The forecast for one GPU. Raises `UserError` for what can't be run or can't be forecast."""
    settings = settings or Settings()
    check(shape, method, settings)
    rest = _at_rest(shape, method, settings)
    moments = {
        name: rest + alive for name, alive in alive_by_moment(shape, method, settings).items()
    }
    moments["optimizer step"] = rest + _step_of_optimizer(shape, method, settings)
    moment = max(moments, key=lambda name: moments[name].total())
    return _forecast(shape, method, settings, moment, moments[moment])


def step_of(shape: Shape, method: str, settings: Settings) -> Step:
    """The settings as they affect the tensors of a step."""
    width = WIDTHS[settings.dtype]
    upcast = method == "qlora" and settings.kbit_upcast
    fused = settings.fused_kernels
    return Step(
        batch=settings.batch,
        length=settings.seq_len,
        adapted=() if method == "full" else shape.targeted(settings.targets),
        adapts_experts=method != "full" and shape.adapts_experts(settings.targets),
        rank=settings.rank,
        full=method == "full",
        quantised=method == "qlora",
        weight_width=width,
        loose_width=4 if upcast and not settings.embeddings_cast_back else width,
        adapter_width=WIDTHS[settings.adapter_dtype],
        stream_width=4 if upcast else width,
        autocast=settings.autocast,
        checkpointing=settings.checkpointing,
        attention=settings.attention,
        padded=settings.padded,
        dropout=0.0 if method == "full" else settings.dropout,
        residual_dropout=shape.dropout,
        loss=settings.loss,
        logit_tokens=min(settings.logit_tokens or settings.seq_len, settings.seq_len),
        fused_kernels=settings.loss.startswith("fused") if fused is None else fused,
        trains_embeddings=settings.train_embeddings,
        repeated=settings.accumulation > 1,
    )


def check(shape: Shape, method: str, settings: Settings) -> None:
    """Raise `UserError` with the reason for what can't be run."""
    for kind, value, known in (
        ("method", method, METHODS),
        ("dtype", settings.dtype, WIDTHS),
        ("adapter dtype", settings.adapter_dtype, WIDTHS),
        ("attention", settings.attention, ATTENTIONS),
        ("loss", settings.loss, LOSSES),
        ("device", settings.device, DEVICES),
    ):
        if value not in known:
            raise unknown(kind, value, known)
    for kind, count in (("batch", settings.batch), ("sequence length", settings.seq_len),
                        ("rank", settings.rank), ("accumulation", settings.accumulation)):  # fmt: skip
        if count < 1:
            raise UserError(f"the {kind} is {count}; it must be at least 1")
    if settings.seq_len > shape.context:
        raise UserError(
            f"a sequence of {settings.seq_len} tokens exceeds the context of '{shape.name}', "
            f"{shape.context}; give --seq-len {shape.context} or less"
        )
    if not 0 <= settings.dropout < 1:
        raise UserError(f"the dropout is {settings.dropout:g}; it must be from 0 to below 1")
    optimizers.named(settings.optimizer)
    if method != "full":
        shape.adapter_parameters(settings.rank, settings.targets)
    if reason := unsupported(method, settings):
        raise UserError(reason)


def unsupported(method: str, settings: Settings) -> str | None:
    """Why these types can't be trained with this method, or None."""
    if method == "qlora" and settings.dtype == "float32":
        return "QLoRA multiplies in 16 bit; give --dtype bfloat16 or float16"
    if method == "full" and settings.dtype == "float16":
        return ("full tuning of float16 weights can't be protected against underflow (GradScaler "
                "doesn't allow it); give --dtype bfloat16 or float32")  # fmt: skip
    if settings.master_weights and method != "full":
        return "--master-weights applies only to full tuning; leave it out, or give --method full"
    return None


def _adapters(shape: Shape, method: str, settings: Settings) -> int:
    """Number of parameters in the adapters."""
    return 0 if method == "full" else shape.adapter_parameters(settings.rank, settings.targets)


def _embeddings(shape: Shape, settings: Settings) -> int:
    """Parameters of the embedding and the output layer, if both are trained alongside adapters."""
    return shape.embedding_parameters + shape.head_parameters if settings.train_embeddings else 0


def _trained(shape: Shape, method: str, settings: Settings) -> dict[int, int]:
    """Trained parameters by their width in bytes."""
    width = WIDTHS[settings.dtype]
    if method == "full":
        return {width: shape.total_parameters}
    found: Counter[int] = Counter()
    found[WIDTHS[settings.adapter_dtype]] += _adapters(shape, method, settings)
    found[width] += _embeddings(shape, settings)
    return found


def _at_rest(shape: Shape, method: str, settings: Settings) -> Counter[str]:
    """What persists from step to step."""
    rest: Counter[str] = Counter()
    rest["weights"] = _weight_bytes(shape, method, settings)
    rest["adapters"] = _adapters(shape, method, settings) * WIDTHS[settings.adapter_dtype]
    rest["optimizer"] = _state_bytes(shape, method, settings, paged=False)
    rest["workspace"] = DEVICES[settings.device]
    if settings.accumulation > 1:
        rest["gradients"] = _gradient_bytes(shape, method, settings)
    return rest


def _weight_bytes(shape: Shape, method: str, settings: Settings) -> int:
    width = WIDTHS[settings.dtype]
    # PEFT's modules_to_save trains a copy and keeps the original.
    copies = 0 if method == "full" else _embeddings(shape, settings) * width
    if method != "qlora":
        return shape.total_parameters * width + copies
    each = NF4_BYTES if settings.double_quant else NF4_SINGLE_BYTES
    tables = shape.embedding_parameters + shape.head_parameters
    others = shape.total_parameters - shape.quantizable_parameters - tables
    step = step_of(shape, method, settings)
    loose = tables * step.loose_width + others * step.stream_width
    return round(shape.quantizable_parameters * each) + copies + loose


def _gradient_bytes(shape: Shape, method: str, settings: Settings) -> int:
    return sum(width * count for width, count in _trained(shape, method, settings).items())


def _state_bytes(shape: Shape, method: str, settings: Settings, paged: bool) -> int:
    """The optimizer's states: those in PyTorch's allocator, or the paged ones."""
    optimizer = optimizers.named(settings.optimizer)
    if optimizer.paged != paged:
        return 0
    if optimizer.factored:
        return _factored_bytes(shape, method, settings)
    trained = _trained(shape, method, settings)
    if settings.master_weights:  # a float32 copy of the weights, and float32 states
        return sum(count * 4 * (1 + optimizer.states) for count in trained.values())
    total = sum(count * optimizer.state_bytes_each(width) for width, count in trained.items())
    if optimizer.width is not None and optimizer.width < 2 and method == "full":
        # Transformers keeps an embedding's states in 32 bit (trainer: register_module_override).
        total += shape.embedding_parameters * optimizer.states * (4 - optimizer.width)
    return round(total)


def _factored_bytes(shape: Shape, method: str, settings: Settings) -> int:
    """Adafactor: a float32 per row and column of each trained matrix (Shazeer & Stern 2018)."""
    if method == "full":
        edges = sum(linear.inputs + linear.outputs for linear in shape.linears)
        tables = (1 if shape.tied else 2) * (shape.vocabulary + shape.hidden)
        return 4 * (shape.layers * edges + tables + shape.norm_parameters)
    chosen = shape.targeted(settings.targets)
    return (
        4
        * shape.layers
        * sum(linear.inputs + linear.outputs + 2 * settings.rank for linear in chosen)
    )


def _step_of_optimizer(shape: Shape, method: str, settings: Settings) -> Counter[str]:
    """The optimizer's step: all gradients, and its temporaries."""
    optimizer = optimizers.named(settings.optimizer)
    trained = _trained(shape, method, settings)
    made = sum(count * width * optimizer.temporaries for width, count in trained.items())
    if settings.master_weights:  # the gradients in float32
        made = 4 * sum(trained.values())
    if optimizer.factored:
        # transformers/optimization.py: the gradient, its square and the update in float32, of the
        # largest matrix.
        made = 3 * 4 * (shape.vocabulary * shape.hidden if method == "full" else 0)
    alive: Counter[str] = Counter({"optimizer": made})
    if settings.accumulation == 1:
        alive["gradients"] = _gradient_bytes(shape, method, settings)
    return alive


def alive_by_moment(shape: Shape, method: str, settings: Settings) -> dict[str, Counter[str]]:
    """What is alive at the peak of each moment of the forward and backward pass."""
    return _alive_by_moment(shape, step_of(shape, method, settings))


@cache
def _alive_by_moment(shape: Shape, step: Step) -> dict[str, Counter[str]]:
    if shape.layers <= 3:
        return run_step(shape, step, shape.layers).peaks
    two, three = (run_step(shape, step, layers).peaks for layers in (2, 3))
    return {moment: _extended(two[moment], three[moment], shape.layers - 2) for moment in two}


def _extended(two: Counter[str], three: Counter[str], more: int) -> Counter[str]:
    return Counter({kind: two[kind] + more * (three[kind] - two[kind]) for kind in three})


# What the process takes beyond what PyTorch has allocated. The CUDA context with the kernels loaded
# into it takes 0.3 to 0.7 GB, depending on GPU and driver. What the caching allocator has reserved but
# can't use is a share of the peak, plus a few large blocks: the upper ends are fitted to the process
# peaks in Qwen's README and checked on those of others (docs/sizing.md).
CONTEXT_LOW_BYTES, CONTEXT_HIGH_BYTES = 300 * 10**6, 700 * 10**6
UNUSED_SHARE = 0.24
UNUSED_BLOCKS_SHARE, UNUSED_BLOCKS_BYTES = 0.3, 1500 * 10**6


def _process_high_bytes(allocated: int) -> int:
    blocks = min(UNUSED_BLOCKS_SHARE * allocated, UNUSED_BLOCKS_BYTES)
    return round(allocated * (1 + UNUSED_SHARE) + blocks) + CONTEXT_HIGH_BYTES


def _forecast(shape: Shape, method: str, settings: Settings, moment: str,
              alive: Counter[str]) -> Forecast:  # fmt: skip
    adapters = _adapters(shape, method, settings)
    saved = _embeddings(shape, settings)
    allocated = round(alive.total())
    paged = _state_bytes(shape, method, settings, paged=True)
    breakdown = {part: round(alive[part]) for part in PARTS}
    breakdown["context"] = CONTEXT_LOW_BYTES
    trained = shape.total_parameters if method == "full" else adapters + saved
    return Forecast(
        method=method,
        total_parameters=shape.total_parameters + adapters + (saved if method != "full" else 0),
        trainable_parameters=trained,
        moment=moment,
        breakdown=breakdown,
        peak_allocated_bytes=allocated,
        process_low_bytes=allocated + CONTEXT_LOW_BYTES,
        process_high_bytes=_process_high_bytes(allocated) + paged,
        adapter_file_bytes=0 if method == "full" else
        adapters * WIDTHS[settings.adapter_dtype] + saved * WIDTHS[settings.dtype],
    )  # fmt: skip
