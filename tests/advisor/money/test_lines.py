"""Money as worked sums: what an option costs once, a month and over the horizon."""

import numpy as np
import pytest

import scenarios
from advisor.money import prices
from advisor.money.lines import Line, cache_hits, lines, renewals, reserved_line, training_rows
from advisor.money.options import plan_of
from tests.advisor.money.plans import TODAY, line_of, plan_with


def test_training_is_rows_tokens_epochs_and_trials_by_the_hour():
    """1,200 rows x 1,100 tokens x 3 epochs = 3,960,000 tokens; at 1,100 a second they take an hour.

    With half an hour of overhead, at $1.00 an hour, four training runs: 4 x 1.5 x $1.00 = $6.00.
    """
    plan = plan_with()
    trainer = plan.trainers["lora"]
    values = {
        "tokens_per_s lora": 1100.0,
        "job_overhead_hours": 0.5,
        trainer.key: 1.0,
        "epochs": 3.0,
    }
    assert line_of("self-hosted-lora", values).once["training"] == pytest.approx(6.0)
    twice = line_of("self-hosted-lora", values, tenants=2).once["training"]
    assert twice == pytest.approx(12.0)


def test_only_missing_labels_are_paid_for():
    """Tuning takes 1,200 + 300 rows and 1,000 are available: 500 x $0.50 = $250. Few-shot prompting takes
    5 + 300, which are available."""
    assert line_of("self-hosted-lora").once["labelling"] == 250.0
    assert line_of("hosted-few-shot").once["labelling"] == 0.0
    assert line_of("hosted-few-shot", labelled_examples=105).once["labelling"] == 100.0


def test_all_available_rows_are_trained_on_if_the_profile_gives_no_number():
    plan = plan_with(training_rows=None, labelled_examples=6000)
    assert training_rows(plan, plan.values()) == 5700
    plan = plan_with(training_rows=None, labelled_examples=100)
    assert training_rows(plan, plan.values()) == 500


def test_staff_is_in_set_up_evaluation_and_operations():
    """24 h, 2 h and 10 h a month at $100."""
    line = line_of("self-hosted-lora")
    assert (line.once["set-up"], line.once["evaluation"]) == (2400, 200)
    assert line.monthly["operations"] == 1000
    free = line_of("self-hosted-lora", staff_usd_per_hour=0)
    assert free.once["set-up"] == free.monthly["operations"] == 0


def test_a_model_is_trained_again_by_the_calendar_and_when_its_base_is_retired():
    """Every 6 months in 24: after 6, 12 and 18. A base that lasts 10: after 10 and 20."""
    assert renewals(24, 6, 100) == (3, 0)
    assert renewals(24, 100, 10) == (0, 2)
    assert renewals(24, 6, 10) == (3, 2)


def test_a_retraining_on_the_day_of_a_new_base_is_that_one():
    """Every 6 months, a base that lasts 12, 24 months: 6 and 18 by the calendar, 12 for the base."""
    assert renewals(24, 6, 12) == (2, 1)
    assert renewals(12, 12, 12) == (0, 0)
    together = renewals(
        np.array([24.0, 24.0, 24.0]), np.array([6.0, 6.0, 100.0]), np.array([12.0, 10.0, 10.0])
    )
    assert [list(part) for part in together] == [[2, 3, 0], [1, 2, 2]]


def test_a_renewal_costs_a_training_fresh_labels_and_an_evaluation():
    """Once in 12 months: a training at $1.50, 20% of 1,200 labels at $0.50 = $120, 2 h at $100."""
    plan = plan_with()
    values = {"tokens_per_s lora": 1100.0, "job_overhead_hours": 0.5,
              plan.trainers["lora"].key: 1.0, "epochs": 3.0, "fresh_rows_share": 0.2}  # fmt: skip
    assert line_of("self-hosted-lora", values).renewal == pytest.approx(1.5 + 120 + 200)


def test_prompts_are_evaluated_again_when_the_hosted_model_is_retired():
    assert line_of("hosted-few-shot", base_model_lasts_months=5).renewal == 2 * 200


def test_machines_are_reserved_for_the_busiest_hour_and_not_by_use():
    """2,628,000 requests a month are one a second; twice that in the busiest hour, planned at half of
    a machine's 1 a second: 4 machines at $2.00 x 730 h = $5,840. 730 h of the 2,920 are used."""
    line = reserved_line({}, 0, {}, usd_per_machine_hour=2.0, rows_per_s=1.0, peak_to_mean=2.0,
                         utilisation=0.5)  # fmt: skip
    volume = 730 * 3600
    assert line.machines(volume) == 4
    assert line.serving_usd(volume) == pytest.approx(5840)
    assert volume / line.rows_per_s / 3600 == pytest.approx(730)


