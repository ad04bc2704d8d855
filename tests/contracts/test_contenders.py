"""What every contender promises by what it declares; see `bench.core.contender.Contender`."""

import copy
import dataclasses
import json
import math
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar, get_args, get_type_hints

import pytest
from pydantic import TypeAdapter

from bench import registry
from bench.core.contender import Contender, Family, answers_of
from bench.core.errors import TrialFailed, TrialSkipped
from bench.core.model import Ability
from bench.core.plan import MODES
from bench.planning.settings import contender_names, model_of, settings_of
from bench.trial.work import Work
from scenarios.errors import UserError
from tests.conftest import ROOT
from tests.contracts.grounds import (
    ASKED,
    CLASSES,
    FOLDS,
    FREE_TEXTS,
    TASKS,
    TRAIN,
    VALIDATION,
    Fitter,
    Killed,
    Watched,
    check_answers,
    check_plain,
    said,
    small,
    without_seconds,
)
from tests.contracts.known import contenders

ABILITIES = frozenset(get_args(Ability))


def each(promises=lambda kind: True):
    """Every contender that makes a promise."""
    return pytest.mark.parametrize("name", contenders(promises))


def suits(task):
    return lambda kind: task in kind.tasks


classifies = suits("classification")


@pytest.fixture(scope="module")
def fitter(tiny_model, tmp_path_factory):
    return Fitter(tiny_model, tmp_path_factory.mktemp("contracts"))


# what it declares


def overrides(kind, method):
    """Whether a contender has a method of its own, in place of the base's default."""
    return getattr(kind, method) is not getattr(Contender, method)


@each()
def test_its_declarations_have_the_types_and_values_that_plans_expect(name):
    kind = registry.contender(name)
    assert issubclass(kind, Contender)
    assert kind.__dataclass_params__.frozen
    assert kind.family in get_args(Family)
    assert set(kind.tasks) <= set(TASKS)
    assert kind.tasks
    assert set(kind.usual) <= set(MODES)
    assert kind.needs <= ABILITIES
    flags = ("uses_model", "seeded", "four_bit", "restores", "needs_rows", "fits_once", "remembers")
    assert all(isinstance(getattr(kind, flag), bool) for flag in flags)
    assert kind.uses_model or not (kind.needs or kind.four_bit)
    for method in ("fit", *["restore"] * kind.restores, *["fit_once"] * kind.fits_once):
        assert getattr(kind, method) is not getattr(Contender, method)


@each()
def test_its_settings_are_plain_have_defaults_and_fit_their_types(name):
    kind = registry.contender(name)
    hints = get_type_hints(kind, include_extras=True)
    known = {one.name for one in dataclasses.fields(kind)}
    assert set(kind.quick) <= known
    assert set(kind.curve or {}) <= known
    for changed in ({}, kind.quick, {**kind.quick, **(kind.curve or {})}):
        settings = settings_of(kind, False, changed)
        json.dumps(settings)
        for key, value in settings.items():
            assert TypeAdapter(hints[key]).validate_python(value, strict=True) == value
        assert kind(**settings) == kind(**settings)  # comparable, as plans are
    with pytest.raises(dataclasses.FrozenInstanceError):
        kind().family = "prompt"


# fitting and answering


@each(classifies)
def test_fitted_to_two_rows_a_label_it_answers_every_row_once_with_a_label(fitter, name):
    check_answers(fitter.once(name))
    check_choice(fitter.once(name), len(VALIDATION))


def check_choice(made, rows):
    """The score is a share of the rows that judge, and no other candidate has a higher one."""
    score = made.answerer.notes.get("validation_score")
    if score is None:
        return
    assert (rows * score) % 1 == pytest.approx(0)
    if made.contender.family != "fine_tune":  # what those tried is on fewer rows
        tried = [one["validation_score"] for one in made.answerer.notes.get("tried", ())]
        assert max(tried, default=score) == score


