"""A sweep: every combination once, each against the first, and a claim held against what was seen."""

import time

import pytest

import scenarios
from bench.core.plan import MODES
from bench.models import named
from bench.planning.make import make_plan
from bench.planning.prepare import prepare
from bench.planning.request import Axis, Request, Sweep
from bench.planning.sweep import axis_names, sweep_of, widened
from scenarios.errors import UserError
from scenarios.rows import Example, Split
from tests.conftest import run_command

SENTIMENT = scenarios.load("sentiment")
SPLIT = Split(
    train=tuple(Example(str(i), f"text {i}", "negative", str(i)) for i in range(500)),
    validation=(), test=(), digest="d", counts={},
)  # fmt: skip


def swept(*vary, only=("lora",), claim=None, **more):
    found = sweep_of(SENTIMENT, vary, only)
    found = Sweep(found.axes, found.only, claim)
    return widened(
        make_plan(SENTIMENT, SPLIT, MODES["quick"], 0, "no/such-model", found.only, **more), found, [SPLIT]
    )  # fmt: skip


def complaint(*vary, only=("lora",)):
    with pytest.raises(UserError) as caught:
        swept(*vary, only=only)
    return str(caught.value)


def test_the_trials_are_the_product_of_the_axes_after_the_baselines():
    plan = swept("rank=4,16", "targets=attention,all-linear")
    assert [t.name for t in plan.trials] == [
        "majority", "tf-idf",
        "lora[rank=4,targets=attention]", "lora[rank=4,targets=all-linear]",
        "lora[rank=16,targets=attention]", "lora[rank=16,targets=all-linear]",
    ]  # fmt: skip
    settings = [(t.settings["rank"], t.settings["targets"]) for t in plan.trials[2:]]
    assert settings == [(4, "attention"), (4, "all-linear"), (16, "attention"), (16, "all-linear")]
    assert plan.trials[3].slug == "04-lora-rank-4-targets-all-linear-s0"
    first = "lora[rank=4,targets=attention]"
    assert plan.family == tuple((first, t.name) for t in plan.trials[3:])
    assert plan.primary is None


def test_alpha_stays_twice_the_rank_unless_it_is_varied():
    assert [t.settings["alpha"] for t in swept("rank=4,64").trials[2:]] == [8, 128]
    fixed = swept("rank=4,64", "alpha=16")
    assert [t.settings["alpha"] for t in fixed.trials[2:]] == [16, 16]


def test_a_list_of_candidates_is_varied_by_its_singular():
    plan = swept("learning-rate=1e-4,1e-3")
    assert [t.settings["learning_rates"] for t in plan.trials[2:]] == [(1e-4,), (1e-3,)]


def test_what_can_be_varied_is_named_as_people_type_it():
    assert axis_names(["tf-idf"]) == ["rows", "label-noise", "inverse-penalty"]
    assert axis_names(["lora"])[2:4] == ["learning-rate", "search-rows"]
    plan = swept("inverse-penalty=1,10", only=("tf-idf",))
    assert [t.settings["inverse_penalties"] for t in plan.trials[1:]] == [(1.0,), (10.0,)]


def test_rows_and_wrong_labels_are_axes_of_every_contender_and_settings_of_their_own():
    plan = swept("rows=100,300", "label-noise=0,0.2", "rank=4,8", only=("tf-idf", "lora"))
    of = [t for t in plan.trials if t.kind == "tf-idf"]
    assert [(t.n_train, t.label_noise) for t in of] == [
        (100, 0.0), (100, 0.2), (300, 0.0), (300, 0.2),
    ]  # fmt: skip
    assert sum(t.kind == "lora" for t in plan.trials) == 8


def test_where_wrong_labels_are_drawn_every_contender_has_the_seeds():
    plan = swept("label-noise=0,0.2", only=("tf-idf", "lora"), seeds=(0, 1))
    seeds = {name: [t.seed for t in plan.trials if t.name == name] for name in
             ("tf-idf[label-noise=0]", "tf-idf[label-noise=0.2]")}  # fmt: skip
    assert seeds == {"tf-idf[label-noise=0]": [0], "tf-idf[label-noise=0.2]": [0, 1]}


