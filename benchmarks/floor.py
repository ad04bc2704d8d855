"""The arithmetic floor of the default model's work: its operations at the speed of a matrix product."""

from __future__ import annotations

import time

import torch

FORWARD_GFLOP_A_TOKEN = 0.212  # 2 x 106M parameters of SmolLM2-135M without its embedding
TRAIN_GFLOP_A_TOKEN = 2 * FORWARD_GFLOP_A_TOKEN  # the frozen weights need no gradient of their own


def matrix_speed(lm: torch.nn.Module) -> float:
    """The matrix-product speed of a model's number format and device, in GFLOP/s; the best of ten."""
    a = torch.ones(2048, 2048, dtype=lm.dtype, device=lm.device)
    best = float("inf")
    for _ in range(10):
        start = time.perf_counter()
        float((a @ a)[0, 0])
        best = min(best, time.perf_counter() - start)
    return 2 * 2048**3 / best / 1e9
