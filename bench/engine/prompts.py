"""One way to render a prompt as tokens, for both training and evaluation.

Texts from rows are tokenised separately from the template, so that a text containing `<|im_start|>`
or Jinja stays text. What is common to all rows (template, instruction, demonstrations) comes first
and is the prompt's prefix, which a scorer needs to compute only once.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from bench.core.errors import PromptTooLong, TrialFailed
from bench.core.model import Near
from scenarios.rows import Example
from scenarios.schema import Task

if TYPE_CHECKING:
    from bench.engine.models import LoadedModel

# Private-use characters as placeholders for the parts: only the template is rendered with them, so
# that nothing from a task or a row can be mistaken for one.
_INSTRUCTION, _TEXT, _ANSWER = "\ue000", "\ue001", "\ue002"

PLAIN_FORM = (
    "{% for message in messages %}{% if message.role == 'user' %}"
    "### Instruction:\n{{ message.instruction }}\n\n### Input:\n{{ message.text }}\n\n### Response:\n"
    "{% else %}{{ message.content }}\n\n{% endif %}{% endfor %}"
)
"""For base models without a chat template: Instruction / Input / Response."""


@dataclass(frozen=True)
class Renderer:
    """Renders a task's rows for one tokenizer."""

    tokenizer: object
    task: Task

    def prefix(self, demonstrations: Sequence[Example] = ()) -> list[int]:
        """Tokens before a row's text: template, instruction and demonstrations with answers."""
        asked = self._render(turns=len(demonstrations) + 1, answered=False)
        pieces = [self._with_instruction(p) for p in re.split(f"[{_TEXT}{_ANSWER}]", asked)]
        tokens = self._start + pieces[0]
        for i, demonstration in enumerate(demonstrations):
            tokens += self._cut(demonstration.text) + pieces[2 * i + 1]
            tokens += self._text(demonstration.gold) + pieces[2 * i + 2]
        return tokens

    def row(self, text: str) -> list[int]:
        """Tokens of a row's text, truncated as the task says, and of the template up to the answer."""
        return self._cut(text) + self._between

    def text(self, text: str) -> list[int]:
        """A text's own tokens, truncated as the task says."""
        return self._cut(text)

    def rows(self, examples: Sequence[Example], notes: dict) -> list[list[int]]:
        """Tokens of several rows; `notes` records how many of their texts were truncated."""
        if cut := sum(self.is_cut(example.text) for example in examples):
            notes["texts_cut"] = max(cut, notes.get("texts_cut", 0))
        return [self.row(example.text) for example in examples]

    def is_cut(self, text: str) -> bool:
        """Whether a text is longer than the task allows."""
        most = self.task.most_text_tokens
        return len(text) > most and (len(text) > most * 50 or len(self._text(text)) > most)

    def scored_answers(self) -> list[list[int]]:
        """Tokens by which each label is scored, in the task's order.

        These are a label's own tokens. Where one label begins another, the end of the answer is
        added to all of them, since "pos" would otherwise never be less likely than "positive".
        """
        answers = [self._text(label) for label in self.task.labels]
        nested = any(
            i != j and other[: len(one)] == one
            for i, one in enumerate(answers)
            for j, other in enumerate(answers)
        )
        return [answer + self._ending for answer in answers] if nested else answers

    def answer(self, label: str) -> list[int]:
        """Tokens that training teaches: a label and the end of the answer."""
        return self._text(label) + self._ending

    @property
    def ends(self) -> list[int]:
        """Tokens that end a generated answer."""
        return list(dict.fromkeys([self._ending[-1], self.tokenizer.eos_token_id]))

    def written(self, tokens: Sequence[int]) -> str:
        """The text of an answer's tokens; in the plain form it ends where another section begins."""
        text = self.tokenizer.decode(tokens, skip_special_tokens=True)
        if self.tokenizer.chat_template is None:
            text = text.split("\n### ")[0]
        return text.strip()

    @cached_property
    def _between(self) -> list[int]:
        return self._markup(self._render(turns=1, answered=False).split(_TEXT)[1])

    @cached_property
    def _ending(self) -> list[int]:
        """Tokens that end an answer: the template's end of turn, or the tokenizer's end of text."""
        if self.tokenizer.chat_template is None:
            return [self.tokenizer.eos_token_id]
        after = self._markup(self._render(turns=1, answered=True).split(_ANSWER)[1])
        known = self.tokenizer.added_tokens_decoder
        specials = {token for token, entry in known.items() if entry.special}
        end = next((i for i, token in enumerate(after) if token in specials), len(after) - 1)
        return after[: end + 1] or [self.tokenizer.eos_token_id]

    @cached_property
    def _start(self) -> list[int]:
        """The token that begins every text; a chat template writes its own."""
        if self.tokenizer.chat_template is not None or self.tokenizer.bos_token_id is None:
            return []
        begun = self.tokenizer("a").input_ids
        return begun[:1] if begun[0] == self.tokenizer.bos_token_id else []

    def _render(self, turns: int, answered: bool) -> str:
        """The template with placeholders for the texts and answers of a number of turns."""
        user = {
            "role": "user",
            "content": f"{_INSTRUCTION}{_TEXT}",
            "instruction": _INSTRUCTION,
            "text": _TEXT,
        }
        messages = [user, {"role": "assistant", "content": _ANSWER}] * turns
        try:
            return self.tokenizer.apply_chat_template(
                messages if answered else messages[:-1],
                chat_template=self.tokenizer.chat_template or PLAIN_FORM,
                tokenize=False,
                add_generation_prompt=not answered,
            )
        except Exception as error:  # Jinja's, or whatever the template itself raises
            raise TrialFailed(f"the model's chat template can't be rendered: {error}") from error

    def _with_instruction(self, piece: str) -> list[int]:
        """A piece of the template, with the instruction in it as text, since data may bring it."""
        before, mark, after = piece.partition(_INSTRUCTION)
        if not mark:
            return self._markup(piece)
        break_ = "\n" if self.tokenizer.chat_template and self.task.instruction else ""
        said = self.tokenizer(
            self.task.instruction + break_, add_special_tokens=False, split_special_tokens=True
        ).input_ids
        return self._markup(before) + said + self._markup(after)

    def _markup(self, text: str) -> list[int]:
        return self.tokenizer(text, add_special_tokens=False).input_ids if text else []

    def _cut(self, text: str) -> list[int]:
        """A text's first tokens; what is far beyond the limit isn't even tokenised."""
        most = self.task.most_text_tokens
        return self._text(text[: most * 50])[:most]

    def _text(self, text: str) -> list[int]:
        return self.tokenizer(
            text.strip(), add_special_tokens=False, split_special_tokens=True
        ).input_ids


