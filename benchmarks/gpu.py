"""Training, scoring and latency on one GPU, as shares of what the card's matrix units reach.

    python benchmarks/gpu.py --out gpu.json
    python benchmarks/gpu.py --only 'train-8B-*' --only 'trl-8B-*' --out gpu-8B.json

Models have the shapes of SmolLM2-135M, Llama-3.2-1B and Llama-3.1-8B and random weights, which
cost the same arithmetic. Each case runs in a separate process, so that its peak memory is its own,
and the results are written after each.

- `peak`: a large product of bfloat16 matrices of random numbers; shares are of its median.
- `train-SIZE-METHOD`: the product's own update (`bench.engine.training`: its adapters on all linear layers,
  autocast, AdamW, clipping) with the loss over every token except the first, through the product's
  own pass where there is one (`lean`) and otherwise the library's. Each sequence is full, so there is no
  padding to count. `-checkpointing` recomputes activations; that second forward pass isn't counted as
  work.
- `trl-SIZE-METHOD`: TRL's SFTTrainer on the same sequences, adapter and learning rate, otherwise with
  its own defaults. Skipped where TRL isn't installed.
- `score-SIZE`: the product's scoring of labels after a prefix that all rows share.
- `latency-SIZE`: one prompt at a time, greedy: the first token, then each further one.

A token costs 4N FLOPs where frozen weights need no gradient of their own (LoRA, QLoRA), 6N in full
tuning; N counts every weight except the embedding (and a head that is tied to it). Attention's own products
aren't counted. Every gradient must be finite and not zero, after the warm-up and at the end; a case
where one isn't fails. Unlike `bench run`, nothing here asks the GPU for bitwise repeatable sums.
"""

from __future__ import annotations

import argparse
import fnmatch
import importlib.util
import json
import math
import os
import platform
import random
import shlex
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from unittest import mock

sys.path.insert(0, str(Path(__file__).parents[1]))

SIZES = ("0.1B", "1B", "8B")
SEQUENCES = {"0.1B": 8, "1B": 4, "8B": 1, "tiny": 2}
"""Sequences per update: a small model needs more of them to keep a large card busy."""

TINY_CONFIG = {
    "model_type": "llama", "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 320,
    "max_position_embeddings": 128, "tie_word_embeddings": True,
}  # fmt: skip

VERSIONS = ("torch", "transformers", "peft", "accelerate", "bitsandbytes", "trl")
LEARNING_RATE = 2e-4
CASE_SECONDS = 1800
"""The longest a case may take before it counts as failed."""


@dataclass(frozen=True)
class Amount:
    """How much work each case does; lengths and prompts in tokens."""

    length: int  # of a sequence to train on
    warm_ups: int  # updates; the gradients of the last one are checked
    updates: int  # timed together
    repeats: int
    matrices: tuple[int, ...]  # sides of square matrices
    products: int  # timed, for each side
    prefix: int
    row: tuple[int, int]  # shortest and longest
    rows: int
    prompt: int
    answer: int


FULL_AMOUNT = Amount(4096, 4, 4, 5, (4096, 8192, 16384), 30, 512, (8, 64), 512, 512, 64)
TINY_AMOUNT = Amount(32, 2, 1, 3, (64,), 3, 8, (3, 9), 6, 8, 4)


@dataclass(frozen=True)
class Case:
    """One measurement. `work` is peak, train, trl, score or latency."""

    work: str
    size: str = ""
    method: str = ""
    checkpointing: bool = False
    sequences: int = 0

    @property
    def name(self) -> str:
        """The name that --only matches."""
        parts = (self.work, self.size, self.method, "checkpointing" * self.checkpointing)
        return "-".join(filter(None, parts))

    @property
    def amount(self) -> Amount:
        """How much work it does."""
        return TINY_AMOUNT if self.size == "tiny" else FULL_AMOUNT


class Refused(Exception):
    """A request that can't be carried out; one line says why."""


