"""Advice on a decision: the choice, the votes behind it, and what would change it."""

from __future__ import annotations

import os
from datetime import date

from advisor.api.evidence import Evidence, weighed
from advisor.api.keywords import situation
from advisor.api.shown import Shown
from advisor.decision import recommend as decision
from advisor.text import recommend as said
from scenarios.schema import Scenario


class Advice(Shown, decision.Recommendation):
    """A recommendation that can show itself; `print` gives the text of `advisor recommend`."""

    def __repr__(self) -> str:
        return f"<Advice on {self.scenario.name!r}: {self.choice}, {self.confidence} confidence>"

    def __str__(self) -> str:
        return said.text(self)

    def to_markdown(self) -> str:
        """The advice as a Markdown document, as with `--format markdown`."""
        return said.markdown(self)

    def to_adr(self, today: date | None = None) -> str:
        """The advice as a decision record (MADR), as with `--format adr`."""
        from advisor.text.adr import adr

        return adr(self, today or date.today())


def recommend(
    scenario: str | os.PathLike[str] | Scenario | None = None,
    *,
    evidence: Evidence | None = None,
    **facts: object,
) -> Advice:
    """Advise on a scenario, as `advisor recommend`.

    `scenario` is a built-in one by name, the path of a TOML file with a `[profile]` or only facts, a
    `Scenario`, or None for a decision of which only `facts` are known. `facts` replace those of the
    profile; None removes one. `evidence` is the path of a `record.json`, a run's folder, an object
    whose `record` is such a record, or a list of these of which one is about this scenario; it
    outranks the rules of thumb. Raises `UserError`.
    """
    about = situation(recommend, scenario, facts)
    found = weighed(evidence, about)
    return Advice.showing(decision.recommend(about, found[0] if found else None))
