"""A backtest as text for a terminal."""

from __future__ import annotations

import textwrap

from advisor.evidence.backtest import CAVEATS, Backtest


def text(found: Backtest) -> str:
    """Agreement compared with simple rules, by type of task, and how good the probabilities were."""
    balanced = found.source_balanced_agreement
    interval = f" ({balanced.low:.0%} to {balanced.high:.0%})" if balanced.low is not None else ""
    lines = [
        f"{found.cases} cases from {found.sources} sources; {found.protocol}; a tie counts as correct.",
        "",
        f"{'':<52}{'by row':>8}{'by source':>11}",
        f"{'this advice':<52}{found.agreement:>8.0%}{balanced.value:>11.0%}{interval}",
    ]
    for name, rule in found.baselines.items():
        lines.append(
            f"{name:<52}{rule['agreement']:>8.0%}{rule['source_balanced_agreement']:>11.0%}"
        )
    lines += [
        "",
        f"Brier score of the probability: {found.brier:.3f} by row, "
        f"{found.source_balanced_brier:.3f} by source (0.25 is a coin flip).",
        "",
        f"{'type of task':<16}{'cases':>6}{'sources':>9}{'by row':>8}{'by source':>11}{'tuning won':>12}",
    ]
    for kind, seen in found.by_task_type.items():
        lines.append(
            f"{kind:<16}{seen['cases']:>6}{seen['sources']:>9}{seen['agreement']:>8.0%}"
            f"{seen['source_balanced_agreement']:>11.0%}{seen['tuning_won']:>12.0%}"
        )
    lines += [
        "",
        f"{'probability':<16}{'cases':>6}{'sources':>9}{'predicted':>11}{'tuning won':>12}",
    ]
    for row in found.reliability:
        between = f"{row['from']:.0%} to {row['to']:.0%}"
        lines.append(f"{between:<16}{row['cases']:>6}{row['sources']:>9}{row['predicted']:>11.0%}"
                     f"{row['tuning_won']:>12.0%}")  # fmt: skip
    return "\n".join(
        [*lines, "", *(line for caveat in CAVEATS for line in textwrap.wrap(caveat, 96))]
    )
