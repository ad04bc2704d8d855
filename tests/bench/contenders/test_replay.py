"""Replay: the base's own answers among the training rows, to prompts that measure nothing."""

import pytest

import scenarios
from bench.checks import general
from bench.contenders._replay import Replay
from bench.contenders._tuning import Tuning
from bench.contenders.lora import Contender
from bench.core.contender import Ground
from bench.core.kept import Kept
from bench.engine import models
from bench.engine.models import Device
from bench.engine.training import Row
from scenarios.near_copies import near_copies_of
from scenarios.rows import load_split

CPU = Device("cpu", "float32", "test")


@pytest.fixture(scope="module")
def model(tiny_model):
    return models.load("tiny", tiny_model, CPU)


def test_no_replayed_prompt_is_one_that_is_measured():
    replayed = general.replay_prompts(320, 0)
    assert len(set(replayed)) == 320
    measured = [*general.measured_prompts(), *(i.ask for i in general.instructions())]
    assert len(set(measured)) == 160
    assert not set(replayed) & set(measured)
    assert not near_copies_of(measured, replayed)


def test_replayed_prompts_come_in_random_order_and_repeat():
    assert general.replay_prompts(5, 0) == general.replay_prompts(5, 0)
    assert general.replay_prompts(5, 0) != general.replay_prompts(5, 1)
    around = general.replay_prompts(330, 0)
    assert around[320:] == around[:10]


def test_what_the_base_writes_is_written_once_and_found_by_other_trials(
    model, tmp_path, monkeypatch
):
    prompts = general.replay_prompts(3, 0)
    first = general.written_by_base(model, prompts, tmp_path / "shared")
    assert all(0 < len(tokens) <= general.MOST_ANSWER_TOKENS for tokens in first)
    monkeypatch.setattr(general.Asked, "written", lambda *_: pytest.fail("written twice"))
    assert general.written_by_base(model, prompts[::-1], tmp_path / "shared") == first[::-1]


def test_a_share_of_rows_is_added_and_every_row_keeps_all_of_its_tokens(model):
    """10 task rows and a share of 0.25 are 12 rows; prefix and row together are as before."""
    replay = Replay(model, 5, 0, None)
    asked = general.Asked(model)
    prefix = [*asked.prefix, 40, 41]
    rows = [Row([50 + i], [60]) for i in range(10)]
    shared, mixed = replay.mixed(prefix, rows, 0.25)
    assert len(mixed) == 12
    assert [shared + row.tokens for row in mixed[:10]] == [prefix + row.tokens for row in rows]
    prompts = general.replay_prompts(2, 0)
    assert [shared + row.tokens for row in mixed[10:]] == [
        asked.prefix + asked.row(p) for p in prompts
    ]
    assert [row.answer for row in mixed[10:]] == asked.written(prompts)


def test_without_a_share_nothing_changes(model):
    rows = [Row([1], [2])]
    assert Replay(model, 1, 0, None).mixed([7, 8], rows, 0.0) == ([7, 8], rows)


@pytest.fixture
def ground(tmp_path, small_scenario, tiny_model, cache):
    model = models.load("tiny", tiny_model, CPU)
    task = scenarios.load(str(small_scenario)).task
    split = load_split(task, 0)
    return Ground(
        task, split.train[:32], split.validation, lambda: model, tmp_path / "made",
        Kept(tmp_path / "kept"), shared=tmp_path / "shared",
    )  # fmt: skip


def test_a_contender_trains_on_replayed_rows_and_says_how_many(ground):
    ground.folder.mkdir()
    found = Contender(epochs=1, learning_rates=(1e-3,), replay=0.25).fit(ground, 0)
    assert found.notes["replayed_rows"] == 8
    assert all(canary["passed"] for canary in found.notes["canaries"])
    assert list((ground.folder.parent / "shared").glob("base-*.json"))
    assert found.notes["updates"] == 3  # 40 rows, 16 an update; 32 rows would be 2


def test_a_search_replays_its_share_of_its_own_rows(ground, monkeypatch):
    from bench.engine.trainer import Trainer

    seen = []
    real = Trainer.train

    def train(self, rows, *more, **named):
        seen.append(len(rows))
        return real(self, rows, *more, **named)

    monkeypatch.setattr(Trainer, "train", train)
    contender = Contender(epochs=1, replay=0.5)
    Tuning(ground, 0, 0.5).tried(contender._settings(1e-3), 16)
    assert seen == [24]
