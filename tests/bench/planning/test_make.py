"""A plan says all that will be done, before it is."""

import json
import re

import pytest

import scenarios
from bench import registry
from bench.core.plan import MODES, Look
from bench.planning.make import make_plan
from bench.planning.settings import contender_names, parse_settings
from scenarios.errors import UserError
from scenarios.rows import Example, Split, with_folds

SPLIT = Split(
    train=tuple(Example(str(i), f"text {i}", "negative", str(i)) for i in range(500)),
    validation=(), test=(), digest="d", counts={},
)  # fmt: skip


def plan(mode="quick", only=(), model="M", **more):
    return make_plan(scenarios.load("sentiment"), SPLIT, MODES[mode], 0, model, only, **more)


def test_baselines_come_first_then_prompting_then_tuning():
    assert [t.name for t in plan().trials] == [
        "majority", "tf-idf", "zero-shot", "few-shot", "lora",
    ]  # fmt: skip


def test_only_keeps_the_baselines():
    assert [t.name for t in plan(only=("lora",)).trials] == ["majority", "tf-idf", "lora"]


def test_a_contender_may_carry_its_own_model():
    trials = {t.name: t for t in plan(only=("few-shot@org/Big", "lora")).trials}
    assert trials["few-shot@org/Big"].model == "org/Big"
    assert trials["few-shot@org/Big"].slug == "03-few-shot-org-big-s0"
    assert trials["lora"].model == "M"
    assert trials["majority"].model is None


def test_a_quick_run_takes_the_settings_that_a_contender_declares_for_it():
    quick, usual = (
        next(t for t in plan(m).trials if t.name == "lora") for m in ("quick", "default")
    )
    assert (quick.settings["rank"], quick.settings["targets"]) == (8, "all-linear")
    assert (usual.settings["rank"], usual.settings["alpha"]) == (16, 32)
    assert (usual.settings["dropout"], usual.settings["targets"]) == (0.05, "attention")
    assert (usual.settings["batch_size"], usual.settings["accumulation_steps"]) == (4, 4)
    assert quick.n_train == 384
    assert usual.n_train == 500  # all that there are, below the mode's 1,000


def test_a_full_run_repeats_with_five_seeds_what_chance_decides():
    found = [(t.name, t.seed) for t in plan("full").trials if t.name in ("lora", "zero-shot")]
    assert found == [("zero-shot", 0), *(("lora", seed) for seed in range(5))]


def test_the_primary_comparison_is_declared_before_anything_is_measured():
    primary = plan().primary
    assert primary.baseline == ["zero-shot", "few-shot"]
    assert primary.challenger == ["lora"]
    assert "validation" in primary.chosen_by
    assert plan(only=("few-shot",)).primary is None


def test_a_usual_run_races_tuned_arms_and_what_is_between():
    assert [t.name for t in plan("default").trials] == [
        "majority", "tf-idf", "zero-shot", "few-shot", "retrieved", "embeddings", "lora",
    ]  # fmt: skip


def test_the_family_of_exploratory_comparisons_is_declared_with_the_primary():
    """Two prompting arms against two tuned ones, and embeddings against all four."""
    found = plan(only=("zero-shot", "few-shot@Big", "embeddings", "lora@Small", "dora")).family
    assert len(found) == 2 * 2 + 2 + 2
    assert ("few-shot@Big", "lora@Small") in found
    assert ("zero-shot", "embeddings") in found
    assert ("embeddings", "dora") in found
    assert not any("tf-idf" in pair for pair in found)


def test_five_seeds_generalise_to_the_methods_and_fewer_only_to_these_weights():
    assert plan().primary.scope == "this-model"
    assert plan("full").primary.scope == "this-method"
    found = plan(seeds=(3, 5, 7, 9, 11))
    assert [t.seed for t in found.trials if t.name == "lora"] == [3, 5, 7, 9, 11]
    assert found.primary.scope == "this-method"


def test_a_repeated_seed_is_refused():
    with pytest.raises(UserError, match=r"--seeds.* 3 "):
        plan(seeds=(3, 4, 3))


def test_interim_analyses_are_declared_and_each_spends_its_part_of_the_error():
    assert plan().look == Look(1, 1, pytest.approx(0.05))
    with pytest.raises(UserError, match=r"--look 2.*looks = 1; declare"):
        plan(look=2)
    scenario = scenarios.load("sentiment")
    two = scenario.model_copy(
        update={"decision": scenario.decision.model_copy(update={"looks": 2})}
    )
    errors = [
        make_plan(two, SPLIT, MODES["quick"], 0, "M", look=look).look.error for look in (1, 2)
    ]
    assert errors == [pytest.approx(0.0056, abs=1e-4), pytest.approx(0.0444, abs=1e-4)]


def folds(count):
    return [
        Split(SPLIT.train[:100 - k], (), (), f"d{k}", {"test": 10, "test groups": 5, "train": 100 - k,
                                                     "validation": 9})
        for k in range(count)
    ]  # fmt: skip


def test_cross_fitting_does_every_trial_on_each_fold():
    found = make_plan(
        scenarios.load("sentiment"), folds(3), MODES["quick"], 0, "M", ("few-shot", "lora")
    )
    assert [(t.name, t.fold) for t in found.trials[-6:]] == [
        (name, fold) for name in ("few-shot", "lora") for fold in range(3)
    ]
    assert found.trials[-1].slug == "12-lora-s0-f3"
    assert found.trials[-1].n_train == 98  # as many in each
    assert found.rows.counts["test"] == 30
    assert found.rows.counts["folds"] == 3