def test_wrong_labels_are_drawn_by_each_seed_where_nothing_else_is_left_to_chance():
    plan = swept("label-noise=0,0.4", only=("tf-idf",), seeds=(5, 6, 7))
    seeds = [(t.name, t.seed) for t in plan.trials[1:]]
    assert seeds == [("tf-idf[label-noise=0]", 0)] + [
        ("tf-idf[label-noise=0.4]", seed) for seed in (5, 6, 7)
    ]


@pytest.mark.parametrize(
    ("vary", "line"),
    [
        (["rnk=4,8"], "no axis named 'rnk'; did you mean 'rank'?"),
        (["xyzzy=4,8"], "no axis named 'xyzzy'; known: rows, label-noise, learning-rate, search-rows, epochs"),
        (["rank=4,many"], "lora.rank: input should be a valid integer, unable to parse string as an integer, not 'many'"),
        (["rank=0,4"], "lora.rank: input should be greater than 0, not '0'"),
        (["rank"], "--vary takes NAME=VALUE,VALUE, not 'rank'"),
        (["rank=4,,8"], "--vary takes NAME=VALUE,VALUE, not 'rank=4,,8'"),
        (["rank=4,4"], "--vary rank lists the same value twice"),
        (["label-noise=0.2,0.20"], "--vary label-noise lists the same value twice"),
        (["rank=4,8", "rank=16"], "--vary lists rank twice"),
        (["rank=4", "alpha=8"], "every --vary has one value, so there is nothing to compare"),
        (["rows=100,501"], "--vary rows=501, but there are 500 training rows; use at most 500"),
        (["rows=2,100"], "--vary rows=2: fewer rows than the 3 labels"),
        (["rows=1,100"], "--vary rows=1: at least 2"),
        (["rows=1.5,100"], "--vary rows takes a whole number, not '1.5'"),
        (["label-noise=0,1"], "--vary label-noise=1: must be"),
        (["label-noise=0,much"], "--vary label-noise takes a share such as 0.2, not 'much'"),
        (["rank=" + ",".join(map(str, range(1, 21))), "epochs=" + ",".join(map(str, range(1, 21)))],
         "400 combinations are more than a sweep's 200 trials; give fewer values"),
        (["rank=" + ",".join(map(str, range(1, 201)))],
         "202 trials are more than a sweep's 200; give fewer values"),
        (["learning-rate=1e-4,1e-3", "learning-rates=1e-4,1e-2"],
         "--vary learning-rate and --vary learning-rates are the same setting of lora; give all of its values under one name"),
        (["dora.rank=4,8"], "--vary dora.rank: this sweep varies lora, not dora; add it to --only"),
        (["lora.rnk=4,8"], "no setting of lora named 'rnk'; did you mean 'rank'?"),
        (["lora.rank=4,8", "rank=16"], "--vary lists rank twice"),
    ],
)  # fmt: skip
def test_what_can_not_be_varied_is_refused_in_a_line(vary, line):
    assert complaint(*vary).startswith(line)


def test_a_million_combinations_are_refused_before_one_is_built():
    many = ",".join(map(str, range(1, 1001)))
    begun = time.monotonic()
    assert complaint(f"rank={many}", f"alpha={many}").startswith("1,000,000 combinations are more")
    assert time.monotonic() - begun < 10


def test_a_setting_may_be_named_with_its_contender():
    assert swept("lora.rank=4,16") == swept("rank=4,16")


def test_a_setting_named_with_one_of_several_contenders_is_varied_for_that_one_alone():
    plan = swept("lora.rank=4,16", "epochs=1,2", only=("lora", "dora"))
    of = {name: [v.values for v in plan.sweep.variants.values() if v.contender == name]
          for name in ("lora", "dora")}  # fmt: skip
    assert of["dora"] == [{"epochs": "1"}, {"epochs": "2"}]
    assert of["lora"] == [
        {"lora.rank": rank, "epochs": epochs} for rank in ("4", "16") for epochs in "12"
    ]
    settings = [(t.settings["rank"], t.settings["alpha"]) for t in plan.trials if t.kind == "lora"]
    assert settings == [(4, 8), (4, 8), (16, 32), (16, 32)]


