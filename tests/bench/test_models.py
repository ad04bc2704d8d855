"""Models come from the package index, a folder or the hub, and never as a pickle or as code."""

import json
import shutil
import warnings

import pytest
import torch

from bench import models
from bench.models import Device
from scenarios.errors import UserError

CPU = Device("cpu", "float32", "test")


def test_a_name_near_to_ours_is_told():
    with pytest.raises(UserError, match="no model named 'SmolLM2-135M-Instuct'; did you mean"):
        models.folder_of("SmolLM2-135M-Instuct")


def test_a_hosted_model_is_refused_by_name():
    with pytest.raises(UserError, match="'openai:gpt-6-luna' names a hosted model"):
        models.folder_of("openai:gpt-6-luna")


def test_a_folder_without_weights_says_what_is_missing(tmp_path):
    with pytest.raises(UserError, match=r"holds no config.json"):
        models.folder_of(str(tmp_path))
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(UserError, match="holds no safetensors weights"):
        models.folder_of(str(tmp_path))


def test_a_pickle_is_never_loaded(tmp_path, tiny_model):
    folder = tmp_path / "m"
    shutil.copytree(tiny_model, folder)
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(UserError, match="holds no safetensors weights"):
        models.folder_of(str(folder))


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
    with pytest.raises(UserError, match="can't reach the Hugging Face hub for 'org/none'"):
        models._from_hub("org/none")


def test_an_impossible_name_is_one_line():
    with pytest.raises(UserError, match=r"no model named '\./not here'"):
        models.folder_of("./not here")


def test_the_same_weights_have_the_same_digest_in_any_folder(tmp_path, tiny_model):
    other = tmp_path / "elsewhere"
    shutil.copytree(tiny_model, other)
    assert models.digest_of(other) == models.digest_of(tiny_model)
    (other / "config.json").write_text("{}")
    assert models.digest_of(other) != models.digest_of(tiny_model)


def test_a_loaded_model_answers_on_the_device_that_was_asked_for(tiny_model):
    found = models.load("tiny", tiny_model, CPU)
    assert next(found.lm.parameters()).dtype == torch.float32
    assert not found.lm.training


def test_the_device_says_why():
    found = models.best_device()
    assert found.kind in ("cpu", "cuda", "mps")
    assert found.reason


def test_operations_that_cannot_repeat_exactly_are_noted_and_other_warnings_still_shown():
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
