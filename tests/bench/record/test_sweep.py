"""What a sweep showed: each combination compared with the first, and whether a claim held."""

from dataclasses import replace

import pytest

import scenarios
from bench.core.outcome import Done, Skipped
from bench.core.plan import MODES
from bench.planning.make import make_plan
from bench.planning.request import Sweep
from bench.planning.sweep import sweep_of, widened
from bench.record.circumstances import Circumstances
from bench.record.measured import forgot_less
from bench.record.sweep import make_sweep_record, sweep_verdict
from scenarios.rows import Example, Split
from scenarios.schema import Claim
from tests.bench.record.test_forecasts import USAGE

SENTIMENT = scenarios.load("sentiment")
SPLIT = Split(
    train=tuple(Example(str(i), f"text {i}", "negative", str(i)) for i in range(500)),
    validation=(), test=(), digest="d", counts={},
)  # fmt: skip
AROUND = Circumstances(300, 39)
CLAIM = Claim(text="few good beat many bad", better="rows=100,label-noise=0",
              worse=("label-noise=0.20,rows=300",))  # fmt: skip


def swept(*vary, claim=None):
    asked = sweep_of(SENTIMENT, vary, ("lora",))
    plan = make_plan(SENTIMENT, SPLIT, MODES["quick"], 0, "no/such-model", asked.only)
    return widened(plan, Sweep(asked.axes, asked.only, claim), [SPLIT])


def shown(plan, entries=(), pairs=()):
    """The sweep's record, of trials that left no figures of forgetting."""
    outcomes = {trial.slug: Skipped("x") for trial in plan.trials}
    return make_sweep_record(plan, entries, pairs, outcomes)


def entry(name, score):
    return {"name": name, "status": "done", "validation_score": score}


def compared(pair, difference, p, half=0.02):
    return {"baseline": pair[0], "challenger": pair[1], "metric": "accuracy", "level": 0.95,
            "difference": difference, "low": difference - half, "high": difference + half,
            "p_value": p, "p_adjusted": p, "smallest_visible": half * 1.4, "n": 300}  # fmt: skip


def found(differences, scores=None, claim=None):
    """What a sweep over rows and wrong labels shows, from differences to the first and p-values."""
    plan = swept("rows=100,300", "label-noise=0,0.2", claim=claim)
    names = list(plan.sweep.variants)
    scores = scores or [0.5, 0.6, 0.7, 0.4]
    return shown(
        plan,
        [entry(name, score) for name, score in zip(names, scores, strict=True)],
        [compared((names[0], n), *pair) for n, pair in zip(names[1:], differences, strict=True)],
    ), names  # fmt: skip


def test_a_failed_check_of_the_run_withholds_what_a_sweep_says():
    plan = swept("rank=4,8")
    canary = {"name": "adapter off", "passed": False, "sentence": "it isn't"}
    verdict = sweep_verdict(plan, shown(plan), replace(AROUND, failed=[canary]))
    assert verdict["overall"]["answer"] == "cant_tell"
    assert "failed: it isn't" in verdict["overall"]["sentence"]
    assert sweep_verdict(plan, shown(plan), AROUND)["overall"]["answer"] == "not_applicable"


def test_the_combination_that_validation_rows_choose_wins_where_the_test_rows_agree():
    record, names = found([(0.01, 0.5), (0.10, 0.01), (-0.05, 0.04)])
    [of] = record["contenders"]
    assert of["winner"] == of["chosen"] == names[2]
    assert (of["better"], of["worse"], of["cant_tell"]) == ([names[2]], [names[3]], [names[1]])
    assert of["sentence"] == (
        "lora[rows=300,label-noise=0] wins: accuracy +10.0 points (95% CI +8.0 to +12.0, "
        "adjusted p = 0.010) vs lora[rows=100,label-noise=0]."
    )


def test_where_nothing_is_best_it_says_what_the_test_rows_could_have_shown():
    """Pairs whose intervals are 2 points to either side; 1.4 times 2 are 2.8."""
    record, names = found([(0.01, 0.5), (0.01, 0.5), (-0.05, 0.04)])
    sentence = record["contenders"][0]["sentence"]
    for part in (
        "can't tell which combination is best", f"the validation rows choose {names[2]}",
        "+1.0 points (95% CI -1.0 to +3.0, adjusted p = 0.500)", f"1 is worse than {names[0]}",
        "300 test rows", "about 2.8 points",
    ):  # fmt: skip
        assert part in sentence


def test_of_several_pairs_the_largest_difference_needed_is_named():
    """The first is chosen, so that all three pairs count; one of them answers alike."""
    plan = swept("rank=2,4,8,16")
    names = list(plan.sweep.variants)
    pairs = [compared((names[0], name), 0.0, 1.0, half)
             for name, half in zip(names[1:], (0.01, 0.03, 1e-17), strict=True)]  # fmt: skip
    scores = (0.9, 0.1, 0.1, 0.1)
    entries = [entry(name, score) for name, score in zip(names, scores, strict=True)]
    [of] = shown(plan, entries, pairs)["contenders"]
    assert "about 4.2 points" in of["sentence"]
    [of] = shown(plan, entries, pairs[2:])["contenders"]
    assert of["sentence"].endswith(f"validation rows choose {names[0]}.")