@each(classifies)
def test_a_row_alone_has_the_answer_that_it_has_among_others(fitter, name):
    made = fitter.once(name)
    tolerance = 0.1 if made.contender.four_bit else 1e-4
    for row in (ASKED[0], ASKED[-1]):
        [answer] = answers_of(made.answerer, [row])
        text, scores = made.said[row.id]
        assert answer.scores == pytest.approx(scores, abs=tolerance)
        assert answer.text == text or made.contender.four_bit


@each(suits("generation"))
def test_free_texts_are_answered_with_texts(fitter, name):
    check_answers(fitter.once(name, "generation"))


@each(lambda kind: "generation" not in kind.tasks)
def test_where_it_only_classifies_a_plan_of_free_texts_refuses_it(name):
    with pytest.raises(UserError, match=rf"'{name}'.*free texts.*leave it out"):
        contender_names((name,), "default", "generation")
    assert name not in contender_names((), "full", "generation")


@each(classifies)
def test_rows_that_were_answered_before_may_be_left_out_and_nothing_else_changes(fitter, name):
    made = fitter.once(name)
    done = {answer.example_id for answer in made.batches[0]} | {ASKED[-1].id}
    again = list(made.answerer.answer(ASKED, done=done))
    ids = [[answer.example_id for answer in batch] for batch in made.batches]
    assert [[answer.example_id for answer in batch] for batch in again] == [
        batch for batch in ids if batch in [[a.example_id for a in b] for b in again]
    ]
    needed = {id_ for batch in ids if not done.issuperset(batch) for id_ in batch}
    assert needed <= said(again).keys()
    assert said(again) == {id_: made.said[id_] for id_ in said(again)}


@each(classifies)
def test_without_rows_to_choose_by_it_uses_its_settings_as_they_are(fitter, name):
    check_answers(fitter.fit(name, validation=()))


@each(suits("generation"))
def test_free_texts_need_no_rows_to_choose_by(fitter, name):
    check_answers(fitter.fit(name, FREE_TEXTS, validation=()))


@each(classifies)
def test_over_folds_it_chooses_on_the_training_rows(fitter, name):
    made = fitter.once(name, folded=True)
    check_answers(made)
    check_choice(made, len(made.ground.train))


@each(suits("generation"))
def test_free_texts_are_chosen_over_folds_as_well(fitter, name):
    check_answers(fitter.once(name, "generation", folded=True))


@each(lambda kind: not kind.needs_rows)
def test_where_it_needs_no_rows_it_fits_to_none(fitter, name):
    check_answers(fitter.fit(name, train=(), validation=()))


# repeating


@each(classifies)
def test_the_same_seed_gives_the_same_answers_bit_for_bit(fitter, name):
    again, first = fitter.fit(name), fitter.once(name)
    assert again.said == first.said
    assert without_seconds(again.answerer.notes) == without_seconds(first.answerer.notes)


@each(lambda kind: classifies(kind) and not kind.seeded)
def test_where_it_is_not_seeded_another_seed_changes_nothing(fitter, name):
    other, first = fitter.fit(name, seed=1), fitter.once(name)
    assert other.said == first.said
    assert without_seconds(other.answerer.notes) == without_seconds(first.answerer.notes)


INTERRUPTED = [
    pytest.param(name, task, folded, id=f"{name}-{task}-{'folded' if folded else 'validated'}")
    for task, folded in (("classification", False), ("classification", True), ("generation", False))
    for name in contenders(suits(task))
]


