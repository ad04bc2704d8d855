"""The record: everything that a reader needs to check a run, from its plan to its verdict."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from bench.checks import forgetting
from bench.checks.canaries import failed, of_split
from bench.core.folder import (  # noqa: F401
    FORECAST_BYTES,
    FORECASTS,
    answers_in,
    read_budget,
    read_forecasts,
    read_json,
    read_or_none,
)
from bench.metrics import Metric, load_metric, texts
from bench.planning.make import SCHEMA_VERSION, Plan
from bench.record.curve import arms_of, largest, make_curve_record, results_at
from bench.record.results import Results
from bench.record.sweep import outcome_of, verdict_of
from bench.record.verdict import curve_verdict, make_verdict
from bench.statistics import intervals as statistics
from bench.statistics.intervals import Estimate
from scenarios.errors import UserError
from scenarios.rows import Example, Split
from scenarios.schema import Scenario, Task

PACKAGES = ("tune-or-prompt", "torch", "transformers", "peft", "accelerate", "datasets",
            "evaluate", "scikit-learn", "numpy", "scipy", "tokenizers")  # fmt: skip

STAGES = ("loading", "setup", "restoring", "serving")
"""What the meters measure apart; a tuned model serves restored, in a fresh process."""


def make_record(
    folder: Path,
    plan: Plan,
    splits: Split | Sequence[Split],
    models: dict,
    usd_per_hour: float | None,
) -> dict:
    """The record as plain JSON values, from the files that the trials left in `folder`.

    Several splits are the folds of cross-fitting: their test rows are the run's.
    """
    splits = [splits] if isinstance(splits, Split) else list(splits)
    test = [example for split in splits for example in split.test]
    scenario = Scenario.model_validate(plan.scenario)
    outcomes = {t.slug: read_json(folder / "outcomes" / f"{t.slug}.json") for t in plan.all_trials}
    results = _results(folder, plan, test, outcomes)
    gold = texts([e.gold for e in test])
    groups = np.array([e.group for e in test])
    arms = arms_of(folder, plan, [e.id for e in test]) if plan.curve else []
    alone = not plan.trials
    if alone:  # the curve's largest size is what is compared
        size, seeds = largest(plan, arms)
        results = {} if size is None else results_at(plan, arms, size, seeds)
    estimates = estimates_of(plan, results, gold, groups, scenario.task)
    contenders = [
        _contender(name, plan, outcomes, estimates.get(name, {}), usd_per_hour)
        | _forgotten(name, plan, outcomes)
        for name in dict.fromkeys(t.name for t in plan.trials)
    ]
    comparisons = comparisons_of(plan, results, gold, groups, scenario)
    sides = [
        c for c in comparisons if "between" not in (c["baseline_family"], c["challenger_family"])
    ]
    canaries = [c for split in splits for c in of_split(split)] + _canaries(plan, outcomes)
    earlier = earlier_looks(folder, plan)
    left_out = _left_out(plan, outcomes, results)
    forecasts = read_forecasts(folder)
    enough = _seconds_of(left_out, plan, forecasts)
    swept = None
    if plan.sweep:
        swept = outcome_of(plan, contenders, comparisons)
        swept["forgetting"] = _forgot_less(plan, outcomes)
    if alone:
        verdict = curve_verdict(
            plan, sides, len(gold), size, seeds, failed(canaries), earlier, left_out, enough
        )
    elif swept:
        verdict = verdict_of(plan, swept, len(gold), len(np.unique(groups)), failed(canaries))
    else:
        verdict = make_verdict(
            plan,
            scenario,
            contenders,
            sides,
            len(gold),
            failed(canaries),
            earlier,
            usd_per_hour,
            left_out,
            enough,
        )
    rows = scenario.task.rows
    return {
        "schema_version": SCHEMA_VERSION,
        "scenario": scenario.name,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "plan": plan.to_json(),
        "environment": _environment(outcomes),
        "models": models,
        "data": {
            "source": rows.filename or Path(rows.path).name,
            "digest": plan.rows["digest"],
            "counts": plan.rows["counts"],
            "licence": rows.licence,
            "provenance": rows.provenance,
        },
        "trials": [{**asdict(t), "outcome": outcomes[t.slug]} for t in plan.trials],
        "contenders": contenders,
        "estimates": estimates,
        "comparisons": sides,
        "side_comparisons": [c for c in comparisons if c not in sides],
        "canaries": canaries,
        "earlier_looks": earlier,
        "verdict": verdict,
        "curve": make_curve_record(plan, arms, outcomes, gold, groups) if plan.curve else None,
        "budget": read_budget(folder),
        "sweep": swept,
        "forecasts": graded(forecasts, outcomes),
    }


def _left_out(plan: Plan, outcomes: dict[str, dict], results: dict[str, Results]) -> list[str]:
    """Arms of the primary comparison that have no finished trial since the budget left them out."""
    if plan.primary is None:
        return []
    found = []
    for name in plan.primary["baseline"] + plan.primary["challenger"]:
        own = [outcomes[t.slug] for t in plan.all_trials if t.name == name]
        if name not in results and any("budget" in o.get("reason", "") for o in own):
            found.append(name)
    return found


def _seconds_of(names: Sequence[str], plan: Plan, forecasts: Sequence[dict]) -> float | None:
    """What the trials of some contenders are forecast to take; None where one has no forecast."""
    wanted = {trial.slug for trial in plan.all_trials if trial.name in names}
    known = {f["trial"]: f["seconds"]["value"] for f in forecasts if f["seconds"]}
    return sum(known[slug] for slug in wanted) if wanted <= known.keys() else None


def earlier_looks(folder: Path, plan: Plan) -> list[str]:
    """Runs beside this one that looked at another number of test rows of the same scenario."""
    found = []
    for file in sorted(folder.absolute().parent.glob("*/record.json")):
        record = None if file.parent == folder.absolute() else read_or_none(file)
        if record is None or record.get("scenario") != plan.scenario["name"]:
            continue
        try:
            seen = record["plan"]["rows"]["counts"]["test"]
        except (KeyError, TypeError):
            continue
        if seen != plan.rows["counts"].get("test"):
            found.append(f"{file.parent.name} ({seen} test rows)")
    return found


def _canaries(plan: Plan, outcomes: dict[str, dict]) -> list[dict]:
    """Those that the trials left, with whose they are."""
    return [
        canary | {"trial": trial.slug}
        for trial in plan.trials
        for canary in (outcomes[trial.slug].get("notes") or {}).get("canaries", ())
    ]


def graded(forecasts: list[dict], outcomes: dict[str, dict]) -> list[dict]:
    """Forecasts beside what was then measured, with the error as a share of the measured value.

    The seconds of a trial that went on after an interruption aren't its own, so they aren't graded.
    Those of a curve's trial are forecast anew where a budget left fewer sizes than it has.
    """
    found = []
    for forecast in forecasts:
        outcome = outcomes[forecast["trial"]]
        forecast = forecast | {"seconds": _of_its_sizes(forecast, outcome)}
        measured = {"seconds": outcome.get("wall_seconds")}
        measured |= {key: _peak(key, [outcome], STAGES) for key in FORECAST_BYTES}
        grades = {}
        for key, value in measured.items():
            expected = forecast[key]
            known = None not in (expected, value)
            grades |= {
                f"measured_{key}": value,
                f"{key}_error": expected["value"] / value - 1 if known else None,
                f"{key}_held": expected["low"] <= value <= expected["high"] if known else None,
            }
        found.append(forecast | grades)
    return found


def _of_its_sizes(forecast: dict, outcome: dict) -> dict | None:
    """The forecast's seconds, of the sizes that a curve's trial went through."""
    seconds, by_size = forecast["seconds"], forecast.get("by_size")
    sizes = [str(size) for size in outcome.get("sizes", ())]
    if not by_size or not sizes or set(sizes) == by_size.keys():
        return seconds
    share = (forecast["start_seconds"] + sum(by_size[n] for n in sizes)) / seconds["value"]
    return {end: value * share for end, value in seconds.items()}


def read_record(path: Path) -> dict:
    """A record from its file or its run's folder. Raises `UserError` where it isn't one."""
    file = path / "record.json" if path.is_dir() else path
    try:
        record = read_json(file)
    except FileNotFoundError:
        raise UserError(f"no record at '{file}'; a finished run leaves record.json") from None
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"'{file}' isn't a record: {error}") from None
    version = record.get("schema_version") if isinstance(record, dict) else None
    if version != SCHEMA_VERSION:
        raise UserError(
            f"'{file}' has schema_version {version}, and this version reads {SCHEMA_VERSION}"
        )
    return record


def _results(folder, plan: Plan, test: Sequence[Example], outcomes) -> dict[str, Results]:
    """By contender, of the seeds whose trials (one, or one a fold) are done."""
    places = dict.fromkeys(example.id for example in test)
    results = {}
    for name in dict.fromkeys(t.name for t in plan.trials):
        trials = [t for t in plan.trials if t.name == name]
        seeds = [[t for t in trials if t.seed == s] for s in dict.fromkeys(t.seed for t in trials)]
        done = [own for own in seeds if all(outcomes[t.slug]["status"] == "done" for t in own)]
        if not done:
            continue
        answers = [
            {
                k: v
                for t in own
                for k, v in answers_in(folder / "answers" / f"{t.slug}.jsonl").items()
            }
            for own in done
        ]
        if any(found.keys() != places.keys() for found in answers):
            raise UserError(f"answers of {name} are missing in '{folder}'; start a new run")
        predicted = np.stack([texts([found[id_] for id_ in places]) for found in answers])
        score = _mean_score([outcomes[t.slug] for own in done for t in own])
        results[name] = Results(name, trials[0].family, trials[0].model, predicted, score)
    return results


def _mean_score(done: Sequence[dict]) -> float | None:
    """On the rows that choose, over a contender's trials; None where one has no score."""
    scores = [outcome["notes"].get("validation_score") for outcome in done]
    return None if None in scores else float(np.mean(scores))


