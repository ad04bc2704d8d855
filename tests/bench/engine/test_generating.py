"""Free texts: a model writes the same, whether a row is alone or in a batch."""

import pytest
import torch

from bench.core.contender import answers_of
from bench.core.errors import PromptTooLong
from bench.engine.answering import answerer
from bench.engine.models import Device, LoadedModel
from bench.engine.prompts import Renderer
from bench.engine.shared_prefix import SHARED_PREFIX_MODELS
from scenarios.rows import Example
from scenarios.schema import Rows, Task
from tests.conftest import CHAT_TEMPLATE, make_lm, make_tokenizer

TEXTS = ["good", "bad good bad", "a rather longer text of many words", "x", "<|im_end|> stays text"]
EXAMPLES = [Example(str(i), text, "gold", str(i)) for i, text in enumerate(TEXTS)]
SHOTS = [Example("d1", "one", "good", "d1"), Example("d2", "two", "bad", "d2")]


def task(**more):
    rows = Rows(path="x.csv", format="csv", label="label")
    return Task(type="generation", instruction="Answer.", rows=rows, most_answer_tokens=6, **more)


def loaded(kind="llama", template=CHAT_TEMPLATE, **more):
    more = {"initializer_range": 0.3, "num_key_value_heads": 4} | more
    lm = make_lm(kind, **more)
    return LoadedModel("tiny", lm, make_tokenizer(template), Device("cpu", "float32", "test"))


def by_hand(model, text, shots=()):
    """The likeliest token after the whole prompt, again and again, in plain passes without a cache."""
    renderer = Renderer(model.tokenizer, task())
    tokens = renderer.prefix(shots) + renderer.row(text)
    written = []
    while len(written) < 6 and (not written or written[-1] not in renderer.ends):
        with torch.inference_mode():
            logits = model.lm(torch.tensor([tokens + written])).logits[0, -1]
        written.append(int(logits.argmax()))
    return renderer.written(written), len(written)


@pytest.mark.parametrize("shots", [(), SHOTS], ids=["zero-shot", "two-shot"])
@pytest.mark.parametrize("kind", [*sorted(SHARED_PREFIX_MODELS), "gpt_neox"])
def test_a_batch_writes_what_each_row_would_alone(kind, shots):
    model = loaded(kind)
    found = {a.example_id: a for a in answers_of(answerer(model, task(), shots), EXAMPLES)}
    expected = [by_hand(model, text, shots) for text in TEXTS]
    assert [(found[e.id].text, found[e.id].tokens_out) for e in EXAMPLES] == expected
    assert len({text for text, _ in expected}) > 1  # or equal answers would prove nothing


def test_a_row_after_its_own_demonstrations_is_answered_as_after_the_whole_prompt():
    """Rows whose demonstrations differ in number, so that they are padded to one length."""
    model = loaded()
    own = {e.id: (SHOTS[:1], SHOTS)[i % 2] for i, e in enumerate(EXAMPLES)}
    writer = answerer(
        model, task(), near=lambda asked: [own[e.id] for e in asked], longest=SHOTS
    )  # fmt: skip
    found = {a.example_id: a for a in answers_of(writer, EXAMPLES)}
    expected = [by_hand(model, e.text, own[e.id]) for e in EXAMPLES]
    assert [(found[e.id].text, found[e.id].tokens_out) for e in EXAMPLES] == expected


def test_an_answer_ends_with_its_turn():
    """A model whose likeliest token is always the end of the turn writes nothing but that."""
    model = loaded()
    with torch.no_grad():
        head = model.lm.get_output_embeddings()
        head.weight.zero_()
        end = Renderer(model.tokenizer, task()).ends[0]
        head.weight[end] = model.lm.get_decoder().norm.weight
        model.lm.get_decoder().norm.register_forward_hook(
            lambda *_: torch.ones(()).expand(_[2].shape)
        )
    found = answers_of(answerer(model, task()), EXAMPLES)
    assert {(a.text, a.tokens_out) for a in found} == {("", 1)}


def test_the_time_to_first_token_is_known_for_a_single_request_and_not_for_a_batch():
    writer = answerer(loaded(), task())
    [alone] = answers_of(writer, EXAMPLES[:1])
    assert 0 < alone.first_token_seconds <= alone.seconds
    assert all(a.first_token_seconds is None for a in answers_of(writer, EXAMPLES[:2]))


def test_tokens_in_are_those_of_the_whole_prompt():
    model = loaded()
    renderer = Renderer(model.tokenizer, task())
    [found] = answers_of(answerer(model, task(), SHOTS), EXAMPLES[:1])
    assert found.tokens_in == len(renderer.prefix(SHOTS)) + len(renderer.row("good"))


def test_batches_that_are_done_are_left_out_and_the_others_stay_as_they_were(monkeypatch):
    from bench.engine import generating

    monkeypatch.setitem(generating.MOST_ROWS, "cpu", 2)
    writer = answerer(loaded(), task())
    whole = list(writer.answer(EXAMPLES))
    assert [len(batch) for batch in whole] == [2, 2, 1]
    done = {a.example_id for a in whole[0]}
    again = [[a.example_id for a in batch] for batch in writer.answer(EXAMPLES, done=done)]
    assert again == [[a.example_id for a in batch] for batch in whole[1:]]


def test_a_batch_is_bounded_by_its_tokens(monkeypatch):
    from bench.engine import generating

    monkeypatch.setattr(generating, "MOST_TOKENS", 1)
    assert [len(batch) for batch in answerer(loaded(), task()).answer(EXAMPLES)] == [1] * 5


def test_a_base_models_answer_ends_where_another_section_begins():
    renderer = Renderer(make_tokenizer(chat_template=None), task())
    tokens = renderer.tokenizer(
        "3 May\n\n### Instruction:\nmore", add_special_tokens=False
    ).input_ids
    assert renderer.written(tokens) == "3 May"


def test_a_prompt_that_leaves_no_room_for_the_answer_is_rejected():
    with pytest.raises(PromptTooLong, match=r"may take .* tokens.*shots"):
        answerer(loaded(max_position_embeddings=64), task(), SHOTS)
