"""Forecasts of training memory compared with published measurements and with accelerate's estimator.

The measurements are those in tests/data/measured_memory.csv that ran on one GPU with known settings.
Errors are signed: positive where the forecast is too high, negative where memory would run out.
`accelerate estimate-memory` covers full tuning with Adam and loading a model, but no adapters, batch
size or length; its own functions are called on the meta device, from the configs.

    python benchmarks/memory_forecast.py [--rows]
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # the rows are read as in the tests

from advisor.sizes.models import catalog, gpu_named
from advisor.sizes.sizing import Forecast, training_memory
from scenarios.errors import UserError
from tests.advisor import measured

SOURCES = ("fms-acceleration", "peft-metamath", "qwen-readme", "llamafactory-wiki",
           "axolotl-examples", "litgpt-config-hub")  # fmt: skip
CARDS = ("T4", "L4", "A100-40GB", "L40S", "A100-80GB")
CONTEXT_BYTES = 500 * 10**6  # added to an allocated peak before checking whether it fits on a card


@dataclass(frozen=True)
class Case:
    """A measurement with our forecast and accelerate's, in bytes."""

    row: dict
    forecast: Forecast
    peer_bytes: float

    @property
    def allocated(self) -> bool:
        """Whether PyTorch's allocator was measured, rather than the process."""
        return bool(self.row["measured_peak_allocated_GB"])

    @property
    def measured_bytes(self) -> float:
        """The measured peak."""
        column = (
            "measured_peak_allocated_GB" if self.allocated else "measured_reserved_or_process_GB"
        )
        return float(self.row[column]) * 1e9

    @property
    def ours(self) -> float:
        """Our allocated peak's signed error."""
        return self.forecast.peak_allocated_bytes / self.measured_bytes - 1

    @property
    def peers(self) -> float:
        """accelerate's signed error."""
        return self.peer_bytes / self.measured_bytes - 1

    @property
    def in_range(self) -> bool:
        """Whether the measured process is within our range."""
        low, high = self.forecast.process_low_bytes, self.forecast.process_high_bytes
        return low <= self.measured_bytes <= high


def main() -> None:
    """Print the table by source, and how often `fits` would have been wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", action="store_true", help="also print every row")
    options = parser.parse_args()
    cases, left_out, seconds = forecasts(SOURCES, _Peer().bytes_for)
    if options.rows:
        _print_rows(cases)
    _print_table(cases)
    _print_fits(cases)
    for reason in sorted(left_out):
        print(f"left out: {reason} ({left_out[reason]} rows)")
    print(f"our forecasts took {seconds / len(cases) * 1e3:.1f} ms each")


def forecasts(
    sources: Sequence[str], peer_bytes: Callable[[str, str], float]
) -> tuple[list[Case], dict[str, int], float]:
    """The sources' cases, the number of rows left out by reason, and the seconds that ours took.

    `peer_bytes` takes a model's name and a method.
    """
    cases, left_out, seconds = [], {}, 0.0
    for source in sources:
        for row in measured.rows(source):
            if "WARNING below W+G+Adam" in row["notes"]:
                reason = f"{source}: full tuning below the sum of its weights, gradients and states"
                left_out[reason] = left_out.get(reason, 0) + 1
                continue
            try:
                shape, settings = measured.shape_and_settings(row)
                start = time.perf_counter()
                forecast = training_memory(shape, row["method"], settings)
                seconds += time.perf_counter() - start
            except UserError as error:
                reason = f"{source}: {str(error).split(';')[0]}"
                left_out[reason] = left_out.get(reason, 0) + 1
                continue
            cases.append(Case(row, forecast, peer_bytes(shape.name, row["method"])))
    return cases, left_out, seconds


class _Peer:
    """accelerate's estimate; for adapters, which it doesn't cover, the size of the loaded model."""

    def __init__(self):
        self.sizes: dict[str, int] = {}

    def bytes_for(self, model: str, method: str) -> float:
        from accelerate.commands.estimate import estimate_training_usage

        total = self._float32_bytes(model)
        if method == "full":
            return max(estimate_training_usage(total, "bfloat16").values())
        return total / (8 if method == "qlora" else 2)

    def _float32_bytes(self, model: str) -> int:
        if model not in self.sizes:
            self.sizes[model] = _meta_bytes(catalog("models")[model]["config"], model)
        return self.sizes[model]


def _meta_bytes(config: dict, model: str) -> int:
    """The model's bytes as counted by accelerate, or by us where Transformers has no such class."""
    import torch
    from accelerate.utils import calculate_maximum_sizes
    from transformers import AutoConfig, AutoModelForCausalLM

    from advisor.sizes.models import shape_of

    try:
        known = AutoConfig.for_model(**config | {"pad_token_id": 0})
    except ValueError:
        return 4 * shape_of(model).total_parameters
    with torch.device("meta"):
        return calculate_maximum_sizes(
            AutoModelForCausalLM.from_config(known, dtype=torch.float32)
        )[0]


