"""What the commands print: a plan, or the results of a run as a table and its verdict in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from bench.api.tables import ANSWERS, Column, columns_of

if TYPE_CHECKING:
    from bench.core.files import Forecast
    from bench.core.plan import Plan
    from bench.planning.request import Budget
    from bench.record.types import ContenderEntry, Record, SweepRecord

FAMILIES = {
    "prompt": "prompting",
    "fine_tune": "fine-tuning",
    "between": "in between",
    "floor": "baseline",
}


def _table(contenders: Sequence[ContenderEntry], columns: Sequence[Column], name_width: int) -> str:
    """One line per contender; a failed or skipped one shows the reason instead of cells."""
    lines = [" " * name_width + "".join(f"{column.head:>{column.width}}" for column in columns)]
    for entry in contenders:
        if entry["status"] == "done":
            text = "".join(f"{column.cell(entry):>{column.width}}" for column in columns)
        else:
            text = f"{entry['status']}: {entry['reason']}"
        lines.append(f"{entry['name']:<{name_width}}{text}")
    return "\n".join(lines)


def _run_table(record: Record) -> str:
    return _table(record["contenders"], columns_of(record), 14)


def _sweep_table(record: Record) -> str:
    width = max(len(entry["name"]) for entry in record["contenders"]) + 2
    return _table(record["contenders"], columns_of(record), width)


def _forgotten(record: Record) -> str:
    """One line for each tuned model with what it has forgotten."""
    lines = []
    for entry in record["contenders"]:
        found = entry.get("forgetting")
        if not found:
            continue
        if found["status"] != "done":
            lines.append(f"{entry['name']}: forgetting wasn't measured: {found['reason']}")
            continue
        kl = found["kl_per_token"]
        interval = "" if kl["low"] is None else f" ({kl['low']:.3g}-{kl['high']:.3g})"
        lines.append(
            f"{entry['name']}: KL divergence from the base model {kl['value']:.3g}{interval} nats "
            f"per token; {found['lost']:g} of the {found['base_followed']:g} instructions that the "
            f"base model follows were lost ({found['gained']:g} gained)"
        )
    return "".join(f"{line}\n" for line in lines)


def results_lines(record: Record) -> Iterator[str]:
    """The results of a run, a curve or a sweep, for people."""
    sweep = record.get("sweep")
    return _sweep_lines(record, sweep) if sweep else _run_lines(record)


def _run_lines(record: Record) -> Iterator[str]:
    from bench.record.text import budget_text, curve_text

    if record["contenders"]:
        yield f"\n{_run_table(record)}\n{_forgotten(record)}"
    if curve := record.get("curve"):
        yield f"\n{curve_text(curve)}\n"
    if budget := record.get("budget"):
        yield f"{budget_text(budget)}\n"
    overall = record["verdict"]["overall"]
    yield f"{ANSWERS[overall['answer']]}. {overall['sentence']}"
    if settle := overall["would_settle"]:
        yield f"What would settle it: {settle}."
    yield record["verdict"]["scope"]


def _sweep_lines(record: Record, sweep: SweepRecord) -> Iterator[str]:
    yield f"\n{_sweep_table(record)}\n{_forgotten(record)}"
    if record["verdict"]["overall"]["answer"] == "cant_tell":  # withheld
        yield record["verdict"]["overall"]["sentence"]
    for one in sweep["contenders"]:
        yield one["sentence"]
    if sweep["claim"] and sweep["claims"]:
        yield f"\nClaim: {sweep['claim']['text']}."
        for claim in sweep["claims"]:
            yield claim["sentence"]
    yield f"\n{record['verdict']['scope']}"


def planned_lines(
    plan: Plan, forecasts: Sequence[Forecast], budget: Budget | None
) -> Iterator[str]:
    """What a run, a curve or a sweep would do, for people."""
    if plan.sweep:
        return _sweep_plan_lines(plan, forecasts)
    if plan.curve and not plan.trials:  # a run in full mode has a curve and trials of its own
        return _curve_plan_lines(plan, forecasts, budget)
    return _run_plan_lines(plan, forecasts)


def _run_plan_lines(plan: Plan, forecasts: Sequence[Forecast]) -> Iterator[str]:
    """The rows of a run, its trials with settings and forecasts, and its comparisons."""
    counts = plan.rows.counts
    yield f"{plan.scenario.title} ({plan.mode.name}, seed {plan.seed})"
    yield (f"rows: {counts['test']} test (in {counts['test groups']} groups), "
           f"{counts['validation']} validation, {counts['train']} training")  # fmt: skip
    yield plan.choosing.sentence
    by_trial = {forecast["trial"]: forecast for forecast in forecasts}
    for trial in plan.trials:
        model = f" on {trial.model}" if trial.model else ""
        yield f"\n{trial.slug}: {trial.name}{model}, {trial.n_train} training rows available"
        if trial.label_noise:
            yield f"    {trial.label_noise * 100:g}% of their labels replaced with wrong ones"
        yield from _settings_lines(trial.settings)
        if trial.slug in by_trial:
            yield f"    forecast: {_forecast_text(by_trial[trial.slug])}"
    if curve := plan.curve:
        yield (
            f"\nlearning curve: {', '.join(map(str, curve.sizes))} labelled rows, {len(curve.seeds)} seeds, "
            f"{len(curve.trials)} trials (`bench curve --full --plan` lists them)"
        )
    yield from _total_line(forecasts, " for the trials with a forecast")
    if primary := plan.primary:
        yield (
            f"\nprimary comparison: {primary.metric}, the best of "
            f"{', '.join(primary.challenger)} vs the best of "
            f"{', '.join(primary.baseline)}, chosen by {primary.chosen_by}; "
            f"margin {plan.scenario.decision.margin * 100:g} points"
        )
        look = plan.look
        yield (
            f"interim analysis {look.look} of {look.looks}, "
            f"alpha = {look.error * 100:.3g}%; exploratory comparisons: "
            f"{len(plan.family) - 1} (Holm-adjusted)"
        )


def _curve_plan_lines(
    plan: Plan, forecasts: Sequence[Forecast], budget: Budget | None
) -> Iterator[str]:
    """The sizes and arms of a curve with forecasts, and which of them a budget would drop."""
    from bench.core.progress import duration
    from bench.running.allotting import budget_lines

    curve = plan.curve
    assert curve is not None
    yield f"{plan.scenario.title}: learning curve ({plan.mode.name}, seed {plan.seed})"
    yield (f"sizes: {', '.join(map(str, curve.sizes))} of {plan.rows.counts['train']} labelled "
           f"rows; seeds: {len(curve.seeds)}; test rows: {plan.rows.counts['test']}")  # fmt: skip
    yield curve.choices
    by_trial = {forecast["trial"]: forecast for forecast in forecasts}
    shown: set[str] = set()
    for trial in curve.trials:
        yield f"\n{trial.slug}" + (f" on {trial.model}" if trial.model else "")
        if trial.name not in shown:
            yield from _settings_lines(trial.settings)
            shown.add(trial.name)
        if forecast := by_trial.get(trial.slug):
            yield f"    forecast: {_forecast_text(forecast)}"
            for size, seconds in forecast.get("by_size", {}).items():
                yield f"      {size:>6} rows: {duration(seconds)}"
    yield from _total_line(forecasts)
    if budget:
        yield from budget_lines(plan, budget, forecasts)


def _sweep_plan_lines(plan: Plan, forecasts: Sequence[Forecast]) -> Iterator[str]:
    """One line per trial of a sweep, with its forecast."""
    by_trial = {forecast["trial"]: forecast for forecast in forecasts}
    for trial in plan.trials:
        text = _forecast_text(by_trial[trial.slug]) if trial.slug in by_trial else "none"
        noise = f", {trial.label_noise * 100:g}% of the labels wrong" if trial.label_noise else ""
        yield f"{trial.slug}: {trial.n_train} training rows{noise}; forecast: {text}"
    yield from _total_line(forecasts, " for the trials with a forecast")
    yield f"exploratory comparisons: {len(plan.family)} (Holm-adjusted)"


def _settings_lines(settings: Mapping[str, object]) -> Iterator[str]:
    for key, value in settings.items():
        yield f"    {key} = {value}"


def _total_line(forecasts: Sequence[Forecast], of_what: str = "") -> Iterator[str]:
    """The time that all trials with a forecast will take, if any has one."""
    from bench.core.progress import total_duration

    known = [forecast["seconds"] for forecast in forecasts if forecast["seconds"]]
    if known:
        yield f"\ntotal: {total_duration(known)}{of_what}"


def _forecast_text(forecast: Forecast) -> str:
    """The forecast time and peak memory of a trial, or the reason why there is no forecast."""
    from bench.core.progress import total_duration

    seconds = forecast["seconds"]
    if seconds is None:
        return f"none ({forecast['reason']})"
    text = total_duration([seconds])
    memories = (
        (forecast["peak_resident_bytes"], "memory"),
        (forecast["peak_gpu_bytes"], "GPU memory"),
    )
    for memory, where in memories:
        if memory:
            text += (
                f"; peak {where} {memory['low'] / 2**20:,.0f} to {memory['high'] / 2**20:,.0f} MiB"
            )
    return text
