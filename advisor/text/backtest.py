"""A backtest as text for a terminal."""

from __future__ import annotations

import textwrap

from advisor.evidence.backtest import CAVEATS, Backtest
from advisor.text.markdown import escaped, table


def text(found: Backtest) -> str:
    """Agreement compared with simple rules, by type of task, and how good the probabilities were."""
    balanced = found.source_balanced_agreement
    lines = [
        _head(found),
        "",
        f"{'':<52}{'by row':>8}{'by source':>11}",
        f"{'this advice':<52}{found.agreement:>8.0%}{balanced.value:>11.0%}{_interval(found)}",
    ]
    for name, rule in found.baselines.items():
        lines.append(
            f"{name:<52}{rule['agreement']:>8.0%}{rule['source_balanced_agreement']:>11.0%}"
        )
    lines += [
        "",
        _brier(found),
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


def markdown(found: Backtest) -> str:
    """The same as a Markdown document."""
    balanced = found.source_balanced_agreement
    rules = [("this advice", f"{found.agreement:.0%}", f"{balanced.value:.0%}{_interval(found)}")]
    rules += [
        (name, f"{rule['agreement']:.0%}", f"{rule['source_balanced_agreement']:.0%}")
        for name, rule in found.baselines.items()
    ]
    types = (
        (kind, seen["cases"], seen["sources"], f"{seen['agreement']:.0%}",
         f"{seen['source_balanced_agreement']:.0%}", f"{seen['tuning_won']:.0%}")
        for kind, seen in found.by_task_type.items()
    )  # fmt: skip
    bins = (
        (f"{row['from']:.0%} to {row['to']:.0%}", row["cases"], row["sources"],
         f"{row['predicted']:.0%}", f"{row['tuning_won']:.0%}")
        for row in found.reliability
    )  # fmt: skip
    return "\n".join([
        "# The advice on quality, compared with published experiments",
        "",
        escaped(_head(found)),
        "",
        *table(("correct", "by row", "by source"), rules),
        "",
        _brier(found),
        "",
        *table(("type of task", "cases", "sources", "by row", "by source", "tuning won"), types),
        "",
        *table(("probability", "cases", "sources", "predicted", "tuning won"), bins),
        "",
        *(f"- {escaped(caveat)}" for caveat in CAVEATS),
    ])  # fmt: skip


def _head(found: Backtest) -> str:
    return f"{found.cases} cases from {found.sources} sources; {found.protocol}; a tie counts as correct."


def _interval(found: Backtest) -> str:
    balanced = found.source_balanced_agreement
    return f" ({balanced.low:.0%} to {balanced.high:.0%})" if balanced.low is not None else ""


def _brier(found: Backtest) -> str:
    return (
        f"Brier score of the probability: {found.brier:.3f} by row, "
        f"{found.source_balanced_brier:.3f} by source (0.25 is a coin flip)."
    )