@pytest.mark.parametrize(("name", "task", "folded"), INTERRUPTED)
def test_killed_twice_it_resumes_to_the_same_answers_and_repeats_no_finished_step(
    fitter, name, task, folded
):
    """The first time a third of the way, and that write is lost; then when two writes are left."""
    whole = fitter.once(name, task, folded)
    writes = len(whole.ground.kept.writes)
    folder, starts = fitter.new_folder(), []

    def start(dies_at=0, before=False):
        starts.append(Watched(folder / "kept", dies_at, before))
        return fitter.ground(
            name, TASKS[task], kept=starts[-1], folder=folder / "made", shared=folder / "shared",
            **(FOLDS if folded else {}),
        )  # fmt: skip

    kills = 0
    third = math.ceil(writes / 3)
    for dies_at, before in ((third, True), (max(1, writes - 1 - third), False)):
        try:
            whole.contender.fit(start(dies_at, before), 0)
        except Killed:
            kills += 1
    assert kills == (2 if writes else 0)
    resumed = fitter.fit_on(whole.contender, start())
    if not whole.contender.four_bit:  # a CPU rounds those anew whenever training turns to answering
        assert resumed.said == whole.said
        assert without_seconds(resumed.answerer.notes) == without_seconds(whole.answerer.notes)
    finished = [value for kept in starts for value in kept.values]
    assert sorted(finished) == sorted(whole.ground.kept.values)


@each(lambda kind: classifies(kind) and kind.remembers)
def test_a_memory_is_filled_and_changes_no_answer(fitter, name):
    memory: dict = {}
    made = fitter.fit(name, memory=memory)
    assert made.said == fitter.once(name).said
    assert memory
    read = len(memory)
    contender = fitter.once(name).contender
    ground = fitter.ground(name, memory=memory)
    again = fitter.fit_on(contender, ground)
    assert len(memory) == read
    assert again.said == made.said


# what it leaves


@each(lambda kind: classifies(kind) and kind.restores)
def test_what_is_served_from_disk_is_what_was_trained(fitter, name):
    """As near as the number format lets it be, compared with how far training moved the scores."""
    kind, trained = registry.contender(name), fitter.once(name)
    notes = json.loads(json.dumps(trained.answerer.notes))
    fresh = dataclasses.replace(trained.ground, model=lambda: fresh_model)
    fresh_model = fitter.model(kind)
    base = scores_of(fresh_model.answerer(CLASSES))
    fresh_model = fitter.model(kind)
    restored = trained.contender.restore(fresh, notes)
    check_plain(restored.notes)
    assert without_seconds(restored.notes) == without_seconds(notes)
    served, before = scores_of(restored), trained.scores
    moved, gap = largest_gap(before, base), largest_gap(served, before)
    assert gap < (0.02 if kind.four_bit else 1e-3)
    assert gap < moved / 10


@each(lambda kind: classifies(kind) and overrides(kind, "ways") and not kind.four_bit)
def test_each_way_of_serving_answers_or_says_why_it_does_not(fitter, name):
    trained, kind = fitter.once(name), registry.contender(name)
    model = fitter.model(kind)
    ways = list(trained.contender.ways(dataclasses.replace(trained.ground, model=lambda: model)))
    assert ways
    for way in ways:
        assert way.name
        assert (way.answerer is None) == bool(way.reason)
        if way.answerer is not None:
            assert way.weight_bytes > 0
            assert {a.text for a in answers_of(way.answerer, ASKED[:3])} <= set(CLASSES.labels)


def scores_of(answerer):
    return {answer.example_id: answer.scores for answer in answers_of(answerer, ASKED)}


def largest_gap(one, other):
    """The largest gap between two answerers' scores."""
    return max(abs(a - b) for id_ in one for a, b in zip(one[id_], other[id_], strict=True))


@each(lambda kind: classifies(kind) and kind.fits_once)
def test_one_fit_of_a_curve_answers_and_its_undo_leaves_the_base_bit_for_bit(fitter, name):
    import torch

    ground = fitter.ground(name)
    lm = ground.model().lm
    before = copy.deepcopy(lm.state_dict())
    base = scores_of(ground.model().answerer(CLASSES))
    answerer, undo = small(registry.contender(name)).fit_once(ground, 0)
    assert largest_gap(scores_of(answerer), base) > 0
    assert {a.text for a in answers_of(answerer, ASKED)} <= set(CLASSES.labels)
    check_plain(answerer.notes)
    undo()
    after = lm.state_dict()
    assert after.keys() == before.keys()
    again = scores_of(ground.model().answerer(CLASSES))
    if ground.model().four_bit:  # bitsandbytes itself repacks weights when a CPU first reads them
        assert largest_gap(again, base) < 0.1
        return
    assert all(torch.equal(after[key], before[key]) for key in before)
    assert again == base


