"""A size report as text for a terminal. GB are 10^9 bytes."""

from __future__ import annotations

from advisor.sizes.report import Report, Sized
from advisor.sizes.serving import serving

_LABELS = {
    "weights": "weights",
    "adapters": "adapters",
    "gradients": "gradients",
    "optimizer": "optimizer",
    "activations": "activations",
    "logits_and_loss": "logits, loss",
    "workspace": "workspace",
    "context": "CUDA context",
}


def text(report: Report) -> str:
    """The report, top down: the model, each method, what would make it fit, serving."""
    shape, settings = report.shape, report.settings
    checkpointing = "with" if settings.checkpointing else "without"
    lines = [
        f"{shape.name}: {shape.total_parameters:,} parameters",
        f"batch {settings.batch} x {settings.seq_len} tokens, {checkpointing} checkpointing, "
        f"{settings.attention} attention, {settings.optimizer}, loss {settings.loss}; "
        f"LoRA r={settings.rank} on {settings.targets}",
        "",
        *_methods(report),
    ]
    for name, sized in report.methods.items():
        lines += _changes(name, sized, report)
    for name, reason in report.refused.items():
        lines += ["", f"{name}: not forecast: {reason}"]
    for note in report.notes:
        lines += ["", note]
    return "\n".join([*lines, "", *_serving(report)])


def _methods(report: Report) -> list[str]:
    """A column per method, a row per part; all parts except for the context add up to the peak."""
    names = list(report.methods)
    forecasts = [sized.forecast for sized in report.methods.values()]
    rows = [("GB", names)]
    for part, label in _LABELS.items():
        if part != "context":
            rows.append((label, [_gb(f.breakdown[part]) for f in forecasts]))
    rows += [
        ("peak allocated", [_gb(f.peak_allocated_bytes) for f in forecasts]),
        ("  at the", [f.moment for f in forecasts]),
        ("process", [_range(f.process_low_bytes, f.process_high_bytes) for f in forecasts]),
        ("trained", [f"{f.trainable_parameters:,}" for f in forecasts]),
        ("  share", [_share(f.trainable_share) for f in forecasts]),
        ("adapter file", [_gb(f.adapter_file_bytes, 3) if f.adapter_file_bytes else "-"
                          for f in forecasts]),
    ]  # fmt: skip
    if report.gpu:
        sized = report.methods.values()
        rows.append((f"fits {report.gpu.name}", [item.fits for item in sized]))
        rows.append(("tokens/s", [_tokens(item) for item in sized]))
        rows.append(("  bound by", [item.pace.bound_by for item in sized]))
    widths = [max(len(cells[column]) for _, cells in rows) for column in range(len(names))]
    return [
        f"  {label:<20}"
        + "".join(f"  {cell:>{width}}" for cell, width in zip(cells, widths, strict=True))
        for label, cells in rows
    ]


def _changes(name: str, sized: Sized, report: Report) -> list[str]:
    """What would make a method fit, each change on top of the last."""
    if not sized.changes or report.gpu is None:
        return []
    lines = [
        "",
        f"To make {name} fit {report.gpu.name} ({_gb(report.gpu.usable_bytes)} GB), in this order:",
    ]
    for number, change in enumerate(sized.changes, start=1):
        lines.append(
            f"  {number}. {change.change}: saves {_gb(change.saving_bytes)} GB, leaves "
            f"{_gb(change.peak_allocated_bytes)} ({change.fits}); price: {change.price}"
        )
    if sized.changes[-1].fits == "no":
        lines.append("  It still doesn't fit: use a smaller model or a larger GPU.")
    return lines


def _serving(report: Report) -> list[str]:
    """Weights, and the cache by context and concurrency."""
    found = serving(report.shape)
    weights = ", ".join(f"{kind} {_gb(size)}" for kind, size in found["weight_bytes"].items())
    rows = found["cache"]
    many = sorted({row["concurrency"] for row in rows})
    lines = [
        f"Serving, GB: weights {weights}",
        "  cache by context" + "".join(f"  {f'{count} at once':>12}" for count in many),
    ]
    for context in sorted({row["context"] for row in rows}):
        cells = [row["cache_bytes"] for row in rows if row["context"] == context]
        lines.append(f"  {context:>16,}" + "".join(f"  {_gb(cell, 2):>12}" for cell in cells))
    return lines


def table_text(table: dict) -> str:
    """The article's table compared with ours."""
    lines = [
        "GB of GPU memory     article   ours, 4 x 512   process   4 x 4096   process",
    ]
    for row in table["rows"]:
        short, long = row["short"], row["long"]
        lines.append(
            f"  {row['size']:>3} {row['method']:<12} {_gb(row['article_bytes'], 0):>9}"
            f"{_gb(short['peak_allocated_bytes']):>16}"
            f"{_range(short['process_low_bytes'], short['process_high_bytes'], 0):>10}"
            f"{_gb(long['peak_allocated_bytes']):>11}"
            f"{_range(long['process_low_bytes'], long['process_high_bytes'], 0):>10}"
        )
        if "mixed" in row:
            mixed = _gb(row["mixed"]["peak_allocated_bytes"])
            lines.append(f"      float32 weights under autocast, 4 x 512: {mixed}")
    return "\n".join([*lines, "", "Why they differ:", *(f"  {reason}" for reason in table["why"])])


def _gb(size: int, digits: int = 1) -> str:
    return f"{size / 1e9:,.{digits}f}"


def _range(low: int, high: int, digits: int = 1) -> str:
    return f"{_gb(low, digits)}-{_gb(high, digits)}"


def _share(share: float) -> str:
    return f"{share:.4%}" if share < 0.1 else f"{share:.0%}"


def _tokens(sized: Sized) -> str:
    return f"{sized.pace.tokens_per_s_low:,.0f}-{sized.pace.tokens_per_s_high:,.0f}"
