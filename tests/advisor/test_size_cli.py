"""`advisor size`: what it prints, how fast it is, and its error messages."""

import json
import subprocess
import sys

import pytest

from tests.conftest import run_command


def size(*arguments):
    return run_command("advisor", "size", *arguments)


def test_json_holds_each_methods_numbers():
    found = json.loads(size("Llama-3.1-8B", "--gpu", "A100-80GB", "--json").stdout)
    assert found["total_parameters"] == 8_030_261_248
    assert list(found["methods"]) == ["full", "lora", "qlora"]
    lora = found["methods"]["lora"]
    assert (lora["trainable_parameters"], lora["total_parameters"]) == (13_631_488, 8_043_892_736)
    assert lora["trainable_share"] == pytest.approx(0.001695, abs=1e-6)
    assert lora["fits"] == "yes"
    assert set(lora["breakdown"]) == {"weights", "adapters", "gradients", "optimizer", "activations",
                                      "logits_and_loss", "workspace", "context"}  # fmt: skip
    assert lora["process_bytes"]["low"] < lora["process_bytes"]["high"]
    assert lora["time"]["tokens_per_s"]["low"] < lora["time"]["tokens_per_s"]["high"]
    assert found["serving"]["cache_bytes_per_token"] == 131_072


def test_every_option_reaches_the_forecast():
    """They are in `settings` of the answer, which is what was forecast."""
    found = json.loads(
        size("Qwen2.5-7B", "--method", "qlora", "--rank", "64", "--targets", "all-linear", "--batch",
             "2", "--seq-len", "2048", "--optimizer", "paged_adamw_8bit", "--no-gradient-checkpointing",
             "--dtype", "float16", "--adapter-dtype", "bfloat16", "--no-autocast", "--attention",
             "flash", "--loss", "fused-linear", "--dropout", "0.1", "--train-embeddings", "--no-kbit-upcast", "--gpu",
             "NVIDIA H100 80GB", "--json").stdout
    )  # fmt: skip
    assert found["settings"] == {
        "rank": 64, "targets": "all-linear", "batch": 2, "seq_len": 2048, "accumulation": 1,
        "optimizer": "paged_adamw_8bit", "checkpointing": False, "dtype": "float16",
        "adapter_dtype": "bfloat16", "autocast": False, "attention": "flash", "padded": False,
        "loss": "fused-linear", "fused_kernels": None, "dropout": 0.1, "kbit_upcast": False,
        "embeddings_cast_back": False, "double_quant": True, "train_embeddings": True,
        "master_weights": False, "logit_tokens": None, "device": "cuda-hopper",
    }  # fmt: skip
    assert found["methods"]["qlora"]["trainable_parameters"] == 161_480_704 + 2 * 152_064 * 3_584


def test_text_shows_the_peak_its_parts_and_what_would_make_it_fit():
    text = size("Llama-3.1-8B", "--gpu", "L4", "--seq-len", "2048").stdout
    for part in ("8,030,261,248 parameters", "peak allocated", "optimizer step", "fits L4",
                 "To make lora fit L4 (23.6 GB), in this order:", "price:", "Serving, GB:"):  # fmt: skip
        assert part in text


def test_the_articles_table_is_compared_with_ours():
    text = size("--table").stdout
    assert "7B full                60            67.4" in text
    assert "Why they differ:" in text
    rows = json.loads(size("--table", "--json").stdout)["rows"]
    assert [row["article_bytes"] // 10**9 for row in rows] == [60, 16, 6, 500, 160, 48]


def test_a_type_that_one_method_cannot_train_is_reported_with_the_other_forecasts():
    found = json.loads(size("SmolLM2-135M", "--dtype", "float32", "--json").stdout)
    assert list(found["methods"]) == ["full", "lora"]
    assert "16 bit" in found["refused"]["qlora"]


def test_types_may_be_given_by_their_short_names():
    found = json.loads(size("gpt2", "--dtype", "fp32", "--adapter-dtype", "bf16", "--json").stdout)
    assert found["settings"]["dtype"] == "float32"
    assert found["settings"]["adapter_dtype"] == "bfloat16"


def test_a_mixtures_experts_are_said_to_stay_unquantised():
    assert "bitsandbytes doesn't quantise" in size("Mixtral-8x7B-v0.1", "--method", "qlora").stdout


def test_the_catalog_is_listed():
    found = json.loads(size("--list", "--json").stdout)
    assert "HuggingFaceTB/SmolLM2-135M" in found["models"]
    assert "A100-80GB" in found["gpus"]


def test_help_has_examples():
    text = size("--help").stdout
    assert "advisor size Llama-3.1-8B --gpu A100-80GB" in text


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["Llama-3.1-8"], ("'Llama-3.1-8'", "did you mean 'meta-llama/Llama-3.1-8B'?")),
        (["gpt2", "--gpu", "A100-800"], ("'A100-800'", "did you mean 'A100-80GB'?")),
        (["gpt2", "--method", "loar"], ("'loar'", "did you mean 'lora'?")),
        (["gpt2", "--batch", "-2"], ("batch is -2", "at least 1")),
        (["gpt2", "--seq-len", "1025"],
         ("1025", "'openai-community/gpt2'", "--seq-len 1024")),
        (["gpt2", "--rank", "769"],
         ("rank 769", "768", "attn.c_attn", "'openai-community/gpt2'", "at most 768")),
        (["gpt2", "--targets", "c_atn"],
         ("'openai-community/gpt2'", "'c_atn'", "did you mean 'c_attn'?")),
        (["gpt2", "--optimizer", "lomo"],
         ("'lomo'", "inside the backward pass", "adafactor")),
        ([], ("MODEL", "--table", "--list", "`advisor size --help`")),
        (["./nowhere"], ("no file 'nowhere'", "give a config.json")),
    ],
)  # fmt: skip
def test_a_user_error_is_one_line_and_exit_code_2(arguments, parts):
    done = size(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.strip().splitlines()) == 1
    for part in ("error: ", *parts):
        assert part in done.stderr


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ('{"model_type": "llama", "hidden_size": 64}', "has no field 'num_attention_heads'"),
        ('{"model_type": "llama", "hidden_size": 64, "num_attention_heads": 7, "intermediate_size": 8}',
         "7 heads, which don't divide its width of 64"),
        ('{"model_type": "gpt2", "n_embd": 64, "n_head": 8, "n_layer": 0, "vocab_size": 9}',
         "gives n_layer as 0"),
        ("{", "can't read"),
    ],
)  # fmt: skip
def test_a_config_at_fault_is_one_line(tmp_path, config, says):
    path = tmp_path / "config.json"
    path.write_text(config)
    done = size(path)
    assert (done.returncode, done.stdout) == (2, "")
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_model_of_the_hub_that_cannot_be_reached_is_one_line(monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("HF_HUB_DISABLE_TELEMETRY", "1")
    done = size("someone/some-model")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "'someone/some-model' isn't in the catalog, and the hub" in done.stderr


def test_a_forecast_imports_neither_torch_nor_a_network_client_nor_numpy():
    code = (
        "import sys; sys.argv = ['advisor', 'size', 'Llama-3.1-70B', '--gpu', 'L4']\n"
        "from advisor.cli import main\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code\n"
        "heavy = {'torch', 'transformers', 'peft', 'numpy', 'huggingface_hub', 'http.client', 'ssl'}\n"
        "print('heavy:', sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "heavy: []"
