"""What prompting and tuning cost, and the volume at which tuning pays."""

from __future__ import annotations

import os
from datetime import date

from advisor.api.evidence import Evidence, weighed
from advisor.api.keywords import path, situation, typed
from advisor.api.shown import Shown
from advisor.money import prices as catalog
from advisor.money import report
from advisor.text import cost as said
from scenarios.errors import UserError
from scenarios.schema import Scenario
from scenarios.terminal import plain


class Costs(Shown, report.CostReport):
    """A cost report that can show itself; `print` gives the text of `advisor cost`."""

    def __repr__(self) -> str:
        return f"<Costs of {self.scenario.name!r}: {len(self.options)} options priced>"

    def __str__(self) -> str:
        return plain(said.text(self))

    def to_markdown(self) -> str:
        """The report as a Markdown document, with its warnings."""
        return said.markdown(self)


def cost(
    scenario: str | os.PathLike[str] | Scenario | None = None,
    *,
    evidence: Evidence | None = None,
    prices: str | os.PathLike[str] | None = None,
    seed: int = report.SEED,
    **facts: object,
) -> Costs:
    """Price prompting and tuning, hosted and self-hosted, as `advisor cost`.

    `scenario`, `evidence` and `facts` are those of `recommend`. `prices` is a TOML file of your own
    prices, which replace the catalog's; `seed` is that of the draws behind the ranges. Prices that
    are old are named in `warnings`. Raises `UserError`.
    """
    if typed("seed", seed, int) < 0:
        raise UserError(f"seed is {seed}; give 0 or more")
    about = situation(cost, scenario, facts)
    known = catalog.catalog(date.today())
    if (file := path("prices", prices, "a TOML file of prices")) is not None:
        known = catalog.with_file(known, file)
    found, record = weighed(evidence, about) or (None, None)
    return Costs.showing(report.report(about, known, found, record, seed=int(seed)))
