"""Adapters on a model's weights: made, attached from disk, switched off, merged, removed. Only here.

What is trained is an `Adapter`, or a `Whole` model with the same methods.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from bench.core.errors import TrialFailed

if TYPE_CHECKING:
    from bench.engine.models import LoadedModel

ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj")


def fresh(
    model: LoadedModel,
    *,
    rank: int,
    alpha: int,
    targets: str,
    dropout: float = 0.0,
    variant: str = "lora",
) -> Adapter:
    """The model with a new adapter; `targets` and `variant` are those of `LoraSettings`.

    Raises `TrialFailed` where the model has no such modules.
    """
    import peft

    modules: str | list[str] = targets
    if targets == "attention":
        modules = list(ATTENTION)
    elif targets != "all-linear":
        modules = [name.strip() for name in targets.split(",")]
    config = peft.LoraConfig(
        r=rank,
        lora_alpha=alpha,
        lora_dropout=dropout,
        target_modules=modules,
        bias="none",
        task_type="CAUSAL_LM",
        use_dora=variant == "dora",
        use_rslora=variant == "rslora",
    )
    try:
        with _without_renaming_notices():
            return Adapter(peft.get_peft_model(model.lm, config))
    except ValueError as error:
        reason = str(error).splitlines()[0]
        raise TrialFailed(f"can't put an adapter on the targets {targets}: {reason}") from error


def attached(model: LoadedModel, folder: Path) -> Adapter:
    """The model with an adapter from disk, for serving; the model itself answers with it from now on."""
    import peft

    with _without_renaming_notices():
        return Adapter(peft.PeftModel.from_pretrained(model.lm, folder).eval())


def merged(model: LoadedModel, folder: Path) -> LoadedModel:
    """The model with an adapter from disk added to its weights."""
    return replace(model, lm=attached(model, folder).network.merge_and_unload())


def is_adapter(folder: Path) -> bool:
    """Whether a folder holds an adapter, rather than a whole model or nothing."""
    return (folder / "adapter_config.json").exists()


@contextmanager
def _without_renaming_notices() -> Iterator[None]:
    """Hides PEFT's warning about a name that Transformers is renaming: no user can act on it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        yield


class Adapter:
    """A PEFT model; `network` is what is trained, `state` what is kept from an epoch."""

    def __init__(self, peft_model):
        self.network = peft_model

    def state(self) -> dict[str, torch.Tensor]:
        """A copy of the adapter's weights."""
        from peft import get_peft_model_state_dict

        weights = get_peft_model_state_dict(self.network, save_embedding_layers=False)
        return {name: value.detach().clone() for name, value in weights.items()}

    def load(self, state: dict[str, torch.Tensor]) -> None:
        """Set the adapter's weights."""
        from peft import set_peft_model_state_dict

        set_peft_model_state_dict(self.network, state)

    def save(self, folder: Path) -> Path:
        """Save the adapter; returns its weights file."""
        self.network.save_pretrained(folder, save_embedding_layers=False)
        return folder / "adapter_model.safetensors"

    @contextmanager
    def off(self) -> Iterator[None]:
        """Switches the adapter off within the context, so that the model is the base."""
        with self.network.disable_adapter():
            yield

    def remove(self) -> None:
        """Leave the model as it was before."""
        self.network.unload()


class Whole:
    """A model whose own weights are trained; methods as in `Adapter`, except that there is nothing to switch off."""

    def __init__(self, model: LoadedModel):
        self.network = model.lm
        self._tokenizer = model.tokenizer
        self._dtype = getattr(torch, model.device.dtype)
        self._before = {
            n: p.detach().to("cpu", copy=True) for n, p in self.network.named_parameters()
        }
        self.network.float().requires_grad_(True)

    def state(self) -> dict[str, torch.Tensor]:
        """A copy of the weights in the number format they are served in."""
        return {
            n: p.detach().to(self._dtype, copy=True) for n, p in self.network.named_parameters()
        }

    def load(self, state: dict[str, torch.Tensor]) -> None:
        """Set the weights, for serving from now on; they aren't trained any more."""
        self.network.to(self._dtype)
        with torch.no_grad():
            for name, parameter in self.network.named_parameters():
                parameter.copy_(state[name])

    def save(self, folder: Path) -> Path:
        """Save the whole model; returns its weights file."""
        self._tokenizer.save_pretrained(folder)
        self.network.save_pretrained(folder, max_shard_size="100GB")
        return folder / "model.safetensors"

    def remove(self) -> None:
        """Leave the model as it was before."""
        self.load(self._before)