def main(arguments: list[str] | None = None) -> int:
    """Measure the chosen cases, print a table, and save the figures where --out says."""
    options = _options(arguments)
    try:
        cases = _chosen(options)
    except Refused as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    found = {
        "date": time.strftime("%Y-%m-%d"),
        "command": shlex.join(["python", "benchmarks/gpu.py", *(arguments or sys.argv[1:])]),
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in VERSIONS},
        "machine": None,
        "cases": [],
    }
    for case in cases:
        print(f"{case.name} ...", file=sys.stderr)
        result = _run(case, options.device)
        found["machine"] = found["machine"] or result.pop("machine", None)
        found["cases"].append(_with_shares(result, found["cases"]))
        if options.out:
            options.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(_table(found))
    return int(any("failed" in result for result in found["cases"]))


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, help="the JSON file to write")
    parser.add_argument(
        "--only", action="append", metavar="PATTERN", help="cases by name, such as 'train-8B-*'"
    )
    parser.add_argument("--sequences", type=int, help="sequences per update, for every size")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--tiny", action="store_true", help="a tiny model, to try the script")
    return parser.parse_args(arguments)


def _chosen(options: argparse.Namespace) -> list[Case]:
    """The peak, and the cases that --only selects. Raises `Refused` for what can't be done here."""
    if options.device == "cpu" and not options.tiny:
        raise Refused("--device cpu only tries the script; add --tiny")
    if options.out and not options.out.parent.is_dir():
        raise Refused(f"--out: no folder '{options.out.parent}'; create it first")
    if options.sequences is not None and options.sequences < 1:
        raise Refused(f"--sequences {options.sequences}: must be at least 1")
    cases = _cases(("tiny",) if options.tiny else SIZES, options.sequences)
    for pattern in options.only or ():
        if not fnmatch.filter([case.name for case in cases], pattern):
            names = ", ".join(case.name for case in cases)
            raise Refused(f"--only '{pattern}' matches no case; the cases are {names}")
    if options.device == "cuda":
        _check_cuda()
    return [case for case in cases if case.work == "peak" or not options.only
            or any(fnmatch.fnmatch(case.name, pattern) for pattern in options.only)]  # fmt: skip


def _check_cuda() -> None:
    import torch

    if not torch.cuda.is_available():
        raise Refused(
            "this benchmark needs a CUDA device, but torch finds none; --device cpu --tiny tries the script"
        )


def _cases(sizes: tuple[str, ...], sequences: int | None) -> list[Case]:
    """Adapters with and without checkpointing where both matter; full tuning where it fits on a card."""
    tiny = sizes == ("tiny",)
    cases = [Case("peak", size="tiny" if tiny else "")]
    for size in sizes:
        count = sequences or SEQUENCES[size]
        for method in ("lora", "qlora") if size == "8B" else ("lora", "qlora", "full"):
            for checkpointing in (False, True) if size in ("8B", "tiny") else (False,):
                cases += [Case(work, size, method, checkpointing, count)
                          for work in ("train", "trl") if (work, method) != ("trl", "full")]  # fmt: skip
    return cases + [Case(work, size) for work in ("score", "latency") for size in sizes]


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _run(case: Case, device: str) -> dict:
    """Run the case in a separate process; a failure is a result with its reason."""
    from benchmarks.apart import measured_apart

    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "0")  # a trainer would use all GPUs
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    found = measured_apart(_measured, case, device, seconds=CASE_SECONDS)
    return {"case": case.name, **found} if "failed" in found else found


def _measured(case: Case, device: str) -> dict:
    """Run the case in this process; too little memory on the card is a result, not an error."""
    measure = {"peak": _peak, "train": _train, "trl": _trl, "score": _score, "latency": _latency}
    try:
        return {"case": case.name, **measure[case.work](case, device)}
    except RuntimeError as error:  # torch's own, and bitsandbytes'
        if not any(words in str(error) for words in ("out of memory", "STATUS_ALLOC_FAILED")):
            raise
        return {"case": case.name, "out_of_memory": str(error).splitlines()[0]}


def _peak(case: Case, device: str) -> dict:
    """FLOP/s of square bfloat16 products; the peak is that of the side with the best median."""
    import torch

    amount, sides = case.amount, {}
    for side in amount.matrices:
        a, b = (
            torch.randn(side, side, device=device, dtype=torch.bfloat16) for _ in range(2)
        )  # zeros or ones would draw less power, so clocks would be higher than in real work
        out = torch.empty_like(a)
        seconds = _timed(lambda a=a, b=b, out=out: torch.mm(a, b, out=out), 5, amount.products)
        sides[side] = _spread([2 * side**3 / s for s in seconds])
    best = max(sides.values(), key=lambda spread: spread["median"])
    return {"machine": _machine(device), "flops_per_s": best, "by_side": sides}


