"""The scenarios' costs as docs/cost.md shows them, at the prices of one day.

    python benchmarks/scenario_costs.py --out docs/measurements/2026-11-24-scenario-costs.json

Nothing is measured here: it is `advisor cost` on each scenario, kept so that a reader can see which
prices the documents use, and a test can see where they no longer apply. Prints the document's tables.
"""

from __future__ import annotations

import argparse
import json
from datetime import date
from pathlib import Path

import scenarios
from advisor.money import prices
from advisor.money.ranges import Range
from advisor.money.report import report
from advisor.text import cost as cost_text

DAY = date(2026, 11, 24)
SIX = ("specific-format", "niche-domain", "writing-style", "limited-budget", "critical-latency",
       "data-privacy")  # fmt: skip
SHOWN = ("hosted-zero-shot", "hosted-few-shot", "hosted-few-shot-cached", "self-hosted-prompt",
         "self-hosted-lora", "self-hosted-qlora", "self-hosted-full")  # fmt: skip


def costs(day: date = DAY) -> dict:
    """Each scenario's options and break-even at the catalog's prices as of a day."""
    found = {}
    for name in SIX:
        made = report(scenarios.load(name), prices.catalog(day)).to_json()
        even = made["break_even"]
        found[name] = {
            "requests_per_month": next(a["value"] for a in made["assumptions"]
                                       if a["assumption"] == "requests_per_month"),
            "hosted_model": made["hosted_model"],
            "own_model": made["own_model"],
            "options": {option: {key: money[key] for key in ("monthly_usd", "horizon_usd")}
                        for option, money in made["options"].items()},
            "break_even": {key: even.get(key) for key in (
                "answer", "requests_per_month", "share_never", "prompting", "tuned", "gpu")},
            "moves_it_most": [bar["assumption"] for bar in even.get("tornado", ())[:3]],
        }  # fmt: skip
    return {"day": str(day), "genai_prices": prices.package_version(), "scenarios": found}


def tables(found: dict) -> list[str]:
    """The document's two tables, line by line."""
    lines = ["| over 12 months | " + " | ".join(f"`{name}`" for name in SIX) + " |",
             "|---" * (len(SIX) + 1) + "|"]  # fmt: skip
    for option in SHOWN:
        cells = []
        for name in SIX:
            money = found["scenarios"][name]["options"].get(option)
            cells.append(cost_text.short_range(Range(**money["horizon_usd"])) if money else "-")
        lines.append(f"| {option} | " + " | ".join(cells) + " |")
    lines += ["", "| scenario | requests a month | tuning pays from | never in | what moves it most |",
              "|---|---|---|---|---|"]  # fmt: skip
    for name in SIX:
        entry = found["scenarios"][name]
        even, volume = entry["break_even"], entry["break_even"]["requests_per_month"]
        lines.append(
            f"| `{name}` | {entry['requests_per_month']:,.0f} | {cost_text.short_volume(volume)} | "
            f"{even['share_never']:.0%} | {', '.join(entry['moves_it_most'])} |"
        )
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    found = costs()
    if out := parser.parse_args().out:
        out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print("\n".join(tables(found)))


if __name__ == "__main__":
    main()