def test_a_setting_named_with_and_without_its_contender_is_one_setting():
    line = complaint("lora.rank=4,16", "rank=8", only=("lora", "dora"))
    assert line.startswith("--vary lora.rank and --vary rank are the same setting of lora; give")


@pytest.fixture
def few_to_validate(small_scenario, cache):
    """The small scenario with 4 validation rows, so that its training rows choose."""
    text = small_scenario.read_text().replace("validation_rows = 20", "validation_rows = 4")
    small_scenario.write_text(text)
    return small_scenario


def planned(file, *vary, only=("tf-idf",), **more):
    """The plan of a run of a scenario's file, or of its sweep where something is varied."""
    scenario = scenarios.load(str(file))
    sweep = sweep_of(scenario, vary, only) if vary else None
    return prepare(Request(scenario, MODES["quick"], only=only, sweep=sweep, **more))[0]


@pytest.mark.parametrize(
    ("vary", "more", "option"),
    [
        (["label-noise=0,0.4"], {}, "--vary label-noise"),
        (["rows=6,20"], {}, "--vary rows"),
        (["rows=20,4000", "inverse-penalty=1,10"], {}, "--vary rows"),
        ([], {"label_noise": 0.4}, "--label-noise"),
    ],
)
def test_what_changes_the_training_rows_needs_others_to_choose(few_to_validate, vary, more, option):
    with pytest.raises(UserError) as caught:
        planned(few_to_validate, *vary, **more)
    message = str(caught.value)
    assert message.startswith(f"{option} needs separate validation rows")
    assert "set validation_rows to at least 18 in [task]" in message


def test_label_noise_in_cross_fitting_without_validation_rows_is_refused(small_scenario, cache):
    """160 rows in ten folds leave 16 to validate, which are too few; in five folds 32 are enough."""
    plan = planned(small_scenario, label_noise=0.4, folds=5)
    assert {t.label_noise for t in plan.trials} == {0.4}
    with pytest.raises(UserError, match="leave out --cross-fit"):
        planned(small_scenario, label_noise=0.4, folds=10)


def test_settings_are_varied_where_the_training_rows_choose(few_to_validate):
    plan = planned(few_to_validate, "inverse-penalty=1,10")
    assert plan.choosing.folds == 5
    assert [t.name for t in plan.trials[1:]] == [
        "tf-idf[inverse-penalty=1]", "tf-idf[inverse-penalty=10]",
    ]  # fmt: skip


def test_a_sweep_of_rows_that_choose_is_one_line_and_exit_code_2(few_to_validate, tmp_path):
    done = run_command(
        "bench", "sweep", few_to_validate, "--quick", "--only", "tf-idf", "--vary", "rows=6,20",
        cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith(
        "error: --vary rows needs separate validation rows"
    )
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "runs").exists()


def test_nothing_varied_names_what_can_be():
    with pytest.raises(UserError, match=r"--vary.*rows"):
        sweep_of(SENTIMENT, (), ())


def test_targets_that_a_model_does_not_have_are_refused_with_those_that_it_has(tiny_model):
    found = sweep_of(SENTIMENT, ("targets=attention,atention",), ("lora",))
    plan = make_plan(SENTIMENT, SPLIT, MODES["quick"], 0, str(tiny_model), ("lora",))
    trials = widened(plan, found, [SPLIT]).trials
    given = [t.settings for t in trials if t.kind == "lora"]
    named(str(tiny_model)).check("lora", given[0])
    with pytest.raises(UserError, match=r"no module 'atention'.*attention, all-linear"):
        named(str(tiny_model)).check("lora", given[1])


def test_modules_by_name_are_joined_by_a_plus():
    plan = swept("targets=q_proj+v_proj,all-linear")
    assert [t.settings["targets"] for t in plan.trials[2:]] == ["q_proj,v_proj", "all-linear"]


def test_a_scenario_may_bring_its_own_sweep_and_claim():
    found = sweep_of(scenarios.load("data-quality"), (), ())
    assert found.axes == (
        Axis("rows", ("500", "5000")), Axis("label-noise", ("0", "0.2", "0.4")),
    )  # fmt: skip
    assert found.only == ("tf-idf", "embeddings", "lora")
    assert found.claim.text == "500 good examples beat 5,000 mediocre ones"
