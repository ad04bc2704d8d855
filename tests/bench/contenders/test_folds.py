"""Where too few rows validate, everything is chosen by cross-validation, and by no test row."""

import dataclasses
import random
from collections import Counter

import numpy as np
import pytest
from scipy.stats import binom

import scenarios
from bench import registry
from bench.contenders import _choosing as choosing
from bench.contenders import few_shot
from bench.contenders._choosing import best_of, tried
from bench.contenders._tuning import Tuning
from bench.core.contender import Answer, Ground
from bench.core.kept import Kept
from bench.core.plan import MODES
from bench.engine import models
from bench.engine.models import Device
from bench.planning.prepare import prepare
from bench.planning.request import Request
from bench.planning.rows import FEWEST_ROWS, FEWEST_VALIDATION_ROWS
from bench.trial.work import Work
from scenarios.errors import UserError
from scenarios.rows import Example, Split, with_folds

LABELS = ("good", "bad")


def ahead(n, one=0.175, other=0.075):
    """How often the better of two candidates is ahead on n rows, half of the ties counted.

    They differ by 10 points and disagree on a quarter of the rows.
    """
    discordant, d = one + other, np.arange(n + 1)
    more = 1 - binom.cdf(d // 2, d, one / discordant)
    ties = np.where(d % 2 == 0, binom.pmf(d // 2, d, one / discordant), 0)
    return float((binom.pmf(d, n, discordant) * (more + ties / 2)).sum())


def test_enough_rows_to_choose_on_put_the_better_candidate_ahead_four_times_in_five():
    assert ahead(FEWEST_VALIDATION_ROWS) >= 0.8 > ahead(FEWEST_VALIDATION_ROWS - 1)
    assert ahead(FEWEST_ROWS) >= 0.7


def rows(n, seed=0):
    rng = random.Random(seed)
    return tuple(
        Example(f"r{i}", f"text {i} {rng.random()}", LABELS[i % 2], f"g{i}") for i in range(n)
    )


def ground_of(train, tmp_path, task, model=None, count=5):
    found = with_folds(Split(train, (), (), "d", {}), LABELS, len(train), 0, count)
    return Ground(task, found.train, (), lambda: model, tmp_path / "made", Kept(tmp_path / "kept"),
                  folds=found.folds)  # fmt: skip


@pytest.fixture
def scenario(small_scenario, cache):
    text = small_scenario.read_text().replace("validation_rows = 20", "validation_rows = 4")
    small_scenario.write_text(text)
    return scenarios.load(str(small_scenario))


@pytest.fixture
def ground(tmp_path, scenario, tiny_model):
    """32 rows of the small scenario's, in four folds, and a tiny model."""
    _, [split] = prepare(Request(scenario, MODES["quick"]))
    model = models.load("tiny", tiny_model, Device("cpu", "float32", "test"))
    (tmp_path / "made").mkdir()
    train = [e for e in split.train if e.group != ""][:32]
    return ground_of(tuple(train), tmp_path, scenario.task, model, count=4)


def test_too_few_validation_rows_are_noted_in_the_plan_and_train_with_the_others(scenario):
    """160 rows in pairs: 40 are tested, and those of their groups beyond the balance are left out."""
    plan, [split] = prepare(Request(scenario, MODES["quick"]))
    count = len(split.train)
    assert (plan.choosing.folds, plan.choosing.rows) == (5, count)
    for part in ("(4)", "5-fold cross-validation", f"{count} rows"):
        assert part in plan.choosing.sentence
    assert plan.primary.chosen_by.startswith("accuracy by 5-fold cross-validation")
    assert split.validation == ()
    assert {t.n_train for t in plan.trials} == {count}
    tested = {e.id for e in split.test}
    assert not tested & {e.id for e in split.train}
    assert not tested & {id_ for fold in split.folds for id_ in (*fold.held_out, *fold.copies)}


@pytest.mark.parametrize(("rows", "folds"), [(17, 5), (18, 0)])
def test_seventeen_validation_rows_are_too_few_and_eighteen_are_not(scenario, rows, folds):
    task = scenario.task.model_copy(update={"validation_rows": rows})
    plan, _ = prepare(Request(scenario.model_copy(update={"task": task}), MODES["quick"]))
    assert plan.choosing.folds == folds
    assert plan.choosing.rows == (18 if rows == 18 else plan.rows.counts["train"])


def test_everything_is_chosen_on_the_number_of_training_rows_asked_for(scenario):
    mode = dataclasses.replace(MODES["quick"], train_rows=20)
    plan, [split] = prepare(Request(scenario, mode))
    assert (plan.choosing.rows, len(split.train)) == (20, 20)
    mode = dataclasses.replace(mode, train_rows=7)
    with pytest.raises(UserError, match=r"7 rows .* at least 8 .*--train-rows"):
        prepare(Request(scenario, mode))


def test_each_fold_of_cross_fitting_chooses_within_its_own_rows(scenario):
    """160 rows in ten folds leave 16 to validate, which are too few: 144 train and choose."""
    request = Request(scenario, MODES["quick"], only=("few-shot", "lora"), folds=10)
    plan, splits = prepare(request)
    assert plan.choosing.folds == 5
    assert "too few validation rows to choose on:" in plan.choosing.sentence
    assert {(len(s.test), len(s.train), len(s.folds)) for s in splits} == {(16, 144, 5)}
    for split in splits:
        assert not {e.id for e in split.test} & {i for f in split.folds for i in f.held_out}


def test_parts_hold_out_each_row_once_and_validation_rows_are_a_single_part(tmp_path, scenario):
    train = rows(20)
    folded = ground_of(train, tmp_path, scenario.task)
    parts = folded.parts()
    assert [(len(p.train), len(p.validation)) for p in parts] == [(16, 4)] * 5
    assert Counter(e.id for p in parts for e in p.validation) == {e.id: 1 for e in train}
    assert {e.id for e in folded.judging} == {e.id for e in train}
    assert folded.chosen_by() == {"chosen_by": "5-fold cross-validation", "chosen_on_rows": 20}
    plain = dataclasses.replace(folded, validation=train[:3], folds=())
    assert plain.parts() == [plain]
    assert plain.chosen_by() == {"chosen_by": "validation rows", "chosen_on_rows": 3}


class Saying:
    """Answers by a function from a row to whether it is right."""

    notes: dict = {}

    def __init__(self, is_right):
        self._is_right = is_right

    def answer(self, examples, done=()):
        for e in examples:
            right = self._is_right(e)
            good = (e.gold == "good") == right
            yield [Answer(e.id, LABELS[not good], 1, 1, 0.0, (0.0, -1.0) if good else (-1.0, 0.0))]


def test_a_candidate_that_memorises_its_rows_does_not_win(tmp_path, scenario):
    """A memoriser is right on what it was made from and on a tenth of the rest; the rule on 7 of 10."""
    ground = ground_of(rows(40), tmp_path, scenario.task)

    def memoriser(part):
        known = {e.id for e in part.train}
        return Saying(lambda e: e.id in known or e.id.endswith("7"))

    def rule(_):
        return Saying(lambda e: e.id[-1] in "0123456")

    found = [tried(ground, name, {"name": name}, make, ("none",), "")
             for name, make in (("memoriser", memoriser), ("rule", rule))]  # fmt: skip
    assert [one["validation_score"] for one in found] == [0.1, 0.7]
    assert best_of(found)["name"] == "rule"


@pytest.mark.parametrize(("n", "least"), [(18, 0.8), (60, 0.94)])
def test_the_better_of_two_candidates_is_chosen_as_often_as_the_binomial_predicts(
    tmp_path, scenario, n, least
):
    """Right on 65% and 55% of the rows, disagreeing on 25%: 600 draws, within three standard errors."""
    rng, chosen = np.random.default_rng(0), 0.0
    ground = ground_of(rows(n), tmp_path, scenario.task)

    def score(is_right):
        found = choosing._scored(ground, lambda _: Saying(is_right), ("none",), "")
        return found["validation_score"]

    for _ in range(600):
        u = dict(zip((e.id for e in ground.train), rng.random(n), strict=True))
        better = score(lambda e, u=u: u[e.id] < 0.65)
        worse = score(lambda e, u=u: u[e.id] < 0.475 or u[e.id] > 0.925)
        chosen += 1.0 if better > worse else 0.5 if better == worse else 0.0
    share = chosen / 600
    assert least <= ahead(n) + 0.005
    assert share == pytest.approx(ahead(n), abs=3 * (0.2 * 0.8 / 600) ** 0.5)


def test_a_draw_over_folds_is_the_one_that_is_used_except_for_the_rows_held_out(tmp_path, scenario):
    ground = ground_of(rows(40), tmp_path, scenario.task)
    taken = few_shot._draw(ground, ground, 6, 0, 1, 0)
    for part in ground.parts():
        held_out = {e.id for e in part.validation}
        shown = few_shot._draw(ground, part, 6, 0, 1, 0)
        assert len(shown) == 6
        assert not held_out & {e.id for e in shown}
        assert {e.id for e in taken} - held_out <= {e.id for e in shown}
        assert Counter(e.gold for e in shown) == {"good": 3, "bad": 3}


def test_epochs_are_chosen_over_folds_and_then_trained_on_all_rows_without_validation(
    ground, monkeypatch
):
    """32 rows of which 24 train at a time, 8 an update: 3 updates an epoch, and then 4."""
    from bench.engine.trainer import Trainer

    trained = []
    real = Trainer.train

    def watched(self, rows, settings, seed, validate=None, *more, **named):
        trained.append((len(rows), validate is None, named.get("stop_after")))
        return real(self, rows, settings, seed, validate, *more, **named)

    monkeypatch.setattr(Trainer, "train", watched)
    lora = registry.contender("lora")(
        epochs=3, learning_rates=(1e-2,), batch_size=8, accumulation_steps=1, patience=1
    )
    notes = lora.fit(ground, 0).notes
    epochs = notes["epochs_over_folds"]
    assert len(epochs) == 3  # patience stops no fold, so that all have all epochs
    best = max(range(3), key=lambda i: (epochs[i]["validation_score"],
                                        epochs[i]["validation_log_likelihood"]))  # fmt: skip
    assert trained == [(24, False, None)] * 4 + [(32, True, best + 1)]
    assert notes["updates"] == 4 * (best + 1)
    assert notes["best_epoch"] == best + 1
    assert notes["validation_score"] == epochs[best]["validation_score"]
    assert [e["validation_score"] for e in notes["epochs"]] == [None] * (best + 1)
    assert notes["settings"]["epochs"] == 3  # the learning rate falls as it did over the folds
    assert all(canary["passed"] for canary in notes["canaries"])


def test_folds_that_were_trained_before_a_kill_are_not_trained_again(ground, monkeypatch):
    from bench.engine.trainer import Trainer

    settings = {"epochs": 1, "learning_rates": (1e-3, 1e-2), "search_rows": 8}
    count, real = [], Trainer.train

    def killed(*arguments, **named):
        count.append(1)
        if len(count) == 7:
            raise KeyboardInterrupt
        return real(*arguments, **named)

    monkeypatch.setattr(Trainer, "train", killed)
    with pytest.raises(KeyboardInterrupt):
        registry.contender("lora")(**settings).fit(ground, 0)
    registry.contender("lora")(**settings).fit(ground, 0)
    assert len(count) == 1 + 2 * 4 + 4 + 1  # each fold of each rate, each fold, all; and the kill


def test_training_on_shuffled_labels_is_judged_by_the_rows_of_all_folds(ground):
    lora = registry.contender("lora")(epochs=1, learning_rates=(1e-3,))
    canary = lora._shuffled(Tuning(ground, 0), 1e-3)
    assert "of 32 held-out rows" in canary["sentence"]


def test_a_forecast_counts_each_fold_and_the_training_on_all_rows(ground, monkeypatch):
    """Rows at a second each, prompts at ten: 5 folds of 20 rows read 20 rows behind five prompts."""
    train = rows(20)
    folded = with_folds(Split(train, (), train[:3], "d", {}), LABELS, 20, 0, 5)
    work = Work(None, ground.task, folded, 5, None)
    monkeypatch.setattr(work, "_answering", lambda shots: (10.0, 1.0, 2.0))
    assert work.answers("validation", 3) == 5 * 10 + 20
    assert work.answers("test", 3) == 10 + 3
    assert work.fittings == 6
    plain = dataclasses.replace(folded, folds=(), validation=train[:4])
    work = Work(None, ground.task, plain, 5, None)
    monkeypatch.setattr(work, "_answering", lambda shots: (10.0, 1.0, 2.0))
    assert work.answers("validation", 3) == 10 + 4
    assert work.fittings == 1
