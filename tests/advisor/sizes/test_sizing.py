"""Peak memory as worked sums, by direction of change, and at its boundaries."""

import re
from dataclasses import replace

import pytest

from advisor.sizes import optimizers
from advisor.sizes.blocks import run_step
from advisor.sizes.models import catalog, gpu_named, shape_of
from advisor.sizes.shapes import read_shape
from advisor.sizes.sizing import (
    CUBLAS_BYTES,
    METHODS,
    PARTS,
    Settings,
    alive_by_moment,
    step_of,
    training_memory,
)
from scenarios.errors import UserError

LLAMA = shape_of("Llama-3.1-8B")
SMALL = shape_of("SmolLM2-135M")


def peak(method="lora", shape=LLAMA, **settings):
    return training_memory(shape, method, Settings(**settings)).peak_allocated_bytes


def test_full_tuning_in_bfloat16_takes_ten_bytes_a_parameter_at_the_step():
    """2 weights + 2 gradients + 4 states + 2 for the square root of the second moment; 80.318 GB
    were measured on an A100 (fms-acceleration)."""
    found = training_memory(LLAMA, "full", Settings(seq_len=1024))
    assert found.moment == "optimizer step"
    assert found.peak_allocated_bytes == 10 * 8_030_261_248 + CUBLAS_BYTES
    assert found.peak_allocated_bytes / 1e9 == pytest.approx(80.318, abs=0.01)


def test_a_fused_adam_makes_no_temporaries():
    """The peak is then at the end of the backward pass: 8 bytes a parameter and one block."""
    saved = peak("full") - peak("full", optimizer="adamw_torch_fused")
    assert saved == pytest.approx(2 * 8_030_261_248, rel=0.005)


def test_float32_weights_under_autocast_take_sixteen_bytes_and_four_of_temporaries():
    assert peak("full", dtype="float32") == 20 * 8_030_261_248 + CUBLAS_BYTES


def test_float32_adapters_take_twelve_bytes_each_between_steps():
    """4 for the weight, 8 for Adam's two states: 13,631,488 x 12 = 163,577,856."""
    breakdown = training_memory(LLAMA, "lora").breakdown
    assert breakdown["adapters"] + breakdown["optimizer"] == 13_631_488 * 12


def test_nf4_with_double_quantisation_is_4_127_bits_a_parameter():
    """6,979,321,856 x 4.127 / 8 = 3.600 GB; 1,050,939,392 others stay at 2 bytes, or move to 4."""
    plain = training_memory(LLAMA, "qlora", Settings(kbit_upcast=False)).breakdown["weights"]
    moved = training_memory(LLAMA, "qlora").breakdown["weights"]
    assert plain == pytest.approx(6_979_321_856 * 4.127 / 8 + 2 * 1_050_939_392, rel=1e-4)
    assert moved - plain == 2 * 1_050_939_392
    single = training_memory(LLAMA, "qlora", Settings(kbit_upcast=False, double_quant=False))
    assert single.breakdown["weights"] == 6_979_321_856 * 4.5 / 8 + 2 * 1_050_939_392


@pytest.mark.parametrize(
    ("loss", "bytes_each"),
    [("full", 12), ("full-4.48", 14), ("full-4.45", 12), ("fused-ce", 8), ("fused-ce-5", 10)],
)
def test_logits_take_this_many_bytes_per_token_and_vocabulary_entry(loss, bytes_each):
    """Current: the float32 log-softmax, its gradient and the logits' (4 each). 4.48: the logits in
    bfloat16, in float32, shifted, and the log-softmax (2 + 4 + 4 + 4). Fused: in place, on shifted
    logits, in addition to the originals (4 + 4); in Transformers 5 on float32 logits in addition
    to those in bfloat16, which accelerate copies to float32 (2 + 4 + 4)."""
    one, two = (training_memory(LLAMA, "lora", Settings(batch=batch, loss=loss, seq_len=4096))
                for batch in (4, 8))  # fmt: skip
    grown = two.breakdown["logits_and_loss"] - one.breakdown["logits_and_loss"]
    assert grown / (4 * 4096 * 128_256) == pytest.approx(bytes_each, rel=0.02)


def test_a_fused_linear_loss_leaves_next_to_nothing_of_the_logits():
    assert peak(loss="full", seq_len=4096) - peak(loss="fused-linear", seq_len=4096) > 20e9