def _machine(device: str) -> dict:
    import psutil
    import torch

    from bench.record.environment import processor

    found = {
        "processor": processor(),
        "cores": os.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
        "gpu": None,
    }
    if device == "cuda":
        found["gpu"] = torch.cuda.get_device_name()
        found["usable_bytes"] = torch.cuda.get_device_properties(0).total_memory
        found["compute_capability"] = ".".join(map(str, torch.cuda.get_device_capability()))
        found["cuda"] = torch.version.cuda
        found |= _driver()
    return found


def _driver() -> dict:
    """What NVML adds; nothing where it isn't available."""
    import torch

    try:
        import pynvml

        pynvml.nvmlInit()
        uuid = f"GPU-{torch.cuda.get_device_properties(0).uuid}"
        card = pynvml.nvmlDeviceGetHandleByUUID(uuid.encode())
        return {
            "driver": pynvml.nvmlSystemGetDriverVersion(),
            "power_limit_watts": pynvml.nvmlDeviceGetEnforcedPowerLimit(card) / 1000,
        }
    except Exception:  # no NVML on this system, or a card that reports nothing
        return {"driver": None}


def _train(case: Case, device: str) -> dict:
    """The product's update, with the loss over all tokens."""
    import torch

    from bench.core.meter import Meter
    from bench.core.progress import bar
    from bench.engine import training
    from bench.engine.lean import Lean

    reason = _reason_to_skip(case)
    if reason:
        return {"skipped": reason}
    amount = case.amount
    updates = amount.warm_ups + amount.updates * amount.repeats + 1
    model, counted = _model(case, device)
    losses: list[float] = []
    torch.manual_seed(0)
    with Meter() as meter:
        settings = _settings(case, updates)
        tuned = settings.tuned(model)
        if case.checkpointing:
            model.lm.gradient_checkpointing_enable({"use_reentrant": False})
            model.lm.enable_input_require_grads()
        trainable = [p for p in tuned.network.parameters() if p.requires_grad]
        state = training._State.resumed(trainable, settings, None)
        gradients = _Gradients(trainable)
        state.optimizer.register_step_pre_hook(lambda *_: gradients.check_if_asked())
        tuned.network.train()
        rows = [training.Row(row[:1], row[1:]) for row in _sequences(case, model.lm)]
        with torch.enable_grad():
            lean = Lean.of(model.lm) is not None
        with _in_one_piece(case):
            step = training._Step(model, tuned.network, [], trainable, settings, state, updates)

            def update(count: int = 1) -> None:
                for _ in range(count):
                    first = len(losses) % 2 * case.sequences  # each sequence as often as with TRL
                    taken = rows[first : first + case.sequences]
                    losses.append(step(taken, bar("", 0, "row")))

            update(
                amount.warm_ups - 1
            )  # at the start, LoRA's initial values make some gradients zero
            gradients.checked(update)
            seconds = _timed(lambda: update(amount.updates), 0, amount.repeats)
            gradients.checked(update)
    return {**_throughput(case, counted, trainable, seconds), **gradients.found,
            "loss": statistics.fmean(losses), "lean": lean,
            "attention": model.lm.config._attn_implementation, **_memory(meter)}  # fmt: skip


def _settings(case: Case, updates: int):
    """The product's: the contenders' rank and targets, at a learning rate suited to random tokens."""
    from bench.engine.training import FullSettings, LoraSettings

    usual = {
        "learning_rate": LEARNING_RATE if case.method != "full" else LEARNING_RATE / 10,
        "epochs": 1,
        "batch_size": case.sequences,
        "accumulation_steps": 1,
        "warmup_share": 0.0,
        "patience": 0,
    }
    if case.method == "full":
        return FullSettings(**usual)
    return LoraSettings(**usual, rank=16, alpha=32, dropout=0.0, targets="all-linear")


@contextmanager
def _in_one_piece(case: Case):
    """Makes the product take all rows of an update through the model together."""
    from bench.engine import training

    together = dict.fromkeys(training.MOST_TOKENS, case.sequences * case.amount.length)
    with mock.patch.object(training, "MOST_TOKENS", together):
        yield


