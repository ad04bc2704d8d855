"""Training memory measured on this machine compared with its forecast, by stage.

On a GPU: models with random weights of 0.1B, 1B and 8B parameters, tuned in full, with LoRA and with
QLoRA at lengths of 512 to 8192, and a 70B model with QLoRA where it fits. Each case runs in a separate
process, so that its peaks are its own: PyTorch's allocated and reserved bytes, and what NVML sees of
the process, after loading, after attaching adapters, and at the peak of two training steps.
Without a GPU the smallest case runs on the CPU, where the live tensors are counted.

    python benchmarks/memory_measured.py --out docs/measurements/2026-11-24-memory-h100.json
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from dataclasses import asdict, dataclass, replace
from importlib import metadata
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from advisor.sizes.models import catalog, shape_of
from advisor.sizes.sizing import Settings, training_memory
from benchmarks.apart import measured_apart

MODELS = {
    "0.1B": "HuggingFaceTB/SmolLM2-135M",
    "1B": "meta-llama/Llama-3.2-1B",
    "8B": "meta-llama/Llama-3.1-8B",
    "70B": "meta-llama/Llama-3.1-70B",
}
LENGTHS = (512, 2048, 8192)
CASE_SECONDS = 1800
"""The longest a case may take before it counts as failed."""
VERSIONS = ("torch", "transformers", "peft", "bitsandbytes", "accelerate")


@dataclass(frozen=True)
class Case:
    """One run: a model, how it is tuned, and the rows' batch and length."""

    size: str
    method: str
    seq_len: int
    batch: int = 1
    checkpointing: bool = True

    @property
    def settings(self) -> Settings:
        """The settings for the forecast: no autocast for LoRA and full tuning, as in PEFT's own runs."""
        return Settings(batch=self.batch, seq_len=self.seq_len, checkpointing=self.checkpointing,
                        autocast=self.method == "qlora", optimizer="adamw_torch_fused")  # fmt: skip


def main() -> int:
    """Run the cases that fit, print them with their forecasts, and save them where --out says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path)
    parser.add_argument("--only", help="a size, such as 1B")
    options = parser.parse_args()
    machine = measured_apart(_machine, seconds=CASE_SECONDS)
    kept = {"date": time.strftime("%Y-%m-%d"), "machine": machine, "cases": []}
    for case in _cases(machine, options.only):
        result = _run(case)
        _print(result)
        kept["cases"].append(result)
        if options.out:
            options.out.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    return int(any("failed" in result for result in kept["cases"]))


def _machine() -> dict:
    import torch

    found = {
        "gpu": None,
        "device": _device(),
        "python": platform.python_version(),
        "versions": {name: metadata.version(name) for name in VERSIONS},
    }
    if torch.cuda.is_available():
        import pynvml

        pynvml.nvmlInit()
        found["gpu"] = torch.cuda.get_device_name()
        found["usable_bytes"] = torch.cuda.get_device_properties(0).total_memory
        found["driver"] = pynvml.nvmlSystemGetDriverVersion()
    return found


def _cases(machine: dict, only: str | None) -> list[Case]:
    """Every case that isn't certainly too large; without a GPU only the smallest."""
    if machine["gpu"] is None:
        return [Case("0.1B", "lora", 128)]
    cases = [Case(size, method, length) for size in ("0.1B", "1B", "8B")
             for method in ("full", "lora", "qlora") for length in LENGTHS]  # fmt: skip
    cases += [
        Case(size, "lora", 512, batch=4, checkpointing=False) for size in ("0.1B", "1B", "8B")
    ]
    cases += [Case("70B", "qlora", length) for length in (512, 2048)]
    return [case for case in cases if (only is None or case.size == only)
            and _forecast(case, machine["device"]).fits(machine["usable_bytes"]) != "no"]  # fmt: skip


def _forecast(case: Case, device: str):
    return training_memory(
        shape_of(MODELS[case.size]), case.method, replace(case.settings, device=device)
    )


def _device() -> str:
    """The available device, by its name in `advisor.sizes.sizing.DEVICES`."""
    import torch

    if not torch.cuda.is_available():
        return "cpu"
    return "cuda-hopper" if torch.cuda.get_device_capability()[0] >= 9 else "cuda"


def _run(case: Case) -> dict:
    """Run the case in a separate process; a failure is a result with its reason."""
    found = measured_apart(_measure, case, seconds=CASE_SECONDS)
    return {"case": asdict(case), **found} if "failed" in found else found


def _measure(case: Case) -> dict:
    import torch

    meter = _CudaMeter() if torch.cuda.is_available() else _CpuMeter()
    model = _model(case, meter.device)
    meter.mark("loaded")
    if case.method != "full":
        model = _with_adapters(model, case)
        meter.mark("adapters")
    model.train()
    with meter.counting(model):
        _train(model, case, meter.device)
    meter.mark("trained")
    forecast = _forecast(case, _device())
    return {
        "case": asdict(case),
        "stages": meter.stages,
        "forecast": {
            "peak_allocated_bytes": forecast.peak_allocated_bytes,
            "process_low_bytes": forecast.process_low_bytes,
            "process_high_bytes": forecast.process_high_bytes,
            "moment": forecast.moment,
            "breakdown": forecast.breakdown,
        },
    }


