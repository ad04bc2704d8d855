"""What every kind of model promises; see `bench.core.model`."""

import json
from datetime import date
from typing import get_args

import numpy as np
import pytest

from bench import models, registry
from bench.core.contender import answers_of
from bench.core.errors import TrialFailed
from bench.core.model import Ability, ModelFacts, Price
from bench.models.local import DEFAULT_MODEL
from bench.planning.settings import settings_of
from tests.contracts.grounds import ASKED, CLASSES, TASKS, TRAIN
from tests.contracts.known import contenders, names

every_model = pytest.mark.parametrize("kind", names("models"))


@pytest.fixture
def model(kind, tiny_model):
    """One of that kind that is ready."""
    return models.named(given_name(kind, tiny_model))


def given_name(kind, tiny_model):
    """A folder of weights, or `KIND:NAME`."""
    return str(tiny_model) if kind == models.LOCAL else f"{kind}:x"


@pytest.fixture
def loaded(model):
    return model.load(False, lambda device: None)


@every_model
def test_it_keeps_its_name_and_its_abilities_are_known(kind, model, tiny_model):
    assert type(model) is registry.load("models", kind).Model
    assert model.name == given_name(kind, tiny_model)
    assert model.can
    assert model.can <= set(get_args(Ability))


@every_model
def test_what_identifies_it_is_plain_and_its_price_has_a_source_and_a_date(model):
    facts = model.facts()
    assert json.loads(json.dumps(facts)) == facts
    assert ModelFacts.__required_keys__ >= facts.keys() >= {"sha256", "model_type"}
    assert facts == models.named(model.name).facts()
    price = model.price()
    if price is None:
        return
    assert price.keys() == Price.__annotations__.keys()
    assert price["input_usd_per_mtok"] >= 0
    assert price["output_usd_per_mtok"] >= 0
    assert price["source"]
    date.fromisoformat(price["date"])


@every_model
def test_asking_whether_it_is_ready_fetches_nothing(kind, model, offline, cache):
    assert model.is_ready() is True
    unready = models.named(DEFAULT_MODEL if kind == models.LOCAL else model.name)
    assert unready.is_ready() is (kind != models.LOCAL)
    assert not cache.exists() or not any(cache.iterdir())


@every_model
def test_it_takes_the_settings_of_every_contender_that_it_can_serve(model):
    for name in contenders(lambda kind: kind.uses_model and kind.needs <= model.can):
        assert model.check(name, settings_of(registry.contender(name), False)) is None


@every_model
def test_loaded_it_can_do_the_same(model, loaded):
    assert loaded.name == model.name
    assert loaded.can == model.can
    ran_on = loaded.ran_on()
    assert json.loads(json.dumps(ran_on)) == ran_on


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("shown", [(), TRAIN], ids=["zero-shot", "few-shot"])
@every_model
def test_it_answers_every_row_once_with_a_score_a_label_if_it_can_score(model, loaded, task, shown):
    task = TASKS[task]
    notes = {"shots": len(shown)}
    found = loaded.answerer(task, shown, notes)
    answers = answers_of(found, ASKED)
    assert sorted(a.example_id for a in answers) == sorted(e.id for e in ASKED)
    scored = len(task.labels) if "score" in model.can else 0
    assert {len(a.scores) for a in answers} == {scored}
    assert all(a.text in task.labels for a in answers if task.labels)
    assert found.notes["shots"] == len(shown)
    assert all(a.tokens_in is None or a.tokens_in > 0 for a in answers)


@every_model
def test_demonstrations_of_a_rows_own_and_a_bias_are_taken(loaded):
    for bias, left in (((1e6, 0.0), CLASSES.labels[1]), ((0.0, 1e6), CLASSES.labels[0])):
        found = loaded.answerer(
            CLASSES, near=lambda rows: [TRAIN[:2]] * len(rows), longest=TRAIN[:2], bias=bias
        )
        answers = answers_of(found, ASKED)
        assert len(answers) == len(ASKED)
        assert "score" not in loaded.can or {a.text for a in answers} == {left}


@every_model
def test_it_embeds_texts_if_it_can_and_fails_by_its_name_if_not(loaded):
    if "embed" not in loaded.can:
        with pytest.raises(TrialFailed, match=loaded.name):
            loaded.embedder(CLASSES, [1.0])
        return
    embedder = loaded.embedder(CLASSES, [0.5, 1.0])
    found = embedder.embed([row.text for row in TRAIN])
    assert found.shape[:2] == (2, len(TRAIN))
    assert np.isfinite(found).all()
    assert len(embedder.tokens(TRAIN[0].text)) > 0


@every_model
def test_it_trains_on_rows_if_it_can_and_fails_by_its_name_if_not(loaded):
    if "train" not in loaded.can:
        with pytest.raises(TrialFailed, match=loaded.name):
            loaded.trainer(CLASSES)
        return
    trainer = loaded.trainer(CLASSES)
    rows = trainer.rows(TRAIN)
    assert len(rows) == len(TRAIN)
    before = trainer.log_likelihood(rows)
    settings = registry.contender("lora")(epochs=4, patience=0)._settings(1e-2)
    tuned, notes = trainer.train(rows, settings, 0)
    assert trainer.log_likelihood(rows) > before
    assert len(notes["epochs"]) == 4
    tuned.remove()
    assert trainer.log_likelihood(rows) == before


def test_the_models_are_those_of_the_folder_and_the_users_own():
    assert set(registry.shipped("models")) < set(names("models"))
    assert "parrot" in names("models")
