"""The forecast's activations, logits, loss and gradients, compared with those of the real modules.

The real ones run on fake tensors (oracle.py), on the CPU: there dropout keeps wider masks than on
CUDA and layer_norm stays in 16 bit under autocast, so neither is compared here. Eight blocks of
2 x 512 tokens; the forecast must come within 2%.
"""

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("peft")

from advisor.sizes.shapes import read_shape  # noqa: E402
from advisor.sizes.sizing import Settings, alive_by_moment, training_memory  # noqa: E402
from tests.advisor import oracle  # noqa: E402

LLAMA = {"model_type": "llama", "hidden_size": 512, "intermediate_size": 1536, "num_hidden_layers": 8,
             "num_attention_heads": 8, "num_key_value_heads": 2, "vocab_size": 4000,
             "tie_word_embeddings": False}  # fmt: skip
QWEN3 = LLAMA | {"model_type": "qwen3", "head_dim": 64, "tie_word_embeddings": True}
SMALL = QWEN3 | {"hidden_size": 256, "intermediate_size": 768, "num_hidden_layers": 2,
                 "num_attention_heads": 4, "vocab_size": 2000}  # fmt: skip
GEMMA = LLAMA | {
    "model_type": "gemma",
    "num_key_value_heads": 8,
    "head_dim": 64,
    "tie_word_embeddings": True,
}
GRANITE = LLAMA | {"model_type": "granite"}
PHI3 = LLAMA | {"model_type": "phi3", "pad_token_id": 0}
PHI = LLAMA | {"model_type": "phi"}
PYTHIA = LLAMA | {"model_type": "gpt_neox", "intermediate_size": 2048}
FALCON = {"model_type": "falcon", "hidden_size": 512, "num_hidden_layers": 8, "num_attention_heads": 8,
              "vocab_size": 4000, "multi_query": True, "parallel_attn": True, "bias": False,
              "new_decoder_architecture": False, "alibi": False}  # fmt: skip
GPT2 = {"model_type": "gpt2", "n_embd": 512, "n_layer": 8, "n_head": 8, "vocab_size": 4000, "n_positions": 1024,
            "attn_pdrop": 0.0, "resid_pdrop": 0.0, "embd_pdrop": 0.0}  # fmt: skip

CASES = [
    (LLAMA, "full", False, {}),
    (LLAMA, "full", True, {}),
    (LLAMA, "lora", False, {}),
    (LLAMA, "lora", True, {}),
    (LLAMA, "lora", False, {"autocast": True}),
    (LLAMA, "lora", True, {"autocast": True}),
    (LLAMA, "lora", False, {"attention": "eager"}),
    (LLAMA, "lora", False, {"padded": True}),
    (LLAMA, "full", False, {"dtype": "float32", "autocast": True}),
    (QWEN3, "lora", False, {}),
    (QWEN3, "full", True, {}),
    (GEMMA, "lora", True, {}),
    (GEMMA, "full", False, {}),
    (GRANITE, "lora", True, {}),
    (PHI3, "full", False, {}),
    (PHI, "lora", False, {}),
    (PYTHIA, "lora", True, {}),
    (FALCON, "lora", False, {}),
    (GPT2, "full", False, {}),
    (GPT2, "lora", True, {}),
]


@pytest.mark.parametrize(("config", "method", "checkpointing", "other"), CASES, ids=lambda value: (
    value["model_type"] if isinstance(value, dict) and "model_type" in value else str(value)))  # fmt: skip
def test_the_forecast_counts_what_the_real_modules_hold(
    monkeypatch, config, method, checkpointing, other
):
    dtype = other.get("dtype", "bfloat16")
    real = oracle.peak_bytes(
        monkeypatch, config, method=method, batch=2, seq_len=512, checkpointing=checkpointing,
        **(other | {"dtype": getattr(torch, dtype)}),
    )  # fmt: skip
    settings = Settings(batch=2, seq_len=512, targets="all-linear", dropout=0.0, autocast=False,
                        checkpointing=checkpointing)  # fmt: skip
    settings = Settings(**(vars(settings) | other))
    moments = alive_by_moment(read_shape(config, "toy"), method, settings)
    assert max(sum(alive.values()) for alive in moments.values()) == pytest.approx(real, rel=0.02)


@pytest.mark.parametrize(
    ("method", "checkpointing"), [("full", True), ("full", False), ("lora", True)]
)
def test_two_real_steps_on_the_cpu_peak_where_the_forecast_says(method, checkpointing):
    """Real tensors, an optimizer and its states: weights, adapters and all, within 1%.

    A smaller model than above, since processors without bfloat16 are slow in it.
    """
    model = oracle.build(SMALL, method, "sdpa", torch.bfloat16, rank=16)
    model.to_empty(device="cpu").tie_weights()
    for tensor in [*model.parameters(), *model.buffers()]:
        tensor.data.normal_(std=0.02)
    model.train()
    if checkpointing:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    if checkpointing and method == "lora":
        model.enable_input_require_grads()
    at_rest = {tensor.untyped_storage()._cdata: tensor.untyped_storage().nbytes()
               for tensor in [*model.parameters(), *model.buffers()]}  # fmt: skip
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, fused=True)
    ids = torch.randint(0, 2000, (2, 128))
    live = oracle.LiveBytes([*model.parameters(), *model.buffers()])
    with live:
        for _ in range(2):
            model(input_ids=ids, labels=ids).loss.backward()
            optimizer.step()
            optimizer.zero_grad()
    settings = Settings(batch=2, seq_len=128, targets="all-linear", dropout=0.0, autocast=False,
                        checkpointing=checkpointing, optimizer="adamw_torch_fused", device="cpu")  # fmt: skip
    forecast = training_memory(read_shape(SMALL, "toy"), method, settings)
    real = sum(at_rest.values()) + live.peak
    assert forecast.peak_allocated_bytes == pytest.approx(real, rel=0.01)