def test_cross_fitting_takes_one_arm_of_each_side():
    """Choosing between arms by rows that are tested in another fold would use the test rows."""
    with pytest.raises(UserError, match=r"--cross-fit.*prompting.*--only few-shot,lora"):
        make_plan(scenarios.load("sentiment"), folds(3), MODES["quick"], 0, "M")


def test_a_plan_is_plain_json_and_equal_to_itself():
    assert json.loads(json.dumps(plan().to_json())) == json.loads(json.dumps(plan().to_json()))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("fewshot", "no contender named 'fewshot'; did you mean 'few-shot'"),
        ("tf-idf@M", "'tf-idf@M': tf-idf uses no model; write just 'tf-idf'"),
        ("lora@", "names no model after '@'"),
    ],
)
def test_a_name_that_isnt_a_contender_is_refused(name, message):
    with pytest.raises(UserError, match=message):
        contender_names([name])


def test_settings_can_be_changed_by_name():
    changed = parse_settings(["lora.rank=32", "lora.targets=q_proj,v_proj", "few-shot.shots=4,8"])
    found = make_plan(scenarios.load("sentiment"), SPLIT, MODES["quick"], 0, "M", (), changed)
    settings = {t.kind: t.settings for t in found.trials}
    assert (settings["lora"]["rank"], settings["lora"]["alpha"]) == (32, 16)
    assert settings["lora"]["targets"] == "q_proj,v_proj"
    assert settings["few-shot"]["shots"] == (4, 8)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lora.rnk=3", "no setting of lora named 'rnk'; did you mean 'rank'"),
        ("loar.rank=3", "no contender named 'loar'; did you mean 'lora'"),
        ("lora.rank=0", "lora.rank: input should be greater than 0, not '0'"),
        ("lora.dropout=2", "lora.dropout: input should be less than 1, not '2'"),
        ("lora.serve=cold", "lora.serve: input should be 'merged' or 'attached', not 'cold'"),
        ("few-shot.shots=3,x", "few-shot.shots: input should be a valid integer, unable to"),
        (
            "lora.learning_rates=1e-3,0.001",
            "lora.learning_rates lists 0.001 twice",
        ),
        ("few-shot.shots=4,8,4", "few-shot.shots lists 4 twice"),
        ("lora.rank", "--set takes CONTENDER.SETTING=VALUE, not 'lora.rank'"),
    ],
)
def test_a_setting_that_does_not_fit_is_refused(text, message):
    with pytest.raises(UserError, match=re.escape(message)):
        parse_settings([text])


def test_a_setting_of_a_contender_that_is_not_in_the_run_is_refused():
    with pytest.raises(
        UserError, match=r"--set dora.rank: dora isn't in this run, which has major"
    ):
        plan(changed=parse_settings(["dora.rank=4"]))
    assert plan(only=("dora",), changed=parse_settings(["dora.rank=4"]))


def test_more_demonstrations_than_there_are_rows_to_show_are_refused():
    """500 rows, of which a quick run takes 384."""
    assert plan(changed=parse_settings(["few-shot.shots=384"]))
    with pytest.raises(UserError, match=r"few-shot.shots=385 .* 384 rows.*set at most 384"):
        plan(changed=parse_settings(["few-shot.shots=2,385"]))
    with pytest.raises(UserError, match=r"retrieved.shots=501 .*set at most 500"):
        plan("default", changed=parse_settings(["retrieved.shots=501"]))


def test_demonstrations_over_folds_are_those_that_the_largest_leaves():
    """Of 500 rows in five folds 400 are left to show while one is held out."""
    folded = with_folds(SPLIT, ("negative",), 500, 0, 5)
    changed = parse_settings(["few-shot.shots=401"])
    with pytest.raises(UserError, match=r"400 rows.*set at most 400"):
        make_plan(scenarios.load("sentiment"), folded, MODES["default"], 0, "M", (), changed)


def test_the_usual_numbers_of_demonstrations_are_those_that_there_are_rows_for():
    """A quick run sweeps 9 and 18 demonstrations; of twelve rows 9 can be shown, of five those five."""
    for rows, shots in ((18, (9, 18)), (17, (9,)), (5, (5,))):
        split = Split(SPLIT.train[:rows], (), (), "d", {})
        found = make_plan(scenarios.load("sentiment"), split, MODES["quick"], 0, "M")
        assert next(t for t in found.trials if t.name == "few-shot").settings["shots"] == shots


@pytest.mark.parametrize("name", registry.names("contenders"))
def test_every_contender_has_the_one_shape(name):
    contender = registry.contender(name)
    assert contender.family in ("floor", "prompt", "between", "fine_tune")
    assert set(getattr(contender, "usual", ())) <= set(MODES)
    assert set(contender.quick) <= set(contender.__dataclass_fields__)
    assert isinstance(contender.seeded, bool)
    assert contender() == contender()  # settings are values
    assert callable(contender.fit)
    assert not contender.uses_model or callable(contender.forecast)
    assert contender.__doc__
