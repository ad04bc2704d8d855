"""The plan that all sums share: the options' names, the machines, and every number with its range."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date

from advisor.money import prices
from advisor.money.assumptions import Assumption
from advisor.money.prices import GpuPrice, Hosted, Prices, Rates, TuningPrice
from advisor.money.ranges import Range
from advisor.sizes.models import Gpu
from advisor.sizes.shapes import Shape
from scenarios.schema import Profile

HOSTED = ("hosted-zero-shot", "hosted-few-shot", "hosted-few-shot-cached", "hosted-few-shot-batch")
SELF_PROMPTED = "self-hosted-prompt"
SELF_TUNED = tuple(f"self-hosted-{method}" for method in ("lora", "qlora", "full"))
PROMPTING = (*HOSTED, SELF_PROMPTED)
TUNED = ("hosted-tuned", *SELF_TUNED)
OPTIONS = (*PROMPTING, *TUNED)


def is_hosted(option: str) -> bool:
    """Whether an option's requests go to a provider."""
    return option.startswith("hosted-")


@dataclass(frozen=True)
class Server:
    """The GPUs of one replica, and what one of them costs per hour."""

    gpu: Gpu
    gpus: int
    offers: tuple[GpuPrice, ...]
    usd_per_gpu_hour: Range

    @property
    def key(self) -> str:
        """The key of its price among the assumptions."""
        return f"serving_usd_per_gpu_hour {self.gpu.name}"


@dataclass(frozen=True)
class Trainer:
    """Where a method trains, and how many tokens a second all its GPUs process together."""

    gpu: Gpu
    gpus: int
    offers: tuple[GpuPrice, ...]
    usd_per_gpu_hour: Range
    tokens_per_s: Range

    @property
    def key(self) -> str:
        """The key of its price among the assumptions."""
        return f"training_usd_per_gpu_hour {self.gpu.name}" + (
            f" x{self.gpus}" if self.gpus > 1 else ""
        )


@dataclass(frozen=True)
class Plan:
    """Everything that is decided before a sum is computed.

    `assumptions` holds every number with its range, including prices and speeds; `left_out` says why
    an option isn't priced; `dated` lists the prices in use with their dates.
    """

    profile: Profile
    prices: Prices
    assumptions: dict[str, Assumption]
    hosted: Hosted | None = None
    tuning: TuningPrice | None = None
    tuned_rates: Rates | None = None
    own: Shape | None = None
    servers: tuple[Server, ...] = ()
    server: Server | None = None
    trainers: dict[str, Trainer] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    dated: tuple[tuple[str, date], ...] = ()

    @property
    def options(self) -> tuple[str, ...]:
        """The options that are priced, in order."""
        return tuple(option for option in OPTIONS if option not in self.left_out)

    def values(self) -> dict[str, float]:
        """Every assumption at its central value."""
        return {key: found.range.value for key, found in self.assumptions.items()}

    def without(self, options, reason: str) -> Plan:
        """The same plan with these options left out, for a reason."""
        return replace(self, left_out={**self.left_out, **dict.fromkeys(options, reason)})

    def on(self, server: Server) -> Plan:
        """The same plan with other machines for serving."""
        found = self.assumptions | {server.key: price_assumption(server, "serve on")}
        used = ((f"{offer.gpu}: {offer.source}", offer.as_of) for offer in server.offers)
        return replace(self, server=server, assumptions=found, dated=(*self.dated, *used))


@dataclass(frozen=True)
class Measured:
    """Requests a second of a model on one GPU, as measured in a run: tuned and prompted."""

    model: str
    gpu: str
    tuned_rows_per_s: float
    prompted_rows_per_s: float | None
    source: str


def price_assumption(machine: Server | Trainer, use: str) -> Assumption:
    offers = machine.offers
    named = sorted({f"{offer.source} ({offer.kind})" for offer in offers})
    spread = f"widened {prices.LONE_OFFER:g} times each way, since only one offer is known" if (
        len(offers) == 1 and offers[0].kind != "own") else "lowest, median and highest"  # fmt: skip
    return Assumption(
        machine.key, f"dollars per hour for one {machine.gpu.name} to {use}", "usd/GPU-hour",
        machine.usd_per_gpu_hour, f"{'; '.join(named)}: {spread}", min(offer.as_of for offer in offers),
    )  # fmt: skip
