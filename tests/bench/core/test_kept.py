"""Finished steps are on disk before the next begins, and aren't repeated."""

import torch

from bench.core.kept import Kept


def test_a_step_is_computed_once(tmp_path):
    worked = []
    for _ in range(2):
        found = Kept(tmp_path).once("step", lambda: worked.append(1) or {"accuracy": 0.5})
    assert (found, worked) == ({"accuracy": 0.5}, [1])


def test_seconds_of_earlier_starts_are_counted(tmp_path):
    Kept(tmp_path).keep("a", 1)
    assert Kept(tmp_path).seconds_before > 0


def test_tensors_come_back_exactly_and_without_a_pickle(tmp_path):
    kept = Kept(tmp_path)
    kept.keep_tensors("x", {"w": torch.tensor([[1.5, 2.0]]).T, "step": torch.tensor(3.0)})
    assert torch.equal(kept.tensors("x")["w"], torch.tensor([[1.5], [2.0]]))
    assert [f.name for f in tmp_path.iterdir()] == ["x.safetensors"]


def test_a_damaged_step_is_computed_again(tmp_path):
    kept = Kept(tmp_path)
    kept.keep("step", 1)
    kept.keep_tensors("x", {"w": torch.ones(3)})
    (tmp_path / "step.json").write_text("{")
    (tmp_path / "x.safetensors").write_bytes(b"half")
    assert kept.once("step", lambda: 2) == 2
    assert kept.tensors("x") is None
    assert kept.tensors("never") is None