def test_checkpoints_are_one_hidden_state_a_block_and_token():
    """32 blocks x 4,096 x 2 bytes = 262,144 bytes a token, and one block's own tensors."""
    moments = alive_by_moment(LLAMA, "lora", Settings(seq_len=2048, loss="fused-linear"))
    forward = sum(moments["forward"].values())
    assert forward > 4 * 2048 * 262_144
    shallow = alive_by_moment(
        replace(LLAMA, layers=16), "lora", Settings(seq_len=2048, loss="fused-linear")
    )
    assert forward - sum(shallow["forward"].values()) == 4 * 2048 * 262_144 / 2


def test_a_short_runs_growth_gives_the_deep_ones_bytes():
    """Twelve blocks, run one by one, against two and three extended."""
    shape = replace(SMALL, layers=12)
    for method in METHODS:
        for checkpointing in (True, False):
            settings = Settings(checkpointing=checkpointing)
            whole = run_step(shape, step_of(shape, method, settings), 12).peaks
            extended = alive_by_moment(shape, method, settings)
            for moment, alive in extended.items():
                assert sum(alive.values()) == sum(whole[moment].values()), (method, moment)


def test_only_the_gradients_are_left_after_a_step():
    for method in METHODS:
        ledger = run_step(SMALL, step_of(SMALL, method, Settings()), 3)
        assert ledger.total == ledger.by_kind["gradients"]
    assert ledger.total == pytest.approx(4 * 3 * 16 * 2 * (576 + 576 + 576 + 192), rel=0.01)


@pytest.mark.parametrize("method", METHODS)
def test_the_parts_but_the_context_add_up_to_the_peak(method):
    found = training_memory(LLAMA, method)
    assert tuple(found.breakdown) == PARTS
    allocated = sum(found.breakdown.values()) - found.breakdown["context"]
    assert allocated == pytest.approx(found.peak_allocated_bytes, abs=len(PARTS))
    assert found.peak_allocated_bytes < found.process_low_bytes < found.process_high_bytes


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("less", "more"),
    [
        ({"batch": 2}, {"batch": 3}),
        ({"seq_len": 1000}, {"seq_len": 1001}),
        ({"loss": "fused-ce"}, {"loss": "full"}),
        ({"checkpointing": True}, {"checkpointing": False}),
        ({"attention": "sdpa"}, {"attention": "eager"}),
        ({"padded": False}, {"padded": True}),
        ({"optimizer": "adamw_8bit"}, {"optimizer": "adamw_torch"}),
        ({"optimizer": "sgd"}, {"optimizer": "adamw_8bit"}),
        ({"device": "cuda"}, {"device": "cuda-hopper"}),
        ({"logit_tokens": 1}, {"logit_tokens": None}),
    ],
)
def test_larger_settings_never_take_less_memory(method, less, more):
    common = {"seq_len": 512, "batch": 4}
    assert peak(method, SMALL, **(common | less)) <= peak(method, SMALL, **(common | more))


@pytest.mark.parametrize("targets", ["attention", "all-linear"])
def test_a_higher_rank_and_more_targets_take_more(targets):
    assert peak(rank=8, targets=targets) < peak(rank=9, targets=targets)
    assert peak(targets="attention") < peak(targets="all-linear")


def test_four_bits_take_less_than_sixteen_and_those_less_than_all():
    assert peak("qlora") < peak("lora") < peak("full")


def test_gradients_of_an_earlier_micro_batch_are_in_memory_with_the_logits():
    once = peak("full", SMALL, batch=8, seq_len=2048)
    assert peak("full", SMALL, batch=8, seq_len=2048, accumulation=2) - once == pytest.approx(
        2 * SMALL.total_parameters, rel=0.05
    )


def test_paged_states_leave_the_allocator_and_stay_in_the_process():
    paged = training_memory(LLAMA, "full", Settings(optimizer="paged_adamw_8bit"))
    resident = training_memory(LLAMA, "full", Settings(optimizer="adamw_8bit"))
    saved = resident.peak_allocated_bytes - paged.peak_allocated_bytes
    assert saved > 2 * 8.0e9
    assert paged.process_high_bytes > paged.peak_allocated_bytes + saved


