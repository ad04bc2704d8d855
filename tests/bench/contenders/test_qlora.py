"""QLoRA trains adapters over NF4 weights, on a CPU for correctness."""

import importlib.util

import pytest

from bench.contenders.qlora import Contender
from bench.core.contender import Ground
from bench.core.errors import TrialSkipped
from bench.core.kept import Kept
from bench.engine import models
from bench.engine.models import Device
from scenarios.rows import load_split

CPU = Device("cpu", "bfloat16", "test")
SETTINGS = {**Contender.quick, "epochs": 1, "learning_rates": (5e-2,)}


@pytest.fixture
def ground(tmp_path, small_scenario, tiny_model, cache):
    import scenarios

    task = scenarios.load(str(small_scenario)).task
    split = load_split(task, 0)
    model = models.load("tiny", tiny_model, CPU, four_bit=True)
    kept = Kept(tmp_path / "kept")
    return Ground(task, split.train, split.validation, lambda: model, tmp_path / "adapter", kept)


def test_the_base_is_in_4_bit_and_only_the_adapters_are_trained(ground):
    import bitsandbytes

    answerer = Contender(**SETTINGS).fit(ground, 0)
    lm = ground.model().lm
    quantised = [m for m in lm.modules() if isinstance(m, bitsandbytes.nn.Linear4bit)]
    assert len(quantised) == 14  # seven linear layers in each of two
    assert {m.weight.quant_type for m in quantised} == {"nf4"}
    assert all(m.weight.quant_state.nested for m in quantised)
    assert {n.split(".")[-3] for n, p in lm.named_parameters() if p.requires_grad} == {
        "lora_A", "lora_B",
    }  # fmt: skip
    assert "GPU" in answerer.notes["on_a_cpu"]


def test_without_bitsandbytes_it_is_skipped_and_says_how_to_install_it(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(TrialSkipped, match=r"pip install 'tune-or-prompt\[qlora\]'"):
        Contender().check(CPU)


def test_on_apples_gpu_it_is_skipped():
    with pytest.raises(TrialSkipped, match=r"MPS.*CUDA"):
        Contender().check(Device("mps", "float32", "test"))
