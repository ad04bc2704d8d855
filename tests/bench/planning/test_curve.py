"""A curve's plan, and what its arms do at a size where nothing may be chosen."""

import dataclasses

import pytest

import scenarios
from bench import registry
from bench.core.contender import Ground, answers_of
from bench.core.folder import RunFolder
from bench.core.kept import Kept
from bench.core.plan import MODES
from bench.engine import models
from bench.engine.models import Device
from bench.planning.curve import check_sizes, make_curve
from bench.planning.make import curve_plan
from bench.planning.prepare import prepare
from bench.planning.request import CurveRequest, Request
from scenarios.errors import UserError
from scenarios.rows import Example, Split, load_split

SPLIT = Split(
    train=tuple(Example(str(i), f"text {i}", "negative", str(i)) for i in range(600)),
    validation=(), test=(), digest="d", counts={"train": 600},
)  # fmt: skip
SENTIMENT = scenarios.load("sentiment")


def curve(wanted=None, mode="default", **more):
    return make_curve(wanted or CurveRequest(), SENTIMENT.task, SPLIT, mode, 0, "M", **more)


def test_a_usual_curve_has_five_sizes_three_seeds_and_zero_shot_once():
    found = curve()
    assert found.sizes == (32, 64, 128, 256, 512)
    assert found.seeds == (0, 1, 2)
    assert [(t.name, t.seed) for t in found.trials] == [
        ("tf-idf", 0), ("zero-shot", 0), ("few-shot", 0), ("embeddings", 0), ("lora", 0),
        ("tf-idf", 1), ("few-shot", 1), ("embeddings", 1), ("lora", 1),
        ("tf-idf", 2), ("few-shot", 2), ("embeddings", 2), ("lora", 2),
    ]  # fmt: skip
    assert {t.sizes for t in found.trials if t.name == "zero-shot"} == {(0,)}
    assert {t.sizes for t in found.trials if t.name != "zero-shot"} == {found.sizes}
    assert len({t.slug for t in found.trials}) == len(found.trials)


def test_settings_are_those_of_a_quick_run_in_every_mode_and_the_users_own():
    for mode in MODES:
        lora = next(t for t in curve(mode=mode).trials if t.name == "lora")
        assert lora.settings["learning_rates"] == (1e-3,)
    changed = {"lora": {"rank": 64}}
    assert next(t for t in curve(changed=changed).trials if t.name == "lora").settings["rank"] == 64


def test_without_enough_rows_the_usual_sizes_end_with_all_rows():
    few = dataclasses.replace(SPLIT, train=SPLIT.train[:100])
    found = make_curve(CurveRequest(), SENTIMENT.task, few, "default", 0, "M")
    assert found.sizes == (32, 64, 100)
    with pytest.raises(UserError, match=r"20 training rows.*--sizes"):
        make_curve(
            CurveRequest(),
            SENTIMENT.task,
            dataclasses.replace(few, train=few.train[:20]),
            "quick",
            0,
            "M",
        )


@pytest.mark.parametrize(("sizes", "labels"), [((3, 4), 3), ((2, 4), 2), ((2, 4), 0)])
def test_sizes_may_begin_with_one_row_of_each_label(sizes, labels):
    check_sizes(sizes, labels)


@pytest.mark.parametrize(("sizes", "labels"), [((2, 4), 3), ((1, 4), 0), ((-1, 4), 2), ((0, 4), 2)])
def test_fewer_rows_than_labels_are_refused(sizes, labels):
    with pytest.raises(UserError, match="--sizes starts at"):
        check_sizes(sizes, labels)


def test_the_largest_size_may_be_all_rows_and_not_one_more():
    assert curve(CurveRequest((32, 600))).sizes == (32, 600)
    with pytest.raises(UserError, match=r"--sizes.* 601.* 600 training rows; stop at 600"):
        curve(CurveRequest((32, 601)))


def test_the_declared_comparison_is_of_the_first_tuned_arm_against_few_shot():
    found = curve(only=("zero-shot", "retrieved", "few-shot", "lora", "dora"))
    assert (found.compared.baseline, found.compared.challenger) == ("few-shot", "lora")
    plan = curve_plan(SENTIMENT, SPLIT, MODES["default"], 0, "M", 1, found)
    assert plan.primary.baseline == ["few-shot"]
    assert plan.primary.scope == "this-model"  # three seeds
    five = curve_plan(SENTIMENT, SPLIT, MODES["default"], 0, "M", 1, curve(CurveRequest((), 5)))
    assert five.primary.scope == "this-method"
    alone = curve(only=("lora",))
    assert curve_plan(SENTIMENT, SPLIT, MODES["default"], 0, "M", 1, alone).primary is None


def test_nothing_can_be_set_of_an_arm_that_takes_no_rows():
    with pytest.raises(UserError, match="zero-shot takes no labelled rows in a curve"):
        curve(changed={"zero-shot": {"instructions": 3}})


# arms at a size


@pytest.fixture
def ground(tmp_path, small_scenario, tiny_model, cache):
    task = scenarios.load(str(small_scenario)).task
    split = load_split(task, 0)
    model = models.load("tiny", tiny_model, Device("cpu", "float32", "test"))
    return split.test, Ground(
        task, split.train[:12], (), lambda: model, tmp_path / "made", Kept(tmp_path / "kept"),
        memory={},
    )  # fmt: skip


