"""A sweep: every combination once, each against the first, and a claim held against what was seen."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time

import pytest

import scenarios
from bench.planning.make import MODES, make_plan
from bench.planning.sweep import Axis, Sweep, axis_names, sweep_of, widened
from bench.record.sweep import outcome_of, verdict_of
from bench.running.run import Request, prepare
from scenarios.errors import UserError
from scenarios.rows import Example, Split
from scenarios.schema import Claim
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


def test_the_trials_are_the_product_of_the_axes_behind_the_floors():
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
    assert axis_names(["lora"])[5:8] == ["targets", "learning-rate", "search-rows"]
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
        (["xyzzy=4,8"], "no axis named 'xyzzy'; known: rows, label-noise, rank, alpha, dropout, targets, learning-rate"),
        (["rank=4,many"], "lora.rank: input should be a valid integer, unable to parse string as an integer, not 'many'"),
        (["rank=0,4"], "lora.rank: input should be greater than 0, not '0'"),
        (["rank"], "--vary takes NAME=VALUE,VALUE, not 'rank'"),
        (["rank=4,,8"], "--vary takes NAME=VALUE,VALUE, not 'rank=4,,8'"),
        (["rank=4,4"], "--vary rank holds the same value twice"),
        (["label-noise=0.2,0.20"], "--vary label-noise holds the same value twice"),
        (["rank=4,8", "rank=16"], "--vary names rank twice; give all of its values at once"),
        (["rank=4", "alpha=8"], "every --vary has one value, so there is nothing to compare; give two"),
        (["rows=100,501"], "--vary rows=501, and 500 training rows are at hand; give fewer"),
        (["rows=2,100"], "--vary rows=2: fewer rows than the 3 labels"),
        (["rows=1,100"], "--vary rows=1: 2 training rows are the fewest"),
        (["rows=1.5,100"], "--vary rows takes a whole number, not '1.5'"),
        (["label-noise=0,1"], "--vary label-noise=1: a share of the labels, from 0 to below 1"),
        (["label-noise=0,much"], "--vary label-noise takes a share such as 0.2, not 'much'"),
        (["rank=" + ",".join(map(str, range(1, 21))), "epochs=" + ",".join(map(str, range(1, 21)))],
         "400 combinations are more than a sweep takes (200 trials); give fewer values"),
        (["rank=" + ",".join(map(str, range(1, 201)))],
         "202 trials are more than a sweep takes (200); give fewer values"),
        (["learning-rate=1e-4,1e-3", "learning-rates=1e-4,1e-2"],
         "--vary learning-rate and --vary learning-rates are the same setting of lora; give all of its values under one name"),
        (["dora.rank=4,8"], "--vary dora.rank: dora isn't varied, but lora; name it in --only"),
        (["lora.rnk=4,8"], "no setting of lora named 'rnk'; did you mean 'rank'?"),
        (["lora.rank=4,8", "rank=16"], "--vary names rank twice; give all of its values at once"),
    ],
)  # fmt: skip
def test_what_can_not_be_varied_is_told_in_a_line(vary, line):
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
    of = {name: [v["values"] for v in plan.sweep["variants"].values() if v["contender"] == name]
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
    assert str(caught.value) == (
        f"{option} needs validation rows of its own, and here the training rows choose by "
        "cross-validation; set validation_rows to 18 or more in [task], or bring more rows"
    )


def test_label_noise_in_cross_fitting_without_validation_rows_is_refused(small_scenario, cache):
    """160 rows in ten folds leave 16 to validate, which are too few; in five folds 32 are enough."""
    plan = planned(small_scenario, label_noise=0.4, folds=5)
    assert {t.label_noise for t in plan.trials} == {0.4}
    with pytest.raises(UserError, match="leave out --cross-fit, or bring more rows"):
        planned(small_scenario, label_noise=0.4, folds=10)


def test_settings_are_varied_where_the_training_rows_choose(few_to_validate):
    plan = planned(few_to_validate, "inverse-penalty=1,10")
    assert plan.choosing["folds"] == 5
    assert [t.name for t in plan.trials[1:]] == [
        "tf-idf[inverse-penalty=1]", "tf-idf[inverse-penalty=10]",
    ]  # fmt: skip


def test_a_sweep_of_rows_that_choose_is_one_line_and_exit_code_2(few_to_validate, tmp_path):
    done = run_command(
        "bench", "sweep", few_to_validate, "--quick", "--only", "tf-idf", "--vary", "rows=6,20",
        cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("error: --vary rows needs validation rows")
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "runs").exists()


def test_nothing_varied_names_what_can_be():
    with pytest.raises(
        UserError, match="nothing is varied; give --vary NAME=VALUE,VALUE, with a name"
    ):
        sweep_of(SENTIMENT, (), ())


def test_targets_that_a_model_has_not_are_told_with_those_that_it_has(tiny_model):
    found = sweep_of(SENTIMENT, ("targets=attention,atention",), ("lora",))
    plan = make_plan(SENTIMENT, SPLIT, MODES["quick"], 0, str(tiny_model), ("lora",))
    with pytest.raises(
        UserError,
        match=r"has no module 'atention' to put an adapter on; give attention, all-linear",
    ):
        widened(plan, found, [SPLIT])


def test_modules_by_name_are_joined_by_a_plus():
    plan = swept("targets=q_proj+v_proj,all-linear")
    assert [t.settings["targets"] for t in plan.trials[2:]] == ["q_proj,v_proj", "all-linear"]


def test_a_check_of_the_run_that_fails_withholds_what_a_sweep_says():
    plan = swept("rank=4,8")
    canary = {"name": "adapter off", "passed": False, "sentence": "it isn't"}
    told = verdict_of(plan, outcome_of(plan, [], []), 300, 39, [canary])
    assert told["overall"]["answer"] == "cant_tell"
    assert told["overall"]["sentence"].startswith(
        "Withheld, since a check of the run itself failed"
    )
    assert verdict_of(plan, outcome_of(plan, [], []), 300, 39)["overall"]["answer"] == (
        "not_applicable"
    )


def test_a_scenario_may_bring_its_own_sweep_and_claim():
    found = sweep_of(scenarios.load("data-quality"), (), ())
    assert found.axes == (
        Axis("rows", ("500", "5000")), Axis("label-noise", ("0", "0.2", "0.4")),
    )  # fmt: skip
    assert found.only == ("tf-idf", "embeddings", "lora")
    assert found.claim.text == "500 good examples beat 5,000 mediocre ones"


CLAIM = Claim(text="few good beat many bad", better="rows=100,label-noise=0",
              worse=("label-noise=0.20,rows=300",))  # fmt: skip


def entry(name, score):
    return {"name": name, "status": "done", "validation_score": score}


def compared(pair, difference, p, half=0.02):
    return {"baseline": pair[0], "challenger": pair[1], "metric": "accuracy", "level": 0.95,
            "difference": difference, "low": difference - half, "high": difference + half,
            "p_value": p, "p_adjusted": p, "smallest_visible": half * 1.4, "n": 300}  # fmt: skip


def told(differences, scores=None, claim=None):
    """What a sweep over rows and wrong labels shows, from differences to the first and p-values."""
    plan = swept("rows=100,300", "label-noise=0,0.2", claim=claim)
    names = list(plan.sweep["variants"])
    scores = scores or [0.5, 0.6, 0.7, 0.4]
    return outcome_of(
        plan,
        [entry(name, score) for name, score in zip(names, scores, strict=True)],
        [compared((names[0], n), *found) for n, found in zip(names[1:], differences, strict=True)],
    ), names  # fmt: skip


def test_the_choice_of_the_validation_rows_wins_where_the_test_rows_tell_it_from_the_first():
    found, names = told([(0.01, 0.5), (0.10, 0.01), (-0.05, 0.04)])
    [of] = found["contenders"]
    assert of["winner"] == of["chosen"] == names[2]
    assert (of["better"], of["worse"], of["cant_tell"]) == ([names[2]], [names[3]], [names[1]])
    assert of["sentence"] == (
        "lora[rows=300,label-noise=0] wins: accuracy +10.0 points (95 % interval +8.0 to +12.0, "
        "adjusted p 0.010) against lora[rows=100,label-noise=0]."
    )


def test_what_the_test_rows_could_have_shown_stands_beside_that_nothing_can_be_told():
    """Pairs whose intervals are 2 points to either side; 1.4 times 2 are 2.8."""
    found, names = told([(0.01, 0.5), (0.01, 0.5), (-0.05, 0.04)])
    assert found["contenders"][0]["sentence"] == (
        f"lora: can't tell which combination is best; validation rows choose {names[2]}, accuracy +1.0 "
        f"points (95 % interval -1.0 to +3.0, adjusted p 0.500) against {names[0]}; of the others "
        f"1 worse than {names[0]}; these 300 test rows could show a difference of about 2.8 points "
        "(before the adjustment)."
    )


def test_of_several_pairs_the_one_that_needs_the_largest_difference_is_told():
    """The first is chosen, so that all three pairs count; one of them answers alike."""
    plan = swept("rank=2,4,8,16")
    names = list(plan.sweep["variants"])
    pairs = [compared((names[0], name), 0.0, 1.0, half)
             for name, half in zip(names[1:], (0.01, 0.03, 1e-17), strict=True)]  # fmt: skip
    scores = (0.9, 0.1, 0.1, 0.1)
    entries = [entry(name, score) for name, score in zip(names, scores, strict=True)]
    [of] = outcome_of(plan, entries, pairs)["contenders"]
    assert "could show a difference of about 4.2 points" in of["sentence"]
    [of] = outcome_of(plan, entries, pairs[2:])["contenders"]
    assert of["sentence"].endswith(f"validation rows choose {names[0]}.")


def test_of_two_that_share_the_best_score_validation_rows_choose_none():
    """The test rows tell the second of them from the first, which makes it no winner."""
    found, names = told([(0.01, 0.5), (0.10, 0.01), (0.0, 1.0)], [0.5, 0.8, 0.1 + 0.7, 0.4])
    [of] = found["contenders"]
    assert (of["chosen"], of["winner"], of["better"]) == (None, None, [names[2]])
    assert of["sentence"].startswith(
        "lora: can't tell which combination is best; validation rows choose none, since 2 combinations "
        f"share the best score; of the others 1 better than {names[0]}; these 300 test rows"
    )


def test_a_combination_without_a_score_is_not_chosen():
    found, names = told([(0.01, 0.5)] * 3, [None, None, 0.0, None])
    assert found["contenders"][0]["chosen"] == names[2]


def test_where_no_combination_has_a_score_nothing_is_chosen():
    found, _ = told([(-0.1, 0.01)] * 3, [None] * 4)
    [of] = found["contenders"]
    assert (of["chosen"], of["winner"], len(of["worse"])) == (None, None, 3)
    assert of["sentence"].startswith(
        "lora: can't tell which combination is best; no validation rows choose here, since no "
        "combination has a score on them; of the others 3 worse than"
    )


def test_that_what_was_forgotten_is_not_adjusted_is_told_where_it_was_asked():
    plan = swept("rank=4,8")
    for asked in (False, True):
        plan = dataclasses.replace(plan, forgetting=asked)
        scope = verdict_of(plan, outcome_of(plan, [], []), 300, 39)["scope"]
        assert scope.endswith("what was forgotten aren't adjusted.") == asked


def test_the_first_wins_only_over_all_others():
    worse = [(-0.1, 0.01)] * 3
    found, names = told(worse, [0.9, 0.1, 0.1, 0.1])
    assert found["contenders"][0]["winner"] == names[0]
    found, _ = told([*worse[:2], (-0.01, 0.6)], [0.9, 0.1, 0.1, 0.1])
    assert found["contenders"][0]["winner"] is None
    assert "can't tell which combination is best" in found["contenders"][0]["sentence"]


def test_a_p_value_of_exactly_5_percent_tells_nothing():
    found, names = told([(0.01, 0.5), (0.10, 0.05), (0.0, 1.0)])
    assert found["contenders"][0]["winner"] is None
    assert names[2] in found["contenders"][0]["cant_tell"]


@pytest.mark.parametrize(
    ("difference", "p", "answer"),
    [(-0.1, 0.01, "holds"), (0.1, 0.01, "fails"), (-0.1, 0.2, "cant_tell")],
)
def test_a_claim_holds_fails_or_can_not_be_told(difference, p, answer):
    """The claimed better one is the baseline: where the other lies 10 points below it, it gains 10."""
    found, names = told([(0.0, 1.0), (0.0, 1.0), (difference, p)], claim=CLAIM)
    [claim] = found["claims"]
    assert (claim["better"], claim["worse"]) == (names[0], names[3])
    assert claim["answer"] == answer
    assert claim["difference"] == -difference
    assert claim["low"] < claim["difference"] < claim["high"]


def test_a_claim_on_combinations_that_are_not_tried_says_nothing():
    plan = swept("rows=100,300", claim=CLAIM)
    assert outcome_of(plan, [], [])["claims"] == []


def start(folder, tiny_model, *more):
    return subprocess.Popen(
        [sys.executable, "-m", "bench", "sweep", str(folder / "small.toml"), "--quick", "--model",
         str(tiny_model), "--vary", "rank=2,4", "--vary", "label-noise=0,0.3", "--set",
         "lora.epochs=1", "--out", str(folder / "out"), *more],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        env={**os.environ, "TUNE_OR_PROMPT_CACHE": str(folder / "cache")},
    )  # fmt: skip


@pytest.fixture(scope="module")
def killed_and_resumed(tmp_path_factory, tiny_model):
    """A sweep of 2 x 2 that was killed in its second combination, and then went on."""
    from tests import conftest

    folder = tmp_path_factory.mktemp("sweep")
    conftest.small_scenario.__wrapped__(folder)
    process = start(folder, tiny_model)
    first = folder / "out" / "outcomes" / "03-lora-rank-2-label-noise-0-s0.json"
    deadline = time.monotonic() + 100
    while not first.exists():
        assert time.monotonic() < deadline
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    kept = first.read_bytes()
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    again = start(folder, tiny_model, "--json")
    out, errors = again.communicate(timeout=150)
    assert again.returncode == 0, errors
    return folder, json.loads(out), errors, first.read_bytes() == kept


@pytest.mark.slow
def test_a_killed_sweep_goes_on_and_does_nothing_twice(killed_and_resumed):
    _, _, errors, same = killed_and_resumed
    assert same
    assert errors.count("was done already") == 3  # the floors and the first combination


@pytest.mark.slow
def test_a_sweeps_json_and_record_hold_every_combination_and_its_pair(killed_and_resumed):
    folder, found, _, _ = killed_and_resumed
    names = [
        "majority",
        "tf-idf",
        *(f"lora[rank={r},label-noise={n}]" for r in "24" for n in ("0", "0.3")),
    ]
    assert [c["name"] for c in found["contenders"]] == names
    assert all(c["status"] == "done" for c in found["contenders"])
    assert {(c["baseline"], c["challenger"]) for c in found["comparisons"]} == {
        (names[2], name) for name in names[3:]
    }
    assert found["sweep"]["contenders"][0]["first"] == names[2]
    record = json.loads((folder / "out" / "record.json").read_text())
    assert [t["label_noise"] for t in record["trials"]] == [0, 0, 0, 0.3, 0, 0.3]
    wrong = [t["outcome"]["wrong_labels"] for t in record["trials"][2:]]
    rows = record["trials"][2]["n_train"]
    assert wrong == [0, round(0.3 * rows)] * 2
    assert record["verdict"]["overall"]["answer"] == "not_applicable"


@pytest.mark.slow
def test_a_sweeps_report_shows_settings_time_memory_and_pairs(killed_and_resumed):
    folder, _, _, _ = killed_and_resumed
    html = (folder / "out" / "report.html").read_text()
    assert "Combinations of the sweep" in html
    assert "Each against the first" in html


@pytest.mark.slow
def test_a_sweep_is_judged_by_the_test_rows_own_labels(killed_and_resumed):
    """Each accuracy again, from the answers on disk and the labels in the rows' file."""
    folder, found, _, _ = killed_and_resumed
    lines = (folder / "rows.jsonl").read_text().splitlines()
    gold = {row["id"]: row["label"] for row in map(json.loads, lines)}
    for entry, file in zip(
        found["contenders"], sorted((folder / "out" / "answers").glob("*.jsonl")), strict=True
    ):
        said = [json.loads(line) for line in file.read_text().splitlines()]
        right = sum(gold[answer["example_id"]] == answer["text"] for answer in said)
        assert entry["accuracy"]["value"] == right / 40