def test_grouped_queries_and_a_shared_embedding_are_seen():
    config = catalog("models")["meta-llama/Llama-3.1-8B"]["config"]
    ungrouped = read_shape(config | {"num_key_value_heads": 32}, "ungrouped")
    more = peak(shape=ungrouped, checkpointing=False) - peak(checkpointing=False)
    weights = 2 * (ungrouped.total_parameters - LLAMA.total_parameters)
    # Keys and values of 24 heads more, 128 wide, 2 bytes: for every block and token, at the least.
    assert more - weights > 2 * 32 * 24 * 128 * 2 * 4 * 512
    own = replace(SMALL, tied=False)
    assert own.total_parameters - SMALL.total_parameters == 49152 * 576


def test_only_the_experts_in_use_work_but_all_are_held():
    mixtral = shape_of("Mixtral-8x7B-v0.1")
    assert training_memory(mixtral, "lora").breakdown["weights"] == 2 * 46_702_792_704


def test_it_fits_certainly_probably_or_not():
    found = training_memory(LLAMA, "lora")
    assert found.fits(found.process_high_bytes) == "yes"
    assert found.fits(found.process_high_bytes - 1) == "probably"
    assert found.fits(found.process_low_bytes) == "probably"
    assert found.fits(found.process_low_bytes - 1) == "no"


def test_an_adapter_file_contains_only_the_adapters():
    assert training_memory(LLAMA, "lora").adapter_file_bytes == 4 * 13_631_488
    assert training_memory(LLAMA, "full").adapter_file_bytes == 0


@pytest.mark.parametrize(
    ("method", "settings", "says"),
    [
        ("lora", {"batch": -1}, "the batch is -1; it must be at least 1"),
        ("lora", {"batch": 0}, "the batch is 0"),
        ("lora", {"seq_len": 0}, "the sequence length is 0"),
        ("lora", {"rank": 0}, "the rank is 0"),
        ("full", {"accumulation": 0}, "the accumulation is 0"),
        ("lora", {"seq_len": 131_073}, "context of 'meta-llama/Llama-3.1-8B'.*--seq-len 131072"),
        ("lora", {"rank": 1025}, "rank 1025 .*width 1024 of self_attn.k_proj"),
        ("lora", {"dropout": 1.0}, "the dropout is 1; it must be from 0 to below 1"),
        ("lora", {"optimizer": "adamw_trch"}, "no optimizer named 'adamw_trch'; did you mean 'adamw_torch'"),
        ("lora", {"optimizer": "galore_adamw"}, "'galore_adamw' can't be forecast.*adafactor"),
        ("lora", {"attention": "flsh"}, "no attention named 'flsh'; did you mean 'flash'"),
        ("lora", {"loss": "fused"}, "no loss named 'fused'"),
        ("lora", {"dtype": "bf16"}, "no dtype named 'bf16'"),
        ("qlora", {"dtype": "float32"}, "QLoRA multiplies in 16 bit"),
        ("full", {"dtype": "float16"}, "GradScaler"),
        ("dora", {}, "no method named 'dora'; did you mean 'lora'"),
    ],
)  # fmt: skip
def test_what_cannot_be_run_or_forecast_is_rejected_by_name(method, settings, says):
    with pytest.raises(UserError) as refusal:
        training_memory(LLAMA, method, Settings(**settings))
    assert re.search(says, str(refusal.value))


def test_the_whole_context_and_the_full_rank_are_still_allowed():
    training_memory(LLAMA, "lora", Settings(seq_len=131_072))
    training_memory(LLAMA, "lora", Settings(rank=1024))


def test_every_known_optimizer_has_a_forecast():
    for name in optimizers.NAMES:
        assert peak("full", SMALL, optimizer=name) > 4 * SMALL.total_parameters


def test_dropout_keeps_a_byte_per_number_in_addition_to_its_output():
    """QLoRA, autocast: the inputs of q, k and v are one tensor of 2 bytes a number without dropout;
    with it each has a mask of 1 and a copy of 2, and the output projection's input as well."""
    without, masked = (kept_by_a_block(dropout) for dropout in (0.0, 0.1))
    assert masked - without == 4 * 512 * 576 * (3 * (1 + 2) - 2 + (1 + 2))


def kept_by_a_block(dropout):
    settings = Settings(checkpointing=False, dropout=dropout, kbit_upcast=False)
    step = step_of(SMALL, "qlora", settings)
    two, three = (run_step(SMALL, step, layers).peaks["forward"].total() for layers in (2, 3))
    return three - two


def test_a_hopper_card_has_larger_workspaces():
    assert gpu_named("H100").hopper_or_later
    assert not gpu_named("A100").hopper_or_later
