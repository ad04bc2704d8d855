"""The serving pace compared with published measurements, and its bounds."""

import pytest

from advisor.money.assumptions import assumed
from advisor.money.throughput import gpus_needed, rows_per_second
from advisor.sizes.models import gpu_named, shape_of
from scenarios.schema import Profile

# Tokens written a second: model, GPU, prompt, answer, requests at once, measured, source.
MEASURED = [
    ("Llama-3.1-8B", "A40", 100, 443, 50, 1016.6, "databasemart.com/blog/vllm-gpu-benchmark-a40"),
    ("Qwen2.5-7B", "A40", 100, 514, 50, 1094.5, "the same"),
    ("Qwen2.5-14B", "A40", 100, 500, 50, 529.9, "the same"),
    ("Llama-3.1-8B", "A100-40GB", 1024, 128, 1, 75.0,
     "johnmusgrave.com/p/vllm-throughput-latency-sweep-on"),
    ("Llama-3.1-8B", "A100-40GB", 1024, 128, 8, 495.0, "the same, 6.6 times as many"),
]  # fmt: skip


def pace(model, gpu, prompt, answer, at_once, quantile):
    found = {key: each.range for key, each in assumed(Profile()).items()}
    keys = ("prefill_share", "decode_share", "step_overhead_ms")
    ends = {key: getattr(found[key], quantile) for key in keys}
    if quantile != "value":  # a short overhead is the fast end
        other = {"low": "high", "high": "low"}[quantile]
        ends["step_overhead_ms"] = getattr(found["step_overhead_ms"], other)
    shape, card = shape_of(model), gpu_named(gpu)
    count = gpus_needed(shape, card, prompt + answer)
    rows = rows_per_second(shape, card, count, prompt_tokens=prompt, cached_tokens=0,
                           completion_tokens=answer, concurrency=at_once, **ends)  # fmt: skip
    return rows * answer


@pytest.mark.parametrize("case", MEASURED[:4], ids=lambda case: f"{case[0]}-{case[1]}-{case[4]}")
def test_a_published_pace_is_within_the_forecast_s_range(case):
    *what, measured, _ = case
    assert pace(*what, "low") < measured < pace(*what, "high")


@pytest.mark.parametrize("case", MEASURED[:3], ids=lambda case: case[0])
def test_busy_servers_are_forecast_within_a_tenth(case):
    *what, measured, _ = case
    assert pace(*what, "value") == pytest.approx(measured, rel=0.1)


def test_reading_while_writing_is_not_counted():
    """vLLM does both at once, so one published pace is a twelfth above the range: the forecast is on
    the safe side there."""
    *what, measured, _ = MEASURED[4]
    assert pace(*what, "high") < measured < 1.1 * pace(*what, "high")


def test_a_cached_prefix_is_not_read_again():
    shape, card = shape_of("Qwen2.5-7B"), gpu_named("L4")
    facts = {"completion_tokens": 5, "concurrency": 32, "prefill_share": 0.5, "decode_share": 0.5,
             "step_overhead_ms": 1}  # fmt: skip
    cold = rows_per_second(shape, card, 1, prompt_tokens=4000, cached_tokens=0, **facts)
    warm = rows_per_second(shape, card, 1, prompt_tokens=4000, cached_tokens=3600, **facts)
    bare = rows_per_second(shape, card, 1, prompt_tokens=400, cached_tokens=0, **facts)
    assert cold < warm < bare


def test_a_model_takes_as_many_gpus_as_hold_it():
    assert gpus_needed(shape_of("Qwen2.5-7B"), gpu_named("L4"), 1000) == 1
    assert gpus_needed(shape_of("Llama-3.1-70B"), gpu_named("A100-80GB"), 1000) == 2
    assert gpus_needed(shape_of("Llama-3.1-405B"), gpu_named("A100-80GB"), 1000) is None
