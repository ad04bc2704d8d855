"""Environment variables that libraries read when they start; set before torch is imported."""

from __future__ import annotations

import os

VARIABLES = {
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TOKENIZERS_PARALLELISM": "false",
    # Threads that spin for long while waiting make a busy two-core machine many times slower; threads
    # that sleep immediately make a quiet one slower by half. This number of spins avoids both.
    "GOMP_SPINCOUNT": "10000",
    # Each batch length compiles its own product, and oneDNN and torch's layer above it would each keep
    # 1,024 of them. A pass needs about twenty; with a limit of 16 all are compiled again each time.
    "ONEDNN_PRIMITIVE_CACHE_CAPACITY": "64",
    "LRU_CACHE_CAPACITY": "64",
}


def set_variables() -> None:
    """Set each variable that the user hasn't set; child processes inherit them."""
    for name, value in VARIABLES.items():
        os.environ.setdefault(name, value)
