"""The advice on quality, tested against published experiments."""

from __future__ import annotations

import os

from advisor.api.keywords import path, reject
from advisor.api.shown import Shown
from advisor.evidence import backtest as tests
from advisor.evidence.cases import read_cases, shipped_cases
from advisor.text import backtest as said


class Backtested(Shown, tests.Backtest):
    """A backtest that can show itself; `print` gives the text of `advisor backtest`."""

    def __repr__(self) -> str:
        agreed = f"{self.source_balanced_agreement.value:.0%} source-balanced agreement"
        return f"<Backtested: {self.cases} cases from {self.sources} sources, {agreed}>"

    def __str__(self) -> str:
        return said.text(self)

    def to_markdown(self) -> str:
        """The backtest as a Markdown document."""
        return said.markdown(self)


def backtest(cases: str | os.PathLike[str] | None = None, **unknown: object) -> Backtested:
    """Test the advice on quality against published experiments, as `advisor backtest`.

    `cases` is a CSV file of your own cases; None takes the built-in ones. Raises `UserError`.
    """
    reject(backtest, unknown)
    file = path("cases", cases, "a CSV file of cases")
    found = shipped_cases() if file is None else read_cases(file)
    return Backtested.showing(tests.backtest(found, shipped=file is None))