def estimates_of(plan: Plan, results: dict[str, Results], gold, groups, task: Task) -> dict:
    """Each metric of each contender with its interval."""
    return {
        name: {
            metric: asdict(_estimate(load_metric(metric), found, gold, groups, task, plan))
            for metric in task.metrics
        }
        for name, found in results.items()
    }


def _estimate(
    metric, found: Results, gold, groups, task: Task, plan: Plan, level: float = statistics.LEVEL
) -> Estimate:
    """A metric over the test rows, averaged over the seeds row by row."""
    n = len(gold)
    if not isinstance(metric, Metric):
        value = float(np.mean([metric.of(gold, seed, task.labels) for seed in found.predicted]))
        reason = "a metric of the evaluate library gives no sums to resample"
        return Estimate(value, None, None, level, n, "none", reason)
    if metric.share:
        return statistics.share(_right(metric, found, gold, task), groups, level)
    sums = _statistics(metric, found, gold, task)
    wrong = (found.predicted != gold).any(axis=0)
    return statistics.resampled(
        sums, lambda s: metric.value(s).mean(axis=-1), groups, plan.seed, wrong, level
    )  # fmt: skip


def _statistics(metric: Metric, found: Results, gold, task: Task) -> np.ndarray:
    """Shape (rows, seeds, k): a seed's formula first, then their mean."""
    seeds = [metric.statistics(gold, seed, task.labels) for seed in found.predicted]
    return np.stack(seeds, axis=1)


