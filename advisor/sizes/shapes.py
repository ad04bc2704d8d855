"""A model's shape, read from its configuration: its exact parameters and linear layers.

The configuration is that of Hugging Face (`config.json`). The names and sizes of the layers are
those of Transformers 5, where the experts of a mixture are stacked in one tensor.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from scenarios.errors import UserError, did_you_mean

ATTENTION, MLP = "attention", "mlp"


LLAMA_ROLES = {
    "q_proj": ("attention", "input"), "k_proj": ("attention", "input"),
    "v_proj": ("attention", "input"), "o_proj": ("attention", "output"),
    "gate_proj": ("mlp", "input"), "up_proj": ("mlp", "input"), "down_proj": ("mlp", "output"),
}  # fmt: skip
"""What Llama's layers do: recipes name them, and other models have layers in the same roles."""


@dataclass(frozen=True)
class Linear:
    """A linear layer that occurs once in every block: `name` is its path inside the block."""

    name: str
    inputs: int
    outputs: int
    bias: bool
    part: str

    @property
    def parameters(self) -> int:
        """Weights and bias."""
        return self.inputs * self.outputs + (self.outputs if self.bias else 0)

    def answers_to(self, target: str) -> bool:
        """Whether PEFT would adapt it for this target: the name, or the end of its path."""
        return self.name == target or self.name.endswith(f".{target}")


