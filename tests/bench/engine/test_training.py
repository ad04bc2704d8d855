"""LoRA learns only from the answers, and the shared prefix changes nothing except the time."""

import tempfile
from pathlib import Path

import pytest
import torch
from torch.optim.optimizer import register_optimizer_step_pre_hook

from bench.core.errors import TrialFailed
from bench.core.kept import Kept
from bench.engine import training
from bench.engine.models import Device, LoadedModel
from bench.engine.shared_prefix import SHARED_PREFIX_MODELS
from bench.engine.training import LoraSettings, Row, answer_loss
from tests.conftest import make_lm

PREFIX = [3, 4, 5, 17]
ROWS = [Row([5, 6, 7], [8, 9]), Row([15, 6, 7, 22, 31], [19]), Row([4], [8, 9, 11])]
SETTINGS = LoraSettings(
    rank=4, alpha=8, dropout=0.0, targets="all-linear", learning_rate=1e-2, epochs=3,
    batch_size=4, accumulation_steps=1, warmup_share=0.1, patience=0,
)  # fmt: skip


def loaded(lm=None):
    return LoadedModel("tiny", lm or make_lm(), None, Device("cpu", "float32", "test"))


def settings(**more):
    return LoraSettings(**{**SETTINGS.__dict__, **more})


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch):
    """Each test's trainings keep their epochs below a folder of its own."""
    monkeypatch.chdir(tmp_path)


def train_lora(*arguments, kept=None):
    """A training that keeps its epochs in a new folder, unless one is given."""
    return training.train(*arguments, kept or Kept(Path(tempfile.mkdtemp(dir="."))))


def weights(model):
    """A copy of the adapter's weights, as one vector."""
    return torch.cat([p.detach().flatten() for n, p in model.lm.named_parameters() if "lora_" in n])


def learnable(n=24):
    """Rows whose answer follows from their first token."""
    return [Row([50 + i % 2, 60 + i % 7], [100 + i % 2]) for i in range(n)]


@pytest.mark.parametrize("kind", sorted(SHARED_PREFIX_MODELS))
def test_loss_and_gradients_are_those_of_whole_rows(kind, monkeypatch):
    lm = make_lm(kind)
    found = []
    for shared in (True, False):
        monkeypatch.setattr(training, "shares_prefix", lambda config, shared=shared: shared)
        lm.zero_grad()
        loss = answer_loss(lm, PREFIX, ROWS)
        loss.backward()
        found.append([loss.detach(), *(p.grad.clone() for p in lm.parameters())])
    for one, other in zip(*found, strict=True):
        assert torch.allclose(one, other, atol=1e-6)


def test_the_loss_is_the_sum_over_the_answers_tokens_only():
    lm = make_lm()
    total = 0.0
    for row in ROWS:
        whole = torch.tensor([PREFIX + row.tokens + row.answer])
        likelihoods = lm(whole).logits.log_softmax(-1)[0]
        at = len(PREFIX) + len(row.tokens)
        total -= sum(likelihoods[at + i - 1, t].item() for i, t in enumerate(row.answer))
    assert answer_loss(lm, PREFIX, ROWS).item() == pytest.approx(total, abs=1e-3)


def test_training_learns_and_keeps_the_epoch_with_the_best_validation():
    model = loaded(make_lm(initializer_range=0.2))
    seen = iter([(0.5, -1.0), (0.9, -0.5), (0.9, -0.6)])
    quick = settings(learning_rate=5e-2)
    _, notes = train_lora(model, PREFIX, learnable(160), quick, 0, lambda: next(seen))
    losses = [epoch["loss"] for epoch in notes["epochs"]]
    assert losses[-1] < losses[0] / 2
    assert notes["best_epoch"] == 2
    assert notes["updates"] == 120  # three epochs of 160 rows, 4 an update


@pytest.mark.parametrize("best", [1, 2, 3])
def test_the_weights_returned_are_those_of_the_best_of_three_epochs(best):
    after = []

    def validate():
        after.append(weights(model))
        return (0.9, 0.0) if len(after) == best else (0.5, 0.0)

    model = loaded()
    train_lora(model, PREFIX, learnable(), SETTINGS, 0, validate)
    assert [torch.equal(weights(model), each) for each in after] == [
        epoch == best for epoch in (1, 2, 3)
    ]


@pytest.fixture
def updates():
    """The learning rate and the norm of the gradients that the optimizer gets, an update each."""
    seen = []

    def before(optimizer, *_):
        group = optimizer.param_groups[0]
        norm = torch.cat([p.grad.flatten() for p in group["params"]]).norm()
        seen.append((group["lr"], norm.item()))

    handle = register_optimizer_step_pre_hook(before)
    yield seen
    handle.remove()


