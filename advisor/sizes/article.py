"""An article's table of GPU memory compared with the forecast, and why the two differ."""

from __future__ import annotations

from dataclasses import asdict, replace

from advisor.sizes.models import shape_of
from advisor.sizes.sizing import METHODS, Settings, training_memory

# "Fine-tuning versus prompt engineering", its table of resources, in GB of GPU memory.
ARTICLE_GB = {
    "7B": {"full": 60, "lora": 16, "qlora": 6},
    "70B": {"full": 500, "lora": 160, "qlora": 48},
}
MODELS = {"7B": "meta-llama/Llama-2-7b-hf", "70B": "meta-llama/Llama-2-70b-hf"}
SHORT = Settings()
LONG = replace(SHORT, seq_len=4096)
MIXED = replace(SHORT, dtype="float32")
WHY = (
    "The article's figures roughly count weights, gradients and states: lower bounds, before "
    "activations, logits and the CUDA context.",
    "Full tuning: 60 GB is about 8 bytes per parameter; bfloat16 weights, gradients and Adam's states "
    "with PyTorch's own temporaries take 10, float32 weights under autocast 20.",
    "LoRA at 16 GB leaves 2 GB after the 13.5 GB of a 7B model's weights: enough for one short row, "
    "not for batches of long ones.",
    "Only QLoRA's blocks take 4.127 bits per parameter; embedding and output layer stay unquantised "
    "and move to float32, and logits take 12 bytes per token and vocabulary entry.",
    "The 48 GB for QLoRA of a 70B model don't fit on one consumer GPU of 24 or 32 GB.",
)


def table() -> dict:
    """The article's figures and ours for 7B and 70B, in bytes."""
    rows = []
    for size, model in MODELS.items():
        shape = shape_of(model)
        for method in METHODS:
            short = training_memory(shape, method, SHORT)
            long = training_memory(shape, method, LONG)
            row = {
                "size": size,
                "model": model,
                "method": method,
                "article_bytes": ARTICLE_GB[size][method] * 10**9,
                "short": _figures(short),
                "long": _figures(long),
                "trainable_share": short.trainable_share,
            }
            if method == "full":
                row["mixed"] = _figures(training_memory(shape, method, MIXED))
            rows.append(row)
    return {
        "rows": rows,
        "settings": {"short": asdict(SHORT), "long": asdict(LONG)},
        "why": list(WHY),
    }


def _figures(forecast) -> dict[str, int]:
    return {
        "peak_allocated_bytes": forecast.peak_allocated_bytes,
        "process_low_bytes": forecast.process_low_bytes,
        "process_high_bytes": forecast.process_high_bytes,
    }
