"""What a run would do, and how long it would take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter

from bench.api.tables import markdown, markdown_of
from bench.api.text import planned_lines
from bench.api.views import Forecast
from bench.core import files
from bench.core.plan import Plan, Primary, Trial
from bench.core.progress import total_duration
from bench.planning.request import Budget

HEAD = ("trial", "contender", "model", "settings", "time", "peak memory", "peak GPU memory")


@dataclass(frozen=True, repr=False)
class Planned:
    """A plan with a forecast of each trial; nothing of it has been run.

    `print` gives the text of `bench plan`, or of the `--plan` of a curve or a sweep.
    `plan` is what `plan.json` of a run would hold, `budget` what a curve's trials would have to fit.
    """

    plan: Plan
    forecast_values: Sequence[files.Forecast]
    budget: Budget | None = None

    @property
    def trials(self) -> tuple[Trial, ...]:
        """All trials, the learning curve's last."""
        return self.plan.all_trials

    @property
    def primary(self) -> Primary | None:
        """The one comparison that the verdict will be drawn from; None where there is none."""
        return self.plan.primary

    @property
    def forecasts(self) -> tuple[Forecast, ...]:
        """The seconds and the peak memory of each trial."""
        return TypeAdapter(tuple[Forecast, ...]).validate_python(self.forecast_values)

    def to_json(self) -> dict[str, Any]:
        """The plan and its forecasts as `bench plan --json` prints them."""
        return self.plan.to_json() | {"forecasts": list(self.forecast_values)}

    def __repr__(self) -> str:
        return f"<Planned {self.plan.scenario.name}: {len(self.trials)} trials, {self._total()}>"

    def __str__(self) -> str:
        return "\n".join(planned_lines(self.plan, self.forecast_values, self.budget))

    def _repr_markdown_(self) -> str:
        """Its rows, a table of the trials, and the primary comparison."""
        caption, *notes = map(markdown, self._sentences())
        return "\n\n".join([caption, markdown_of(HEAD, self._rows()), *notes])

    def _repr_html_(self) -> str:
        """As `_repr_markdown_`."""
        from reports.notebook import table

        caption, *notes = self._sentences()
        return table(caption, HEAD, self._rows(), notes)

    def _sentences(self) -> list[str]:
        plan, counts = self.plan, self.plan.rows.counts
        said = [
            f"{plan.scenario.title} ({plan.mode.name}, seed {plan.seed}): {counts['test']} test rows, "
            f"{counts['validation']} validation rows, {counts['train']} training rows",
            f"Forecast: {self._total()}",
        ]
        if primary := plan.primary:
            said.append(
                f"Primary comparison: {primary.metric}, the best of {', '.join(primary.challenger)} vs "
                f"the best of {', '.join(primary.baseline)}, chosen by {primary.chosen_by}; "
                f"margin {plan.scenario.decision.margin * 100:g} points"
            )
        return said

    def _total(self) -> str:
        known = [one["seconds"] for one in self.forecast_values if one["seconds"]]
        return total_duration(known) if known else "none"

    def _rows(self) -> list[tuple[str, ...]]:
        """A row of `HEAD` for each trial."""
        by_trial = {one["trial"]: one for one in self.forecast_values}
        return [_row(trial, by_trial.get(trial.slug)) for trial in self.trials]


def _row(trial: Trial, forecast: files.Forecast | None) -> tuple[str, ...]:
    settings = ", ".join(f"{key}={value}" for key, value in trial.settings.items())
    start = (trial.slug, trial.name, trial.model or "", settings)
    if forecast is None:
        return (*start, "", "", "")
    if forecast["seconds"] is None:
        return (*start, f"none ({forecast['reason']})", "", "")
    memories = (forecast["peak_resident_bytes"], forecast["peak_gpu_bytes"])
    return (*start, total_duration([forecast["seconds"]]), *map(_mebibytes, memories))


def _mebibytes(span: files.Span | None) -> str:
    return f"{span['low'] / 2**20:,.0f} to {span['high'] / 2**20:,.0f} MiB" if span else ""