def test_the_learning_rate_rises_over_the_first_fifth_of_the_updates_and_then_falls(updates):
    """40 rows, 4 an update: 10 updates. Two of warm-up reach 0.01 at the third; then an eighth less each."""
    usual = settings(epochs=1, warmup_share=0.2)
    train_lora(loaded(), PREFIX, learnable(40), usual, 0, lambda: (1.0, 0.0))
    expected = [0.0, 0.005, *(0.01 * left / 8 for left in range(8, 0, -1))]
    assert [rate for rate, _ in updates] == pytest.approx(expected)


def test_gradients_are_clipped_to_a_norm_of_1(updates):
    """Of a model with weights this large the gradients of the first update have a norm above 1."""
    model = loaded(make_lm(initializer_range=0.2))
    train_lora(model, PREFIX, learnable(), settings(epochs=1), 0, lambda: (1.0, 0.0))
    norms = [norm for _, norm in updates]
    assert max(norms) == pytest.approx(1.0, rel=1e-3)


def test_only_the_adapter_changes():
    model = loaded()
    before = {n: p.detach().clone() for n, p in model.lm.named_parameters()}
    train_lora(model, PREFIX, learnable(), settings(epochs=1), 0, lambda: (1.0, 0.0))
    after = {n.replace(".base_layer", ""): p for n, p in model.lm.named_parameters()}
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_the_same_seed_trains_the_same_adapter_and_another_seed_another():
    def trained(seed):
        model = loaded()
        train_lora(model, PREFIX, learnable(), settings(epochs=1), seed, lambda: (1.0, 0.0))
        return torch.cat([p.flatten() for n, p in model.lm.named_parameters() if "lora_B" in n])

    assert torch.equal(trained(0), trained(0))
    assert not torch.equal(trained(0), trained(1))


def test_parameters_are_counted_as_rank_times_in_plus_out():
    """r (in + out) for q 64+64, k 64+32, v 64+32, o 64+64, in two layers: 4 x 448 x 2 = 3,584."""
    _, notes = train_lora(
        loaded(), PREFIX, learnable(4), settings(targets="attention", epochs=1), 0,
        lambda: (1.0, 0.0),
    )  # fmt: skip
    assert notes["trainable_parameters"] == 3584


def test_a_loss_that_is_not_a_number_ends_training_with_a_reason():
    model = loaded()
    with torch.no_grad():
        model.lm.get_input_embeddings().weight.fill_(float("nan"))
    with pytest.raises(TrialFailed, match=r"loss.*nan.*learning rate"):
        train_lora(model, PREFIX, learnable(4), SETTINGS, 0, lambda: (1.0, 0.0))


def test_targets_that_the_model_does_not_have_are_an_error():
    with pytest.raises(TrialFailed, match="targets nothing_proj"):
        train_lora(
            loaded(), PREFIX, learnable(4), settings(targets="nothing_proj"), 0, lambda: (1.0, 0.0)
        )


@pytest.mark.parametrize("piece_tokens", [6, 12, 1000])
def test_an_update_in_pieces_is_the_same_update(piece_tokens, monkeypatch):
    def trained():
        model = loaded()
        train_lora(model, PREFIX, learnable(8), settings(epochs=1), 0, lambda: (1.0, 0.0))
        return weights(model)

    whole = trained()
    monkeypatch.setitem(training.MOST_TOKENS, "cpu", piece_tokens)
    assert torch.allclose(trained(), whole, atol=1e-4)


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_a_training_that_was_killed_between_epochs_ends_with_the_same_weights(tmp_path, dropout):
    seen = [(0.5, -1.0), (0.9, -0.5), (0.7, -0.6)]
    usual = settings(dropout=dropout)

    whole = loaded()
    _, notes = train_lora(whole, PREFIX, learnable(), usual, 0, iter(seen).__next__)
    kept = Kept(tmp_path / "kept")
    validations = iter(seen)

    def killed():
        if kept.value("epochs"):
            raise KeyboardInterrupt
        return next(validations)

    with pytest.raises(KeyboardInterrupt):
        train_lora(loaded(), PREFIX, learnable(), usual, 0, killed, kept=kept)
    assert len(kept.value("epochs")) == 1
    again = loaded()
    _, resumed = train_lora(
        again, PREFIX, learnable(), usual, 0, iter(seen[1:]).__next__, kept=kept
    )
    assert torch.equal(weights(again), weights(whole))
    assert [e["loss"] for e in resumed["epochs"]] == [e["loss"] for e in notes["epochs"]]
    assert [f.name for f in (tmp_path / "kept").glob("*.safetensors")] == ["epoch-3.safetensors"]


@pytest.mark.gpu
def test_a_gpu_trains_what_the_cpu_trains():
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    losses = {}
    for kind in ("cpu", "cuda"):
        model = LoadedModel("tiny", make_lm().to(kind), None, Device(kind, "float32", "test"))
        _, notes = train_lora(model, PREFIX, learnable(), SETTINGS, 0, lambda: (1.0, 0.0))
        losses[kind] = [epoch["loss"] for epoch in notes["epochs"]]
    assert losses["cuda"] == pytest.approx(losses["cpu"], rel=1e-4)
    assert losses["cuda"][-1] < losses["cuda"][0]
