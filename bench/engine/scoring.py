"""The log-likelihood of every label for every row, with the shared prefix computed once.

A prompt is a prefix, common to all rows, followed by a row's own tokens. The prefix's keys and values
are computed once, and no row copies them: on a CPU one softmax covers both (`bench.engine.lean`);
elsewhere each row attends to them and to itself separately, and the two softmaxes are merged by their
log-sum-exps (Juravsky et al. 2024, Hydragen).
Labels of several tokens follow their row as branches that don't attend to each other. The
vocabulary's logits are computed only where a label's token is read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass

import torch
from transformers import AttentionInterface

from bench.engine.lean import Lean, States
from bench.engine.shared_prefix import shares_prefix

_NAME = "tune_or_prompt_shared_prefix"


@dataclass(frozen=True)
class Scored:
    """One row's log-likelihoods, a value for each label, and the number of tokens read for it."""

    index: int
    log_likelihoods: list[float]
    tokens_in: int


class LabelScorer:
    """Scores the labels of a task for one prompt prefix.

    `answers` are the labels' tokens. `batch_tokens` bounds the padded tokens of a batch; the default
    is what was fastest when measured.
    """

    def __init__(
        self,
        lm: torch.nn.Module,
        prefix: Sequence[int],
        answers: Sequence[Sequence[int]],
        batch_tokens: int | None = None,
    ):
        self.lm = lm
        self.prefix = list(prefix)
        self.answers = [list(answer) for answer in answers]
        self.batch_tokens = batch_tokens or _batch_tokens(lm.device.type)
        self.fast = shares_prefix(lm.config)
        self._shared: States | None = None
        self._lean: Lean | None = None

    def score(
        self, rows: Sequence[Sequence[int]], done: Set[int] = frozenset()
    ) -> Iterator[list[Scored]]:
        """Batches of scored rows, shortest rows first; `index` is a row's place in `rows`.

        A batch whose rows are all in `done` is left out. `done` doesn't change the other batches,
        since a row's neighbours decide its padding and thereby its last bits.
        """
        order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
        for batch in self._batches(order, rows):
            if done.issuperset(batch):
                continue
            with torch.inference_mode():
                score = self._score_fast if self.fast else self._score_plainly
                values = score([rows[i] for i in batch])
            yield [
                Scored(i, row, len(self.prefix) + len(rows[i]))
                for i, row in zip(batch, values.tolist(), strict=True)
            ]

    def _batches(self, order, rows) -> Iterator[list[int]]:
        shared = 0 if self.fast else len(self.prefix)
        batch: list[int] = []
        for i in order:
            if batch and (len(batch) + 1) * (len(rows[i]) + shared) > self.batch_tokens:
                yield batch
                batch = []
            batch.append(i)
        if batch:
            yield batch

    def _score_fast(self, rows: list[Sequence[int]]) -> torch.Tensor:
        """Shape (rows, labels), by one pass over the rows' own tokens and the labels' branches."""
        device = self.lm.device
        branches = [answer[:-1] for answer in self.answers]
        width = max(map(len, rows))
        tail = [token for branch in branches for token in branch]
        ids = torch.zeros(len(rows), width + len(tail), dtype=torch.long)
        positions = torch.zeros_like(ids)
        for i, row in enumerate(rows):
            ids[i, : len(row)] = torch.tensor(row)
            positions[i, : len(row)] = torch.arange(len(row))
            at = width
            for branch in branches:
                ids[i, at : at + len(branch)] = torch.tensor(branch)
                positions[i, at : at + len(branch)] = len(row) + torch.arange(len(branch))
                at += len(branch)
        lengths = torch.tensor([len(row) for row in rows])
        mask = _branch_mask(lengths, width, [len(b) for b in branches]) if tail else None
        # The places that are read: each row's last token, and every token of the branches.
        keep = torch.cat(
            [lengths[:, None] - 1, torch.arange(width, ids.shape[1]).repeat(len(rows), 1)], 1
        )
        states = self._prefix_states()
        positions += len(self.prefix)
        if self._lean:
            places = keep + torch.arange(len(rows))[:, None] * ids.shape[1]
            hidden = self._lean.behind(states, ids, positions, places.flatten(), mask)
            hidden = hidden.view(*keep.shape, -1)
        else:
            whole = self._hidden(
                ids.to(device), positions.to(device), states, mask.to(device) if tail else None
            )
            hidden = whole.gather(1, keep.to(device)[..., None].expand(-1, -1, whole.shape[-1]))
        scores = self._log_probabilities(hidden[:, 0], [answer[0] for answer in self.answers])
        at = 1
        for label, answer in enumerate(self.answers):
            for token in answer[1:]:
                scores[:, label] += self._log_probabilities(hidden[:, at], [token])[:, 0]
                at += 1
        return scores

    def _prefix_states(self) -> States:
        """Each layer's keys and values of the prefix."""
        if self._shared is None:
            self._lean = Lean.of(self.lm)
            if self._lean:
                self._shared = self._lean.prefix(self.prefix)
                return self._shared
            ids = torch.tensor([self.prefix], device=self.lm.device)
            output = self.lm.get_decoder()(input_ids=ids, use_cache=True)
            self._shared = [(layer.keys, layer.values) for layer in output.past_key_values.layers]
        return self._shared

    def _hidden(self, ids, positions, shared, mask) -> torch.Tensor:
        before = self.lm.config._attn_implementation
        self.lm.set_attn_implementation(_NAME)
        try:
            return self.lm.get_decoder()(
                input_ids=ids,
                position_ids=positions,
                use_cache=False,
                shared_prefix=shared,
                branch_mask=mask,
            ).last_hidden_state
        finally:
            self.lm.set_attn_implementation(before)

    def _log_probabilities(self, hidden: torch.Tensor, tokens: list[int]) -> torch.Tensor:
        """Of some tokens, shape (rows, tokens), in float32, since bfloat16 logits are spaced up to 0.1."""
        head = self.lm.get_output_embeddings()
        normaliser = head(hidden).float().logsumexp(-1, keepdim=True)
        logits = torch.nn.functional.linear(hidden.float(), head.weight[tokens].float())
        return logits - normaliser

    def _score_plainly(self, rows: list[Sequence[int]]) -> torch.Tensor:
        """Shape (rows, labels): every label after the whole prompt, padded on the left."""
        scores = torch.zeros(len(rows), len(self.answers), device=self.lm.device)
        single = [i for i, answer in enumerate(self.answers) if len(answer) == 1]
        if single:  # one pass serves all labels of one token
            last = self._logits_plainly(rows, [], keep=1)[:, 0]
            scores[:, single] = last[:, [self.answers[i][0] for i in single]]
        for i, answer in enumerate(self.answers):
            if len(answer) > 1:
                logits = self._logits_plainly(rows, answer[:-1], keep=len(answer))
                tokens = torch.tensor(answer, device=logits.device)
                scores[:, i] = logits[:, torch.arange(len(answer)), tokens].sum(-1)
        return scores

    def _logits_plainly(self, rows, behind: list[int], keep: int) -> torch.Tensor:
        whole = [[*self.prefix, *row, *behind] for row in rows]
        width = max(map(len, whole))
        ids = torch.zeros(len(whole), width, dtype=torch.long)
        mask = torch.zeros_like(ids)
        for i, tokens in enumerate(whole):
            ids[i, width - len(tokens) :] = torch.tensor(tokens)
            mask[i, width - len(tokens) :] = 1
        logits = self.lm(
            input_ids=ids.to(self.lm.device),
            attention_mask=mask.to(self.lm.device),
            position_ids=(mask.cumsum(-1) - 1).clamp(min=0).to(self.lm.device),
            use_cache=False,
            logits_to_keep=keep,
        ).logits
        return logits[:, -keep:].float().log_softmax(-1)


