"""A plan's trials are forecast from a little of their own work."""

import pytest

from bench import registry
from bench.core.plan import MODES
from bench.models import local
from bench.planning.make import make_plan
from bench.trial.calibration import (
    MEMORY_GROWS,
    MEMORY_REPEATS,
    SPREAD,
    forecasts,
)
from bench.trial.work import Loaded, Work, of_mean_length
from scenarios.rows import Example, load_split


class Fixed:
    """Work whose pieces take fixed times: a second a row, ten a training."""

    free_texts = False
    wordings = 3
    train_rows = 200
    fittings = 1

    def answers(self, part, shots=0):
        return {"validation": 20, "test": 40}[part] * (1 + shots)

    def serves(self, shots=0):
        return self.answers("test", shots) + 5

    def trains(self, settings, searched=()):
        return 10 * settings.epochs + sum(count * rows for count, rows in searched)

    def reads(self, part):
        return {"train": 7, "validation": 2, "test": 4}[part]

    def answers_near(self, part, shots):
        return 3 * self.answers(part, shots)

    def serves_near(self, shots):
        return self.answers_near("test", shots) + 5

    def restarts(self):
        return 3

    def timed(self, work):
        return 1.0


def test_zero_shot_tries_each_wording_on_the_validation_rows_and_serves():
    assert registry.contender("zero-shot")().forecast(Fixed()) == 3 * 20 + 45
    assert registry.contender("zero-shot")(instructions=1).forecast(Fixed()) == 20 + 45


def test_few_shot_tries_each_number_in_each_draw_and_order_and_serves_the_longest_at_most():
    """Two draws of 1 and 3 shots: 2 x (20 x 2 + 20 x 4) = 240, twice that in two orders; one finalist
    in two other wordings 2 x 20 x 4 = 160; and 40 x 4 + 5 to serve.
    """
    settings = {"shots": (1, 3), "draws": 2, "finalists": 1}
    few = registry.contender("few-shot")(**settings, orders=1, instructions=1)
    assert few.forecast(Fixed()) == 240 + 165
    many = registry.contender("few-shot")(**settings, orders=2)
    assert many.forecast(Fixed()) == 2 * 240 + 160 + 165


def test_retrieved_reads_the_rows_and_tries_each_number_by_each_encoder():
    """7 to read; 2 encoders x 3 x (20 x 2 + 20 x 4); 3 x 40 x 4 + 5 to serve."""
    assert registry.contender("retrieved")(shots=(1, 3)).forecast(Fixed()) == 7 + 720 + 485


def test_lora_trains_its_epochs_and_serves_from_a_fresh_process():
    lora = registry.contender("lora")(epochs=4, learning_rates=(1e-3,))
    assert lora.forecast(Fixed()) == 40 + 3 + 45


def test_a_search_halves_the_rates_on_twice_the_rows():
    """Three rates on 128 rows, two on 200 (there are no 256): 384 + 400 more."""
    assert registry.contender("lora")(epochs=4).forecast(Fixed()) == 384 + 400 + 40 + 3 + 45


def test_pairs_are_tuned_on_as_two_steps_took_and_over_folds_once_more_for_each():
    """60 steps at 1/2 s and 7 to read: 37, and 2 + 4 for the others; with five folds six times 37."""
    setfit = registry.contender("setfit")(steps=60)
    assert setfit.forecast(Fixed()) == 37 + 6
    folded = Fixed()
    folded.fittings = 6
    assert setfit.forecast(folded) == 6 * 37 + 6


def test_rows_of_the_mean_length_are_tried():
    rows = [Example(str(n), "x" * n, "a", "g") for n in (1, 2, 9, 10, 11, 27)]  # 10 on average
    assert [len(e.text) for e in of_mean_length(rows, 3)] == [10, 9, 11]


@pytest.fixture
def planned(small_scenario, tiny_model, cache):
    import scenarios

    scenario = scenarios.load(str(small_scenario))
    split = load_split(scenario.task, 0)

    def plan(model=str(tiny_model), only=()):
        return make_plan(scenario, split, MODES["quick"], 0, model, only)

    return plan, split


def test_every_trial_with_a_model_gets_time_and_memory_from_work_done_here(planned):
    plan, split = planned
    found = forecasts(plan(), split)
    assert [f["contender"] for f in found] == [
        "majority",
        "tf-idf",
        "zero-shot",
        "few-shot",
        "lora",
    ]
    for forecast in found[2:]:
        seconds, memory = forecast["seconds"], forecast["peak_resident_bytes"]
        assert seconds["high"] / seconds["low"] == pytest.approx((1 + SPREAD) ** 2)
        assert 50 * 2**20 < memory["low"] < memory["value"] < memory["high"]
    assert found[4]["seconds"]["value"] > found[2]["seconds"]["value"]
    grows = found[4]["peak_resident_bytes"]
    assert grows["high"] / grows["low"] == pytest.approx(
        MEMORY_GROWS["peak_resident_bytes"]["fine_tune"] / (1 - MEMORY_REPEATS), rel=1e-6
    )
    assert (found[0]["seconds"], found[0]["peak_resident_bytes"]) == (None, None)


def test_the_adapters_of_a_trial_run_are_off_the_model_again(planned, tiny_model):
    import torch
    from transformers import AutoModelForCausalLM

    plan, split = planned
    loaded = Loaded(0.0)
    lora = registry.contender("lora")(**registry.contender("lora").quick)
    model = loaded.of(lora, str(tiny_model))
    lora.forecast(Work(model, plan().task, split, 5, loaded))
    assert not [n for n, _ in model.lm.named_parameters() if "lora" in n]
    plain = AutoModelForCausalLM.from_pretrained(tiny_model, dtype=model.lm.dtype)
    assert all(
        torch.equal(one, other)
        for one, other in zip(model.lm.parameters(), plain.parameters(), strict=True)
    )


def test_a_model_that_is_not_here_is_not_fetched_for_a_forecast(planned, monkeypatch):
    plan, split = planned
    monkeypatch.setattr(local, "folder_of", lambda name: pytest.fail("fetched"))
    found = forecasts(plan(model=local.DEFAULT_MODEL), split)
    assert found[2]["seconds"] is None
    assert found[2]["reason"] == "the model isn't on this machine yet; a run fetches it first"