def test_of_two_that_share_the_best_score_validation_rows_choose_none():
    """The test rows distinguish the second of them from the first, which makes it no winner."""
    record, names = found([(0.01, 0.5), (0.10, 0.01), (0.0, 1.0)], [0.5, 0.8, 0.1 + 0.7, 0.4])
    [of] = record["contenders"]
    assert (of["chosen"], of["winner"], of["better"]) == (None, None, [names[2]])
    assert "choose none, since 2 combinations share the best score" in of["sentence"]
    assert f"1 is better than {names[0]}" in of["sentence"]


def test_a_combination_without_a_score_is_not_chosen():
    record, names = found([(0.01, 0.5)] * 3, [None, None, 0.0, None])
    assert record["contenders"][0]["chosen"] == names[2]


def test_where_no_combination_has_a_score_nothing_is_chosen():
    record, names = found([(-0.1, 0.01)] * 3, [None] * 4)
    [of] = record["contenders"]
    assert (of["chosen"], of["winner"], len(of["worse"])) == (None, None, 3)
    assert "none is chosen" in of["sentence"]
    assert f"3 are worse than {names[0]}" in of["sentence"]


def test_the_first_wins_only_over_all_others():
    worse = [(-0.1, 0.01)] * 3
    record, names = found(worse, [0.9, 0.1, 0.1, 0.1])
    assert record["contenders"][0]["winner"] == names[0]
    record, _ = found([*worse[:2], (-0.01, 0.6)], [0.9, 0.1, 0.1, 0.1])
    assert record["contenders"][0]["winner"] is None
    assert "can't tell which combination is best" in record["contenders"][0]["sentence"]


def test_a_p_value_of_exactly_5_percent_distinguishes_nothing():
    record, names = found([(0.01, 0.5), (0.10, 0.05), (0.0, 1.0)])
    assert record["contenders"][0]["winner"] is None
    assert names[2] in record["contenders"][0]["cant_tell"]


@pytest.mark.parametrize(
    ("difference", "p", "answer"),
    [(-0.1, 0.01, "holds"), (0.1, 0.01, "fails"), (-0.1, 0.2, "cant_tell")],
)
def test_a_claim_holds_fails_or_is_open(difference, p, answer):
    """The claimed better one is the baseline: where the other is 10 points below it, it gains 10."""
    record, names = found([(0.0, 1.0), (0.0, 1.0), (difference, p)], claim=CLAIM)
    [claim] = record["claims"]
    assert (claim["better"], claim["worse"]) == (names[0], names[3])
    assert claim["answer"] == answer
    assert claim["difference"] == -difference
    assert (claim["low"], claim["high"]) == pytest.approx((-difference - 0.02, -difference + 0.02))
    verdict = sweep_verdict(swept("rank=4,8"), record, AROUND)
    assert "few good beat many bad" in verdict["overall"]["sentence"]


def test_a_claim_whose_pair_did_not_finish_is_open():
    plan = swept("rows=100,300", "label-noise=0,0.2", claim=CLAIM)
    [claim] = shown(plan)["claims"]
    assert (claim["answer"], claim["difference"], claim["p_adjusted"]) == ("cant_tell", None, None)
    assert "didn't both finish" in claim["sentence"]


def test_a_claim_on_combinations_that_are_not_tried_says_nothing():
    assert shown(swept("rows=100,300", claim=CLAIM))["claims"] == []


def test_the_scope_says_that_p_values_of_forgetting_are_not_adjusted_where_it_was_measured():
    plan = swept("rank=4,8")
    for asked in (False, True):
        plan = replace(plan, forgetting=asked)
        scope = sweep_verdict(plan, shown(plan), AROUND)["scope"]
        assert ("forgetting" in scope) == asked
        assert "on 300 test rows" in scope
        assert "39 groups, with 1 seed." in scope


def test_what_each_forgot_is_compared_where_both_were_asked():
    """One more of 20 instructions is followed by the second: 5 points; a third wasn't asked."""
    plan = swept("rank=4,8,16")
    base = [True] * 20

    def done(followed, asked=True):
        figures = {"status": "done", "base_followed": base, "lost": [],
                   "tuned_followed": [True] * followed + [False] * (20 - followed),
                   "divergence": [{"prompt": "p", "nats": 1.0 * i, "tokens": 10} for i in range(20)],
                   "usage": {"seconds": 1.0}}  # fmt: skip
        return Done(notes={}, setup=USAGE, serving=USAGE, rows=1, latencies_ms=[1.0], device=None,
                    forgetting=figures if asked else None)  # fmt: skip

    own = [trial for trial in plan.trials if trial.kind == "lora"]
    outcomes = {trial.slug: done(10, asked=False) for trial in plan.trials}
    outcomes |= {own[0].slug: done(10), own[1].slug: done(11)}
    [pair] = forgot_less(plan, outcomes)
    assert (pair["baseline"], pair["challenger"]) == (own[0].name, own[1].name)
    assert pair["followed"]["value"] == pytest.approx(0.05)
    assert pair["kl_per_token"]["value"] == 0.0
