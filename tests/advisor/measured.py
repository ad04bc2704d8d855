"""Published measurements of training memory, as the settings they were made with."""

import csv
from dataclasses import replace
from pathlib import Path

from advisor.sizes.models import shape_of
from advisor.sizes.sizing import Settings

FILE = Path(__file__).parents[1] / "data" / "measured_memory.csv"
SEVEN = {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}
LOSSES = {
    "new": "full",
    "old": "full-4.48",
    "old445": "full-4.45",
    "fused_ce": "fused-ce",
    "liger": "fused-linear",
    "chunked": "fused-linear",
    "bf16_chunk": "fused-linear",
}
NAMES = {"mistralai/Ministral-8B-2410": "mistralai/Ministral-8B-Instruct-2410"}


def rows(*sources):
    """The rows of these sources that ran on one GPU with their settings known."""
    with FILE.open(encoding="utf-8", newline="") as lines:
        return [row for row in csv.DictReader(lines)
                if row["source"] in sources and row["loss_path"] and row["n_gpu"] == "1"]  # fmt: skip


def is_exact(row):
    """Whether all rows of a batch had the stated length."""
    return row["seq_kind"] == "exact"


def shape_and_settings(row):
    """What a measurement was made of. A model beyond the catalog raises `UserError`."""
    shape = shape_of(NAMES.get(row["model"], row["model"]))
    qwen, fms = row["source"] == "qwen-readme", row["source"] == "fms-acceleration"
    settings = Settings(
        rank=int(row["rank"] or 16),
        targets=_targets(row["targets"]),
        batch=int(row["batch"]),
        seq_len=int(row["seq"]),
        optimizer=row["optimizer"],
        checkpointing=row["grad_ckpt"] == "True",
        adapter_dtype="bfloat16" if row["adapter_dtype"] == "bf16" else "float32",
        autocast=row["autocast"] == "True",
        attention=row["attn"].split("_")[0],
        padded=row["attn"].endswith("_mask"),
        # Qwen's own model code makes no float32 logits in addition to the shifted ones: in bytes, like 4.45.
        loss="full-4.45" if qwen else LOSSES[row["loss_path"]],
        # A chunked loss comes without the other kernels.
        fused_kernels=False if "chunk" in row["loss_path"] else None,
        dropout=float(row["dropout"] or 0),
        kbit_upcast=row["kbit_upcast"] == "True",
        embeddings_cast_back=fms,  # it trains with TRL's SFTTrainer of that time
        double_quant=row["double_quant"] != "False",
        train_embeddings="(emb)" in row["notes"],
        # Qwen's recipe for full tuning runs under DeepSpeed ZeRO-3.
        master_weights=qwen and row["method"] == "full",
    )
    # Two of the sources went beyond the context that the model's config states.
    return replace(shape, context=max(shape.context, settings.seq_len)), settings


def _targets(names):
    if not names:
        return "attention"
    if set(names.split("|")) == SEVEN:
        return "all-linear"
    return (
        "attention"
        if set(names.split("|")) == SEVEN - {"gate_proj", "up_proj", "down_proj"}
        else names.replace("|", ",")
    )
