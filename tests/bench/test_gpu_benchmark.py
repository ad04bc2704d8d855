"""`benchmarks/gpu.py` end to end with a tiny model on the CPU: what it says, never how fast."""

import json
import re
import subprocess
import sys
from types import SimpleNamespace

import pytest

from benchmarks import gpu as benchmark
from tests.conftest import ROOT

SCRIPT = ROOT / "benchmarks" / "gpu.py"

TINY = ["--device", "cpu", "--tiny"]
TENSORS = 2 * 2 * 7  # A and B, in two layers of seven linear ones


run_in_a_process = benchmark._run  # before a fixture replaces it


@pytest.fixture(scope="module")
def in_this_process():
    """Cases run here, since a process each would take its imports' seconds again and again."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(benchmark, "_run", benchmark._measured)
        yield


@pytest.fixture(scope="module")
def record(in_this_process, tmp_path_factory):
    """What a whole tiny run leaves, with every case."""
    from accelerate.state import AcceleratorState

    AcceleratorState._reset_state(reset_partial_state=True)
    out = tmp_path_factory.mktemp("gpu") / "gpu.json"
    assert benchmark.main([*TINY, "--out", str(out)]) == 0
    return json.loads(out.read_text())


@pytest.fixture(scope="module")
def results(record):
    return {result["case"]: result for result in record["cases"]}


def test_the_record_has_its_date_machine_versions_and_command(record):
    assert len(record["date"]) == len("2026-11-24")
    assert record["command"].startswith("python benchmarks/gpu.py --device cpu --tiny --out")
    assert set(record["versions"]) >= {"torch", "transformers", "peft", "bitsandbytes", "trl"}
    assert record["machine"]["gpu"] is None
    assert record["machine"]["processor"]


def test_every_method_is_trained_with_and_without_checkpointing_scored_and_timed(results):
    trained = {f"train-tiny-{method}{more}" for method in ("lora", "qlora", "full")
               for more in ("", "-checkpointing")}  # fmt: skip
    assert set(results) >= {"peak-tiny", "score-tiny", "latency-tiny", *trained}


@pytest.mark.parametrize("method", ["lora", "qlora"])
def test_each_adapter_tensor_had_a_gradient_after_the_warm_up_and_at_the_end(results, method):
    result = results[f"train-tiny-{method}"]
    assert result["gradient_tensors"] == TENSORS
    assert result["gradient_checks"] == 2
    assert 0 < result["gradient_norm_after_clipping"] < 1.1


def test_checkpointing_changes_memory_and_not_what_is_trained(results):
    plain, checkpointed = (
        results[f"train-tiny-lora{more}"] for more in ("", "-checkpointing")
    )  # from the same seed, on the same rows
    assert checkpointed["loss"] == pytest.approx(plain["loss"], rel=1e-3)
    assert checkpointed["trained_parameters"] == plain["trained_parameters"]


@pytest.mark.parametrize(("method", "times"), [("lora", 4), ("qlora", 4), ("full", 6)])
def test_a_token_costs_4_or_6_flops_per_weight_excluding_the_embedding(results, method, times):
    """Two layers of q and o 64 x 64, k and v 64 x 32, three of 64 x 128, two norms; one norm more."""
    weights = 2 * (2 * 64 * 64 + 2 * 64 * 32 + 3 * 64 * 128 + 2 * 64) + 64
    result = results[f"train-tiny-{method}"]
    assert result["parameters_without_embedding"] == weights
    assert result["flops_a_token"] == times * weights


def test_shares_are_of_the_median_of_the_product_measured_in_the_same_run(results):
    peak, trained = results["peak-tiny"]["flops_per_s"], results["train-tiny-lora"]
    for key in ("median", "low", "high"):
        flops = trained["tokens_per_s"][key] * trained["flops_a_token"]
        assert trained["share_of_peak"][key] == pytest.approx(flops / peak["median"])
    assert trained["share_of_best_product"] <= trained["share_of_peak"]["median"]


def test_spreads_run_from_the_lowest_over_the_median_to_the_highest(results):
    for spread in (
        results["peak-tiny"]["flops_per_s"],
        results["train-tiny-qlora"]["tokens_per_s"],
        results["score-tiny"]["rows_per_s"],
        results["latency-tiny"]["first_token_seconds"],
        results["latency-tiny"]["further_token_seconds"],
    ):
        assert 0 < spread["low"] <= spread["median"] <= spread["high"]


def test_on_a_cpu_there_is_no_memory_of_a_gpu(results):
    assert results["train-tiny-lora"]["peak_allocated_bytes"] is None
    assert results["train-tiny-lora"]["peak_resident_bytes"] > 0


def test_qlora_trains_over_weights_in_4_bit():
    from bitsandbytes.nn import Linear4bit

    model, _ = benchmark._model(benchmark.Case("train", "tiny", "qlora"), "cpu")
    assert sum(isinstance(module, Linear4bit) for module in model.lm.modules()) == 14


def test_the_published_sizes_are_measured_with_adapters_and_8b_with_checkpointing_too():
    names = [case.name for case in benchmark._cases(benchmark.SIZES, None)]
    for size in ("0.1B", "1B", "8B"):
        for method in ("lora", "qlora"):
            assert {f"train-{size}-{method}", f"trl-{size}-{method}"} <= set(names)
        assert {f"score-{size}", f"latency-{size}"} <= set(names)
    assert {"train-8B-lora-checkpointing", "trl-8B-qlora-checkpointing"} <= set(names)
    assert names[0] == "peak"
    assert len(names) == len(set(names))


def test_zero_or_infinite_gradients_are_a_failure():
    import torch

    good = torch.nn.Parameter(torch.ones(2))
    good.grad = torch.ones(2)
    for gradient in (None, torch.zeros(2), torch.tensor([1.0, float("nan")])):
        wrong = torch.nn.Parameter(torch.ones(2))
        wrong.grad = gradient
        with pytest.raises(ValueError, match="1 of 2 tensors"):
            benchmark._Gradients([good, wrong]).check()


def test_a_card_that_is_too_small_is_reported_and_the_run_continues(
    in_this_process, monkeypatch, capsys
):
    def too_large(case, device):
        import torch

        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 16.00 GiB.\nMore")

    monkeypatch.setattr(benchmark, "_train", too_large)
    assert benchmark.main([*TINY, "--only", "train-tiny-lora", "--only", "score-*"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "out of memory: CUDA out of memory. Tried to allocate 16.00 GiB." in lines[3]
    assert lines[4].startswith("score-tiny")
    assert "rows/s" in lines[4]


def test_without_trl_its_cases_are_skipped_with_the_reason(monkeypatch):
    monkeypatch.setattr(benchmark, "_is_installed", lambda name: name != "trl")
    case = benchmark.Case("trl", "tiny", "lora", sequences=1)
    assert benchmark._measured(case, "cpu") == {
        "case": "trl-tiny-lora", "skipped": "trl isn't installed",
    }  # fmt: skip


def test_trls_trainer_is_timed_and_checked_as_ours_is(monkeypatch):
    """With a substitute for TRL's trainer: the one in Transformers that it is built on."""
    import peft
    from transformers import Trainer, TrainingArguments, default_data_collator

    def collate(rows):
        batch = default_data_collator(rows)
        return {**batch, "labels": batch["input_ids"]}

    def trainer(model, peft_config, **more):
        return Trainer(peft.get_peft_model(model, peft_config), data_collator=collate, **more)

    def config(max_length, **more):
        assert max_length == 32
        return TrainingArguments(**more)

    stand_in = SimpleNamespace(SFTTrainer=trainer, SFTConfig=config)
    monkeypatch.setitem(sys.modules, "trl", stand_in)
    case = benchmark.Case("trl", "tiny", "lora", checkpointing=False, sequences=2)
    result = benchmark._measured(case, "cpu")
    assert result["gradient_tensors"] == TENSORS
    assert result["gradient_checks"] == 2
    assert result["flops_a_token"] == 4 * result["parameters_without_embedding"]
    assert result["tokens_per_s"]["median"] > 0