def test_an_idle_machine_costs_as_much_as_a_busy_one():
    line = reserved_line({}, 0, {}, usd_per_machine_hour=1.0, rows_per_s=10.0, replicas=2.0)
    assert line.serving_usd(0) == line.serving_usd(1000) == 2 * 730


def test_tenants_share_a_base_with_adapters_and_have_a_model_each_without():
    """At a small volume: one machine for lora, whose adapters are not merged, three for full."""
    lora, full = line_of("self-hosted-lora", tenants=3), line_of("self-hosted-full", tenants=3)
    hour = plan_with(tenants=3).server.usd_per_gpu_hour.value
    assert lora.serving_usd(1) == pytest.approx(hour * 730)
    assert full.serving_usd(1) == pytest.approx(3 * hour * 730)
    assert lora.rows_per_s == pytest.approx(0.8 * full.rows_per_s)


def test_a_few_shot_request_is_priced_with_its_demonstrations():
    """gpt-4.1-mini, $0.40 in, $1.60 out: 4,500 x 0.40 + 100 x 1.60 = $1,960 a million; zero-shot
    1,000 x 0.40 + 160 = $560; by batch half: $980."""
    for option, usd in (
        ("hosted-zero-shot", 560),
        ("hosted-few-shot", 1960),
        ("hosted-few-shot-batch", 980),
    ):
        assert 10**6 * line_of(option).request_usd == pytest.approx(usd)


def test_the_shared_beginning_is_read_from_the_cache_where_it_is_hit():
    """3,900 of 4,500 tokens at $0.10 instead of $0.40: 600 x 0.40 + 3,900 x 0.10 + 160 = $790 when
    always hit; half of the time: (790 + 1,960) / 2 = $1,375."""
    always = line_of("hosted-few-shot-cached", cache_hit_share=1.0).request_usd
    half = line_of("hosted-few-shot-cached", cache_hit_share=0.5).request_usd
    assert (10**6 * always, 10**6 * half) == (pytest.approx(790), pytest.approx(1375))


def test_a_cache_that_is_written_at_a_price_costs_more_than_none_where_it_is_never_hit():
    """gpt-6-luna: $0.125 to write, $0.10 to read afresh."""
    facts = {"hosted_model": "gpt-6-luna", "cache_hit_share": 0.0}
    cached = line_of("hosted-few-shot-cached", **facts).request_usd
    plain = line_of("hosted-few-shot", **facts).request_usd
    assert 10**6 * (cached - plain) == pytest.approx(3900 * 0.025)


def test_a_cache_is_hit_as_often_as_requests_come_within_its_minutes():
    """43,800 requests a month at twice the mean are 2 a minute; within 7 minutes none comes with a
    chance of e^-14. 43.8 a month are one in 500 minutes: 1 - e^-0.014 = 1.4%."""
    values = {"peak_to_mean_load": 2.0, "cache_minutes": 7.0}
    assert cache_hits(values, 43_800) == pytest.approx(1 - np.exp(-14))
    assert cache_hits(values, 43.8) == pytest.approx(0.0139, abs=1e-4)


@pytest.mark.parametrize("name", scenarios.names())
def test_more_requests_never_cost_less(name):
    plan = plan_of(scenarios.load(name).profile, prices.catalog(TODAY))
    volumes = np.concatenate([[0.0], np.logspace(0, 9, 400)])
    found = lines(plan, plan.values(), volumes)
    for option, line in found.items():
        monthly = line.monthly_usd(volumes)
        if option == "hosted-few-shot-cached":  # a warmer cache may make more requests cheaper each
            continue
        assert (np.diff(monthly) >= -1e-9).all(), option


@pytest.mark.parametrize("name", scenarios.names())
def test_draws_and_single_numbers_give_the_same_sum(name):
    plan = plan_of(scenarios.load(name).profile, prices.catalog(TODAY))
    values = plan.values()
    rows = lines(plan, {key: np.array([value, value]) for key, value in values.items()})
    for option, line in lines(plan, values).items():
        expected = line.horizon_usd(values["requests_per_month"], values["horizon_months"])
        found = rows[option].horizon_usd(values["requests_per_month"], values["horizon_months"])
        assert found == pytest.approx([expected, expected])


def test_a_line_adds_up():
    line = Line({"a": 10.0, "b": 5.0}, 3.0, {"operations": 2.0}, request_usd=0.01)
    assert line.horizon_usd(100, 12) == 10 + 5 + 3 + 12 * (2 + 1)