def _batch_tokens(device: str) -> int:
    """1,536 tokens are faster than 1,024 with AMX, but not without; more weren't tried on a GPU."""
    able = getattr(torch.cpu, "get_capabilities", dict)()
    return 1536 if device == "cpu" and able.get("amx_bf16") else 1024


def _branch_mask(lengths: torch.Tensor, width: int, branches: list[int]) -> torch.Tensor:
    """What each token attends to, shape (rows, 1, width + branches, width + branches), boolean.

    A row's tokens attend to those before them; a branch's to the whole row and their own branch.
    """
    size = width + sum(branches)
    mask = torch.zeros(len(lengths), size, size, dtype=torch.bool)
    mask[:, :width, :width] = torch.ones(width, width, dtype=torch.bool).tril()
    mask[:, width:, :width] = (torch.arange(width) < lengths[:, None])[:, None]
    at = width
    for length in branches:
        own = torch.ones(length, length, dtype=torch.bool).tril()
        mask[:, at : at + length, at : at + length] = own
        at += length
    return mask[:, None]


def _shared_prefix_attention(
    module, query, key, value, attention_mask, scaling, shared_prefix, branch_mask, **_
):
    """Attention over a prefix that all rows share and over each row's own tokens, merged.

    Shapes (rows, heads, tokens, head_width); keys and values may have fewer heads (grouped queries).
    """
    prefix_key, prefix_value = shared_prefix[module.layer_idx]
    rows, heads, tokens, width = query.shape
    folded = query.transpose(0, 1).reshape(1, heads, rows * tokens, width)
    of_prefix, weight_of_prefix = _attend(folded, prefix_key, prefix_value, scaling)
    of_prefix = of_prefix.view(heads, rows, tokens, width).transpose(0, 1)
    weight_of_prefix = weight_of_prefix.view(heads, rows, tokens).transpose(0, 1)
    own, weight_of_own = _attend(query, key, value, scaling, causal=True, mask=branch_mask)
    share = torch.sigmoid(weight_of_prefix - weight_of_own)[..., None].to(own.dtype)
    merged = own + (of_prefix - own) * share
    return merged.transpose(1, 2), None


def _attend(query, key, value, scaling, causal=False, mask=None):
    """Attention, (rows, heads, tokens, head_width), and its scores' log-sum-exp, (rows, heads, tokens)."""
    if query.device.type == "cpu":
        bias = None
        if mask is not None:
            bias = torch.zeros(mask.shape, dtype=query.dtype).masked_fill_(~mask, float("-inf"))
        return torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(
            query, key, value, 0.0, causal and mask is None, attn_mask=bias, scale=scaling
        )
    groups = query.shape[1] // key.shape[1]
    key, value = key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1)
    scores = (query @ key.transpose(-1, -2)).float() * scaling
    if mask is None and causal:
        mask = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).tril()
    if mask is not None:
        scores = scores.masked_fill(~mask, float("-inf"))
    return scores.softmax(-1).to(value.dtype) @ value, scores.logsumexp(-1)


AttentionInterface.register(_NAME, _shared_prefix_attention)