def _print_table(cases: list[Case]) -> None:
    print(f"{'source, what was measured':<44} {'rows':>4}  {'mean':>6}  {'|mean|':>6}  "
          f"{'lowest':>6}  {'highest':>7}  {'in range':>8}   accelerate: {'mean':>6}  {'|mean|':>6}")  # fmt: skip
    for label, group in groups(cases):
        peers = [case.peers for case in group]
        print(f"{ours_of(label, group)}               {_mean(peers):>+6.1%}  {_size(peers):>6.1%}")


def ours_of(label: str, group: list[Case]) -> str:
    """The part of a line of the table that is about our forecasts."""
    ours = [case.ours for case in group]
    inside = "" if group[0].allocated else f"{sum(c.in_range for c in group)}/{len(group)}"
    return (f"{label:<44} {len(group):>4}  {_mean(ours):>+6.1%}  {_size(ours):>6.1%}  "
            f"{min(ours):>+6.1%}  {max(ours):>+7.1%}  {inside:>8}")  # fmt: skip


def groups(cases: list[Case]) -> list[tuple[str, list[Case]]]:
    """The cases by source and by what was measured, each group with its label."""
    found: dict[str, list[Case]] = {}
    for case in cases:
        kind = "allocated" if case.allocated else "process"
        length = "" if measured.is_exact(case.row) else ", length not exact"
        old = " (old loss)" if case.row["loss_path"] == "old445" else ""
        found.setdefault(f"{case.row['source']}{old}, {kind}{length}", []).append(case)
    return list(found.items())


def _print_fits(cases: list[Case]) -> None:
    first, ours, peers = fits(cases)
    print(f"\n{first}\n  {ours}\n  {peers}\n")


def fits(cases: list[Case]) -> tuple[str, str, str]:
    """Whether each run would have fitted on each card: how many were asked, our answers, accelerate's."""
    exact = [case for case in cases if measured.is_exact(case.row)]
    surely = wrong_yes = wrong_no = peer_yes = peer_no = 0
    for case in exact:
        needed = case.measured_bytes + (CONTEXT_BYTES if case.allocated else 0)
        for card in CARDS:
            usable = gpu_named(card).usable_bytes
            answer, holds = case.forecast.fits(usable), needed <= usable
            surely += answer != "probably"
            wrong_yes += answer == "yes" and not holds
            wrong_no += answer == "no" and holds
            peer_yes += case.peer_bytes <= usable and not holds
            peer_no += case.peer_bytes > usable and holds
    asked = len(exact) * len(CARDS)
    return (
        f"{len(exact)} runs of exact length on {len(CARDS)} cards ({', '.join(CARDS)}), {asked} answers:",
        f"ours: {surely} sure; {wrong_yes} wrong 'yes', {wrong_no} wrong 'no'; "
        f"{asked - surely} 'probably'",
        f"accelerate: {asked} sure; {peer_yes} wrong 'yes', {peer_no} wrong 'no'",
    )


def _print_rows(cases: list[Case]) -> None:
    for case in cases:
        row = case.row
        print(f"{row['source']:<18} {row['model'].split('/')[-1]:<18} {row['method']:<6} "
              f"{row['batch']:>3} x {row['seq']:<6} {row['loss_path']:<10} measured "
              f"{case.measured_bytes / 1e9:7.2f}  ours {case.forecast.peak_allocated_bytes / 1e9:7.2f} "
              f"{case.ours:+7.1%}  process {case.forecast.process_low_bytes / 1e9:.1f}-"
              f"{case.forecast.process_high_bytes / 1e9:.1f}  accelerate {case.peer_bytes / 1e9:7.2f} "
              f"{case.peers:+7.1%}")  # fmt: skip
    print()


def _mean(values: list[float]) -> float:
    return statistics.mean(values)


def _size(values: list[float]) -> float:
    return statistics.mean(map(abs, values))


if __name__ == "__main__":
    main()
