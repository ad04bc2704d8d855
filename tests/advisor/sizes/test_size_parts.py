"""Serving, time, and what makes a run fit."""

from dataclasses import replace

import pytest

from advisor.sizes.fitting import ways_to_fit
from advisor.sizes.models import gpu_named, shape_of
from advisor.sizes.serving import cache_bytes, serving, weight_bytes
from advisor.sizes.sizing import Settings, training_memory
from advisor.sizes.timing import calibrated, flops_per_token, rate_of, training_time
from scenarios.errors import UserError
from tests.advisor import measured

LLAMA = shape_of("Llama-3.1-8B")


def test_llama_31_8b_caches_131_072_bytes_a_token():
    """2 x 32 blocks x 8 key-value heads x 128 x 2 bytes; 8 conversations of 4,096 are 4.29 GB."""
    assert cache_bytes(LLAMA, 1, 1) == 131_072
    assert cache_bytes(LLAMA, 4096, 8) == 131_072 * 4096 * 8


def test_grouped_heads_cache_a_quarter_and_fewer_bits_less():
    assert cache_bytes(replace(LLAMA, kv_heads=32), 1024, 1) == 4 * cache_bytes(LLAMA, 1024, 1)
    assert cache_bytes(LLAMA, 1024, 1, width=1) == cache_bytes(LLAMA, 1024, 1) / 2


def test_a_sliding_window_bounds_half_of_gemma_2s_cache():
    """42 blocks, every other with 4,096 tokens at most: at 8,192 three quarters remain."""
    gemma = shape_of("gemma-2-9b")
    assert cache_bytes(gemma, 8192, 1) == cache_bytes(gemma, 4096, 1) * 1.5
    assert cache_bytes(gemma, 4096, 1) == 42 * 2 * 8 * 256 * 2 * 4096


def test_served_weights_by_type():
    assert weight_bytes(LLAMA, "bfloat16") == 2 * 8_030_261_248
    assert weight_bytes(LLAMA, "int8") == 6_979_321_856 + 2 * 1_050_939_392
    assert max(row["context"] for row in serving(shape_of("gpt2"))["cache"]) == 1024


def test_lora_takes_four_operations_a_weight_and_checkpointing_two_more():
    """N = 7,504,924,672 weights of Llama-3.1-8B that multiply, the embedding not among them."""
    plain = Settings(checkpointing=False, seq_len=1)
    weights = 8_030_261_248 - 128_256 * 4096 - 65 * 4096
    lora = flops_per_token(LLAMA, "lora", plain)
    assert lora == pytest.approx(4 * weights, rel=0.02)
    assert flops_per_token(LLAMA, "full", plain) == pytest.approx(6 * weights, rel=0.001)
    again = flops_per_token(LLAMA, "lora", replace(plain, checkpointing=True))
    assert again - lora == pytest.approx(2 * weights, rel=0.001)


def test_published_paces_lie_in_the_interval():
    """The A100 runs of fms-acceleration: 27 of 28, which the range was fitted on."""
    rows = measured.rows("fms-acceleration")
    inside = 0
    for row in rows:
        shape, settings = measured.shape_and_settings(row)
        pace = training_time(shape, row["method"], settings, rate_of(gpu_named(row["gpu"])), 1)
        inside += pace.tokens_per_s_low <= float(row["tokens_per_s"]) <= pace.tokens_per_s_high
    assert inside >= 27


def test_qwens_paces_of_7b_and_14b_lie_in_it_too():
    """Rows that the range wasn't fitted on, from 512 tokens on; shorter ones are bound by launching."""
    rows = [row for row in measured.rows("qwen-readme")
            if row["model"] in ("Qwen/Qwen-7B", "Qwen/Qwen-14B") and int(row["seq"]) >= 512]  # fmt: skip
    assert len(rows) == 20
    for row in rows:
        shape, settings = measured.shape_and_settings(row)
        pace = training_time(shape, row["method"], settings, rate_of(gpu_named(row["gpu"])), 1)
        assert pace.tokens_per_s_low <= float(row["tokens_per_s"]) <= pace.tokens_per_s_high