def _model(case: Case, device: str):
    """The model with random weights on the device, its linear layers in NF4 for QLoRA."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.for_model(**catalog("models")[MODELS[case.size]]["config"])
    config.use_cache = False
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    if case.method == "qlora":
        _quantise(model, device)
    return _with_random_weights(model, device)


def _quantise(model, device: str) -> None:
    """Replace every linear layer except the output layer by an NF4 layer of random weights."""
    import torch
    from bitsandbytes.nn import Linear4bit, Params4bit

    for name, layer in list(model.named_modules()):
        if not isinstance(layer, torch.nn.Linear) or name == "lm_head":
            continue
        small = Linear4bit(layer.in_features, layer.out_features, bias=layer.bias is not None,
                           compute_dtype=torch.bfloat16, quant_type="nf4", device="meta")  # fmt: skip
        weights = torch.empty(
            layer.out_features, layer.in_features, dtype=torch.bfloat16, device=device
        ).normal_(std=0.02)
        small.weight = Params4bit(weights, requires_grad=False, quant_type="nf4",
                                  compress_statistics=True, module=small).to(device)  # fmt: skip
        parent, _, last = name.rpartition(".")
        setattr(model.get_submodule(parent), last, small)
    model.is_loaded_in_4bit = True


def _with_random_weights(model, device: str):
    """Give every parameter that is still on the meta device small random numbers."""
    import torch

    made = {}
    for module in model.modules():
        for name, parameter in list(module._parameters.items()):
            if parameter is None or parameter.device.type != "meta":
                continue
            if id(parameter) not in made:
                numbers = torch.empty(parameter.shape, dtype=parameter.dtype, device=device)
                made[id(parameter)] = torch.nn.Parameter(numbers.normal_(std=0.02))
            module._parameters[name] = made[id(parameter)]
        for name, buffer in list(module._buffers.items()):
            if buffer is not None and buffer.device.type == "meta":
                module._buffers[name] = torch.ones(buffer.shape, dtype=buffer.dtype, device=device)
    return model


def _with_adapters(model, case: Case):
    from peft import LoraConfig, get_peft_model, prepare_model_for_kbit_training

    settings = case.settings
    if case.method == "qlora":
        model = prepare_model_for_kbit_training(model, use_gradient_checkpointing=False)
    return get_peft_model(model, LoraConfig(
        r=settings.rank, lora_alpha=2 * settings.rank, lora_dropout=settings.dropout,
        target_modules=["q_proj", "k_proj", "v_proj", "o_proj"], task_type="CAUSAL_LM"))  # fmt: skip


def _train(model, case: Case, device: str) -> None:
    """Two steps, since the optimizer's states exist from the second on."""
    import torch

    if case.checkpointing:
        model.gradient_checkpointing_enable({"use_reentrant": False})
        if case.method != "full":
            model.enable_input_require_grads()
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-4, fused=True)
    rows = torch.randint(0, 1000, (case.batch, case.seq_len), device=device)
    for _ in range(2):
        with torch.autocast(device, dtype=torch.bfloat16, enabled=case.settings.autocast):
            loss = model(input_ids=rows, labels=rows).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()


class _CudaMeter:
    """Peaks of PyTorch's allocator, and the process as NVML sees it, by stage."""

    device = "cuda"

    def __init__(self):
        self.stages: dict[str, dict] = {}

    def counting(self, model):
        """Reset the peaks for training."""
        import contextlib

        import torch

        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        return contextlib.nullcontext()

    def mark(self, stage: str) -> None:
        """Record the peaks up to now under the stage's name."""
        import pynvml
        import torch

        torch.cuda.synchronize()
        pynvml.nvmlInit()
        uuid = f"GPU-{torch.cuda.get_device_properties(0).uuid}"
        card = pynvml.nvmlDeviceGetHandleByUUID(uuid.encode())
        own = [
            process.usedGpuMemory
            for process in pynvml.nvmlDeviceGetComputeRunningProcesses(card)
            if process.pid == os.getpid()
        ]
        self.stages[stage] = {
            "peak_allocated_bytes": torch.cuda.max_memory_allocated(),
            "peak_reserved_bytes": torch.cuda.max_memory_reserved(),
            # The allocator returns nothing on its own, so current usage is the peak.
            "nvml_process_bytes": own[0] if own else None,
        }


class _CpuMeter:
    """The live tensors, by stage; NVML and reserved bytes aren't available."""

    device = "cpu"

    def __init__(self):
        self.stages: dict[str, dict] = {}
        self.live = None
        self.at_rest = 0

    def counting(self, model):
        """Count storages from here on, in addition to the parameters."""
        from tests.advisor.oracle import LiveBytes

        tensors = [*model.parameters(), *model.buffers()]
        self.at_rest = sum({t.untyped_storage()._cdata: t.untyped_storage().nbytes()
                            for t in tensors}.values())  # fmt: skip
        self.live = LiveBytes(tensors)
        return self.live

    def mark(self, stage: str) -> None:
        """Record the peaks up to now under the stage's name."""
        import psutil

        peak = self.at_rest + self.live.peak if self.live else None
        self.stages[stage] = {
            "peak_allocated_bytes": peak,
            "resident_bytes": psutil.Process().memory_info().rss,
        }


def _print(result: dict) -> None:
    case = " ".join(f"{value}" for value in result["case"].values())
    if "failed" in result:
        print(f"{case}: failed: {result['failed']}")
        return
    forecast, trained = result["forecast"], result["stages"]["trained"]
    peak, ours = trained["peak_allocated_bytes"], forecast["peak_allocated_bytes"]
    seen = trained.get("nvml_process_bytes")
    process = f"; NVML {seen / 1e9:.2f}" if seen else ""
    print(f"{case}: allocated {peak / 1e9:.3f} GB, forecast {ours / 1e9:.3f} ({ours / peak - 1:+.1%})"
          f"{process}; process forecast {forecast['process_low_bytes'] / 1e9:.2f} to "
          f"{forecast['process_high_bytes'] / 1e9:.2f}")  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
