"""Parameters, including LoRA's, equal those of the real modules to the last digit."""

import csv
import re
from pathlib import Path

import pytest

from advisor.sizes.models import catalog, shape_of
from advisor.sizes.shapes import read_shape
from scenarios.errors import UserError

with (Path(__file__).parents[2] / "data" / "lora_params.csv").open(encoding="utf-8") as lines:
    COUNTED = list(csv.DictReader(lines))


@pytest.mark.parametrize("row", COUNTED, ids=lambda row: row["model"])
def test_every_count_is_that_of_get_peft_model(row):
    shape = shape_of(row["model"])
    named = row["targets_attn"].replace("|", ",")
    assert shape.total_parameters == int(row["total_params"])
    assert sum(shape.parameters_by_kind().values()) == shape.total_parameters
    assert shape.quantizable_parameters == int(row["quantizable_linear_params"])
    assert shape.layers * len(shape.targeted(named)) == int(row["n_adapted_modules_attn"])
    assert shape.layers * len(shape.targeted("all-linear")) == int(row["n_adapted_modules_all"])
    for rank in (8, 16, 64):
        attention = int(row[f"trainable_attn_r{rank}"])
        assert shape.adapter_parameters(rank, named) == attention
        assert shape.adapter_parameters(rank, "attention") == attention
        everything = int(row[f"trainable_all_linear_r{rank}"])
        assert shape.adapter_parameters(rank, "all-linear") == everything


def test_llama_31_8b_adapters_are_13_631_488_of_8_043_892_736():
    """32 x 16 x [2 (4096 + 4096) + 2 (4096 + 1024)]: keys and values have 8 heads of 128."""
    shape = shape_of("Llama-3.1-8B")
    adapters = shape.adapter_parameters(16, "q_proj,k_proj,v_proj,o_proj")
    assert adapters == 32 * 16 * (2 * (4096 + 4096) + 2 * (4096 + 1024)) == 13_631_488
    assert shape.total_parameters + adapters == 8_043_892_736


@pytest.mark.parametrize(
    ("model", "total"),
    [
        ("meta-llama/Llama-3.1-70B", 70_553_706_496),
        ("mistralai/Mixtral-8x7B-v0.1", 46_702_792_704),
        ("EleutherAI/pythia-160m", 162_322_944),
        ("Qwen/Qwen-7B", 7_721_324_544),
        ("microsoft/Phi-3-mini-4k-instruct", 3_821_079_552),
        ("openai-community/gpt2-xl", 1_557_611_200),
        ("HuggingFaceTB/SmolLM2-135M", 134_515_008),
    ],
)
def test_totals_are_those_that_the_hub_states(model, total):
    assert shape_of(model).total_parameters == total


def test_a_mixtral_token_uses_two_experts_of_eight():
    """12.7 of 46.7 billion parameters are used per token, without the embedding's 0.13."""
    assert shape_of("Mixtral-8x7B-v0.1").active_parameters == pytest.approx(12.75e9, rel=0.01)


def test_adapters_of_experts_are_counted_as_peft_makes_them():
    """Four experts of 512 x 1536: 2,605,312 in four blocks, counted on the real modules."""
    config = {"model_type": "mixtral", "hidden_size": 512, "intermediate_size": 1536, "vocab_size": 1000,
                  "num_hidden_layers": 4, "num_attention_heads": 8, "num_key_value_heads": 2,
                  "num_local_experts": 4, "num_experts_per_tok": 2}  # fmt: skip
    assert read_shape(config, "toy").adapter_parameters(16, "all-linear") == 2_605_312


def test_gemma_2_slides_in_every_other_block():
    windows = shape_of("gemma-2-9b").windows
    assert windows[:2] == (4096, None)
    assert len(windows) == 42


@pytest.mark.parametrize("kind", ["models", "gpus"])
def test_every_entry_of_the_catalog_has_a_source_and_a_date(kind):
    for name, entry in catalog(kind).items():
        assert "https://" in entry["source"], name
        assert entry["date"] >= "2026-01-01", name