@dataclass(frozen=True)
class Shape:
    """The properties of a model that decide its parameters and memory. Widths are numbers, not bytes.

    `norm` is `rms`, `rms-float` (Gemma: scaled in float32) or `layer`. `activation` is `silu`,
    `gelu` (one kernel) or `gelu-new` (written out in PyTorch). `joined_rotary`: a part of each head
    is rotated and joined to the rest. `dropout` is that of the residual stream, in training.
    `windows` gives each block's sliding window, None if it sees the whole context.
    """

    name: str
    family: str
    vocabulary: int
    hidden: int
    layers: int
    heads: int
    kv_heads: int
    head_width: int
    intermediate: int
    context: int
    tied: bool
    linears: tuple[Linear, ...]
    norm: str = "rms"
    norms: int = 2
    qk_norm: bool = False
    parallel: bool = False
    gated: bool = True
    activation: str = "silu"
    rotary: bool = True
    joined_rotary: bool = False
    positions: int = 0
    head_bias: bool = False
    logit_steps: int = 0
    scaled_embedding: bool = False
    attention_softcap: bool = False
    dropout: float = 0.0
    experts: int = 0
    experts_used: int = 0
    expert_width: int = 0
    shared_width: int = 0
    windows: tuple[int | None, ...] = ()

    @property
    def embedding_parameters(self) -> int:
        """The table of token vectors, and that of positions if they are learned."""
        return (self.vocabulary + self.positions) * self.hidden

    @property
    def head_parameters(self) -> int:
        """The output layer's own weights: none if it shares the embedding's."""
        own = 0 if self.tied else self.vocabulary * self.hidden
        return own + (self.vocabulary if self.head_bias else 0)

    @property
    def norm_parameters(self) -> int:
        """All normalisation weights."""
        each = self.hidden * (2 if self.norm == "layer" else 1)
        qk = 2 * self.head_width if self.qk_norm else 0
        return self.layers * (self.norms * each + qk) + each

    @property
    def expert_parameters(self) -> int:
        """The experts' stacked weights and the routers, which aren't linear layers."""
        if not self.experts:
            return 0
        return self.layers * self.experts * (3 * self.hidden * self.expert_width + self.hidden)

    @property
    def linear_parameters(self) -> int:
        """Weights and biases of the blocks' linear layers."""
        return self.layers * sum(linear.parameters for linear in self.linears)

    @property
    def quantizable_parameters(self) -> int:
        """Weights that loading in 4 bits quantises: the blocks' linear layers, without biases."""
        return self.layers * sum(linear.inputs * linear.outputs for linear in self.linears)

    @property
    def total_parameters(self) -> int:
        """All parameters; a shared tensor counts once."""
        return (
            self.embedding_parameters
            + self.head_parameters
            + self.norm_parameters
            + self.linear_parameters
            + self.expert_parameters
        )

    @property
    def active_parameters(self) -> int:
        """Parameters that a token is multiplied with: no embedding, and only the experts it is routed to."""
        idle = self.experts - self.experts_used
        return (
            self.linear_parameters
            + self.expert_parameters
            - self.layers * idle * 3 * self.hidden * self.expert_width
            + self.vocabulary * self.hidden
        )

    def parameters_by_kind(self) -> dict[str, int]:
        """The total, by kind of module."""
        by_part = {part: self.layers * sum(linear.parameters for linear in self.linears
                                           if linear.part == part)
                   for part in (ATTENTION, MLP)}  # fmt: skip
        return {
            "embedding": self.embedding_parameters,
            **by_part,
            "experts": self.expert_parameters,
            "norms": self.norm_parameters,
            "head": self.head_parameters,
        }

    def targeted(self, targets: str | Iterable[str]) -> tuple[Linear, ...]:
        """The block's linear layers selected by `attention`, `all-linear` or names.

        Raises `UserError` for a name that no layer has.
        """
        names = targets.split(",") if isinstance(targets, str) else list(targets)
        chosen = [linear for name in names for linear in self._named(name.strip())]
        return tuple(linear for linear in self.linears if linear in chosen)

    def _named(self, name: str) -> list[Linear]:
        if name == "all-linear":
            return list(self.linears)
        found = [linear for linear in self.linears
                 if (linear.part == ATTENTION if name == ATTENTION else linear.answers_to(name))]  # fmt: skip
        found = found or self.of_role(name)
        if not found:
            known = [
                ATTENTION,
                "all-linear",
                *(linear.name.split(".")[-1] for linear in self.linears),
            ]
            raise UserError(
                f"no linear layer of '{self.name}' is named '{name}'; {did_you_mean(name, known)}"
            )
        return found

    def of_role(self, name: str) -> list[Linear]:
        """The layers in the role of Llama's layer of this name, if none has the name itself."""
        if name not in LLAMA_ROLES or any(linear.answers_to(name) for linear in self.linears):
            return []
        part, place = LLAMA_ROLES[name]
        *inputs, output = [linear for linear in self.linears if linear.part == part]
        return inputs if place == "input" else [output]

    def adapter_parameters(self, rank: int, targets: str | Iterable[str]) -> int:
        """Parameters that LoRA trains: rank x (inputs + outputs) per layer (Hu et al. 2021, section 4.1).

        Raises `UserError` for a rank above the width of a layer, which gains nothing.
        """
        chosen = self.targeted(targets)
        for linear in chosen:
            narrow = min(linear.inputs, linear.outputs)
            if rank > narrow:
                raise UserError(
                    f"rank {rank} exceeds the width {narrow} of {linear.name} in '{self.name}'; "
                    f"give a rank of at most {narrow}, which covers the whole layer"
                )
        each = sum(linear.inputs + linear.outputs for linear in chosen)
        return self.layers * rank * (each + self._expert_edges(targets))

    def adapts_experts(self, targets: str | Iterable[str]) -> bool:
        """Whether the targets reach a mixture's stacked experts: `all-linear` does."""
        names = targets.split(",") if isinstance(targets, str) else list(targets)
        return self.experts > 0 and "all-linear" in [name.strip() for name in names]

    def _expert_edges(self, targets: str | Iterable[str]) -> int:
        """Parameters in the adapters of experts and router, per unit of rank.

        PEFT 0.21 gives the stacked gate and up projections of an expert twice the rank, since they
        are two layers in one (peft/utils/transformers_weight_conversion.py).
        """
        if not self.adapts_experts(targets):
            return 0
        expert = 2 * (self.hidden + 2 * self.expert_width) + self.hidden + self.expert_width
        return self.experts * expert + self.hidden + self.experts


