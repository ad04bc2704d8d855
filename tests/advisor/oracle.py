"""What PyTorch itself holds in a step of the real Transformers and PEFT modules, without weights.

The modules run forward and backward on fake tensors, which have shapes and storages and no memory;
a dispatch mode counts the storages that are alive after each operation.
"""

import weakref

import torch
import transformers
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from transformers import AutoConfig, AutoModelForCausalLM, masking_utils

BLOCK_BYTES = 512


class LiveBytes(TorchDispatchMode):
    """Bytes of the storages alive, each rounded up as the CUDA allocator does, and their peak."""

    def __init__(self, at_rest):
        super().__init__()
        self.at_rest = {tensor.untyped_storage()._cdata for tensor in at_rest}
        self.alive = {}
        self.now = self.peak = 0

    def __torch_dispatch__(self, operation, types, arguments=(), keywords=None):
        result = operation(*arguments, **(keywords or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, torch.Tensor):
                self._count(leaf.untyped_storage())
        self.peak = max(self.peak, self.now)
        return result

    def _count(self, storage):
        key = storage._cdata
        if key in self.alive or key in self.at_rest:
            return
        self.alive[key] = -(-storage.nbytes() // BLOCK_BYTES) * BLOCK_BYTES
        self.now += self.alive[key]
        weakref.finalize(storage, self._forget, key)

    def _forget(self, key):
        self.now -= self.alive.pop(key, 0)


def peak_bytes(monkeypatch, config, *, method, batch, seq_len, checkpointing, attention="sdpa",
               autocast=False, padded=False, dtype=torch.bfloat16, rank=16):  # fmt: skip
    """The peak of activations, logits, loss and gradients in one step of the real modules."""
    # On real tensors Transformers looks at the mask's values; fake ones have none.
    monkeypatch.setattr(masking_utils, "find_packed_sequence_indices", lambda positions: None)
    monkeypatch.setattr(masking_utils, "_ignore_causal_mask_sdpa", lambda *a, **k: not padded)
    transformers.logging.set_verbosity_error()
    model = build(config, method, attention, dtype, rank)
    with FakeTensorMode(allow_non_fake_inputs=True):
        _fake(model)
        model.train()
        if checkpointing:
            model.gradient_checkpointing_enable({"use_reentrant": False})
            if method == "lora":
                model.enable_input_require_grads()
        ids = torch.zeros(batch, seq_len, dtype=torch.long)
        mask = {"attention_mask": torch.ones_like(ids)} if padded else {}
        live = LiveBytes([*model.parameters(), *model.buffers(), ids])
        with live:
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
                loss = model(input_ids=ids, labels=ids, **mask).loss
            loss.backward()
    return live.peak


def build(config, method, attention, dtype, rank):
    known = AutoConfig.for_model(**config)
    known.use_cache = False
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(known, dtype=dtype, attn_implementation=attention)
        if method == "lora":
            from peft import LoraConfig, get_peft_model

            model = get_peft_model(model, LoraConfig(r=rank, lora_alpha=2 * rank, lora_dropout=0.0,
                                                     target_modules="all-linear", task_type="CAUSAL_LM"))  # fmt: skip
    return model


def _fake(model):
    """Turn parameters and buffers, built on the meta device, into fake CPU tensors."""
    made = {}
    for module in model.modules():
        for name, parameter in module._parameters.items():
            if parameter is not None:
                if id(parameter) not in made:
                    empty = torch.empty(parameter.shape, dtype=parameter.dtype)
                    made[id(parameter)] = torch.nn.Parameter(empty, parameter.requires_grad)
                module._parameters[name] = made[id(parameter)]
        for name, buffer in module._buffers.items():
            if buffer is not None:
                module._buffers[name] = torch.empty(buffer.shape, dtype=buffer.dtype)