def _right_by_seed(metric: Metric, found: Results, gold, task: Task) -> np.ndarray:
    """Whether each seed answered each row rightly, shape (seeds, rows)."""
    return metric.value(_statistics(metric, found, gold, task)).T


def _right(metric: Metric, found: Results, gold, task: Task) -> np.ndarray:
    """Of each row the share of seeds that answered it rightly."""
    return _right_by_seed(metric, found, gold, task).mean(axis=0)


def _contender(name, plan: Plan, outcomes, estimates: dict, usd_per_hour) -> dict:
    """One line of `bench run --json`: quality, speed, memory and money of a contender."""
    trials = [t for t in plan.trials if t.name == name]
    found = [outcomes[t.slug] for t in trials]
    done = [outcome for outcome in found if outcome["status"] == "done"]
    entry = {
        "name": name,
        "family": trials[0].family,
        "model": trials[0].model,
        "status": "done" if done else found[0]["status"],
        "reason": next((o["reason"] for o in found if "reason" in o), None),
        "seeds": len({t.seed for t, o in zip(trials, found, strict=True) if o["status"] == "done"}),
        **{metric.replace("-", "_"): estimate for metric, estimate in estimates.items()},
    }
    return entry | (_measured(done, usd_per_hour) if done else {})


def _forgotten(name: str, plan: Plan, outcomes: dict[str, dict]) -> dict:
    """What a contender forgot, where it was asked."""
    found = forgetting.summary(_asked(name, plan, outcomes), plan.seed)
    return {"forgetting": found} if found else {}