def read_shape(config: dict, name: str) -> Shape:
    """The shape that a configuration describes. Raises `UserError` with what is missing or wrong."""
    config = _text_part(config, name)
    kind = config.get("model_type")
    if kind is None:
        raise UserError(
            f"the config of '{name}' has no field 'model_type', so its layers are unknown; add it"
        )
    if not isinstance(kind, str) or kind not in _FAMILIES:
        raise UserError(
            f"the architecture '{kind}' of '{name}' isn't known, so it can't be forecast; "
            f"{did_you_mean(str(kind), _FAMILIES)}"
        )
    fields = _Fields(config, name)
    try:
        shape = _FAMILIES[kind](fields)
        return replace(
            shape,
            windows=_windows(fields, shape),
            joined_rotary=kind in ("phi", "phi3", "gpt_neox", "stablelm"),
            scaled_embedding=kind == "granite",
            dropout=_dropout(config),
        )
    except (TypeError, ValueError, ArithmeticError, AttributeError, LookupError) as error:
        raise UserError(
            f"a field in the config of '{name}' isn't valid for a {kind} model: {error}"
        ) from error


def _text_part(config: dict, name: str) -> dict:
    """The language model's part of a nested configuration. Raises `UserError` if there is a vision part."""
    if isinstance(config.get("vision_config"), dict):
        raise UserError(
            f"'{name}' has a vision part, whose memory isn't known; give a file with only its "
            "text_config to forecast the language model"
        )
    inner = config.get("text_config")
    return {**config, **inner} if isinstance(inner, dict) else config