@each(lambda kind: classifies(kind) and overrides(kind, "settled"))
def test_settled_it_has_one_value_a_choice_and_makes_the_same_choices_again(fitter, name):
    first = fitter.once(name)
    settled = first.contender.settled(first.answerer.notes)
    if settled is None:
        pytest.skip("what it chose here doesn't hold for other rows")
    assert type(settled) is type(first.contender)
    values = [getattr(settled, one.name) for one in dataclasses.fields(settled)]
    assert {len(value) for value in values if isinstance(value, tuple)} <= {1}
    ground = fitter.ground(name, train=(*TRAIN, *VALIDATION), validation=())
    again = fitter.fit_on(settled, ground)
    check_answers(again)
    choices = [getattr(first.contender, one.name) for one in dataclasses.fields(settled)]
    options = [value for several in choices if isinstance(several, tuple) for value in several]
    for key, value in again.answerer.notes.items():
        if value in options:
            assert first.answerer.notes[key] == value


# forecasts


class Fixed:
    """Work whose pieces take fixed times a row; see `bench.trial.work.Work`."""

    free_texts = False
    wordings = 3
    fittings = 1
    import_seconds = 0.0

    def __init__(self, train_rows):
        self.train_rows = train_rows

    def _rows(self, part):
        return {"train": self.train_rows, "validation": self.train_rows / 2, "test": 40}[part]

    def answers(self, part, shots=0):
        return self._rows(part) * (1 + shots)

    def serves(self, shots=0):
        return self.answers("test", shots) + 5

    def answers_near(self, part, shots):
        return 3 * self.answers(part, shots)

    def serves_near(self, shots):
        return self.answers_near("test", shots) + 5

    def reads(self, part):
        return self._rows(part) / 10

    def trains(self, settings, searched=()):
        searches = sum(count * min(rows, self.train_rows) for count, rows in searched)
        return settings.epochs * self.train_rows + searches

    def replays(self, share, settings, searched):
        return share * self.trains(settings, searched)

    def forgets(self):
        return 10.0

    def restarts(self):
        return 3.0

    def timed(self, work):
        return 1.0

    def on(self, train, validation, test=True):
        return Fixed(len(train))


def test_the_work_of_these_tests_has_the_pieces_of_the_real_one():
    def pieces(kind):
        return {key for key in vars(kind) if not key.startswith("_")} | {"train_rows"}

    assert pieces(Fixed) == pieces(Work)


@each(lambda kind: overrides(kind, "forecast"))
def test_a_forecast_is_finite_and_grows_with_the_rows(name):
    contender = registry.contender(name)()
    few, more = (contender.forecast(Fixed(rows)) for rows in (100, 200))
    assert 0 < few < more < math.inf


@each(lambda kind: not overrides(kind, "forecast"))
def test_a_forecast_that_is_not_given_says_so(name):
    with pytest.raises(TrialSkipped, match=r"no forecast\(work\)"):
        registry.contender(name)().forecast(Fixed(100))


@each(lambda kind: kind.fits_once)
def test_a_forecast_of_one_fit_of_a_curve_grows_with_the_rows(name):
    contender = registry.contender(name)()
    assert 0 < contender.forecast_once(Fixed(100)) < contender.forecast_once(Fixed(400)) < math.inf


# what it needs of a model


