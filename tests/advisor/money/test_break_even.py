"""From which volume tuning pays: worked sums, a brute-force search, and what it depends on."""

import numpy as np
import pytest

import scenarios
from advisor.money import prices
from advisor.money.break_even import NEVER, against, least_volume, tornado, volumes
from advisor.money.lines import Line, lines, reserved_line
from advisor.money.options import plan_of
from advisor.money.report import report
from tests.advisor.money.plans import TODAY


def asked(request_usd, **once):
    return Line(once, 0.0, {}, request_usd=request_usd)


def test_fifteen_thousand_requests_recover_a_training_of_six_dollars():
    """Training $6.00; prompting costs $0.40 more for 1,000 requests: 6 / 0.0004 = 15,000."""
    prompt, tuned = asked(0.0014), asked(0.0010, training=6.0)
    assert least_volume(prompt, tuned, months=1) == pytest.approx(15_000)
    assert least_volume(prompt, tuned, months=12) == pytest.approx(1_250)


def test_tuning_that_costs_more_a_request_never_pays():
    assert least_volume(asked(0.001), asked(0.002, training=6.0), 12) == NEVER


def test_tuning_that_costs_less_initially_pays_from_the_first_request():
    assert least_volume(asked(0.002, labels=10.0), asked(0.001, training=6.0), 12) == 0


def test_a_machine_of_730_dollars_is_recovered_by_730_000_requests():
    """One machine at $1.00 an hour serves 10 a second, 26 million a month; a request costs $0.001."""
    machine = reserved_line({}, 0.0, {}, usd_per_machine_hour=1.0, rows_per_s=10.0, replicas=1.0)
    assert least_volume(asked(0.001), machine, 12) == pytest.approx(730_000)


def test_the_last_crossing_counts_where_a_further_machine_makes_tuning_dearer_again():
    """A machine at $730 serves 1,000,000 requests, which cost $800 when prompted. One machine is
    recovered by 912,500 requests; just above a million the second costs $1,460 for $800. With n
    machines it is cheaper from 912,500 n on, and at the step before, n million, for good once
    800 n >= 730 (n + 1): n = 11. So the last crossing is on the eleventh machine, at 10,037,500."""
    tuned = Line({}, 0.0, {}, machine_usd=730.0, machines_least=1, machines_each=1e-6)
    found = float(least_volume(asked(0.0008), tuned, 1))
    assert found == pytest.approx(912_500 * 11)
    assert tuned.monthly_usd(10_000_001) > 0.0008 * 10_000_001


def test_machines_that_cost_more_for_each_request_than_prompting_never_pay():
    tuned = Line({}, 0.0, {}, machine_usd=730.0, machines_least=1, machines_each=1e-6)
    assert least_volume(asked(0.0007), tuned, 12) == NEVER


def test_the_formula_finds_what_a_search_by_brute_force_finds():
    """600 pairs of lines against a grid with every step's both sides."""
    rng = np.random.default_rng(7)
    for case in range(600):
        months = int(rng.choice([1, 6, 24]))
        prompt = asked(10 ** rng.uniform(-5, -2), once=rng.uniform(0, 2000))
        tuned = Line(
            {"once": rng.uniform(0, 5000)}, 0.0, {"operations": rng.uniform(0, 900)},
            **({"request_usd": 10 ** rng.uniform(-5, -2)} if case % 3 == 0 else
               {"machine_usd": rng.uniform(10, 2000), "machines_least": int(rng.integers(1, 3)),
                "machines_each": 10 ** rng.uniform(-7, -4)}),
        )  # fmt: skip
        steps = np.arange(1, 2000) / tuned.machines_each if tuned.machines_each else np.array([1.0])
        grid = np.sort(
            np.concatenate([np.logspace(0, 9, 4000), steps * (1 + 1e-8), steps * (1 - 1e-8)])
        )
        dearer = tuned.horizon_usd(grid, months) - prompt.horizon_usd(grid, months) > 1e-6
        found = float(least_volume(prompt, tuned, months))
        last = np.nonzero(dearer)[0]
        if len(last) == 0:
            assert found <= 1
        elif last[-1] == len(grid) - 1:
            assert found > grid[-1] * 0.99
        else:
            low, high = grid[last[-1]], grid[last[-1] + 1]
            assert low * (1 - 1e-6) <= found <= high * (1 + 1e-6)


def test_the_cache_is_hit_by_the_volume_that_is_found():
    """At the break-even the two cost the same, with the cache as it is hit there."""
    profile = scenarios.load("critical-latency").profile
    plan = plan_of(profile, prices.catalog(TODAY))
    held = against(plan)
    assert held.prompting == ("hosted-few-shot", "hosted-few-shot-cached")
    at = float(volumes(plan, plan.values(), held.prompting))
    there = lines(plan, plan.values(), at)
    cheapest = min(there[option].horizon_usd(at, 12) for option in held.prompting)
    assert there["self-hosted-lora"].horizon_usd(at, 12) == pytest.approx(cheapest, rel=1e-4)


def test_a_seed_gives_the_same_answer_twice_and_another_nearly_the_same():
    scenario = scenarios.load("critical-latency")
    one, two, other = (
        report(scenario, prices.catalog(TODAY), seed=seed).to_json() for seed in (1, 1, 2)
    )
    assert one == two
    low, another = (found["break_even"]["requests_per_month"]["low"] for found in (one, other))
    assert low != another
    assert low == pytest.approx(another, rel=0.03)


def test_what_moves_the_break_even_most_comes_first():
    plan = plan_of(scenarios.load("critical-latency").profile, prices.catalog(TODAY))
    bars = tornado(plan, against(plan).prompting)
    assert [bar.weight for bar in bars] == sorted((bar.weight for bar in bars), reverse=True)
    assert {bar.key for bar in bars} == {
        k for k, a in plan.assumptions.items() if not a.range.fixed
    }
    price = next(bar for bar in bars if bar.key.startswith("serving_usd_per_gpu_hour"))
    assert price.volume_at_low < price.volume_at_high


def test_data_that_may_not_leave_are_prompted_and_tuned_on_the_same_model():
    """The same machines serve both, so tuning saves only the demonstrations."""
    found = report(scenarios.load("data-privacy"), prices.catalog(TODAY)).break_even
    assert found.compared_with.prompting == ("self-hosted-prompt",)


def test_without_evidence_the_break_even_says_what_it_assumes():
    found = report(scenarios.load("niche-domain"), prices.catalog(TODAY)).break_even
    assert "conditional on equal quality" in found.condition
    assert "--evidence" in found.condition