def _trl(case: Case, device: str) -> dict:
    """TRL's trainer with its own defaults, except for what both must share."""
    reason = _reason_to_skip(case)
    if reason:
        return {"skipped": reason}
    import trl
    from datasets import Dataset
    from peft import LoraConfig

    from bench.core.meter import Meter

    amount = case.amount
    steps = amount.warm_ups + amount.updates * amount.repeats + 1
    model, counted = _model(case, device)
    sequences = _sequences(case, model.lm) * steps
    clock = _Clock.of(amount)
    with tempfile.TemporaryDirectory() as folder, Meter() as meter:
        trainer = trl.SFTTrainer(
            model=model.lm,
            args=trl.SFTConfig(
                output_dir=folder,
                per_device_train_batch_size=case.sequences,
                max_steps=steps,
                max_length=amount.length,
                gradient_checkpointing=case.checkpointing,
                learning_rate=LEARNING_RATE,
                bf16=True,
                report_to="none",
                save_strategy="no",
                disable_tqdm=True,
                use_cpu=device == "cpu",
            ),
            train_dataset=Dataset.from_dict({"input_ids": sequences[: steps * case.sequences]}),
            processing_class=_any_tokenizer(),
            peft_config=LoraConfig(r=16, lora_alpha=32, lora_dropout=0.0, bias="none",
                                   target_modules="all-linear", task_type="CAUSAL_LM"),
            callbacks=[clock],
        )  # fmt: skip
        trainable = [p for p in trainer.model.parameters() if p.requires_grad]
        clock.gradients = _Gradients(trainable)
        loss = trainer.train().training_loss
    return {**_throughput(case, counted, trainable, clock.seconds), **clock.gradients.found,
            "loss": loss, "attention": model.lm.config._attn_implementation,
            "optimizer": str(trainer.args.optim), **_memory(meter)}  # fmt: skip


class _Clock:
    """Times a trainer's steps in the same blocks as ours, and checks gradients at the same ones."""

    @classmethod
    def of(cls, amount: Amount):
        """As a callback; the library is imported only here."""
        from transformers import TrainerCallback

        return type("_Clock", (cls, TrainerCallback), {})(amount)

    def __init__(self, amount: Amount):
        self.gradients: _Gradients
        self.seconds: list[float] = []
        self._amount, self._start = amount, 0.0

    def on_pre_optimizer_step(self, args, state, control, **_):
        """Check the gradients, which exist at this point."""
        if state.global_step + 1 in (self._amount.warm_ups, state.max_steps):
            self.gradients.check()

    def on_step_end(self, args, state, control, **_):
        """Close a block of updates once it is full."""
        from bench.core.meter import synchronise

        timed = state.global_step - self._amount.warm_ups
        if timed < 0 or timed % self._amount.updates or state.global_step == state.max_steps:
            return
        synchronise()
        now = time.perf_counter()
        if timed:
            self.seconds.append(now - self._start)
        self._start = now


def _any_tokenizer():
    """The trainer requires one, though the sequences are already tokens."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from transformers import PreTrainedTokenizerFast

    words = Tokenizer(WordLevel({"<pad>": 0, "<eos>": 1, "<unk>": 2}, unk_token="<unk>"))
    return PreTrainedTokenizerFast(
        tokenizer_object=words, pad_token="<pad>", eos_token="<eos>", unk_token="<unk>"
    )


def _reason_to_skip(case: Case) -> str | None:
    needed = [name for name, needs in (("trl", case.work == "trl"),
                                       ("bitsandbytes", case.method == "qlora")) if needs]  # fmt: skip
    missing = [name for name in needed if not _is_installed(name)]
    return f"{missing[0]} isn't installed" if missing else None


def _is_installed(name: str) -> bool:
    return name in sys.modules or importlib.util.find_spec(name) is not None


class _Gradients:
    """Whether each trained tensor has a gradient that is finite and not zero."""

    def __init__(self, trainable: list):
        self._trainable, self._asked = trainable, False
        self.found: dict = {}

    def checked(self, update: Callable) -> None:
        """An update whose gradients are checked."""
        self._asked = True
        update()

    def check_if_asked(self) -> None:
        """Called before each of the optimizer's steps."""
        if self._asked:
            self.check()
            self._asked = False

    def check(self) -> None:
        """Raises `ValueError` where training would go wrong unnoticed."""
        gradients = [p.grad for p in self._trainable]
        norms = [0.0 if g is None else g.float().norm().item() for g in gradients]
        wrong = [norm for norm in norms if norm == 0 or not math.isfinite(norm)]
        checks = self.found.get("gradient_checks", 0) + 1
        norm = sum(norm**2 for norm in norms) ** 0.5
        self.found = {"gradient_tensors": len(norms), "gradient_checks": checks,
                      "gradient_norm_after_clipping": norm}  # fmt: skip
        if wrong or not norms:
            raise ValueError(
                f"gradients of {len(wrong)} of {len(norms)} tensors are 0 or not finite"
            )