def _asked(name: str, plan: Plan, outcomes: dict[str, dict]) -> list[dict]:
    """What a contender's trials forgot, of those that were asked."""
    own = [outcomes[t.slug].get("forgetting") for t in plan.trials if t.name == name]
    return [one for one in own if one]


def _forgot_less(plan: Plan, outcomes: dict[str, dict]) -> list[dict]:
    """Of each of a sweep's pairs that were asked, what the challenger kept or forgot beyond the other."""
    pairs = [(pair, *(_asked(name, plan, outcomes) for name in pair)) for pair in plan.family]
    found = [(pair, forgetting.compared(one, other, plan.seed)) for pair, one, other in pairs]
    return [{"baseline": pair[0], "challenger": pair[1], **told} for pair, told in found if told]


def _measured(done: list[dict], usd_per_hour: float | None) -> dict:
    """What a contender's trials reached where they chose, and medians of what the meter saw."""
    latencies = np.concatenate([outcome["latencies_ms"] for outcome in done])
    answered = [o["rows"] / o["serving"]["seconds"] for o in done if o["serving"]["seconds"] > 0]
    throughput = float(np.median(answered))
    if usd_per_hour is None:
        cost, reason = None, "no price for this machine was given (--usd-per-hour)"
    else:
        cost = usd_per_hour / 3600 / throughput * 1000
        reason = "the machine's price at its measured throughput, fully used"

    setup_seconds = float(np.median([o["setup"]["seconds"] for o in done]))
    notes = done[0]["notes"]
    return {
        "validation_score": _mean_score(done),
        "p50_latency_ms": float(np.percentile(latencies, 50)),
        "p95_latency_ms": float(np.percentile(latencies, 95)),
        "p95_latency_interval_ms": statistics.quantile_interval(latencies.tolist(), 0.95),
        "machine_gflops": _median_known(done, "machine_gflops"),
        "latency_requests": len(latencies),
        "p50_first_token_ms": _median(done, "first_token_ms"),
        "p50_per_token_ms": _median(done, "per_token_ms"),
        "throughput_rows_per_s": throughput,
        "train_seconds": setup_seconds,
        "peak_resident_bytes": _peak("peak_resident_bytes", done, STAGES),
        "serving_peak_resident_bytes": _peak("peak_resident_bytes", done, STAGES[2:]),
        "peak_gpu_bytes": _peak("peak_gpu_bytes", done, STAGES),
        "peak_gpu_reserved_bytes": _peak("peak_gpu_reserved_bytes", done, STAGES),
        "process_gpu_bytes": _peak("process_gpu_bytes", done, STAGES),
        "joules": done[0]["serving"]["joules"],
        "tokens_in": done[0]["serving"]["tokens_in"],
        "tokens_out": done[0]["serving"]["tokens_out"],
        "trainable_parameters": notes.get("trainable_parameters"),
        "trainable_share": notes.get("trainable_share"),
        "adapter_bytes": notes.get("adapter_bytes"),
        "usd_per_1000_requests": cost,
        "setup_usd": None if usd_per_hour is None else usd_per_hour / 3600 * setup_seconds,
        "usd_reason": reason,
        "device": done[0]["device"],
    }


def _peak(key: str, outcomes: list[dict], stages: tuple[str, ...]) -> int | None:
    """The highest of some stages; None where it wasn't measured."""
    values = [o[stage][key] for o in outcomes for stage in stages if stage in o]
    return max((v for v in values if v is not None), default=None)


