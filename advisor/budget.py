"""Which choices the budgets rule out, from the cost forecasts."""

from __future__ import annotations

from scenarios.schema import Profile

LABEL_USD = 2 / 60 * 20
WANTED_LABELS = 500


def over_budget(profile: Profile) -> dict[str, str]:
    """The choices whose forecast is above a budget, with the sums."""
    if profile.one_off_budget_usd is None:
        return {}
    missing = max(0, WANTED_LABELS - (profile.labelled_examples or 0))
    once = missing * LABEL_USD
    if once <= profile.one_off_budget_usd:
        return {}
    why = f"labels cost ${once:,.0f}, and ${profile.one_off_budget_usd:,.0f} may be spent once"
    return dict.fromkeys(("lora", "qlora", "full"), why)
