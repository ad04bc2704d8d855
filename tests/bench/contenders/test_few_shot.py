"""Demonstrations compete on validation rows, and those that don't fit the model drop out."""

import pytest

import scenarios
from bench.contenders.few_shot import Contender
from bench.core.contender import Ground
from bench.core.errors import TrialFailed
from bench.core.kept import Kept
from bench.engine import models
from bench.engine.models import Device
from scenarios.rows import load_split


@pytest.fixture
def ground(tmp_path, small_scenario, tiny_model, cache):
    task = scenarios.load(str(small_scenario)).task
    split = load_split(task, 0)
    model = models.load("tiny", tiny_model, Device("cpu", "float32", "test"))
    return Ground(
        task, split.train, split.validation, lambda: model, tmp_path, Kept(tmp_path / "kept")
    )


def test_the_best_draw_on_validation_rows_is_kept_and_all_are_reported(ground):
    notes = Contender(shots=(2, 4), draws=2, orders=1).fit(ground, 0).notes
    assert [(t["shots"], t["draw"]) for t in notes["tried"]] == [(2, 0), (2, 1), (4, 0), (4, 1)]
    best = max(t["validation_score"] for t in notes["tried"])
    assert notes["validation_score"] == best
    assert len(notes["demonstrations"]) == notes["shots"]
    assert set(notes["demonstrations"]) <= {e.id for e in ground.train}


def test_demonstrations_are_balanced_over_the_labels(ground):
    notes = Contender(shots=(4,), draws=1, orders=1).fit(ground, 0).notes
    gold = {e.id: e.gold for e in ground.train}
    assert sorted(gold[id_] for id_ in notes["demonstrations"]) == ["bad", "bad", "good", "good"]


def test_prompts_too_long_for_the_model_drop_out(ground):
    ground.model().lm.config.max_position_embeddings = 700
    notes = Contender(shots=(2, 40), draws=1, orders=1).fit(ground, 0).notes
    assert [t["validation_score"] is None for t in notes["tried"]] == [False, True]
    assert notes["shots"] == 2


def test_a_model_that_no_prompt_fits_is_an_error(ground):
    ground.model().lm.config.max_position_embeddings = 520
    with pytest.raises(TrialFailed, match=r"shortest prompt.*shots.*most_text_tokens"):
        Contender(shots=(2, 4), draws=1, orders=1).fit(ground, 0)