def test_a_sweep_says_its_plan_and_stops(small_scenario, tmp_path):
    done = run_command(
        "bench", "sweep", small_scenario, "--quick", "--vary", "rows=20,40", "--only", "tf-idf",
        "--plan", cwd=tmp_path, TUNE_OR_PROMPT_CACHE=str(tmp_path / "cache"),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "02-tf-idf-rows-20-s0: 20 training rows" in done.stdout
    assert "1 exploratory comparisons, adjusted after Holm" in done.stdout
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--vary", "rnk=4,8"], "no axis named 'rnk'; did you mean 'rank'?"),
        (["--vary", "rank=4,8", "--seeds", "none"], "--seeds takes a number of seeds, or 0,1,2, not 'none'"),
        (["--vary", "rank=4,8", "--seeds", "0"], "--seeds 0: give 1 to 100 seeds; --seed says where they begin"),
        (["--vary", "rank=4,8", "--only", "lroa"], "no contender named 'lroa'; did you mean 'lora'?"),
    ],
)  # fmt: skip
def test_bad_input_of_a_sweep_is_one_line_and_exit_code_2(arguments, line, tmp_path):
    done = run_command("bench", "sweep", "sentiment", *arguments, cwd=tmp_path)
    assert (done.returncode, done.stderr.strip()) == (2, f"error: {line}")
    assert not (tmp_path / "runs").exists()
