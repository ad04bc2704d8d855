"""The lean pass gives what the library's own modules give, forwards and backwards."""

import peft
import pytest
import torch
from safetensors.torch import load_file

from bench.engine import lean
from bench.engine.lean import Lean, _Attention, _in_blocks, _normed
from bench.engine.shared_prefix import SHARED_PREFIX_MODELS, packed_hidden
from tests.conftest import make_lm

PREFIX = [5, 9, 12, 40]
ROWS = [[21, 22, 23], [30], [50, 51, 52, 53, 54]]
WIDTH = 5
READ = torch.tensor(
    [2, 5, 10, 14]
)  # flat places: ends of the rows, and one in the last row's midst


def with_adapter(lm, **settings):
    """LoRA whose second factor isn't zero any more, in training."""
    torch.manual_seed(1)
    config = {"r": 3, "lora_alpha": 6, "target_modules": "all-linear", "task_type": "CAUSAL_LM"}
    model = peft.get_peft_model(lm, peft.LoraConfig(**config | settings))
    for name, parameter in model.named_parameters():
        if "lora_" in name:
            torch.nn.init.normal_(parameter, std=0.1)
    return model.train()


def gradients(model, hidden):
    """Of each trained parameter, of a fixed projection of the hidden states."""
    model.zero_grad()
    onto = torch.linspace(-1, 1, hidden.numel(), device=hidden.device)
    (hidden * onto.view_as(hidden)).sum().backward()
    return {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("kind", sorted(SHARED_PREFIX_MODELS))
@pytest.mark.parametrize("targets", ["all-linear", ["q_proj", "v_proj"], ["up_proj"]])
def test_hidden_states_and_the_adapters_gradients_are_the_librarys(kind, targets):
    lm = make_lm(kind)
    model = with_adapter(lm, target_modules=targets)
    usual = packed_hidden(lm, PREFIX, ROWS).flatten(0, 1)[READ]
    expected = gradients(model, usual)
    hidden = Lean.of(lm).packed(PREFIX, ROWS, READ)
    assert torch.allclose(hidden, usual, atol=1e-5)
    found = gradients(model, hidden)
    assert found.keys() == expected.keys()
    for name, gradient in expected.items():
        assert gradient.abs().max() > 0
        assert torch.allclose(found[name], gradient, atol=1e-5 * gradient.abs().max(), rtol=1e-3), (
            name
        )


def test_rows_after_precomputed_states_equal_rows_after_the_prefix():
    lm = make_lm("qwen3")
    ids = torch.zeros(3, WIDTH, dtype=torch.long)
    for i, row in enumerate(ROWS):
        ids[i, : len(row)] = torch.tensor(row)
    positions = len(PREFIX) + torch.arange(WIDTH).repeat(3, 1)
    with torch.inference_mode():
        decoder = Lean.of(lm)
        separately = decoder.behind(decoder.prefix(PREFIX), ids, positions, READ)
        assert torch.allclose(separately, decoder.packed(PREFIX, ROWS, READ), atol=1e-5)


def test_without_a_prefix_rows_attend_only_to_themselves():
    lm = make_lm()
    ids = torch.tensor([[21, 22, 23], [30, 31, 32]])
    places = torch.tensor([2, 5])
    with torch.inference_mode():
        expected = lm.get_decoder()(ids).last_hidden_state.flatten(0, 1)[places]
        decoder = Lean.of(lm)
        assert torch.allclose(decoder.packed([], ids.tolist(), places), expected, atol=1e-5)
        separately = decoder.behind(decoder.prefix([]), ids, torch.arange(3).repeat(2, 1), places)
        assert torch.allclose(separately, expected, atol=1e-5)


def exact_and_rough(kind="llama"):
    """A model in float32 and in bfloat16, of the same weights, rounded once."""
    exact = make_lm(kind)
    rough = make_lm(kind).to(torch.bfloat16)
    rough.load_state_dict(exact.state_dict())
    exact.load_state_dict(rough.state_dict())
    return exact, rough


@pytest.mark.parametrize("fuses", [True, False])
@pytest.mark.parametrize("kind", sorted(SHARED_PREFIX_MODELS))
def test_in_bfloat16_it_is_as_close_to_float32_as_the_library_is(kind, fuses, monkeypatch):
    if not fuses:
        monkeypatch.setattr(lean, "_fused", None)  # a processor without oneDNN
    exact, rough = exact_and_rough(kind)
    with torch.inference_mode():
        true = packed_hidden(exact, PREFIX, ROWS).flatten(0, 1)[READ]
        usual = packed_hidden(rough, PREFIX, ROWS).flatten(0, 1)[READ]
        found = Lean.of(rough).packed(PREFIX, ROWS, READ)
    assert found.dtype == torch.bfloat16
    assert 0 < (found - true).abs().mean() < 1.5 * (usual - true).abs().mean()


@pytest.mark.skipif(lean._fused is None, reason="torch has no oneDNN here")
def test_the_gate_and_the_sums_are_fused_into_their_products_where_nothing_is_trained(monkeypatch):
    done = []

    class Fused:
        def __call__(self, x, weight, bias, what, *more):
            done.append(what)
            return product(x, weight, bias, what, *more)

        def binary(self, x, other, weight, bias, what):
            done.append(what)
            return product.binary(x, other, weight, bias, what)

    product = lean._fused
    monkeypatch.setattr(lean, "_fused", Fused())
    exact, rough = exact_and_rough()
    with torch.inference_mode():
        Lean.of(exact).packed(PREFIX, ROWS, READ)
        assert done == []
        Lean.of(rough).packed(PREFIX, ROWS, READ)
    assert done == ["add", "swish", "mul", "add"] * 2
    model = with_adapter(rough)
    Lean.of(model).packed(PREFIX, ROWS, READ)
    assert len(done) == 8


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_norm_is_the_librarys_to_the_last_bit_or_nearly(dtype):
    """bfloat16 to the bit; of float32 the squares are summed in another order."""
    norm = make_lm(hidden_size=64).get_decoder().norm.to(dtype)
    torch.manual_seed(3)
    norm.weight.data = torch.randn(64).to(dtype)
    x = (torch.randn(50, 7, 64) * torch.logspace(-3, 3, 50)[:, None, None]).to(dtype)
    found, expected = _normed(x, norm).detach(), norm(x).detach()
    if dtype == torch.bfloat16:
        assert (found == expected).float().mean() > 0.999
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("at_once", [1, 300, 10**9])
def test_rows_get_the_same_scores_however_many_are_scored_together(at_once, monkeypatch):
    monkeypatch.setattr(lean, "_SCORES_AT_ONCE", at_once)
    lm = make_lm()
    prefix = list(range(3, 43))  # 40 and 5 tokens: both behind a gap
    ids = torch.arange(45, 95).view(10, WIDTH)
    positions = len(prefix) + torch.arange(WIDTH).repeat(10, 1)
    places = torch.arange(50)
    with torch.inference_mode():
        decoder = Lean.of(lm)
        found = decoder.behind(decoder.prefix(prefix), ids, positions, places)
        expected = packed_hidden(lm, prefix, ids.tolist()).flatten(0, 1)
    assert torch.allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("kind_of_adapter", [{}, {"use_dora": True}, {"use_rslora": True}])
def test_an_adapter_that_is_off_or_was_never_there_gives_the_same_bits(kind_of_adapter):
    lm = make_lm()
    with torch.inference_mode():
        before = Lean.of(lm).packed(PREFIX, ROWS, READ)
    model = with_adapter(lm, **kind_of_adapter).eval()
    with torch.inference_mode():
        attached = packed_hidden(lm, PREFIX, ROWS).flatten(0, 1)[READ]
        with model.disable_adapter():
            off = Lean.of(lm).packed(PREFIX, ROWS, READ)
    assert torch.equal(off, before)
    assert not torch.allclose(attached, before)


def test_a_trained_adapter_is_used_by_the_next_pass():
    lm = make_lm()
    model = with_adapter(lm).eval()
    with torch.inference_mode():
        before = Lean.of(lm).packed(PREFIX, ROWS, READ)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.zero_()
    with torch.inference_mode():
        after = Lean.of(lm).packed(PREFIX, ROWS, READ)
        with model.disable_adapter():
            assert torch.equal(after, Lean.of(lm).packed(PREFIX, ROWS, READ))
    assert not torch.allclose(after, before)


def test_dropout_drops_only_in_training_and_is_seeded():
    lm = make_lm()
    model = with_adapter(lm, lora_dropout=0.5)

    def hidden(seed):
        torch.manual_seed(seed)
        return Lean.of(lm).packed(PREFIX, ROWS, READ).detach()

    assert torch.equal(hidden(1), hidden(1))
    assert not torch.allclose(hidden(1), hidden(2))
    model.eval()
    assert torch.equal(hidden(1), hidden(2))


def test_dropouts_gradient_is_that_of_what_was_kept():
    """Against finite differences along a random direction of all adapters, masks held by the seed."""
    lm = make_lm().double()
    model = with_adapter(lm, lora_dropout=0.4).double()
    trained = [p for p in model.parameters() if p.requires_grad]
    direction = [torch.randn_like(p) for p in trained]

    def value(step):
        with torch.no_grad():
            for parameter, along in zip(trained, direction, strict=True):
                parameter += step * along
        torch.manual_seed(7)
        hidden = Lean.of(lm).packed(PREFIX, ROWS, READ)
        with torch.no_grad():
            for parameter, along in zip(trained, direction, strict=True):
                parameter -= step * along
        return (hidden * torch.linspace(-1, 1, hidden.numel()).view_as(hidden)).sum()

    value(0.0).backward()
    slope = sum((p.grad * d).sum() for p, d in zip(trained, direction, strict=True)).item()
    step = 1e-4
    with torch.no_grad():
        differences = ((value(step) - value(-step)) / (2 * step)).item()
    assert slope == pytest.approx(differences, rel=1e-3)


def test_stacked_weights_are_still_the_models_own(tmp_path):
    lm = make_lm()
    expected = {name: value.clone() for name, value in lm.state_dict().items()}
    with torch.inference_mode():
        usual = lm(torch.tensor([PREFIX])).logits
        Lean.of(lm)
        again = Lean.of(lm)
    attention = lm.get_decoder().layers[0].self_attn
    storages = {p.weight.untyped_storage().data_ptr()
                for p in (attention.q_proj, attention.k_proj, attention.v_proj)}  # fmt: skip
    assert len(storages) == 1
    with torch.inference_mode():
        assert torch.allclose(lm(torch.tensor([PREFIX])).logits, usual, atol=1e-6)
        with torch.no_grad():
            attention.k_proj.weight.mul_(2)
        changed = again.packed(PREFIX, ROWS, READ)
        assert torch.equal(changed, Lean.of(lm).packed(PREFIX, ROWS, READ))
        attention.k_proj.weight.div_(2)
    lm.save_pretrained(tmp_path)
    saved = load_file(tmp_path / "model.safetensors")
    for name, value in saved.items():
        assert torch.equal(value, expected[name]), name


def test_unsupported_models_are_left_to_the_library():
    assert Lean.of(make_lm("gpt_neox", num_key_value_heads=4)) is None
    assert Lean.of(make_lm("mistral", sliding_window=4)) is None
    assert Lean.of(make_lm(hidden_act="gelu")) is None
    lm = make_lm()
    assert Lean.of(lm) is None, "its own weights would be trained"
    with torch.inference_mode():
        assert Lean.of(lm) is not None
    with_adapter(lm, use_dora=True)
    assert Lean.of(lm) is None, "DoRA isn't a sum of two products"


@pytest.mark.parametrize("prefix", [[], PREFIX])
def test_the_kernels_for_long_sequences_agree_with_the_products_for_short_ones(prefix, monkeypatch):
    model = with_adapter(make_lm("qwen3"))
    plainly = Lean.of(model).packed(prefix, ROWS, READ)
    expected = gradients(model, plainly)
    monkeypatch.setattr(lean, "_filled_up", lambda *flat: flat)  # as on a GPU
    monkeypatch.setattr(_Attention, "apply", _in_blocks)
    blocked = Lean.of(model).packed(prefix, ROWS, READ)
    assert torch.allclose(blocked, plainly, atol=1e-5)
    for name, gradient in gradients(model, blocked).items():
        assert torch.allclose(gradient, expected[name], atol=1e-5, rtol=1e-3), name


@pytest.mark.gpu
@pytest.mark.parametrize("prefix", [[], PREFIX])
@pytest.mark.parametrize("four_bit", [False, True])
def test_on_a_gpu_hidden_states_and_gradients_are_the_librarys(prefix, four_bit):
    """In bfloat16, where both round."""
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    lm = make_lm("llama").to("cuda", torch.bfloat16)
    if four_bit:
        pytest.importorskip("bitsandbytes")
        from benchmarks.memory_measured import _quantise

        torch.manual_seed(0)
        _quantise(lm, "cuda")
    model = with_adapter(lm)
    with torch.autocast("cuda", torch.bfloat16):
        usual = packed_hidden(lm, prefix, ROWS).flatten(0, 1)[READ]
        expected = gradients(model, usual.float())
        found = Lean.of(lm).packed(prefix, ROWS, READ)
    assert (found - usual).abs().max() <= 0.05 * usual.abs().max()
    for name, gradient in gradients(model, found.float()).items():
        assert expected[name].abs().max() > 0
        assert (gradient - expected[name]).norm() <= 0.1 * expected[name].norm(), name


@pytest.mark.gpu
def test_a_gpu_scores_with_the_library():
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    with torch.inference_mode():
        assert Lean.of(make_lm().cuda()) is None
