"""Peak memory of tuning by model size, from `advisor.sizes.sizing`, for advice in a fraction of a second.

    python benchmarks/memory_by_size.py

Writes `advisor/catalog/memory_by_size.json`; a test compares it with the forecasts.
"""

from __future__ import annotations

import json
from pathlib import Path

from advisor.sizes.models import shape_of
from advisor.sizes.sizing import METHODS, Settings, training_memory

CATALOG = Path(__file__).parent.parent / "advisor" / "catalog" / "memory_by_size.json"
MODELS = (
    "HuggingFaceTB/SmolLM2-135M", "HuggingFaceTB/SmolLM2-360M", "Qwen/Qwen2.5-0.5B",
    "meta-llama/Llama-3.2-1B", "HuggingFaceTB/SmolLM2-1.7B", "meta-llama/Llama-3.2-3B",
    "mistralai/Mistral-7B-v0.3", "meta-llama/Llama-3.1-8B", "mistralai/Mistral-Nemo-Base-2407",
    "Qwen/Qwen2.5-14B", "mistralai/Mistral-Small-24B-Base-2501", "Qwen/Qwen2.5-32B",
    "meta-llama/Llama-3.1-70B",
)  # fmt: skip
SETTINGS = Settings(rank=16, targets="all-linear", batch=1, seq_len=1024)


def table() -> dict:
    """Billions of parameters, and for each method the process's lowest and highest bytes."""
    rows = []
    for name in MODELS:
        shape = shape_of(name)
        found = {method: training_memory(shape, method, SETTINGS) for method in METHODS}
        rows.append(
            {
                "model": name,
                "billion_parameters": round(shape.total_parameters / 1e9, 3),
                **{m: [f.process_low_bytes, f.process_high_bytes] for m, f in found.items()},
            }
        )
    about = (
        "advisor.sizes.sizing: batch 1, 1,024 tokens, rank 16 on all linear layers, checkpointing"
    )
    return {"about": about, "rows": rows}


if __name__ == "__main__":
    CATALOG.write_text(json.dumps(table(), indent=1) + "\n", encoding="utf-8")
