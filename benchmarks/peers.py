"""The same work by other tools: lm-evaluation-harness scores labels, TRL trains LoRA.

Run by `benchmarks/laptop.py` in an environment that has them (`benchmarks/peers.txt`): one job per
line on standard input, {"score": ...} or {"train": ...}, one result per line on standard output.
Loading and tokenising come first, so that only the work is timed.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time

import torch


def score(model: str, dtype: str, prompts: list[list[int]], labels: list[list[int]]) -> dict:
    """Log-likelihoods of every label after every prompt, in batches of 16, by lm-eval's hf backend."""
    global _harness
    if _harness is None:
        from lm_eval.models.huggingface import HFLM

        _harness = HFLM(pretrained=model, dtype=dtype, device="cpu", batch_size=16)
    requests = [
        ((f"{i}", f"{j}"), prompt, label)
        for i, prompt in enumerate(prompts)
        for j, label in enumerate(labels)
    ]
    start = time.perf_counter()
    found = _harness._loglikelihood_tokens(requests, disable_tqdm=True)
    seconds = time.perf_counter() - start
    values = [value for value, _ in found]
    count = len(labels)
    return {
        "seconds": seconds,
        "values": [values[i : i + count] for i in range(0, len(values), count)],
    }


def train(model: str, dtype: str, rows: list[tuple[list[int], list[int]]], settings: dict) -> dict:
    """One epoch of LoRA by TRL on prompts and answers as tokens, with the loss on the answers."""
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import SFTConfig, SFTTrainer

    lm = AutoModelForCausalLM.from_pretrained(model, dtype=getattr(torch, dtype))
    data = Dataset.from_list(
        [
            {"input_ids": p + a, "completion_mask": [0] * len(p) + [1] * len(a)}
            for p, a in rows
        ]
    )  # fmt: skip
    given = {"gradient_checkpointing": False} if settings["checkpoints"] is False else {}
    with tempfile.TemporaryDirectory() as folder:
        config = SFTConfig(
            output_dir=folder,
            per_device_train_batch_size=settings["batch"],
            num_train_epochs=1,
            learning_rate=settings["learning_rate"],
            lr_scheduler_type="linear",
            warmup_steps=settings["warmup_steps"],
            bf16=dtype == "bfloat16",
            use_cpu=True,
            completion_only_loss=True,
            logging_steps=1,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            max_length=None,
            seed=0,
            **given,
        )
        adapter = LoraConfig(
            r=settings["rank"],
            lora_alpha=settings["alpha"],
            lora_dropout=0.0,
            target_modules="all-linear",
            task_type="CAUSAL_LM",
        )
        trainer = SFTTrainer(
            lm, config, train_dataset=data, peft_config=adapter,
            processing_class=AutoTokenizer.from_pretrained(model),
        )  # fmt: skip
        start = time.perf_counter()
        trainer.train()
        seconds = time.perf_counter() - start
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    return {
        "seconds": seconds,
        "checkpoints": trainer.args.gradient_checkpointing,
        "updates": trainer.state.global_step,
        "losses": losses,
    }


_harness = None


def main() -> None:
    """Run incoming jobs; what the tools print goes to standard error."""
    results, sys.stdout = sys.stdout, sys.stderr
    for line in sys.stdin:
        job = json.loads(line)
        found = score(**job["score"]) if "score" in job else train(**job["train"])
        print(json.dumps(found), file=results, flush=True)


if __name__ == "__main__":
    main()
