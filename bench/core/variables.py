"""Variables of the environment that libraries read as they start; set before torch is imported."""

from __future__ import annotations

import os

VARIABLES = {
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TOKENIZERS_PARALLELISM": "false",
    # Threads that spin for long while they wait make a busy two-core machine many times slower;
    # threads that sleep at once make a quiet one slower by half. This many turns do neither.
    "GOMP_SPINCOUNT": "10000",
    # Each length of a batch is a product of its own, and oneDNN and torch's layer above it would
    # each keep 1,024 of them, compiled. A pass needs some twenty; with 16 all are compiled anew.
    "ONEDNN_PRIMITIVE_CACHE_CAPACITY": "64",
    "LRU_CACHE_CAPACITY": "64",
}


def set_variables() -> None:
    """Set each that the user hasn't set; processes that are started inherit them."""
    for name, value in VARIABLES.items():
        os.environ.setdefault(name, value)
