"""Machines that serve stay while they are paid for; data that may not leave run on your own GPU."""

from tests.advisor.money.plans import plan_with


def test_data_that_may_not_leave_run_only_on_your_own_gpu():
    plan = plan_with(data_may_leave=False, gpu_memory_gib=24)
    assert plan.server.gpu.usable_bytes < 26e9
    assert "your own GPU" in plan.left_out["self-hosted-full"]


def test_a_server_is_rented_by_an_offer_that_stays_and_a_training_by_any():
    plan = plan_with()
    assert {offer.kind for offer in plan.server.offers} <= {"on-demand", "hyperscaler"}
    spot = plan_with(gpu_offer="spot")
    assert {offer.kind for offer in spot.server.offers} == {"spot"}