def test_every_model_of_the_catalog_can_be_counted():
    assert all(shape_of(name).total_parameters > 10**7 for name in catalog("models"))


GOOD = {"model_type": "llama", "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2,
            "num_attention_heads": 4, "vocab_size": 100}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"hidden_size": None}, "the config of 'toy' has no field 'hidden_size'"),
        ({"num_attention_heads": 5}, "5 heads.*width of 64; give head_dim"),
        ({"num_key_value_heads": 3}, "4 heads.*3 key-value heads"),
        ({"num_hidden_layers": 0}, "gives num_hidden_layers as 0; it must be a whole number"),
        ({"vocab_size": "many"}, "gives vocab_size as many"),
        ({"vocab_size": True}, "gives vocab_size as True"),
        ({"vision_config": {}}, "has a vision part, whose memory isn't known"),
        ({"model_type": None}, "has no field 'model_type'"),
        ({"model_type": "lama"}, r"'lama'.*did you mean 'llama'\?"),
    ],
)
def test_a_config_at_fault_is_named_with_the_reason(change, says):
    with pytest.raises(UserError) as refusal:
        read_shape(GOOD | change, "toy")
    assert re.search(says, str(refusal.value))


def test_a_rank_above_a_layers_width_and_an_unknown_layer_are_refused():
    shape = read_shape(GOOD, "toy")
    with pytest.raises(UserError, match=r"rank 65 .*width 64 .*at most 64"):
        shape.adapter_parameters(65, "attention")
    with pytest.raises(UserError, match=r"is named 'q_prj'; did you mean 'q_proj'\?"):
        shape.adapter_parameters(8, "q_prj")


def test_a_recipe_that_names_llamas_layers_reaches_those_of_the_same_role():
    """GPT-2 joins queries, keys and values in c_attn; its MLP is c_fc and c_proj."""
    gpt2 = shape_of("gpt2")
    assert [linear.name for linear in gpt2.targeted("q_proj,v_proj")] == ["attn.c_attn"]
    seven = "q_proj,k_proj,v_proj,o_proj,gate_proj,up_proj,down_proj"
    assert gpt2.targeted(seven) == gpt2.targeted("all-linear")
    llama = shape_of("Llama-3.1-8B")
    assert [linear.name for linear in llama.targeted("q_proj")] == ["self_attn.q_proj"]


@pytest.mark.parametrize(
    ("more", "fault"),
    [
        ({"sliding_window": -64}, "gives sliding_window as -64"),
        ({"tie_word_embeddings": "yes"}, "gives tie_word_embeddings as yes; it must be true or false"),
        ({"num_hidden_layers": 10**30}, "gives num_hidden_layers as 1000"),
        ({"hidden_dropout": float("nan")}, "a dropout of nan"),
        ({"hidden_dropout": [0.1]}, "config of 'mine'.*llama"),
        ({"model_type": ["llama"]}, "isn't known"),
        ({"model_type": "qwen2", "sliding_window": 8, "layer_types": ["full_attention"]},
         "layer_types for each of its 2 layers"),
        ({"model_type": "qwen3_moe", "num_experts": 4, "num_experts_per_tok": 9,
          "moe_intermediate_size": 8}, "uses 9 of its 4 experts"),
        ({"model_type": "qwen3_moe", "num_experts": 4, "num_experts_per_tok": 2,
          "moe_intermediate_size": 8, "mlp_only_layers": [0]}, "blocks without experts"),
    ],
)  # fmt: skip
def test_an_invalid_field_is_reported_and_never_counted(more, fault):
    config = {"model_type": "llama", "hidden_size": 64, "intermediate_size": 128, "vocab_size": 99,
              "num_hidden_layers": 2, "num_attention_heads": 4, "max_position_embeddings": 64}  # fmt: skip
    with pytest.raises(UserError) as error:
        read_shape(config | more, "mine")
    assert re.search(fault, str(error.value))