def _model(case: Case, device: str):
    """The model with random weights, loaded as by the product, and its weights except the embedding."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    from advisor.sizes.models import catalog
    from bench.engine.models import Device, LoadedModel
    from benchmarks import memory_measured as memory

    tiny = case.size == "tiny"
    shape = TINY_CONFIG if tiny else catalog("models")[memory.MODELS[case.size]]["config"]
    config = AutoConfig.for_model(**shape)
    with torch.device("meta"):
        lm = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    counted = sum(p.numel() for p in lm.parameters()) - lm.get_input_embeddings().weight.numel()
    if case.method == "qlora":
        memory._quantise(lm, device)
    torch.manual_seed(0)
    memory._with_random_weights(lm, device)
    _with_usual_norms_and_angles(lm, config, device)
    lm.name_or_path = lm.config._name_or_path = f"random-{case.size}"
    model = LoadedModel(f"random-{case.size}", lm.eval(), None, Device(device, "bfloat16", "asked"))
    return model, counted


def _with_usual_norms_and_angles(lm, config, device: str) -> None:
    """What isn't random in a model: the norms' scales and the rotary angles."""
    for parameter in lm.parameters():
        if parameter.dim() == 1:
            parameter.data.fill_(1.0)
    decoder = lm.get_decoder()
    decoder.rotary_emb = type(decoder.rotary_emb)(config=config).to(device)


def _sequences(case: Case, lm) -> list[list[int]]:
    """Twice an update's sequences, of random tokens: nothing can be learnt, but the arithmetic is the same."""
    rng, highest = random.Random(0), lm.config.vocab_size - 1
    return [[rng.randint(3, highest) for _ in range(case.amount.length)]
            for _ in range(2 * case.sequences)]  # fmt: skip


def _score(case: Case, device: str) -> dict:
    """Rows per second of the product's scorer, which recomputes the prefix each time, as a run does."""
    from bench.core.meter import Meter
    from bench.engine.scoring import LabelScorer

    amount, rng = case.amount, random.Random(0)
    model, _ = _model(case, device)

    def tokens(count: int) -> list[int]:
        return [rng.randint(3, model.lm.config.vocab_size - 1) for _ in range(count)]

    prefix, answers = tokens(amount.prefix), [[11], [12], [13]]
    rows = [tokens(rng.randint(*amount.row)) for _ in range(amount.rows)]
    with Meter() as meter:
        seconds = _timed(
            lambda: list(LabelScorer(model.lm, prefix, answers).score(rows)), 1, amount.repeats
        )
        scored = [s for batch in LabelScorer(model.lm, prefix, answers).score(rows) for s in batch]
    if not all(math.isfinite(value) for s in scored for value in s.log_likelihoods):
        raise ValueError("some log-likelihoods aren't finite")
    return {
        "rows": len(rows),
        "prefix_tokens": len(prefix),
        "row_tokens": sum(map(len, rows)) / len(rows),
        "labels": len(answers),
        "rows_per_s": _spread([len(rows) / s for s in seconds]),
        **_memory(meter),
    }


def _latency(case: Case, device: str) -> dict:
    """Seconds to the first token of an answer (TTFT), and for each token after it, at batch 1."""
    import torch

    from bench.core.meter import Meter
    from bench.engine.generating import _FirstToken

    amount = case.amount
    model, _ = _model(case, device)
    lm = model.lm
    lm.generation_config.eos_token_id, lm.generation_config.pad_token_id = None, 0
    ids = torch.randint(3, lm.config.vocab_size, (1, amount.prompt), device=device)
    first: list[float] = []
    further: list[float] = []
    with Meter() as meter, torch.inference_mode():
        for _ in range(2 + 2 * amount.repeats):
            watch = _FirstToken()
            written = lm.generate(input_ids=ids, attention_mask=torch.ones_like(ids), do_sample=False,
                                  max_new_tokens=amount.answer, streamer=watch)  # fmt: skip
            seconds = (
                time.perf_counter() - watch.start
            )  # every token has arrived on the CPU, so the work is finished
            if written.shape[1] != amount.prompt + amount.answer:
                raise ValueError("an answer ended early")
            first.append(watch.seconds)
            further.append((seconds - watch.seconds) / (amount.answer - 1))
    return {
        "prompt_tokens": amount.prompt,
        "answer_tokens": amount.answer,
        "first_token_seconds": _spread(first[2:]),  # the first two warm up
        "further_token_seconds": _spread(further[2:]),
        **_memory(meter),
    }


