"""Contenders beyond the first: they answer every row, say what they tried, and choose by validation."""

import dataclasses

import numpy as np
import pytest

import scenarios
from bench import registry
from bench.contenders import _choosing as choosing
from bench.contenders.retrieved import Nearest
from bench.core.contender import Answer, Ground, answers_of
from bench.core.kept import Kept
from bench.engine import models
from bench.engine.models import Device
from scenarios.rows import Example, load_split

CPU = Device("cpu", "float32", "test")
FAST = {
    "lora": {"epochs": 1, "learning_rates": (1e-3, 1e-2), "search_rows": 16},
    "setfit": {"steps": 20},
}


@pytest.fixture
def ground(tmp_path, small_scenario, tiny_model, cache):
    task = scenarios.load(str(small_scenario)).task
    split = load_split(task, 0)
    model = models.load("tiny", tiny_model, CPU)
    return Ground(
        task, split.train[:48], split.validation, lambda: model, tmp_path / "made",
        Kept(tmp_path / "kept"),
    )  # fmt: skip


def fitted(name, ground):
    contender = registry.contender(name)(**FAST.get(name, {}))
    ground.folder.mkdir(exist_ok=True)
    return contender, contender.fit(ground, 0)


@pytest.mark.parametrize("name", ["retrieved", "embeddings", "setfit"])
def test_it_answers_every_row_with_a_label_and_notes_what_it_tried(name, ground):
    _, found = fitted(name, ground)
    answers = {a.example_id: a for a in answers_of(found, ground.validation)}
    assert answers.keys() == {e.id for e in ground.validation}
    assert {a.text for a in answers.values()} <= set(ground.task.labels)
    tried = [one["validation_score"] for one in found.notes["tried"]]
    assert found.notes["validation_score"] == max(tried)
    single = answers_of(found, ground.validation[:1])[0]  # the same alone as among others
    assert single.scores == pytest.approx(answers[single.example_id].scores, abs=1e-4)


def test_full_tuning_leaves_the_model_as_it_was_when_a_search_is_over(ground):
    before = {n: p.detach().clone() for n, p in ground.model().lm.named_parameters()}
    from bench.contenders._tuning import Tuning

    contender = registry.contender("full")(learning_rates=(1e-2,), epochs=1)
    Tuning(ground, 0).tried(contender._settings(1e-2), 16)
    after = dict(ground.model().lm.named_parameters())
    assert all((before[name] == after[name]).all() for name in before)


def test_the_better_rates_of_a_search_continue_with_twice_the_rows(ground):
    contender, found = fitted("lora", ground)
    tried = found.notes["tried"]
    assert [(one["learning_rate"], one["rows"]) for one in tried] != []
    assert sorted(one["rows"] for one in tried) == [16, 16]
    best = max(tried, key=lambda o: (o["validation_score"], o["validation_log_likelihood"]))
    assert found.notes["settings"]["learning_rate"] == best["learning_rate"]
    three = dataclasses.replace(contender, learning_rates=(1e-4, 1e-3, 1e-2))
    assert [(len(rates), rows) for rates, rows in three._rungs(1000)] == [(3, 16), (2, 32)]


def test_the_most_similar_rows_come_last_next_to_the_request():
    """Vectors at 0, 30 and 80 degrees; the request at 70: nearest is 80, then 30."""
    angles = {"a": 0, "b": 30, "c": 80, "asked": 70}
    rows = [Example(name, name, "x", name) for name in "abc"]

    def encode(texts):
        radians = np.radians([angles[text] for text in texts])
        return np.stack([np.cos(radians), np.sin(radians)], axis=1)

    [found] = Nearest(rows, encode)([Example("q", "asked", "", "")], 2)
    assert [row.id for row in found] == ["b", "c"]


class Leaning:
    """An answerer that finds "good" likelier than "bad" by 3 nats, and little else."""

    notes: dict = {}

    GAINS = {"fine": 0.25, "dire": -0.25}

    def answer(self, examples, done=()):
        yield [
            Answer(e.id, "good", 1, 1, 0.0, (3.0 + self.GAINS.get(e.text, 0.0), 0.0))
            for e in examples
        ]


@pytest.mark.parametrize("calibration", ["contextual", "batch"])
def test_calibration_subtracts_what_a_model_says_to_no_text_or_on_average(ground, calibration):
    """Rows with "fine" are good and lean by 3.25, the others by 2.75: only the rest should count."""
    validation = [
        Example(str(i), "fine" if i % 2 else "dire", "good" if i % 2 else "bad", str(i))
        for i in range(20)
    ]
    ground = dataclasses.replace(ground, validation=validation)
    found = choosing.tried(ground, "x", {}, lambda _: Leaning(), ("none", calibration), "")
    assert found["scores"]["none"] == 0.5
    assert found["calibration"] == calibration
    assert found["validation_score"] == 1.0


def test_a_bias_moves_the_scores_of_every_answer(ground):
    from bench.engine.answering import answerer

    plain = answers_of(answerer(ground.model(), ground.task), ground.validation[:3])
    moved = answers_of(answerer(ground.model(), ground.task, bias=(1.0, -1.0)),
                       ground.validation[:3])  # fmt: skip
    for one, other in zip(plain, moved, strict=True):
        assert other.scores == pytest.approx((one.scores[0] - 1, one.scores[1] + 1))


def test_a_rows_own_demonstrations_give_the_answer_of_the_whole_prompt(ground):
    """A prompt whose rows differ per request is the same tokens as one that all rows share."""
    from bench.engine.answering import answerer

    shown = list(ground.train[:3])
    shared = answers_of(answerer(ground.model(), ground.task, shown), ground.validation)
    own = answers_of(
        answerer(ground.model(), ground.task, near=lambda e: [shown] * len(e), longest=shown),
        ground.validation,
    )
    assert [a.tokens_in for a in own] == [a.tokens_in for a in shared]
    for one, other in zip(own, shared, strict=True):
        assert one.scores == pytest.approx(other.scores, abs=1e-4)


def test_free_texts_have_no_labels_to_classify_into(small_scenario):
    from bench.planning.settings import contender_names
    from scenarios.errors import UserError

    assert "embeddings" in contender_names((), "default")
    assert "embeddings" not in contender_names((), "default", "generation")
    assert "retrieved" not in contender_names((), "quick")
    with pytest.raises(UserError, match=r"setfit.*label"):
        contender_names(("setfit",), "default", "generation")