def test_a_small_model_on_a_large_card_is_bound_by_launching():
    rate = rate_of(gpu_named("H100"))
    small = training_time(shape_of("SmolLM2-135M"), "lora", Settings(batch=1), rate, 1000)
    large = training_time(LLAMA, "lora", Settings(batch=8, seq_len=2048), rate, 1000)
    assert (small.bound_by, large.bound_by) == ("launching operations", "arithmetic")


def test_a_rate_measured_here_replaces_the_catalogs():
    settings = Settings()
    each = flops_per_token(LLAMA, "lora", settings)
    pace = training_time(LLAMA, "lora", settings, calibrated(200, each, spread=0.1), 3600)
    assert pace.tokens_per_s_low == pytest.approx(180)
    assert pace.tokens_per_s_high == pytest.approx(220)
    assert pace.seconds_low == pytest.approx(3600 / 220)


def test_half_the_tokens_take_half_the_time():
    rate = rate_of(gpu_named("L4"))
    long, short = (training_time(LLAMA, "qlora", Settings(), rate, count) for count in (2000, 1000))
    assert long.seconds_low == 2 * short.seconds_low
    assert long.seconds_low < long.seconds_high


def test_steps_to_fit_are_forecasts_of_their_own_and_end_when_it_fits():
    settings = Settings(batch=4, seq_len=2048, checkpointing=False)
    usable = gpu_named("A100-40GB").usable_bytes
    changes = ways_to_fit(LLAMA, "lora", settings, usable)
    before = training_memory(LLAMA, "lora", settings)
    assert before.fits(usable) != "yes"
    assert [change.fits for change in changes][-1] == "yes"
    assert all(change.fits != "yes" for change in changes[:-1])
    assert all(change.price and change.saving_bytes > 0 for change in changes)
    fused = training_memory(LLAMA, "lora", replace(settings, loss="fused-linear"))
    assert changes[0].saving_bytes == before.peak_allocated_bytes - fused.peak_allocated_bytes


def test_what_fits_needs_no_step_and_what_never_fits_ends_at_the_shortest_rows():
    assert ways_to_fit(LLAMA, "qlora", Settings(), gpu_named("B200").usable_bytes) == []
    huge = shape_of("Llama-3.1-405B")
    assert ways_to_fit(huge, "full", Settings(), gpu_named("T4").usable_bytes)[-1].fits == "no"


@pytest.mark.parametrize("spelling", ["NVIDIA A100 80GB", "a100-80gb", "A100", "A100-SXM4-80GB"])
def test_a_gpu_is_found_under_its_usual_names(spelling):
    assert gpu_named(spelling).name == "A100-80GB"


def test_an_unknown_gpu_or_model_is_reported_with_the_nearest():
    with pytest.raises(UserError, match=r"no GPU named 'A100-80'; did you mean 'A100-80GB'\?"):
        gpu_named("A100-80")
    with pytest.raises(UserError, match=r"did you mean 'meta-llama/Llama-3\.1-8B'\?"):
        shape_of("Llama-3.1-8")


def test_a_config_is_read_from_its_file_or_folder(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "gpt2", "n_embd": 768, "n_layer": 12, '
                                          '"n_head": 12, "vocab_size": 50257}')  # fmt: skip
    assert shape_of(str(tmp_path)).total_parameters == 124_439_808
    assert shape_of(str(tmp_path / "config.json")).total_parameters == 124_439_808
    (tmp_path / "config.json").write_text("[1]")
    with pytest.raises(UserError, match="JSON object"):
        shape_of(str(tmp_path))
    with pytest.raises(UserError, match=r"no file .*give a config.json"):
        shape_of(str(tmp_path / "other.json"))


@pytest.mark.parametrize(
    "name", ["meta-llama/Llama-3.1-8B", "google/gemma-2-9b", "openai-community/gpt2"]
)
def test_the_number_of_launched_operations_does_not_depend_on_the_tokens(name):
    """That is why they are counted once, on a short row."""
    from advisor.sizes.sizing import step_of
    from advisor.sizes.timing import run_step

    shape = shape_of(name)
    for method in ("lora", "qlora", "full"):
        made = {
            run_step(shape, step_of(shape, method, Settings(seq_len=length, batch=batch)), 3).made
            for length, batch in ((128, 1), (777, 3), (2048, 1))
        }
        assert len(made) == 1
