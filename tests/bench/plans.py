"""Plans of runs and curves on the sentiment task, and forecasts of their trials, for tests of budgets."""

import json

import scenarios
from bench.core.plan import MODES
from bench.planning.curve import make_curve
from bench.planning.make import curve_plan, make_plan
from bench.planning.request import CurveRequest
from scenarios.rows import Example, Split

SPLIT = Split(
    train=tuple(Example(str(i), f"text {i}", "negative", str(i)) for i in range(500)),
    validation=(), test=(), digest="d", counts={"train": 500},
)  # fmt: skip
SENTIMENT = scenarios.load("sentiment")


def forecast(trial, seconds, **more):
    """A trial's forecast of its seconds alone."""
    return {"trial": trial.slug, "contender": trial.name, "seconds": {"value": seconds},
            "peak_resident_bytes": None, "peak_gpu_bytes": None, "reason": "", **more}  # fmt: skip


def forecasts(plan, **seconds):
    return [
        forecast(t, seconds[t.kind.replace("-", "_")])
        for t in plan.trials
        if t.kind.replace("-", "_") in seconds
    ]


def run_plan(mode="quick", only=(), seeds=()):
    return make_plan(SENTIMENT, SPLIT, MODES[mode], 0, "M", only, seeds=seeds)


def names(plan, found):
    by_slug = {t.slug: (t.name, t.seed) for t in plan.all_trials}
    return [by_slug[slug] for slug in found.order]


def a_curve(seeds=3, sizes=(32, 64, 128), only=("few-shot", "lora")):
    wanted = CurveRequest(sizes, seeds)
    curve = make_curve(wanted, SENTIMENT.task, SPLIT, "default", 0, "M", only)
    return curve_plan(SENTIMENT, SPLIT, MODES["default"], 0, "M", 1, curve)


def by_size(plan, start, **each):
    """A start once, and each size's rows at a number of seconds."""
    found = []
    for trial in plan.curve.trials:
        rate = each.get(trial.kind.replace("-", "_"))
        if rate is not None:
            sizes = {str(size): size * rate for size in trial.sizes}
            total = start + sum(sizes.values())
            found.append(forecast(trial, total, by_size=sizes, start_seconds=start))
    return found


def zero_shot(plan, seconds):
    [trial] = [t for t in plan.curve.trials if t.name == "zero-shot"]
    return [forecast(trial, seconds, by_size={"0": seconds - 8}, start_seconds=8)]


def sizes_done(plan, by_seed, *arms):
    """The finished sizes of each trial, from those of its seed; of both compared arms if not of others."""
    wanted = arms or ("few-shot", "lora")
    return {t.slug: by_seed[t.seed] for t in plan.curve.trials
            if t.name in wanted and t.seed in by_seed}  # fmt: skip


def finish_size(folder, trial, size, rows=3):
    """Leave the figures and the answers of a curve's trial at a size."""
    point = {"size": size, "rows": rows, "learnt_from": size, "chosen_by": 0, "looked_through": size,
             "rows_sha256": "", "notes": {}, "fit_seconds": 1.0, "answer_seconds": 1.0}  # fmt: skip
    folder.keep_point(trial, size, point)
    lines = [json.dumps({"example_id": f"r{i}", "text": "good"}) + "\n" for i in range(rows)]
    folder.answers_file(f"{trial.slug}-n{size}").write_text("".join(lines))
