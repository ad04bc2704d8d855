"""Models come from the package index, a folder or the hub, and never as a pickle or as code."""

import json
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from bench import registry
from bench.core.own import own
from bench.engine import models
from bench.engine.models import Device
from bench.models import local, named
from scenarios.errors import UserError
from tests.conftest import ROOT, make_lm, make_tokenizer

CPU = Device("cpu", "float32", "test")


def test_a_misspelt_default_model_is_rejected_with_the_right_name():
    with pytest.raises(UserError, match=r"SmolLM2-135M-Instuct.*did you mean"):
        local.folder_of("SmolLM2-135M-Instuct")


def test_a_hosted_model_is_refused_by_name():
    with pytest.raises(UserError, match=r"openai:gpt-6-luna.*hosted.*Hugging Face id or a folder"):
        local.folder_of("openai:gpt-6-luna")


def test_a_folder_without_weights_says_what_is_missing(tmp_path):
    with pytest.raises(UserError, match=r"no config\.json.*save_pretrained"):
        local.folder_of(str(tmp_path))
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(UserError, match=r"no safetensors weights.*save_pretrained"):
        local.folder_of(str(tmp_path))


def test_a_pickle_is_never_loaded(tmp_path, tiny_model):
    folder = tmp_path / "m"
    shutil.copytree(tiny_model, folder)
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(UserError, match=r"no safetensors weights.*save_pretrained"):
        local.folder_of(str(folder))


def test_a_models_own_code_is_never_run(tmp_path, tiny_model):
    folder = tmp_path / "m"
    shutil.copytree(tiny_model, folder)
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "mine", "auto_map": {"AutoConfig": "code.C",
               "AutoModelForCausalLM": "code.M"}}  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "code.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    with pytest.raises(UserError, match="can't load the model"):
        models.load("m", folder, CPU)
    assert not (tmp_path / "ran").exists()


def test_the_hub_out_of_reach_is_one_line(monkeypatch, tmp_path):
    import huggingface_hub.constants as constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(UserError, match=r"can't reach .*org/none.*give a folder"):
        local.folder_of("org/none")


def test_an_impossible_name_is_one_line():
    with pytest.raises(UserError, match=r"\./not here.*Hugging Face id or a folder"):
        local.folder_of("./not here")


def test_the_same_weights_have_the_same_digest_in_any_folder(tmp_path, tiny_model):
    other = tmp_path / "elsewhere"
    shutil.copytree(tiny_model, other)
    assert local.digest_of(other) == local.digest_of(tiny_model)
    (other / "config.json").write_text("{}")
    assert local.digest_of(other) != local.digest_of(tiny_model)


def test_a_loaded_model_answers_on_the_device_that_was_asked_for(tiny_model):
    found = models.load("tiny", tiny_model, CPU)
    assert next(found.lm.parameters()).dtype == torch.float32
    assert not found.lm.training


def test_the_device_says_why():
    found = models.best_device()
    assert found.kind in ("cpu", "cuda", "mps")
    assert found.reason


def test_nondeterministic_operations_are_noted_and_other_warnings_still_shown():
    """`put_` has no deterministic form, on the CPU as little as on a GPU."""
    shown = []
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = lambda message, *_: shown.append(str(message))
        try:
            unable = models.repeat_exactly(Device("cuda", "bfloat16", "test"))
            torch.zeros(3).put_(torch.tensor([0, 0]), torch.tensor([1.0, 2.0]))
            warnings.warn("something else", stacklevel=1)
        finally:
            torch.use_deterministic_algorithms(False)
            torch.utils.deterministic.fill_uninitialized_memory = True
    assert unable == {"put_"}
    assert shown == ["something else"]


def test_on_a_cpu_nothing_is_switched():
    assert models.repeat_exactly(CPU) == set()
    assert not torch.are_deterministic_algorithms_enabled()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_model_on_the_cpu_keeps_no_file_mapped(tmp_path):
    """Weights laid out anew from a mapped file would be in memory twice."""
    make_lm().save_pretrained(tmp_path)
    make_tokenizer().save_pretrained(tmp_path)
    lm = models.load("tiny", tmp_path, CPU).lm
    assert str(tmp_path) not in Path("/proc/self/maps").read_text()
    for name, value in load_file(tmp_path / "model.safetensors").items():
        assert torch.equal(lm.state_dict()[name], value), name


def test_importing_ahead_leaves_bitsandbytes_out_until_a_trial_needs_it(tmp_path):
    pytest.importorskip("bitsandbytes")
    make_lm().save_pretrained(tmp_path)
    make_tokenizer().save_pretrained(tmp_path)
    code = f"""
import sys, torch
if torch.cuda.is_available(): sys.exit()
from bench.engine import models
from bench.trial import process
process.quiet_libraries()
process.import_ahead()
assert "bitsandbytes" not in sys.modules
import peft
device = models.Device("cpu", "bfloat16", "test")
lm = models.load("tiny", {str(tmp_path)!r}, device, four_bit=True).lm
settings = peft.LoraConfig(target_modules="all-linear", task_type="CAUSAL_LM")
adapted = peft.get_peft_model(lm, settings)
kinds = [type(m).__name__ for m in adapted.modules() if "lora" in type(m).__module__]
assert kinds.count("Linear4bit") == 14, kinds
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_misspelt_kind_of_model_gets_the_nearest_one_where_there_are_kinds():
    folder = ROOT / "tests" / "data" / "own" / "models"
    with registry.added(own(models=folder).added()):
        assert named("parrot:x").name == "parrot:x"
        with pytest.raises(UserError, match=r"'parot'; did you mean 'parrot'"):
            named("parot:x")
