"""Fits the weights of `advisor.evidence.quality` to the published cases and writes them to the catalog.

    python benchmarks/fit_quality.py

Prints how well each strength of the prior does with one source left out at a time.
"""

from __future__ import annotations

import json
from pathlib import Path

from advisor.evidence import backtest
from advisor.evidence.cases import shipped_cases

CATALOG = Path(__file__).parent.parent / "advisor" / "catalog" / "quality_weights.json"


def main() -> None:
    """Print the table and write the weights."""
    cases = shipped_cases()
    print("strength  agreement  source-balanced  Brier  source-balanced Brier")
    for strength in (1.0, 3.0, 10.0, 30.0, 100.0):
        found = backtest.backtest(cases, shipped=True, strength=strength)
        print(f"{strength:8g}  {found.agreement:9.3f}  {found.source_balanced_agreement.value:15.3f}"
              f"  {found.brier:5.3f}  {found.source_balanced_brier:.3f}")  # fmt: skip
    weights = backtest.fit(cases)
    found = {
        "about": f"penalised logistic regression on {len(cases)} cases, prior precision {backtest.PRIOR_STRENGTH:g}; "
        "written by benchmarks/fit_quality.py",
        "traits": weights.traits,
        "values": [round(value, 4) for value in weights.values],
        "covariance": [[round(v, 5) for v in row] for row in weights.covariance],
    }
    CATALOG.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
