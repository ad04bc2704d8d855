"""Whether to prompt, retrieve or fine-tune: advice, cost, size and backtest, without torch.

| call | returns | as the command |
|---|---|---|
| `recommend("niche-domain", labelled_examples=40)` | the choice, its votes, what would change it | `advisor recommend` |
| `size("SmolLM2-135M", gpu="L4")` | parameters, memory and time of each method | `advisor size` |
| `cost("niche-domain", requests_per_month=10**6)` | each option's cost, and the break-even | `advisor cost` |
| `backtest()` | the advice on quality, compared with published experiments | `advisor backtest` |

Each result has `to_json()`, which the command prints with `--json`, and `to_markdown()`; `print` shows
the command's text and a notebook shows tables. Nothing is printed by itself. What a user can fix
raises `UserError`: one line that names the thing, the reason and the way out.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from advisor.api.backtest import backtest
    from advisor.api.cost import cost
    from advisor.api.recommend import recommend
    from advisor.api.size import size
    from scenarios.errors import UserError

__all__ = ["UserError", "backtest", "cost", "recommend", "size"]


def __getattr__(name: str) -> object:
    """A public name, imported when it is first used: `import advisor` alone loads nothing else."""
    if name not in __all__:
        raise AttributeError(f"module 'advisor' has no attribute '{name}'")
    home = "scenarios.errors" if name == "UserError" else f"advisor.api.{name}"
    found = globals()[name] = getattr(import_module(home), name)
    return found


def __dir__() -> list[str]:
    return __all__
