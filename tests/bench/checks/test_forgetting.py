"""Forgetting: a divergence worked by hand, nothing where nothing was learnt, pairs of instructions."""

import json
import math
import re
from dataclasses import replace

import peft
import pytest
import torch

import scenarios
from bench.checks import forgetting, general
from bench.core.folder import RunFolder
from bench.core.outcome import Done
from bench.core.plan import MODES
from bench.engine import models
from bench.engine.models import Device
from bench.planning.make import make_plan
from bench.planning.settings import parse_settings
from bench.trial import main as trial
from scenarios.rows import load_split
from tests.conftest import run_command

CPU = Device("cpu", "float32", "test")


def test_divergence_is_the_sum_over_the_vocabulary_under_the_base():
    """Three tokens; base (1/2, 1/4, 1/4) and tuned (1/4, 1/2, 1/4):

    1/2 ln(1/2 / 1/4) + 1/4 ln(1/4 / 1/2) + 1/4 ln 1 = 1/2 ln 2 - 1/4 ln 2 = 1/4 ln 2 = 0.1733 nats.
    Where both say the same it is nothing.
    """
    base = torch.log(torch.tensor([[0.5, 0.25, 0.25], [0.5, 0.25, 0.25]]))
    tuned = torch.log(torch.tensor([[0.25, 0.5, 0.25], [0.5, 0.25, 0.25]]))
    found = forgetting.divergence(base, tuned)
    assert found.tolist() == pytest.approx([0.25 * math.log(2), 0.0], abs=1e-6)


def test_divergence_is_taken_from_the_base_to_the_tuned_model():
    """Base (9/10, 1/10), tuned (1/2, 1/2): 0.9 ln 1.8 + 0.1 ln 0.2 = 0.3681; the other way 0.5108."""
    base, tuned = torch.log(torch.tensor([[0.9, 0.1]])), torch.log(torch.tensor([[0.5, 0.5]]))
    assert forgetting.divergence(base, tuned).item() == pytest.approx(0.3681, abs=1e-4)
    assert forgetting.divergence(tuned, base).item() == pytest.approx(0.5108, abs=1e-4)


def test_divergence_does_not_depend_on_a_constant_added_to_the_logits_or_on_masked_tokens():
    base = torch.tensor([[0.0, 1.0, -math.inf]])
    tuned = torch.tensor([[5.0, 5.0, -math.inf]])
    found = forgetting.divergence(base, tuned).item()
    assert math.isfinite(found)
    assert found == pytest.approx(forgetting.divergence(base[:, :2], tuned[:, :2] + 7).item())


def test_half_precision_logits_are_summed_in_single_precision():
    base = torch.randn(4, 5000, generator=torch.manual_seed(0)).bfloat16()
    assert forgetting.divergence(base, base).tolist() == [0.0] * 4
    assert forgetting.divergence(base, base + 1).max().item() < 1e-3


@pytest.fixture(scope="module")
def adapters(tiny_model, tmp_path_factory):
    """Folders of an adapter with zero weights, as it is before training, and of one that isn't."""
    folder = tmp_path_factory.mktemp("adapters")
    lm = models.load("tiny", tiny_model, CPU).lm
    tuned = peft.get_peft_model(lm, peft.LoraConfig(r=2, target_modules="all-linear"))
    tuned.save_pretrained(folder / "zero")
    torch.manual_seed(0)
    for name, parameter in tuned.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.5)
    tuned.save_pretrained(folder / "moved")
    return folder


@pytest.fixture(scope="module")
def measured(adapters, tiny_model):
    """What both of them forgot."""

    def of(name):
        base = models.load("tiny", tiny_model, CPU)
        return forgetting.measure(base, adapters / name, adapters / "shared", f"01-{name}")

    return {name: of(name) for name in ("zero", "moved")}  # fmt: skip


def test_an_untouched_base_has_forgotten_nothing(measured):
    found = measured["zero"]
    assert [row["nats"] for row in found["divergence"]] == [0.0] * 60
    assert found["base_followed"] == found["tuned_followed"]
    assert found["lost"] == []
    summed = forgetting.summary([found], 0)
    assert summed["kl_per_token"]["value"] == 0.0
    assert summed["kl_per_token"]["low"] is None
    assert (summed["lost"], summed["gained"], summed["p_value"]) == (0, 0, 1.0)
    assert forgetting.sentence("lora", summed) is None