class Prompts:
    """Rows' prompts as tokens: a start that all of them share, then each row's own tokens.

    Demonstrations are the same for all rows, or `near` finds each row's own, which then follow
    the start. `longest` are the demonstrations of the longest prompt that may occur.
    """

    def __init__(
        self,
        renderer: Renderer,
        demonstrations: Sequence[Example] = (),
        near: Near | None = None,
        longest: Sequence[Example] = (),
    ):
        self.renderer = renderer
        self.longest = renderer.prefix(longest or demonstrations)
        self.shots = len(longest or demonstrations)
        self._near = near
        self.start = renderer.prefix(demonstrations)
        if near is not None:
            self.start = _common(self.start, self.longest)

    def rows(self, examples: Sequence[Example], notes: dict) -> list[list[int]]:
        """Tokens after the start; `notes` records how many texts were truncated."""
        rows = self.renderer.rows(examples, notes)
        if self._near is None:
            return rows
        size = len(self.start)
        prefixes = [self.renderer.prefix(found) for found in self._near(examples)]
        if any(prefix[:size] != self.start for prefix in prefixes):
            raise TrialFailed(
                "the model's chat template begins differently with other demonstrations"
            )
        return [prefix[size:] + row for prefix, row in zip(prefixes, rows, strict=True)]


def _common(one: list[int], other: list[int]) -> list[int]:
    """The tokens that both begin with."""
    same = next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), None)
    return one[: min(len(one), len(other)) if same is None else same]


def check_context(model: LoadedModel, task: Task, prompts: Prompts, answer: int) -> None:
    """Raise `PromptTooLong` unless the longest prompt and text fit, with an answer of `answer` tokens."""
    context = getattr(model.lm.config, "max_position_embeddings", None)
    needed = len(prompts.longest) + task.most_text_tokens + answer
    if context and needed > context:
        raise PromptTooLong(
            f"{prompts.shots} demonstrations, a text and its answer may take {needed} tokens, but the "
            f"model's context is {context}; use fewer shots, or a lower most_text_tokens in [task]"
        )