def refusal(*arguments):
    done = subprocess.run([sys.executable, SCRIPT, *arguments], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    return line


def test_without_a_cuda_device_it_says_so_in_one_line():
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    assert re.fullmatch(r"error: .*CUDA device.*--device cpu --tiny.*", refusal())


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--device", "cpu"], "--device cpu.*add --tiny"),
        ([*TINY, "--only", "train-70B"], "--only 'train-70B'.*peak-tiny"),
        ([*TINY, "--out", "nowhere/gpu.json"], "--out.*'nowhere'"),
        ([*TINY, "--sequences", "0"], "--sequences 0.*at least 1"),
    ],
)
def test_impossible_requests_are_rejected_before_anything_runs(capsys, arguments, reason):
    assert benchmark.main(arguments) == 2
    assert re.match(f"error: {reason}", capsys.readouterr().err)


def test_a_case_has_its_own_process_whose_failure_is_reported():
    """The peak runs; an unknown kind of work fails with the last line of its traceback."""
    assert run_in_a_process(benchmark.Case("peak", "tiny"), "cpu")["flops_per_s"]["median"] > 0
    failed = run_in_a_process(benchmark.Case("dance", "tiny"), "cpu")
    assert failed == {"case": "dance-tiny", "failed": "KeyError: 'dance'"}