@pytest.mark.parametrize("name", ["zero-shot", "few-shot", "retrieved", "tf-idf", "embeddings"])
def test_without_rows_to_choose_by_an_arm_takes_what_it_declares(name, ground):
    test, ground = ground
    kind = registry.contender(name)
    found = kind(**kind.quick).fit(ground, 0)
    assert {a.example_id for a in answers_of(found, test)} == {e.id for e in test}
    assert found.notes.get("validation_score") is None


def test_of_18_demonstrations_that_are_declared_12_are_shown_where_there_are_12_rows(ground):
    kind = registry.contender("few-shot")
    assert kind(**kind.quick).fit(ground[1], 0).notes["shots"] == 12


def test_a_text_is_read_once_for_all_sizes(ground, monkeypatch):
    from bench.engine.embedding import Embedder

    test, ground = ground
    read = []
    plain = Embedder.embed
    monkeypatch.setattr(
        Embedder, "embed", lambda self, texts: read.extend(texts) or plain(self, texts)
    )
    kind = registry.contender("embeddings")
    for rows in (8, 12):
        sized = dataclasses.replace(ground, train=ground.train[:rows])
        found = kind(**kind.quick).fit(sized, 0)
        answers = answers_of(found, test)
    assert len(read) == len(set(read)) == 12 + len(test)
    again = kind(**kind.quick).fit(dataclasses.replace(sized, memory=None), 0)
    for one, other in zip(answers, answers_of(again, test), strict=True):
        assert one.scores == pytest.approx(other.scores, abs=1e-4)


@pytest.mark.parametrize("name", ["lora", "dora", "full"])
def test_after_a_size_the_model_is_the_base_again(name, ground):
    test, ground = ground
    kind = registry.contender(name)
    settings = kind.quick | {"learning_rates": (1e-2,), "epochs": 1, "batch_size": 4,
                             "accumulation_steps": 1}  # fmt: skip
    zero = registry.contender("zero-shot")()
    before = [a.scores for a in answers_of(zero.fit(ground, 0), test)]
    found, undo = kind(**settings).fit_once(ground, 0)
    tuned = [a.scores for a in answers_of(found, test)]
    assert len(found.notes["epochs"]) == 8  # 24 updates of 4 rows, 3 to an epoch of 12
    assert found.notes["best_epoch"] == 8
    undo()
    after = [a.scores for a in answers_of(zero.fit(ground, 0), test)]
    assert after == before
    assert any(abs(a[0] - b[0]) > 1e-3 for a, b in zip(tuned, before, strict=True))


@pytest.mark.slow
def test_free_texts_have_a_curve_too(tmp_path, tiny_model):
    """Few-shot, the nearest row and tuning at 4 and 24 rows, of which 8 choose."""
    from bench.trial.curve import run_sizes
    from scenarios.schema import parse

    scenario = parse(
        'title = "T"\n[task]\ntype = "generation"\ninstruction = "Answer."\nmost_answer_tokens = 4\n'
        'metrics = ["exact-match", "chrf"]\n[task.rows]\npath = "r"\nformat = "csv"\nlabel = "l"\n',
        "texts", "texts.toml",
    )  # fmt: skip
    train, test = (
        tuple(Example(f"{part}{i}", f"text {i}", f"answer {i % 3}", f"{part}{i}") for i in range(n))
        for part, n in (("a", 30), ("b", 6))
    )
    split = Split(train, (), test, "d", {"train": 30})
    small = {"lora": {"epochs": 1, "batch_size": 8}}
    found = make_curve(
        CurveRequest((4, 24), 1), scenario.task, split, "default", 0, str(tiny_model),
        ("few-shot", "lora"), small,
    )  # fmt: skip
    assert [t.name for t in found.trials] == ["tf-idf", "few-shot", "lora"]
    plan = curve_plan(scenario, split, MODES["default"], 0, str(tiny_model), 1, found)
    folder = RunFolder(tmp_path)
    folder.make_parts()
    folder.keep_split(split, None)
    chosen_by = {}
    for trial in plan.curve.trials:
        run_sizes(folder, plan, trial)
        points = [folder.point(trial, size) for size in trial.sizes]
        assert [p["size"] for p in points] == list(trial.sizes)
        chosen_by[trial.name] = [p["chosen_by"] for p in points]
    assert chosen_by == {"tf-idf": [0, 8], "few-shot": [0, 8], "lora": [0, 0]}


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ({"label_noise": 0.3}, "a curve uses the labels as they are"),
        ({"changed": {"lora": {"replay": 0.2}}}, "a curve trains without replay"),
    ],
)
def test_a_full_run_that_cant_have_a_curve_continues_without_one(
    small_scenario, cache, capsys, asked, reason
):
    request = Request(
        scenarios.load(str(small_scenario)), MODES["full"], only=("few-shot", "lora"),
        curve=CurveRequest(alone=False), **asked,
    )  # fmt: skip
    plan, _ = prepare(request)
    assert plan.curve is None
    assert f"no learning curve in this run: {reason}" in capsys.readouterr().err
