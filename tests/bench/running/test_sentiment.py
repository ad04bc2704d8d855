"""The command of the README, on the real model and the real reviews."""

import json

import pytest

from tests.conftest import run_command


@pytest.mark.slow
def test_a_quick_run_compares_prompting_with_a_real_fine_tune_on_real_reviews(tmp_path):
    done = run_command("bench", "run", "sentiment", "--quick", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    contenders = {c["name"]: c for c in found["contenders"]}
    accuracy = {name: c["accuracy"]["value"] for name, c in contenders.items()}
    assert accuracy["majority"] == pytest.approx(1 / 3)
    assert 0.33 <= accuracy["zero-shot"] <= 0.55
    assert accuracy["lora"] >= 0.70
    assert found["verdict"]["quality"]["answer"] == "fine_tune"
    assert found["comparisons"][0]["low"] > 0.03
    assert found["comparisons"][0]["n"] == 300
    for contender in contenders.values():
        assert contender["peak_resident_bytes"] < 4e9
    record = json.loads((tmp_path / found["record"]).read_text())
    epochs = record["trials"][-1]["outcome"]["notes"]["epochs"]
    assert epochs[-1]["loss"] < epochs[0]["loss"]
    assert (
        "SmolLM2-135M-Instruct, prompted and tuned, on 300 test rows" in found["verdict"]["scope"]
    )