def test_a_changed_model_diverges_with_an_interval_over_prompts(measured):
    summed = forgetting.summary([measured["moved"]], 0)
    kl = summed["kl_per_token"]
    assert 0 < kl["low"] < kl["value"] < kl["high"]
    assert (kl["n"], summed["prompts"], summed["instructions"]) == (60, 60, 100)
    rows = measured["moved"]["divergence"]
    expected = sum(row["nats"] for row in rows) / sum(row["tokens"] for row in rows)
    assert kl["value"] == pytest.approx(expected)


def test_divergence_works_for_whole_models_and_for_adapters(
    adapters, tiny_model, tmp_path, measured
):
    """The same change merged into the weights and saved as a model gives the same divergence."""
    base = models.load("tiny", tiny_model, CPU)
    merged = peft.PeftModel.from_pretrained(base.lm, adapters / "moved").merge_and_unload()
    merged.save_pretrained(tmp_path)
    base.tokenizer.save_pretrained(tmp_path)
    fresh = models.load("tiny", tiny_model, CPU)
    pair = forgetting._pair(fresh, tmp_path)
    prompts = general.measured_prompts()[:3]
    answers = general.written_by_base(fresh, prompts, None)
    found = forgetting.divergences(pair, prompts, answers)
    for one, other in zip(found, measured["moved"]["divergence"], strict=False):
        assert one["nats"] == pytest.approx(other["nats"], rel=1e-3)


def test_all_answers_are_saved_in_the_runs_folder(measured, adapters):
    found = json.loads((adapters / "shared" / "01-moved.json").read_text())
    assert len(found["instructions"]) == 100
    assert set(found["instructions"][0]) == {
        "ask",
        "base",
        "tuned",
        "base_followed",
        "tuned_followed",
    }
    assert len(list((adapters / "shared").glob("base-*.json"))) == 1


def asked(base, tuned, nats=1.0):
    """A trial's figures: which of some instructions were followed, and a divergence."""
    return {
        "status": "done", "usage": {"seconds": 1.0}, "base_followed": base, "tuned_followed": tuned,
        "divergence": [{"prompt": "p", "nats": nats * i, "tokens": 10} for i in range(1, 21)],
        "lost": [{"ask": "Say <b>", "base": "x", "tuned": "y"}],
    }  # fmt: skip


def test_lost_instructions_are_paired_and_a_verdict_mentions_them_beyond_noise():
    """40 followed by the base; 12 of them lost and 1 gained: mid-p McNemar is 0.0018."""
    base = [True] * 40 + [False] * 60
    tuned = [False] * 12 + [True] * 28 + [True] + [False] * 59
    found = forgetting.summary([asked(base, tuned)], 0)
    assert (found["base_followed"], found["tuned_followed"]) == (40, 29)
    assert (found["lost"], found["gained"]) == (12, 1)
    assert found["p_value"] == pytest.approx(0.0018, abs=2e-4)
    assert found["lost_share"]["value"] == pytest.approx(0.3)
    assert found["lost_share"]["low"] == pytest.approx(0.1807, abs=1e-3)  # Wilson, 12 of 40
    assert found["lost_share"]["high"] == pytest.approx(0.4543, abs=1e-3)
    assert found["difference"]["value"] == pytest.approx(-0.11)
    sentence = forgetting.sentence("lora", found)
    assert sentence.startswith("But lora ")
    assert re.search(r"of 40 .* no longer follows 12; .* 1 \(p = 0\.002\)\.$", sentence)
    assert "p < 0.001" in forgetting.sentence("lora", found | {"p_value": 0.0004})


def test_as_many_gained_as_lost_is_noise():
    base = [True] * 10 + [False] * 10
    tuned = [False] * 5 + [True] * 5 + [True] * 5 + [False] * 5
    found = forgetting.summary([asked(base, tuned)], 0)
    assert found["p_value"] > 0.5
    assert forgetting.sentence("lora", found) is None


def test_gaining_instructions_without_losing_any_is_not_forgetting():
    found = forgetting.summary([asked([False] * 20, [True] * 12 + [False] * 8)], 0)
    assert found["p_value"] < 0.05
    assert found["lost_share"] is None
    assert forgetting.sentence("lora", found) is None


def test_seeds_are_pooled_by_prompt_and_instruction():
    """Two seeds, one loses what the other keeps: half an instruction lost each, twice the prompts' sums."""
    base = [True, True] + [False] * 8
    one, other = [True, False] + [False] * 8, [False, True] + [False] * 8
    found = forgetting.summary([asked(base, one, 1.0), asked(base, other, 3.0)], 0)
    assert (found["trials"], found["lost"], found["lost_share"]["value"]) == (2, 1.0, 0.5)
    assert found["kl_per_token"]["value"] == pytest.approx(2 * 10.5 / 10)


