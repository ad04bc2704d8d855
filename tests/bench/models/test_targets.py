"""Modules that a model doesn't have are refused before anything is trained."""

import pytest

from bench.models._targets import check_targets, modules_of
from scenarios.errors import UserError


def test_modules_are_read_from_the_files_headers(tiny_model):
    found = {name.rpartition(".")[2] for name in modules_of(tiny_model)}
    assert found == {
        "q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj",
        "embed_tokens", "lm_head",
    }  # fmt: skip


@pytest.mark.parametrize(
    "targets",
    [
        "attention",
        "all-linear",
        "q_proj",
        "q_proj, down_proj",
        "layers.1.self_attn.v_proj",
        "lm_head",
    ],
)
def test_modules_that_the_model_has_are_taken(tiny_model, targets):
    check_targets("lora", targets, "M", tiny_model)


@pytest.mark.parametrize("targets", ["bogus", "q_proj,bogus", "proj", "norm"])
def test_a_module_that_the_model_does_not_have_is_refused_with_those_that_it_has(
    tiny_model, targets
):
    with pytest.raises(UserError) as refused:
        check_targets("lora", targets, "M", tiny_model)
    wanted = targets.rpartition(",")[2]
    assert f"lora.targets={targets}: M has no module '{wanted}'" in str(refused.value)
    assert "use attention, all-linear, or some of down_proj, embed_tokens" in str(refused.value)


def test_a_file_that_is_cut_short_is_refused(tmp_path):
    (tmp_path / "model.safetensors").write_bytes(b"\x10")
    with pytest.raises(UserError, match=r"'model.safetensors' isn't a whole safetensors file"):
        modules_of(tmp_path)
