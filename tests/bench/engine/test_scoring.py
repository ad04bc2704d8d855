"""The shared prefix is computed once, and the values are those of the whole prompt."""

import numpy as np
import pytest
import torch

from bench.engine import lean, scoring
from bench.engine.scoring import LabelScorer
from bench.engine.shared_prefix import SHARED_PREFIX_MODELS, shares_prefix
from tests.conftest import make_lm

PREFIX = [5, 9, 12, 40, 41, 7]
ROWS = [[21, 22, 23], [30], [50, 51, 52, 53, 54, 55, 56], [60, 61]]
ONE_TOKEN = [[100], [101], [102]]
SEVERAL_TOKENS = [[100], [101, 110], [102, 111, 112], [101, 120]]


def by_hand(lm, row, answer):
    """The sum of the answer's log-probabilities in one plain pass over the whole prompt."""
    tokens = torch.tensor([[*PREFIX, *row, *answer]])
    with torch.inference_mode():
        likelihoods = lm(tokens).logits.float().log_softmax(-1)[0]
    start = len(PREFIX) + len(row)
    return sum(likelihoods[start + i - 1, token].item() for i, token in enumerate(answer))


def scores(lm, answers, fast, rows=ROWS):
    scorer = LabelScorer(lm, PREFIX, answers, batch_tokens=24)
    scorer.fast = fast
    found = {s.index: s.log_likelihoods for batch in scorer.score(rows) for s in batch}
    return [found[i] for i in range(len(rows))]


@pytest.mark.parametrize("answers", [ONE_TOKEN, SEVERAL_TOKENS], ids=["one token", "several"])
@pytest.mark.parametrize("kind", sorted(SHARED_PREFIX_MODELS))
def test_all_paths_agree_with_a_plain_pass_for_every_family(kind, answers, monkeypatch):
    lm = make_lm(kind)
    assert shares_prefix(lm.config)
    expected = np.array([[by_hand(lm, row, answer) for answer in answers] for row in ROWS])
    assert np.array(scores(lm, answers, fast=True)) == pytest.approx(expected, abs=1e-4)
    assert np.array(scores(lm, answers, fast=False)) == pytest.approx(expected, abs=1e-4)
    monkeypatch.setattr(scoring.Lean, "of", lambda lm: None)  # as on a GPU
    assert np.array(scores(lm, answers, fast=True)) == pytest.approx(expected, abs=1e-4)


def test_labels_of_several_tokens_attend_to_their_own_row_when_rows_are_scored_one_by_one(
    monkeypatch,
):
    lm = make_lm()
    together = scores(lm, SEVERAL_TOKENS, fast=True)
    monkeypatch.setattr(lean, "_SCORES_AT_ONCE", 1)
    separately = scores(lm, SEVERAL_TOKENS, fast=True)
    assert np.array(separately) == pytest.approx(np.array(together), abs=1e-4)


def test_an_unlisted_family_takes_the_plain_path():
    lm = make_lm("gpt_neox", num_key_value_heads=4)
    scorer = LabelScorer(lm, PREFIX, ONE_TOKEN)
    assert not scorer.fast
    expected = [[by_hand(lm, row, answer) for answer in ONE_TOKEN] for row in ROWS]
    assert np.array(scores(lm, ONE_TOKEN, False)) == pytest.approx(np.array(expected), abs=1e-4)


def test_a_model_with_a_sliding_window_takes_the_plain_path():
    lm = make_lm("mistral", sliding_window=4)
    assert not LabelScorer(lm, PREFIX, ONE_TOKEN).fast


@pytest.mark.parametrize("leanly", [True, False])
def test_the_prefix_is_read_once_for_all_rows(leanly, monkeypatch):
    lm = make_lm()
    if not leanly:
        monkeypatch.setattr(scoring.Lean, "of", lambda lm: None)
    first = []
    lm.get_decoder().rotary_emb.register_forward_pre_hook(
        lambda module, args, kwargs: first.append(
            (kwargs["position_ids"] if kwargs else args[1]).min().item()
        ),
        with_kwargs=True,
    )
    scores(lm, ONE_TOKEN, fast=True)
    assert first[0] == 0
    assert set(first[1:]) == {len(PREFIX)}


def test_the_models_own_attention_is_back_after_scoring(monkeypatch):
    monkeypatch.setattr(scoring.Lean, "of", lambda lm: None)
    lm = make_lm()
    before = lm.config._attn_implementation
    scores(lm, ONE_TOKEN, fast=True)
    assert lm.config._attn_implementation == before


def test_tokens_in_count_the_prefix_for_every_request():
    scorer = LabelScorer(make_lm(), PREFIX, ONE_TOKEN)
    found = {s.index: s.tokens_in for batch in scorer.score(ROWS) for s in batch}
    assert found == {0: 9, 1: 7, 2: 13, 3: 8}