def test_what_cannot_be_measured_has_a_reason():
    found = forgetting.summary([{"status": "skipped", "reason": "out of memory"}], 0)
    assert found == {"status": "skipped", "reason": "out of memory"}
    assert forgetting.summary([], 0) is None
    assert forgetting.sentence("lora", found) is None


def test_a_general_prompt_has_no_task_instruction(tiny_model):
    model = models.load("tiny", tiny_model, CPU)
    found = general.Asked(model)
    text = model.tokenizer.decode(found.prefix + found.row("Say hi."))
    assert text == "<|im_start|>user\nSay hi.<|im_end|>\n<|im_start|>assistant\n"


@pytest.mark.slow
def test_forgetting_is_measured_in_a_separate_process_and_changes_nothing_of_the_trial(
    tmp_path, small_scenario, tiny_model, cache, monkeypatch
):
    """Fitting, serving and asking are three starts; a death in the last repeats neither of the others."""
    scenario = scenarios.load(str(small_scenario))
    split = load_split(scenario.task, 0)
    plan = make_plan(
        scenario, split, MODES["quick"], 0, str(tiny_model), ("lora",), parse_settings(["lora.epochs=1"])
    )  # fmt: skip
    own = plan.trials[-1]
    folder = RunFolder(tmp_path)
    folder.make_parts()
    folder.make_adapter_folder(own)
    folder.keep_plan(replace(plan, forgetting=True))
    folder.keep_split(split, None)
    trial.main(folder, own.slug)
    trial.main(folder, own.slug)
    assert not folder.outcome_file(own).exists()
    answers = folder.answers_file(own.slug).read_bytes()

    def dies(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(forgetting, "measure", dies)
        with pytest.raises(KeyboardInterrupt):
            trial.main(folder, own.slug)
    monkeypatch.setattr(trial, "serve", lambda *_: pytest.fail("served twice"))
    trial.main(folder, own.slug)
    found = folder.outcome(own)
    assert isinstance(found, Done)
    assert found.forgetting["status"] == "done"
    assert len(found.latencies_ms) > 0
    assert folder.answers_file(own.slug).read_bytes() == answers


def test_a_model_that_cannot_be_measured_leaves_the_trial_as_it_was():
    found = {}
    with forgetting.recorded_as_skipped(found):
        raise RuntimeError("CUDA out of memory. Tried\nmore")
    assert found == {"status": "skipped", "reason": "CUDA out of memory. Tried"}
    with pytest.raises(RuntimeError, match="a bug"), forgetting.recorded_as_skipped({}):
        raise RuntimeError("a bug")


@pytest.mark.slow
def test_a_run_with_forgetting_shows_it_in_record_and_report(tmp_path, small_scenario, tiny_model):
    done = run_command(
        "bench", "run", small_scenario, "--quick", "--json", "--model", tiny_model, "--only", "zero-shot,lora",
        "--forgetting", "--label-noise", "0.1", "--set", "lora.replay=0.1", "--set", "lora.epochs=1",
        cwd=tmp_path, TUNE_OR_PROMPT_CACHE=str(tmp_path / "cache"),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    lora = found["contenders"][-1]["forgetting"]
    assert lora["status"] == "done"
    assert lora["kl_per_token"]["value"] > 0
    assert "forgetting" not in found["contenders"][2]
    record = json.loads((tmp_path / found["record"]).read_text())
    assert record["plan"]["forgetting"]
    assert record["forecasts"][-1]["seconds"]
    assert re.match(r"10 ?% of the training labels", record["verdict"]["exploratory"])
    html = (tmp_path / found["report"]).read_text()
    assert re.search("What tuning (has )?forgot", html)
    assert "nats" in html


def test_what_replay_saved_is_paired_by_prompt_and_by_instruction():
    """Without replay 30 of 100 are followed, with it those and 10 more: +10 points, p = 2 x 0.5^10 / 2."""
    without = asked([True] * 50 + [False] * 50, [True] * 30 + [False] * 70, nats=2.0)
    with_it = asked([True] * 50 + [False] * 50, [True] * 40 + [False] * 60, nats=0.5)
    found = forgetting.compared([without], [with_it], 0)
    assert found["followed"]["value"] == pytest.approx(0.10)
    assert found["followed"]["low"] > 0
    assert found["p_value"] == pytest.approx(0.5**10)
    assert found["kl_per_token"]["value"] == pytest.approx(-1.5 * 10.5 / 10)
    assert found["kl_per_token"]["high"] < 0
    assert forgetting.compared([without], [], 0) is None
    assert forgetting.compared([without], [{"status": "skipped", "reason": "x"}], 0) is None