class Lacking:
    """The tiny model without one of its abilities."""

    def __init__(self, model, ability):
        self.name, self._model, self._lacks = "lacking", model, ability
        self.can = model.can - {ability}

    def __getattr__(self, key):
        return getattr(self._model, key)

    def embedder(self, task, depths):
        if self._lacks == "embed":
            raise TrialFailed("'lacking' can't embed texts")
        return self._model.embedder(task, depths)

    def trainer(self, task):
        if self._lacks == "train":
            raise TrialFailed("'lacking' can't be trained")
        return self._model.trainer(task)

    def answerer(self, task, demonstrations=(), notes=None, bias=(), near=None, longest=()):
        found = self._model.answerer(task, demonstrations, notes, bias, near, longest)
        return Unscored(found) if self._lacks == "score" else found


class Unscored:
    """An answerer whose answers have no scores."""

    def __init__(self, answerer):
        self._answerer, self.notes = answerer, answerer.notes

    def answer(self, examples, done=()):
        for batch in self._answerer.answer(examples, done=done):
            yield [dataclasses.replace(answer, scores=()) for answer in batch]


def lacking_model(ability):
    class Model:
        can: ClassVar = ABILITIES - {ability}

        def __init__(self, name):
            self.name = name

    return SimpleNamespace(Model=Model)


@pytest.mark.parametrize("ability", ["embed", "score", "train"])
@each(lambda kind: classifies(kind) and kind.uses_model)
def test_what_it_needs_of_a_model_is_what_it_declares(fitter, name, ability):
    kind = registry.contender(name)
    own = {"lacking": lacking_model(ability)}
    with registry.added({"models": own}):
        if ability in kind.needs:
            with pytest.raises(UserError, match=rf"{name} needs .*{ability}.*--only.*{name}@"):
                model_of(name, "lacking:x")
            return
        assert model_of(name, "lacking:x") == "lacking:x"
    model = Lacking(fitter.model(kind), ability)
    check_answers(fitter.fit(name, model=lambda: model))


@each(lambda kind: classifies(kind) and not kind.uses_model)
def test_where_it_uses_no_model_a_plan_takes_none_for_it(name):
    assert model_of(name, "some/model") is None
    with pytest.raises(UserError, match=rf"'{name}@some/model'.*no model.*just '{name}'"):
        contender_names((f"{name}@some/model",))


# in a real process


@pytest.mark.slow
def test_a_process_that_is_killed_twice_resumes_to_the_same_answers(tmp_path, tiny_model):
    """SIGKILL after the third write, in the search, and after the third of the next start, in training."""
    whole = child(tmp_path / "whole", tiny_model, 0)
    for _ in range(2):
        assert child(tmp_path / "killed", tiny_model, 3) is None
    assert child(tmp_path / "killed", tiny_model, 0) == whole


def child(folder, tiny_model, dies_at):
    """The answers of a fit in a process of its own; None where it was killed."""
    arguments = str(folder), str(tiny_model), dies_at
    code = f"from tests.contracts.test_contenders import fit_in_child as fit; fit{arguments}"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    if found.returncode == -signal.SIGKILL:
        return None
    assert found.returncode == 0, found.stderr
    return json.loads(found.stdout)


class Dying(Watched):
    """Kills its process."""

    def _killed(self, before):
        if not before and len(self.writes) == self._dies_at:
            os.kill(os.getpid(), signal.SIGKILL)


def fit_in_child(folder, tiny_model, dies_at):
    """Fits LoRA with what an earlier start kept, and prints its answers."""
    folder = Path(folder)
    (folder / "made").mkdir(parents=True, exist_ok=True)
    fitter = Fitter(Path(tiny_model), folder / str(os.getpid()))
    kept = Dying(folder / "kept", dies_at)
    made = fitter.fit("lora", kept=kept, folder=folder / "made", shared=folder / "shared")
    print(json.dumps(made.said))


def test_the_contenders_are_those_of_the_folder_and_the_users_own():
    assert set(registry.shipped("contenders")) < set(contenders())
    assert "keyword-rules" in contenders()