def _median_known(done: list[dict], key: str) -> float | None:
    values = [outcome[key] for outcome in done if outcome.get(key) is not None]
    return float(np.median(values)) if values else None


def _median(done: list[dict], key: str) -> float | None:
    """Of a figure of single requests, over all trials; None where no text was generated."""
    values = [value for outcome in done for value in outcome[key]]
    return float(np.median(values)) if values else None


def comparisons_of(plan: Plan, results: dict[str, Results], gold, groups, scenario) -> list[dict]:
    """The primary comparison, and the plan's family of exploratory ones, Holm-adjusted.

    `p_adjusted` is to be held against 0.05, whichever look this is; `adjustment` says how it was made.
    The primary one's `arms` are each arm's own estimate at the look's level.
    """
    primary = _primary_pair(plan, results)
    metric = load_metric(scenario.task.metrics[0])
    found = []
    for pair in plan.family:
        if not set(pair) <= results.keys():
            continue
        baseline, challenger = results[pair[0]], results[pair[1]]
        difference = _difference(metric, (baseline, challenger), gold, groups, scenario.task, plan)
        found.append(
            {
                "metric": metric.name,
                "baseline": baseline.name,
                "challenger": challenger.name,
                "baseline_family": baseline.family,
                "challenger_family": challenger.family,
                "groups": len(np.unique(groups)),
                "primary": pair == primary,
                "margin": scenario.decision.margin,
                "model": challenger.model,
                "baseline_model": baseline.model,
                "task": scenario.name,
            }
            | difference
        )
        if pair == primary:
            level = 1 - plan.look["error"]
            found[-1]["arms"] = {
                side: asdict(_estimate(metric, arm, gold, groups, scenario.task, plan, level))
                for side, arm in (("prompt", baseline), ("fine_tune", challenger))
            }
    _adjust(found, plan.look)
    return sorted(found, key=lambda comparison: not comparison["primary"])


def _adjust(comparisons: list[dict], look: dict) -> None:
    """Set what each p-value is after the looks at the test rows and the exploratory family."""
    of_look = f"for look {look['look']} of {look['looks']}" if look["looks"] > 1 else ""
    for comparison in comparisons:
        p_value = comparison["p_value"]
        if p_value is not None:
            p_value = statistics.p_at_look(p_value, look["look"], look["looks"])
        comparison |= {"p_adjusted": p_value, "adjustment": of_look or "none"}
    tested = [c for c in comparisons if not c["primary"] and c["p_value"] is not None]
    adjusted = statistics.holm([comparison["p_adjusted"] for comparison in tested])
    for comparison, p_value in zip(tested, adjusted, strict=True):
        how = f"after Holm over {len(tested)}"
        comparison |= {"p_adjusted": p_value, "adjustment": f"{of_look}, {how}" if of_look else how}


def _difference(
    metric, arms: tuple[Results, Results], gold, groups, task: Task, plan: Plan
) -> dict:
    """The challenger's gain over the baseline, with all that its interval and test tell."""
    level = 1 - plan.look["error"]
    if not isinstance(metric, Metric):
        values = [np.mean([metric.of(gold, s, task.labels) for s in arm.predicted]) for arm in arms]
        reason = "a metric of the evaluate library gives no sums to resample"
        gain = float(values[1] - values[0])
        return _told(Estimate(gain, None, None, level, len(gold), "none", reason), None, None)
    if metric.share:
        return _difference_of_shares(metric, arms, gold, groups, task, plan, level)

    def gain(sums: np.ndarray) -> np.ndarray:
        values = metric.value(sums).mean(axis=-1)
        return values[..., 1] - values[..., 0]

    seeds = max(len(arm.predicted) for arm in arms)
    each = [_statistics(metric, arm, gold, task) for arm in arms]
    even = [s[:, np.arange(seeds) % s.shape[1]] for s in each]  # an arm without seeds has one
    both = np.stack(even, axis=1)
    telling = (both[:, 0] != both[:, 1]).reshape(len(gold), -1).any(axis=1)
    difference = statistics.resampled(both, gain, groups, plan.seed, telling, level)
    p_value = statistics.swap_p(both, gain, groups, plan.seed)
    visible = None
    if difference.low is not None:
        half = (difference.high - difference.low) / 2
        visible = statistics.smallest_visible_by_width(half, level)
    return _told(difference, p_value, "arms swapped by group", visible=visible)