def _timed(work: Callable, warm_ups: int, repeats: int) -> list[float]:
    """Seconds of each repeat, until the GPU has finished it."""
    from bench.core.meter import synchronise

    for _ in range(warm_ups):
        work()
    found = []
    for _ in range(repeats):
        synchronise()
        start = time.perf_counter()
        work()
        synchronise()
        found.append(time.perf_counter() - start)
    return found


def _spread(values: list[float]) -> dict:
    return {"median": statistics.median(values), "low": min(values), "high": max(values)}


def _throughput(case: Case, counted: int, trainable: list, seconds: list[float]) -> dict:
    """Tokens per second over blocks of updates; every token belongs to a full sequence."""
    tokens = case.sequences * case.amount.length * case.amount.updates
    return {
        "sequences_an_update": case.sequences,
        "tokens_a_sequence": case.amount.length,
        "updates_a_repeat": case.amount.updates,
        "tokens_per_s": _spread([tokens / s for s in seconds]),
        "parameters_without_embedding": counted,
        "trained_parameters": sum(p.numel() for p in trainable),
        "flops_a_token": (6 if case.method == "full" else 4) * counted,
    }


def _memory(meter) -> dict:
    """Peaks of torch's allocator and of this process as NVML saw it, and the card's state."""
    usage = meter.usage
    return {
        "peak_allocated_bytes": usage.peak_gpu_bytes,
        "peak_reserved_bytes": usage.peak_gpu_reserved_bytes,
        "nvml_process_bytes": usage.process_gpu_bytes,
        "peak_resident_bytes": usage.peak_resident_bytes,
        "gpu_state": usage.gpu_state,
    }


def _with_shares(result: dict, before: list[dict]) -> dict:
    """The result, with the share of the measured peak that its arithmetic reached."""
    peak = next((r["flops_per_s"] for r in before if "flops_per_s" in r), None)
    if peak is None or "tokens_per_s" not in result:
        return result
    flops = {key: value * result["flops_a_token"] for key, value in result["tokens_per_s"].items()}
    return {
        **result,
        "share_of_peak": {key: value / peak["median"] for key, value in flops.items()},
        "share_of_best_product": flops["median"] / peak["high"],
    }


def _table(found: dict) -> str:
    """One line per case: its median, lowest and highest, share of the peak, and memory."""
    machine = found["machine"] or {}
    lines = [f"{machine.get('gpu') or 'no GPU: CPU figures are meaningless'}, {found['date']}"]
    lines.append(
        f"{'case':<32} {'median (lowest to highest)':<52} {'of peak':>8} {'peak memory':>12}"
    )
    for result in found["cases"]:
        share = result.get("share_of_peak", {}).get("median")
        held = result.get("peak_allocated_bytes")
        lines.append(
            f"{result['case']:<32} {_said(result):<52} {'' if share is None else f'{share:.1%}':>8} "
            f"{'' if held is None else f'{held / 1e9:.2f} GB':>12}".rstrip()
        )
    return "\n".join(lines)


def _said(result: dict) -> str:
    for key in ("failed", "skipped", "out_of_memory"):
        if key in result:
            return f"{key.replace('_', ' ')}: {result[key]}"
    if "flops_per_s" in result:
        return _range(result["flops_per_s"], 1e-12, "TFLOP/s")
    if "tokens_per_s" in result:
        return _range(result["tokens_per_s"], 1, "tokens/s")
    if "rows_per_s" in result:
        return _range(result["rows_per_s"], 1, "rows/s")
    further = _range(result["further_token_seconds"], 1000, "ms")
    return f"first {_range(result['first_token_seconds'], 1000, 'ms')}, then {further}"


def _range(spread: dict, scale: float, unit: str) -> str:
    median, low, high = (f"{spread[key] * scale:,.4g}" for key in ("median", "low", "high"))
    return f"{median} {unit} ({low} to {high})"


if __name__ == "__main__":
    sys.exit(main())