class _Fields:
    """A configuration's fields, checked as they are read."""

    def __init__(self, config: dict, name: str):
        self.config = config
        self.name = name

    def count(self, *keys: str, default: int | None = None) -> int:
        """A whole number of at least 1 under the first key that is present."""
        value = next(
            (self.config[key] for key in keys if self.config.get(key) is not None), default
        )
        if value is None:
            raise UserError(f"the config of '{self.name}' has no field '{keys[0]}'; add it")
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 10**9:
            raise UserError(f"the config of '{self.name}' gives {keys[0]} as {str(value)[:40]}; "
                            "it must be a whole number of at least 1")  # fmt: skip
        return value

    def flag(self, key: str, default: bool) -> bool:
        """True or false."""
        value = self.config.get(key)
        if value is not None and not isinstance(value, bool):
            raise UserError(f"the config of '{self.name}' gives {key} as {str(value)[:40]}; "
                            "it must be true or false")  # fmt: skip
        return default if value is None else value

    def heads(self, hidden: int, key: str = "num_attention_heads") -> tuple[int, int, int]:
        """Heads, key-value heads and the width of a head, checked for divisibility."""
        heads = self.count(key, default=None)
        kv_heads = self.count("num_key_value_heads", default=heads)
        if heads % kv_heads:
            raise UserError(f"the config of '{self.name}' has {heads} heads, not divisible "
                            f"by its {kv_heads} key-value heads; correct one of them")  # fmt: skip
        if self.config.get("head_dim") is None and hidden % heads:
            raise UserError(f"the config of '{self.name}' has {heads} heads, which don't divide "
                            f"its width of {hidden}; give head_dim or correct one of them")  # fmt: skip
        return heads, kv_heads, self.count("head_dim", default=hidden // heads)

    def activation(self, *keys: str, default: str) -> str:
        """The activation, as far as it makes a difference to memory."""
        named = next((self.config[key] for key in keys if self.config.get(key)), default)
        if named in ("silu", "swish"):
            return "silu"
        return "gelu-new" if named in ("gelu_new", "gelu_fast") else "gelu"


def _llama_like(fields: _Fields, **rules) -> Shape:
    """Llama and its many relatives; `rules` says where they differ."""
    bias = rules.pop("bias", None)
    out_bias = rules.pop("out_bias", bias)
    tied = rules.pop("tied", False)
    hidden = fields.count("hidden_size")
    heads, kv_heads, width = fields.heads(hidden)
    inner = fields.count("intermediate_size")
    if bias is None:
        bias = out_bias = fields.flag("attention_bias", False)
    mlp_bias = fields.flag("mlp_bias", False)
    attention = (
        Linear("self_attn.q_proj", hidden, heads * width, bias, ATTENTION),
        Linear("self_attn.k_proj", hidden, kv_heads * width, bias, ATTENTION),
        Linear("self_attn.v_proj", hidden, kv_heads * width, bias, ATTENTION),
        Linear("self_attn.o_proj", heads * width, hidden, out_bias, ATTENTION),
    )
    mlp = (
        Linear("mlp.gate_proj", hidden, inner, mlp_bias, MLP),
        Linear("mlp.up_proj", hidden, inner, mlp_bias, MLP),
        Linear("mlp.down_proj", inner, hidden, mlp_bias, MLP),
    )
    rules.setdefault(
        "activation", fields.activation("hidden_activation", "hidden_act", default="silu")
    )
    return Shape(
        name=fields.name,
        family=fields.config["model_type"],
        vocabulary=fields.count("vocab_size"),
        hidden=hidden,
        layers=fields.count("num_hidden_layers"),
        heads=heads,
        kv_heads=kv_heads,
        head_width=width,
        intermediate=inner,
        context=fields.count("max_position_embeddings", default=rules.pop("context", 2048)),
        tied=fields.flag("tie_word_embeddings", tied),
        linears=attention + (() if rules.get("experts") else mlp),
        **rules,
    )


def _qwen2(fields: _Fields) -> Shape:
    return _llama_like(fields, bias=True, out_bias=False)


def _qwen3(fields: _Fields) -> Shape:
    return _llama_like(_with_default(fields, head_dim=128), qk_norm=True)


def _with_default(fields: _Fields, **defaults) -> _Fields:
    """The fields, with the model class's defaults for those the file leaves out."""
    return _Fields({**defaults, **fields.config}, fields.name)


def _gemma(fields: _Fields) -> Shape:
    fields = _with_default(fields, head_dim=256)
    return _llama_like(fields, tied=True, norm="rms-float", activation="gelu")


def _gemma2(fields: _Fields) -> Shape:
    fields = _with_default(fields, head_dim=256)
    return _llama_like(fields, tied=True, norm="rms-float", norms=4, activation="gelu",
                       attention_softcap=fields.config.get("attn_logit_softcapping", 50.0) is not None,
                       logit_steps=3)  # fmt: skip


def _gemma3(fields: _Fields) -> Shape:
    fields = _with_default(fields, head_dim=256)
    return _llama_like(fields, tied=True, norm="rms-float", norms=4, activation="gelu",
                       qk_norm=True)  # fmt: skip


def _granite(fields: _Fields) -> Shape:
    return _llama_like(fields, logit_steps=1)


def _mixtral(fields: _Fields) -> Shape:
    return _llama_like(
        fields,
        bias=False,
        experts=fields.count("num_local_experts", default=8),
        experts_used=fields.count("num_experts_per_tok", default=2),
        expert_width=fields.count("intermediate_size"),
    )


def _qwen3_moe(fields: _Fields) -> Shape:
    if fields.config.get("mlp_only_layers") or fields.count("decoder_sparse_step", default=1) > 1:
        raise UserError(f"'{fields.name}' has some blocks without experts "
                        "(mlp_only_layers, decoder_sparse_step), which isn't supported")  # fmt: skip
    experts = fields.count("num_experts", "num_local_experts", default=128)
    used = fields.count("num_experts_per_tok", default=8)
    if used > experts:
        raise UserError(
            f"the config of '{fields.name}' uses {used} of its {experts} experts; correct one of them"
        )
    return _llama_like(
        _with_default(fields, head_dim=128),
        qk_norm=True,
        experts=experts,
        experts_used=used,
        expert_width=fields.count("moe_intermediate_size"),
    )


def _phi3(fields: _Fields) -> Shape:
    shape = _llama_like(fields, bias=False)
    qkv = (shape.heads + 2 * shape.kv_heads) * shape.head_width
    return replace(
        shape,
        linears=(
            Linear("self_attn.qkv_proj", shape.hidden, qkv, False, ATTENTION),
            shape.linears[3],
            Linear("mlp.gate_up_proj", shape.hidden, 2 * shape.intermediate, False, MLP),
            shape.linears[6],
        ),
    )


def _stablelm(fields: _Fields) -> Shape:
    if fields.flag("qk_layernorm", False):
        raise UserError(
            f"'{fields.name}' normalises each head separately (qk_layernorm), which isn't supported"
        )
    shape = _llama_like(
        fields, bias=fields.flag("use_qkv_bias", False), out_bias=False, norm="layer"
    )
    if not fields.flag("use_parallel_residual", False):
        return shape
    return replace(shape, norms=1, parallel=True)


def _qwen1(fields: _Fields) -> Shape:
    hidden = fields.count("hidden_size")
    heads, _, width = fields.heads(hidden)
    inner = fields.count("intermediate_size") // 2
    return Shape(
        name=fields.name,
        family="qwen",
        vocabulary=fields.count("vocab_size"),
        hidden=hidden,
        layers=fields.count("num_hidden_layers"),
        heads=heads,
        kv_heads=heads,
        head_width=width,
        intermediate=inner,
        context=fields.count("max_position_embeddings", "seq_length", default=8192),
        tied=fields.flag("tie_word_embeddings", False),
        linears=(
            Linear("attn.c_attn", hidden, 3 * hidden, True, ATTENTION),
            Linear("attn.c_proj", hidden, hidden, False, ATTENTION),
            Linear("mlp.w1", hidden, inner, False, MLP),
            Linear("mlp.w2", hidden, inner, False, MLP),
            Linear("mlp.c_proj", inner, hidden, False, MLP),
        ),
    )


def _gpt2(fields: _Fields) -> Shape:
    hidden = fields.count("n_embd", "hidden_size")
    heads, _, width = fields.heads(hidden, "n_head")
    inner = fields.count("n_inner", default=4 * hidden)
    positions = fields.count("n_positions", default=1024)
    return _plain(
        fields, hidden, heads, heads, width, inner,
        names=("attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj"),
        layers=fields.count("n_layer", "num_hidden_layers"),
        context=positions, positions=positions, rotary=False, tied=True,
        activation=fields.activation("activation_function", default="gelu_new"),
    )  # fmt: skip


def _gpt_neox(fields: _Fields) -> Shape:
    hidden = fields.count("hidden_size")
    heads, _, width = fields.heads(hidden)
    bias = fields.flag("attention_bias", True)
    return _plain(
        fields, hidden, heads, heads, width, fields.count("intermediate_size"),
        names=("attention.query_key_value", "attention.dense",
               "mlp.dense_h_to_4h", "mlp.dense_4h_to_h"),
        attention_bias=bias, parallel=fields.flag("use_parallel_residual", True), tied=False,
        activation=fields.activation("hidden_act", default="gelu"),
    )  # fmt: skip


def _phi(fields: _Fields) -> Shape:
    if fields.flag("qk_layernorm", False):
        raise UserError(
            f"'{fields.name}' normalises each head separately (qk_layernorm), which isn't supported"
        )
    hidden = fields.count("hidden_size")
    heads, kv_heads, width = fields.heads(hidden)
    shape = _plain(
        fields, hidden, heads, kv_heads, width, fields.count("intermediate_size"),
        names=("", "self_attn.dense", "mlp.fc1", "mlp.fc2"),
        norms=1, parallel=True, head_bias=True, tied=False,
        activation=fields.activation("hidden_act", default="gelu_new"),
    )  # fmt: skip
    separate = tuple(Linear(f"self_attn.{letter}_proj", hidden, number * width, True, ATTENTION)
                  for letter, number in (("q", heads), ("k", kv_heads), ("v", kv_heads)))  # fmt: skip
    return replace(shape, linears=separate + shape.linears[1:])


def _falcon(fields: _Fields) -> Shape:
    hidden = fields.count("hidden_size", "n_embed")
    heads, _, width = fields.heads(hidden, "num_attention_heads" if "num_attention_heads" in
                                   fields.config else "n_head")  # fmt: skip
    new = fields.flag("new_decoder_architecture", False)
    if fields.flag("alibi", False):
        raise UserError(f"'{fields.name}' uses ALiBi positions, whose memory isn't known")
    if new:
        kv_heads = fields.count("num_kv_heads", "n_head_kv", default=heads)
    else:
        kv_heads = 1 if fields.flag("multi_query", True) else heads
    parallel = new or fields.flag("parallel_attn", True)
    norms = fields.count("num_ln_in_parallel_attn", default=2 if new else 1)
    one_norm = parallel and norms == 1
    bias = fields.flag("bias", False)
    return _plain(
        fields, hidden, heads, kv_heads, width, fields.count("ffn_hidden_size", default=4 * hidden),
        names=("self_attention.query_key_value", "self_attention.dense",
               "mlp.dense_h_to_4h", "mlp.dense_4h_to_h"),
        attention_bias=bias, mlp_bias=bias, norms=1 if one_norm else 2, parallel=parallel, tied=True,
        activation=fields.activation("activation", default="gelu"),
    )  # fmt: skip


def _plain(fields, hidden, heads, kv_heads, width, inner, *, names, attention_bias=True,
           mlp_bias=True, layers=None, context=None, tied, **rules) -> Shape:  # fmt: skip
    """The GPT type: fused queries, keys and values, an MLP of two layers, LayerNorm."""
    qkv, out, up, down = names
    return Shape(
        name=fields.name,
        family=fields.config["model_type"],
        vocabulary=fields.count("vocab_size"),
        hidden=hidden,
        layers=layers or fields.count("num_hidden_layers", "n_layer"),
        heads=heads,
        kv_heads=kv_heads,
        head_width=width,
        intermediate=inner,
        context=context or fields.count("max_position_embeddings", default=2048),
        tied=fields.flag("tie_word_embeddings", tied),
        linears=(
            Linear(qkv, hidden, (heads + 2 * kv_heads) * width, attention_bias, ATTENTION),
            Linear(out, heads * width, hidden, attention_bias, ATTENTION),
            Linear(up, hidden, inner, mlp_bias, MLP),
            Linear(down, inner, hidden, mlp_bias, MLP),
        ),
        norm="layer",
        gated=False,
        **rules,
    )


def _dropout(config: dict) -> float:
    """The residual stream's dropout in training: GPT-2's class defaults to 0.1."""
    default = 0.1 if config["model_type"] == "gpt2" else 0.0
    keys = ("resid_pdrop", "hidden_dropout")
    share = float(next((config[key] for key in keys if config.get(key) is not None), default))
    if not 0 <= share < 1:
        raise ValueError(f"a dropout of {share:g}")
    return share


def _windows(fields: _Fields, shape: Shape) -> tuple[int | None, ...]:
    """How many tokens each block looks back; None is all of them."""
    config = fields.config
    if config.get("sliding_window") is None or config.get("use_sliding_window") is False:
        return (None,) * shape.layers
    window = fields.count("sliding_window")
    kinds = config.get("layer_types")
    if kinds is not None:
        if not isinstance(kinds, list) or len(kinds) != shape.layers:
            raise UserError(f"the config of '{fields.name}' needs one entry in layer_types for each of its "
                            f"{shape.layers} layers")  # fmt: skip
        return tuple(window if kind == "sliding_attention" else None for kind in kinds)
    if shape.family.startswith("qwen"):
        first = fields.count("max_window_layers", default=shape.layers)
        return tuple(window if layer >= first else None for layer in range(shape.layers))
    every = {"gemma2": 2}.get(shape.family)
    if shape.family.startswith("gemma3"):
        every = fields.count("sliding_window_pattern", default=6)
    return tuple(
        None if every and (layer + 1) % every == 0 else window for layer in range(shape.layers)
    )


_FAMILIES = {
    "llama": _llama_like,
    "mistral": lambda fields: _llama_like(fields, bias=False),
    "ministral": lambda fields: _llama_like(fields, bias=False),
    "mixtral": _mixtral,
    "qwen": _qwen1,
    "qwen2": _qwen2,
    "qwen3": _qwen3,
    "qwen3_moe": _qwen3_moe,
    "gemma": _gemma,
    "gemma2": _gemma2,
    "gemma3": _gemma3,
    "gemma3_text": _gemma3,
    "phi": _phi,
    "phi3": _phi3,
    "smollm3": _llama_like,
    "gpt2": _gpt2,
    "gpt_neox": _gpt_neox,
    "falcon": _falcon,
    "granite": _granite,
    "stablelm": _stablelm,
}