def _difference_of_shares(metric, arms, gold, groups, task, plan: Plan, level: float) -> dict:
    """Of a metric that is a share of right rows: of the methods with five seeds, else of the models."""
    by_seed = [_right_by_seed(metric, arm, gold, task) for arm in arms]
    rows = [arm.mean(axis=0) for arm in by_seed]
    discordant = float(np.abs(rows[0] - rows[1]).mean())
    effect = statistics.design_effect(rows[1] - rows[0], groups)
    more = {
        "discordant": discordant,
        "effect": effect,
        "visible": statistics.smallest_visible(discordant, len(gold), effect, level),
    }
    planned = [len({t.seed for t in plan.trials if t.name == arm.name}) for arm in arms]
    seeded = [len(a) for a, n in zip(by_seed, planned, strict=True) if n > 1 or len(a) > 1]
    split = statistics.split_variance(*by_seed, groups) if seeded else None
    if seeded and min(seeded) >= statistics.FEWEST_SEEDS:
        difference = statistics.difference_of_methods(*by_seed, groups, level)
        p_value = statistics.methods_p_value(*by_seed, groups)
        half = (difference.high - difference.low) / 2 if difference.low is not None else None
        more["visible"] = half and statistics.smallest_visible_by_width(half, level)
        return _told(difference, p_value, "t", split=split, scope="this-method", **more)
    difference = statistics.paired_difference(*rows, groups, level)
    p_value, test = statistics.paired_p_value(*rows, groups, plan.seed)
    return _told(difference, p_value, test, split=split, **more)


def _told(
    difference: Estimate,
    p_value: float | None,
    test: str | None,
    discordant: float | None = None,
    effect: float | None = None,
    visible: float | None = None,
    split: statistics.Split | None = None,
    scope: str = "this-model",
) -> dict:
    """A difference as a comparison tells it."""
    return {
        "difference": difference.value,
        "low": difference.low,
        "high": difference.high,
        "reason": difference.reason,
        "level": difference.level,
        "n": difference.n,
        "method": f"{difference.method}; {test}" if test else difference.method,
        "p_value": p_value,
        "scope": scope,
        "discordant_share": discordant,
        "design_effect": effect,
        "smallest_visible": visible,
        "variance": split and {"sampling": split.sampling, "seed": split.seed, "draw": split.draw},
    }


def _primary_pair(plan: Plan, results: dict[str, Results]) -> tuple[str, str] | None:
    """The prompting arm and the tuned arm with the highest score on the validation rows."""
    if plan.primary is None:
        return None
    pair = []
    for side in ("baseline", "challenger"):
        arms = [results[name] for name in plan.primary[side] if name in results]
        if not arms:
            return None
        pair.append(max(arms, key=lambda arm: arm.validation_score or 0.0).name)
    return pair[0], pair[1]


def _environment(outcomes: dict) -> dict:
    """Versions, hardware and the state of the code; nothing that names the user or the machine."""
    import psutil

    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = None
    devices = [o["device"] for o in outcomes.values() if o.get("device")]
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()}",
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
        "device": devices[0] if devices else None,
        "versions": versions,
        "git": _git_state(),
    }


def _processor() -> str:
    try:
        with open("/proc/cpuinfo") as file:
            names = [
                line.split(":", 1)[1].strip() for line in file if line.startswith("model name")
            ]
        return names[0] if names else platform.machine()
    except OSError:
        return platform.processor() or platform.machine()


def _git_state() -> str | None:
    """The commit of the code if it runs from a checkout, with `-dirty` where it was changed."""
    try:
        found = subprocess.run(
            [
                "git",
                "-C",
                str(Path(__file__).parent),
                "describe",
                "--always",
                "--dirty",
                "--abbrev=12",
            ],
            capture_output=True,
            text=True,
            timeout=5,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return found.stdout.strip() or None
