"""The size report: each method's forecast, what would make it fit, training time, and serving."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

from advisor.sizes.fitting import Change, ways_to_fit
from advisor.sizes.models import Gpu
from advisor.sizes.serving import serving
from advisor.sizes.shapes import Shape
from advisor.sizes.sizing import Forecast, Settings, training_memory, unsupported
from advisor.sizes.timing import Pace, rate_of, training_time
from scenarios.errors import UserError

SCHEMA_VERSION = 1
_TOKENS = 10**6  # training time is given per million tokens


@dataclass(frozen=True)
class Sized:
    """A method's forecast; with a GPU, also whether it fits, how to make it fit, and the pace."""

    forecast: Forecast
    fits: str | None
    changes: tuple[Change, ...]
    pace: Pace | None


@dataclass(frozen=True)
class Report:
    """Everything that `advisor size` reports. `refused` holds the reason by method."""

    shape: Shape
    settings: Settings
    gpu: Gpu | None
    methods: dict[str, Sized]
    refused: dict[str, str]

    @property
    def model(self) -> str:
        """The model's name."""
        return self.shape.name

    @property
    def total_parameters(self) -> int:
        """The model's parameters, without adapters."""
        return self.shape.total_parameters

    @property
    def notes(self) -> list[str]:
        """What a reader might not expect about the figures."""
        found = []
        if self.shape.experts and "qlora" in self.methods:
            found.append("QLoRA leaves the experts of a mixture in 16 bit (or moves them to float32): "
                         "Transformers 5 stacks them in tensors that bitsandbytes doesn't quantise")  # fmt: skip
        for name in map(str.strip, self.settings.targets.split(",")):
            if meant := self.shape.of_role(name):
                taken = ", ".join(linear.name for linear in meant)
                found.append(f"'{self.shape.name}' has no {name}; the equivalent was used: {taken}")
        return found

    def to_json(self) -> dict:
        """The shape that scripts read."""
        shape = self.shape
        return {
            "schema_version": SCHEMA_VERSION,
            "model": self.model,
            "total_parameters": self.total_parameters,
            "parameters_by_kind": shape.parameters_by_kind(),
            "quantizable_parameters": shape.quantizable_parameters,
            "settings": asdict(self.settings),
            "gpu": asdict(self.gpu) if self.gpu else None,
            "methods": {name: _method_json(sized) for name, sized in self.methods.items()},
            "refused": self.refused,
            "notes": self.notes,
            "serving": serving(shape),
        }


def report(shape: Shape, methods: Sequence[str], settings: Settings, gpu: Gpu | None) -> Report:
    """The report on these methods; those that the settings don't allow are refused with the reason.

    Raises `UserError` if none is left, and for settings that can't be forecast.
    """
    if gpu is not None:
        settings = replace(settings, device="cuda-hopper" if gpu.hopper_or_later else "cuda")
    refused = {name: reason for name in methods if (reason := unsupported(name, settings))}
    if len(refused) == len(methods):
        raise UserError("; ".join(dict.fromkeys(refused.values())))
    sized = {name: _sized(shape, name, settings, gpu) for name in methods if name not in refused}
    return Report(shape, settings, gpu, sized, refused)


def _sized(shape: Shape, method: str, settings: Settings, gpu: Gpu | None) -> Sized:
    forecast = training_memory(shape, method, settings)
    if gpu is None:
        return Sized(forecast, None, (), None)
    return Sized(
        forecast,
        forecast.fits(gpu.usable_bytes),
        tuple(ways_to_fit(shape, method, settings, gpu.usable_bytes)),
        training_time(shape, method, settings, rate_of(gpu), _TOKENS),
    )


def _method_json(sized: Sized) -> dict:
    forecast = sized.forecast
    return {
        "total_parameters": forecast.total_parameters,
        "trainable_parameters": forecast.trainable_parameters,
        "trainable_share": forecast.trainable_share,
        "peak_allocated_bytes": forecast.peak_allocated_bytes,
        "peak_moment": forecast.moment,
        "process_bytes": {"low": forecast.process_low_bytes, "high": forecast.process_high_bytes},
        "breakdown": forecast.breakdown,
        "adapter_file_bytes": forecast.adapter_file_bytes,
        "fits": sized.fits,
        "steps_to_fit": [asdict(change) for change in sized.changes],
        "time": _time_json(sized.pace),
    }


def _time_json(pace: Pace | None) -> dict | None:
    if pace is None:
        return None
    return {
        "tokens_per_s": {"low": pace.tokens_per_s_low, "high": pace.tokens_per_s_high},
        "seconds_per_million_tokens": {"low": pace.seconds_low, "high": pace.seconds_high},
        "flops_per_token": pace.flops_per_token,
        "bound_by": pace.bound_by,
        "source": pace.source,
    }
