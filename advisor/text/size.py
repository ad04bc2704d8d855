"""A size report as text for a terminal. GB are 10^9 bytes."""

from __future__ import annotations

from dataclasses import dataclass

from advisor.sizes.report import Report, Sized
from advisor.sizes.serving import serving
from advisor.text.markdown import escaped, table

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
    lines = [
        f"{report.model}: {report.total_parameters:,} parameters",
        _settings(report),
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


def markdown(report: Report) -> str:
    """The same as a Markdown document."""
    (_, names), *parts = _rows(report)
    lines = [
        f"# {escaped(report.model)}: {report.total_parameters:,} parameters",
        "",
        escaped(_settings(report)),
        "",
        *table(("GB", *names), ((label.strip(), *cells) for label, cells in parts)),
    ]
    for name, sized in report.methods.items():
        if found := _steps(name, sized, report):
            title, changes, end = found
            lines += ["", title, "", *(f"{n}. {escaped(c)}" for n, c in enumerate(changes, 1))]
            lines += ["", end] if end else []
    for name, reason in report.refused.items():
        lines += ["", f"{name}: not forecast: {escaped(reason)}"]
    for note in report.notes:
        lines += ["", escaped(note)]
    cache = _cache(report)
    head = ("cache by context", *(f"{count} at once" for count in cache.counts))
    rows = [(f"{context:,}", *cells) for context, cells in cache.by_context]
    lines += ["", "## Serving, GB", "", f"weights {cache.weights}", "", *table(head, rows)]
    return "\n".join(lines)


def _settings(report: Report) -> str:
    settings = report.settings
    checkpointing = "with" if settings.checkpointing else "without"
    return (
        f"batch {settings.batch} x {settings.seq_len} tokens, {checkpointing} checkpointing, "
        f"{settings.attention} attention, {settings.optimizer}, loss {settings.loss}; "
        f"LoRA r={settings.rank} on {settings.targets}"
    )


def _rows(report: Report) -> list[tuple[str, list[str]]]:
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
    return rows


def _methods(report: Report) -> list[str]:
    rows = _rows(report)
    widths = [max(map(len, column)) for column in zip(*(cells for _, cells in rows), strict=True)]
    return [
        f"  {label:<20}"
        + "".join(f"  {cell:>{width}}" for cell, width in zip(cells, widths, strict=True))
        for label, cells in rows
    ]


def _steps(name: str, sized: Sized, report: Report) -> tuple[str, list[str], str] | None:
    """What would make a method fit, each change on top of the last: a title, the changes, the outcome."""
    if not sized.changes or report.gpu is None:
        return None
    changes = [
        f"{change.change}: saves {_gb(change.saving_bytes)} GB, leaves "
        f"{_gb(change.peak_allocated_bytes)} ({change.fits}); price: {change.price}"
        for change in sized.changes
    ]
    usable = _gb(report.gpu.usable_bytes)
    fails = sized.changes[-1].fits == "no"
    end = "It still doesn't fit: use a smaller model or a larger GPU." if fails else ""
    return f"To make {name} fit {report.gpu.name} ({usable} GB), in this order:", changes, end


def _changes(name: str, sized: Sized, report: Report) -> list[str]:
    found = _steps(name, sized, report)
    if found is None:
        return []
    title, changes, end = found
    numbered = (f"  {number}. {change}" for number, change in enumerate(changes, start=1))
    return ["", title, *numbered, *([f"  {end}"] if end else [])]


@dataclass(frozen=True)
class _Cache:
    """The weights in words, the numbers of requests at once, and the cache's GB by context for each."""

    weights: str
    counts: list[int]
    by_context: list[tuple[int, list[str]]]


def _cache(report: Report) -> _Cache:
    found = serving(report.shape)
    weights = ", ".join(f"{kind} {_gb(size)}" for kind, size in found["weight_bytes"].items())
    rows = found["cache"]
    by_context = [
        (context, [_gb(row["cache_bytes"], 2) for row in rows if row["context"] == context])
        for context in sorted({row["context"] for row in rows})
    ]
    return _Cache(weights, sorted({row["concurrency"] for row in rows}), by_context)


def _serving(report: Report) -> list[str]:
    """Weights, and the cache by context and concurrency."""
    cache = _cache(report)
    lines = [
        f"Serving, GB: weights {cache.weights}",
        "  cache by context" + "".join(f"  {f'{count} at once':>12}" for count in cache.counts),
    ]
    for context, cells in cache.by_context:
        lines.append(f"  {context:>16,}" + "".join(f"  {cell:>12}" for cell in cells))
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
