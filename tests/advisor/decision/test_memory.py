"""What doesn't fit in a GPU's memory is voted against, and ruled out where no other may be rented."""

import pytest

from advisor.decision.rules import CHOICES
from tests.advisor.situations import advise


def test_a_model_whose_16_bit_weights_do_not_fit_is_tuned_in_4_bit():
    """8e9 x 2 bytes are 14.9 GiB: they leave room in 24 GiB, and none in 12."""
    assert advise("data-privacy").choice == "lora"
    assert advise("data-privacy", gpu_memory_gib=12).choice == "qlora"


def test_what_does_not_fit_your_gpu_is_ruled_out_only_if_the_data_must_stay():
    """Otherwise a larger GPU can be rented: votes against, but nothing is ruled out."""
    inside, outside = advise("data-privacy", gpu_memory_gib=12), advise(
        "data-privacy", gpu_memory_gib=12, data_may_leave="true")  # fmt: skip
    assert "GiB" in inside.decided.ruled_out["lora"]
    assert outside.decided.ruled_out == {}
    assert {"memory-at-hand-is-short"} <= {vote.rule for vote in outside.votes}


@pytest.mark.parametrize("memory", [0, 1])
def test_without_memory_for_any_model_nothing_is_possible(memory):
    """8B in 4 bits takes 4.1 GiB; 0 or 1 are available, and the data may not leave."""
    found = advise("data-privacy", gpu_memory_gib=memory)
    assert found.choice == "undecided"
    assert set(found.decided.ruled_out) == set(CHOICES)
    assert "GiB in 4 bits" in found.decided.ruled_out["prompt"]


def test_a_small_model_needs_no_gpu_to_be_prompted():
    found = advise("data-privacy", gpu_memory_gib=0, largest_own_model_billion_parameters=1)
    assert "prompt" not in found.decided.ruled_out
