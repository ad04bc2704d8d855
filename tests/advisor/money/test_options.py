"""An option that isn't available says why; the others have their machines and notes."""

from datetime import date

from advisor.money import prices
from advisor.money.options import plan_of
from scenarios.schema import Profile
from tests.advisor.money.plans import FACTS, plan_with


def test_an_option_that_is_not_available_says_why():
    left = plan_with(data_may_leave=False).left_out
    assert (
        left["hosted-few-shot"]
        == left["hosted-tuned"]
        == "the data may not leave your organisation"
    )
    assert "up to a day" in plan_with(latency_target_p95_ms=200).left_out["hosted-few-shot-batch"]
    assert "1,024" in plan_with(demonstrations=0).left_out["hosted-few-shot-cached"]
    assert (
        "no batch price"
        in plan_with(hosted_model="mistral-large-latest").left_out["hosted-few-shot-batch"]
    )
    assert "licence" in plan_with(base_licence_fits=False).left_out["self-hosted-lora"]
    assert "exceeds the context" in plan_with(prompt_tokens=40_000).left_out["self-hosted-lora"]
    assert "doesn't fit" in plan_with(own_model="Llama-3.1-405B").left_out["self-hosted-full"]


def test_hosted_tuning_is_offered_with_its_end_and_not_after_it():
    plan = plan_with()
    assert any("new jobs until 2027-01-06" in note for note in plan.notes)
    later = plan_of(Profile(**FACTS), prices.catalog(date(2027, 1, 7)))
    assert (
        later.left_out["hosted-tuned"] == "all hosted tuning in the catalog has been discontinued"
    )
