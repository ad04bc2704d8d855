"""The figures of kept measurements that the documents quote in sentences.

Each fragment is made from its record, and a test finds it in its document, whatever the line breaks. A
conclusion in words comes with the condition under which the record allows it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from statistics import mean, median
from typing import TYPE_CHECKING

from docs.records import Entry, mib, named, points, record, share, spread

if TYPE_CHECKING:
    from benchmarks.memory_forecast import Case

QUICK = "2026-11-24-quick-cpu"
RACE = "2026-11-24-race-cpu"
AMX = "2026-11-27-laptop-amx-cpu"
EPYC = "2026-11-24-laptop-cpu"
GPU = "2026-11-27-gpu-h200"
RANK = "2026-11-27-rank-cpu"
REPLAY = "2026-11-27-replay-cpu"
QUALITY = "2026-11-27-data-quality-cpu"
CURVE = "2026-11-27-curve-cpu"


def if_so(holds: bool, sentence: str) -> str:
    """A conclusion that the record allows; another one is nowhere in a document."""
    return sentence if holds else f"[the record doesn't allow:] {sentence}"


def readme() -> Iterator[str]:
    yield f"its trials took {_minutes_and_seconds(QUICK)}"
    work = record(AMX)["work"]
    scoring = work["score, 9-shot"]["peers"]["lm-eval"]["ratio"]["median"]
    training = work["train LoRA"]["peers"]["TRL"]["ratio"]["median"]
    yield f"scoring with nine demonstrations is {scoring:.0f} times as fast as with lm-evaluation"
    yield f"training a LoRA adapter is {training:.1f} times as fast as with TRL"
    lora, few_shot, embeddings = (
        f"{_accuracy(RACE, name):.2f}" for name in ("lora", "few-shot", "embeddings")
    )
    yield f"(`bench run sentiment`, {_trial_seconds(RACE) / 60:.0f} minutes)"
    yield f"LoRA reaches {lora} and the best prompt {few_shot}"
    yield f"comes in between with {embeddings}"
    yield from _backtest()
    errors = _errors_of_exact_peaks()
    yield (
        f"On the {len(errors)} published peaks whose settings are known exactly, the mean error is "
        f"{mean(errors):.1%} and the largest {max(errors):.1%}"
    )
    yield f"takes {_seconds_of_size():.1f} s"


def _backtest() -> Iterator[str]:
    from advisor.evidence.backtest import backtest
    from advisor.evidence.cases import shipped_cases

    found = backtest(shipped_cases(), shipped=True)
    right = found.source_balanced_agreement
    rules = {name: rule["source_balanced_agreement"] for name, rule in found.baselines.items()}
    yield f"{found.cases} published head-to-head comparisons from {found.sources} sources"
    yield f"right in {right.value:.0%} ({right.low * 100:.0f} to {right.high * 100:.0f}) of the cases"
    yield f'{rules["always tune"]:.0%} for "always tune"'
    yield f"{max(rules.values()):.0%} for the best simple rule"


def _errors_of_exact_peaks() -> list[float]:
    from benchmarks.memory_forecast import forecasts

    cases, _, _ = forecasts(("fms-acceleration",), lambda *_: 0)
    return [abs(case.ours) for case in cases]


def cost() -> Iterator[str]:
    scenarios = record("2026-11-24-scenario-costs")["scenarios"]
    own = {name: entry["own_model"].removeprefix("Qwen/") for name, entry in scenarios.items()}
    hosted = {name: entry["hosted_model"] for name, entry in scenarios.items()}
    for usual, model in ((hosted, "The hosted model is {}"), (own, "your own is {}")):
        (name,) = {value for key, value in usual.items() if key != "critical-latency" and value}
        yield model.format(name.removesuffix("-Instruct"))
    unlike = [each["critical-latency"].removesuffix("-Instruct") for each in (hosted, own)]
    yield f"in `critical-latency`, which names {' and '.join(unlike)}"
    wall = record("2026-11-24-cost-wall-time")
    command = wall["commands"]["-m advisor cost --scenario niche-domain"]["wall_s"]
    yield f"[{command['median']:.2f} s](performance.md)"
    yield f"[{wall['quick_s'] * 1000:.0f} ms](performance.md)"


def curve() -> Iterator[str]:
    run = record(CURVE)
    arms = {arm["name"]: arm for arm in run["curve"]["arms"]}
    zero_shot = run["estimates"]["zero-shot"]["accuracy"]
    yield f"Zero-shot uses no labelled rows and reaches {share(zero_shot)}."
    (crossover,) = run["curve"]["crossovers"]
    labels = crossover["labels"]
    yield if_so(
        crossover["answer"] == "from_the_smallest",
        f"From the smallest size of {crossover['at_most']} rows, LoRA is ahead of zero-shot and of "
        f"few-shot by more than {crossover['margin'] * 100:.0f} points, in {crossover['share']:.1%} "
        "of the resamples",
    )
    yield (
        f"Labelling {labels['rows']} rows costs about ${labels['usd']:.2f} "
        f"(${labels['usd_low']:.2f} to ${labels['usd_high']:.2f})."
    )
    means = {name: [point["value"] for point in arm["points"]] for name, arm in arms.items()}
    yield if_so(means["lora"] == sorted(means["lora"]), "LoRA keeps rising through 512 rows.")
    yield f"predicts {share(_predicted(arms['lora'], 2048), 2)} at 2,048 rows"
    yield (
        f"has almost flattened out at {means['embeddings'][-1]:.2f} (its curve predicts "
        f"{_predicted(arms['embeddings'], 2048)['value']:.2f} at 2,048 rows)"
    )
    yield if_so(
        arms["few-shot"]["fit"]["b"]["value"] == 0 and means["few-shot"][-1] < means["few-shot"][0],
        "few-shot doesn't gain from more rows at all",
    )
    graded = [entry for entry in run["forecasts"] if entry["seconds"]]
    low, high = (sum(entry["seconds"][key] for entry in graded) / 60 for key in ("low", "high"))
    took = sum(entry["measured_seconds"] for entry in run["forecasts"]) / 60
    yield f"The forecast was {low:.1f} to {high:.1f} minutes, and it took {took:.1f}."


def _predicted(arm: Entry, rows: int) -> Entry:
    return named(arm["fit"]["curve"], rows, "rows")


def forgetting() -> Iterator[str]:
    run = record(REPLAY)
    plain, replayed = (
        named(run["contenders"], f"lora[replay={value}]")["forgetting"] for value in ("0", "0.2")
    )
    yield if_so(
        plain["lost"] * 2 == plain["base_followed"] and plain["gained"] > plain["lost"],
        "**Half of the instructions that the base followed were lost, and even more were gained**",
    )
    balance = plain["difference"]
    yield if_so(
        balance["low"] < 0 < balance["high"],
        f"the balance of {balance['value'] * 100:+.0f} in 100 is within chance "
        f"({balance['low'] * 100:+.1f} to {balance['high'] * 100:+.1f}, p = {plain['p_value']:.2f})",
    )
    lost = plain["lost_share"]
    yield if_so(
        abs(lost["low"] - 1 / 3) < 0.02 and abs(lost["high"] - 2 / 3) < 0.02,
        "lose a third to two thirds while its adapter is attached",
    )
    (change,) = run["sweep"]["forgetting"]
    rise, followed = change["kl_per_token"], change["followed"]
    (accuracy,) = run["comparisons"]
    yield if_so(
        replayed["kl_per_token"]["value"] > plain["kl_per_token"]["value"] and followed["low"] < 0,
        "**Replay prevented nothing here.**",
    )
    yield f"The divergence rose by {share(rise)}"
    yield if_so(
        followed["high"] > 0 and accuracy["high"] > 0,
        f"changed by {followed['value'] * 100:+.0f} in 100 "
        f"({followed['low'] * 100:+.1f} to {followed['high'] * 100:+.1f}) and accuracy by "
        f"{_points_said(accuracy)}, neither of which can be distinguished from zero",
    )


def performance() -> Iterator[str]:
    from benchmarks import laptop_text

    amx, plain, epyc = (record(name) for name in (AMX, "2026-11-27-laptop-avx512-cpu", EPYC))
    yield laptop_text.machine(amx).partition(", ")[2]
    yield from (f"- {line}" for line in laptop_text.others(amx))
    faster = amx["peak_gflop_per_s"]["median"] / plain["peak_gflop_per_s"]["median"]
    yield f"With AMX the matrix products are {faster:.0f} times as fast as without"
    yield f"nine demonstrations cost {_few_to_zero(amx):.2f} times as much as none"
    yield f"as with AMX), {plain['peak_gflop_per_s']['median']:.0f} GFLOP/s:"
    zero, few, training = (entry["share_of_floor"] for entry in epyc["work"].values())
    yield (
        f"products reached {epyc['peak_gflop_per_s']['median']:.0f} GFLOP/s, was at {zero:.0%} and "
        f"{few:.0%} in scoring (a ratio of {_few_to_zero(epyc):.2f}) and at {training:.0%} in training"
    )
    lm_eval = epyc["work"]["score, 9-shot"]["peers"]["lm-eval"]["ratio"]["median"]
    trl = epyc["work"]["train LoRA"]["peers"]["TRL"]["ratio"]["median"]
    yield f"{lm_eval:.1f} times as fast as lm-eval and {trl:.1f} times as fast as TRL"
    nine = record("2026-11-24-shared-prefix-cpu")["work"]["score, 9-shot"]["ratio"]
    yield f"the shared prefix is computed once: {nine:.0f} times as fast at 9 shots"
    yield from _memory_of_quick_runs()
    yield from _on_a_gpu()
    yield from _advisor_times()
    yield if_so(
        all(
            0.45 < entry["measured_peak_resident_bytes"] / entry["peak_resident_bytes"]["low"] - 1 < 0.55
            for run in (QUICK, "2026-11-24-dates-cpu")
            for entry in record(run)["forecasts"]
            if entry["contender"] == "lora"
        ),
        "half as much again in these runs",
    )  # fmt: skip
    killed = record("2026-11-24-kill-and-resume")
    yield if_so(
        not killed["differences"],
        f"killed {len(killed['kills'])} times at seeded random moments, ended with the same record",
    )


def _few_to_zero(found: Entry) -> float:
    work = found["work"]
    few, zero = (
        work[name]["ours_seconds"]["median"] for name in ("score, 9-shot", "score, zero-shot")
    )
    return few / zero


def _memory_of_quick_runs() -> Iterator[str]:
    now, budget, first = "2026-11-27-quick-memory-cpu", "2026-11-27-quick-budget-cpu", QUICK
    peaks = {name: mib(_peak(name)) for name in (now, budget, first)}
    yield f"The quick run's peak is {peaks[now]} (`bench run sentiment --quick`"
    yield f"its trials took {_minutes_and_seconds(now)} on two cores of a Xeon with AMX"
    yield f"it was {peaks[budget]} ([record](measurements/{budget}.json)) on the same kind of machine"
    yield f"{peaks[first]} ([record](measurements/{first}.json)) on an AMD EPYC"
    for name, processor in ((now, "Xeon"), (budget, "Xeon"), (first, "EPYC")):
        assert processor in record(name)["environment"]["processor"], name


def _on_a_gpu() -> Iterator[str]:
    cases = {case["case"]: case for case in record(GPU)["cases"]}
    peak = cases["peak"]["flops_per_s"]["median"]
    yield f"bfloat16 matrix product reached {peak / 1e12:.0f} TFLOP/s"
    slowed = [case for case in cases.values() if "gpu_state" in case]
    yield if_so(
        sum("power limit" in case["gpu_state"]["slowed_by"] for case in slowed) * 2 > len(slowed),
        "the card was at its power limit in most cases",
    )
    gb = {name: f"{case.get('peak_allocated_bytes', 0) / 1e9:.1f}" for name, case in cases.items()}
    yield f"For 8B LoRA ours uses {gb['train-8B-lora']} GB and TRL {gb['trl-8B-lora']}"
    yield (
        f"ours uses more ({gb['train-1B-lora']} and {gb['train-0.1B-lora']} GB, compared with "
        f"{gb['trl-1B-lora']} and {gb['trl-0.1B-lora']})"
    )
    small, middle, large = (
        spread(cases[f"score-{size}"]["rows_per_s"], 0) for size in ("0.1B", "1B", "8B")
    )
    small = small.replace(" (", " rows per second (")
    yield f"the 0.1B shape scored {small}, the 1B shape {middle} and the 8B shape {large}"
    prefix = cases["score-8B"]["prefix_tokens"]
    yield f"after a prefix of {prefix} tokens"
    middle, small = (
        f"{cases[f'latency-{size}']['further_token_seconds']['median'] * 1000:.1f} ms"
        for size in ("1B", "0.1B")
    )
    yield f"a token takes {middle} with 1B and {small} with 0.1B"


def _advisor_times() -> Iterator[str]:
    wall = record("2026-11-24-cost-wall-time")
    took = wall["commands"]["-m advisor cost --scenario niche-domain"]["wall_s"]
    imports = wall["commands"]["-c import click, pydantic, numpy"]["wall_s"]["median"]
    yield f"took {took['median']:.2f} s ({took['lowest']:.2f} to {took['highest']:.2f})"
    yield f"importing click, pydantic and numpy takes {imports:.2f} s"
    yield f"takes {wall['quick_s'] * 1000:.0f} ms, excluding imports"


def race() -> Iterator[str]:
    run = record(RACE)
    counts = run["plan"]["rows"]["counts"]
    minutes = _trial_seconds(RACE) / 60
    yield (
        f"{run['plan']['mode']['train_rows']:,} training rows, {counts['validation']} validation rows "
        f"for all choices, and {counts['test']} test rows in {counts['test groups']} groups"
    )
    yield f"The trials took {minutes:.0f} minutes"
    (primary,) = (each for each in run["comparisons"] if each["primary"])
    gain, low = primary["difference"] * 100, int(primary["low"] * 100)
    yield f"by {gain:.0f} points, and by at least {low} as far as these rows can show"
    yield f"(at 80% power) is {primary['smallest_visible'] * 100:.0f} points"
    aside = {(each["baseline"], each["challenger"]): each for each in run["side_comparisons"]}
    prompts = [found for (_, name), found in aside.items() if name == "embeddings"]
    yield if_so(
        len(prompts) == 3 and all(found["low"] > 0 for found in prompts)
        and 25 < named(run["contenders"], "embeddings")["train_seconds"] < 35,
        "which beats every prompt with half a minute of set-up",
    )  # fmt: skip
    ahead = aside["embeddings", "lora"]
    low, high = ahead["low"] * 100, ahead["high"] * 100
    yield (
        f"Tuning is ahead of it by {ahead['difference'] * 100:.0f} points "
        f"({low:.1f} to {high:.1f}, adjusted p = {ahead['p_adjusted']:.3f})"
    )
    (lora,) = (trial["outcome"] for trial in run["trials"] if trial["name"] == "lora")
    attached, merged, four_bit = (median(way["latencies_ms"]) for way in lora["ways"])
    same = {f"{way['alike']:.0%}" for way in lora["ways"][1:]}
    yield (
        f"in {attached:.0f} ms with its adapter attached, in {merged:.0f} ms merged and in "
        f"{four_bit:.0f} ms in 4 bit (medians of {len(lora['ways'][0]['latencies_ms'])})"
    )
    yield f"in 4 bit, {' or '.join(same)} of its answers are the same"
    forecast = sum(each["seconds"]["value"] for each in run["forecasts"] if each["seconds"]) / 60
    graded = sum(each["measured_seconds"] for each in run["forecasts"] if each["seconds"]) / 60
    yield f"{forecast:.0f} minutes were forecast and {graded:.0f} measured"


def sizing() -> Iterator[str]:
    from benchmarks import memory_forecast

    # Models of axolotl's are looked up on the hub, which can't be reached everywhere.
    sources = [name for name in memory_forecast.SOURCES if name != "axolotl-examples"]
    cases, _, _ = memory_forecast.forecasts(sources, lambda *_: 0)
    groups = dict(memory_forecast.groups(cases))
    for label, group in groups.items():
        yield memory_forecast.ours_of(label, group)
    yield from memory_forecast.fits(cases)[:2]
    upcast = [case for case in cases if case.row["kbit_upcast"] == "True"]
    yield f"without it the forecast is {_too_high_without_cast(upcast)}% too high"
    qwen, llama, peft = (
        (sum(case.in_range for case in group), len(group))
        for group in (
            groups["qwen-readme, process"],
            groups["llamafactory-wiki, process"],
            groups["peft-metamath, process, length not exact"],
        )
    )
    yield f"Qwen's README, {qwen[1]} rows ({qwen[0]} inside)"
    yield f"LLaMA-Factory ({llama[0]} of {llama[1]}), peft's MetaMath ({peft[0]} of {peft[1]})"
    yield f"[{_seconds_of_size():.1f} s](performance.md)"
    (case,) = record("2026-11-24-memory-cpu")["cases"]
    yield if_so(abs(_error(case)) < 0.001, "SmolLM2-135M, within 0.1%)")
    yield from _on_the_h200()


def _too_high_without_cast(cases: list[Case]) -> str:
    from advisor.sizes.sizing import training_memory
    from tests.advisor.measured import shape_and_settings

    errors = []
    for case in cases:
        shape, settings = shape_and_settings(case.row)
        found = training_memory(
            shape, case.row["method"], replace(settings, embeddings_cast_back=False)
        )
        errors.append(f"{(found.peak_allocated_bytes / case.measured_bytes - 1) * 100:.1f}")
    return " and ".join(sorted(errors, reverse=True))


def _on_the_h200() -> Iterator[str]:
    cases = record("2026-11-27-memory-h200")["cases"]
    *others, worst = sorted(cases, key=lambda case: abs(_error(case)))
    inside = sum(
        case["forecast"]["process_low_bytes"]
        <= case["stages"]["trained"]["nvml_process_bytes"]
        <= case["forecast"]["process_high_bytes"]
        for case in cases
    )
    yield f"On one H200 ({len(cases)} cases:"
    kind = worst["case"]
    yield if_so(
        kind["size"] == "0.1B" and not kind["checkpointing"] and _error(worst) < 0,
        f"within {abs(_error(others[-1])):.1%} in {len(others)} cases and {abs(_error(worst)):.1%} "
        f"too low in one (0.1B without checkpointing), {mean(abs(_error(case)) for case in cases):.1%} "
        "on average",
    )
    yield f"within the range in all {inside}." if inside == len(cases) else f"in {inside} of them."


def _error(case: Entry) -> float:
    measured = case["stages"]["trained"]["peak_allocated_bytes"]
    return case["forecast"]["peak_allocated_bytes"] / measured - 1


def statistics() -> Iterator[str]:
    found = record("2026-11-24-coverage")
    cells = found["differences"]
    yield f"with {found['runs']:,} runs per cell, or {found['slow_runs']:,} where a run resamples"
    runs, slow = ((0.95 * 0.05 / found[key]) ** 0.5 * 100 for key in ("runs", "slow_runs"))
    yield f"error is {runs:.2f} points at 20,000 runs and {slow:.1f} at 1,000"
    yield if_so(170 < found["seconds"] < 200, "three minutes on one core")
    below = 0.95 - min(cell["newcombe"] for cell in cells)
    yield f"it was never more than {below * 100:.1f} points below its nominal coverage"
    (cell,) = (
        cell
        for cell in cells
        if (cell["n"], cell["share"], cell["difference"], cell["discordant"]) == (30, 0.5, 0, 0.1)
    )
    narrower = sum(cell["newcombe_width"] < cell["tango_width"] for cell in cells)
    yield if_so(
        narrower * 2 > len(cells),
        f"narrower in most cells ({cell['newcombe_width']:.3f} compared with {cell['tango_width']:.3f} "
        "at 30 rows, a share of 0.5 and 10% disagreement)",
    )
    yield f"Tango's errs in up to {max(cell['tango_above'] for cell in cells):.1%}"
    yield f"{cell['newcombe']:.0%} at 30 rows with three such pairs"
    below = {
        n: 0.95 - min(
            one["covered"] for one in found["macro_f1"]
            if one["n"] == n and one["paired"] and one["refused"] < 0.9
        )
        for n in (30, 300)
    }  # fmt: skip
    yield (
        f"differences of macro-F1 is up to {below[30] * 100:.0f} points below nominal on 30 rows, and "
        f"up to {below[300] * 100:.0f} on 300"
    )
    holm = [each["holm"] for each in found["family"]]
    yield f"significant after Holm in {min(holm) * 100:.1f} to {max(holm):.1%} of the runs"
    *first, last = (f"{each['alarms'] * 100:.1f}" for each in found["looks"])
    yield f"at least one rejects in {', '.join(first)} and {last}%"


def sweep() -> Iterator[str]:
    yield from _ranks()
    yield from _good_or_many()


def _ranks() -> Iterator[str]:
    run = record(RANK)
    accuracy = {
        (variant["values"]["rank"], variant["values"]["targets"]): _accuracy(RANK, name)
        for name, variant in run["sweep"]["variants"].items()
    }
    visible = min(each["smallest_visible"] for each in run["comparisons"])
    wide = max(
        abs(accuracy["64", where] - accuracy["16", where]) for where in ("attention", "all-linear")
    )
    everywhere = max(
        abs(accuracy[rank, "all-linear"] - accuracy[rank, "attention"])
        for rank in ("4", "16", "64")
    )
    first = run["sweep"]["contenders"][0]
    yield if_so(
        set(first["better"]) == {name for name in run["sweep"]["variants"] if "rank=4" not in name},
        "**Every combination of rank 16 and 64 beat rank 4 on the attention layers.",
    )
    yield (
        f"Rank 64 was within {wide * 100:.1f} points of rank 16, and all layers within "
        f"{everywhere * 100:.1f} points of the attention layers"
    )
    yield if_so(
        max(wide, everywhere) < visible,
        f"less than the {visible * 100:.1f} points that the most sensitive of these comparisons could "
        "detect**",
    )


def _good_or_many() -> Iterator[str]:
    run = record(QUALITY)
    claims = {claim["worse"]: claim["answer"] for claim in run["sweep"]["claims"]}
    at = {
        noise: {kind: claims[f"{kind}[rows=5000,label-noise={noise}]"] for kind in KINDS}
        for noise in ("0.2", "0.4")
    }
    yield if_so(
        set(at["0.4"].values()) == {"holds"} and "holds" not in at["0.2"].values(),
        "**The claim holds where two labels in five are wrong, but not where one in five is**",
    )
    yield if_so(
        at["0.2"] == {"tf-idf": "fails", "embeddings": "cant_tell", "lora": "cant_tell"},
        "5,000 noisy rows beat 500 clean ones for TF-IDF, and for the other two these rows can't tell",
    )
    gains = {}
    for entry in (*run["comparisons"], *run["side_comparisons"]):
        kind, _, values = entry["challenger"].partition("[")
        if values == "rows=5000,label-noise=0]":
            gains[kind] = entry
    tf_idf, embeddings, lora = (f"{gains[kind]['difference'] * 100:.1f}" for kind in KINDS)
    yield f"ahead of 500 by {tf_idf}, {embeddings} and {lora} points"
    p = gains["lora"]["p_adjusted"]
    yield if_so(p > 0.05, f"LoRA's {lora} is within chance once adjusted, p = {p:.2f}")
    lost = {
        noise: {
            kind: _accuracy(QUALITY, f"{kind}[rows=5000,label-noise=0]")
            - _accuracy(QUALITY, f"{kind}[rows=5000,label-noise={noise}]")
            for kind in KINDS
        }
        for noise in ("0.2", "0.4")
    }
    yield if_so(
        all(min(losses, key=losses.__getitem__) == "lora" for losses in lost.values()),
        "Of the three, LoRA lost least to wrong labels.",
    )


KINDS = ("tf-idf", "embeddings", "lora")


def your_own_task() -> Iterator[str]:
    from bench.api.text import results_lines

    yield next(results_lines(record("2026-11-24-dates-cpu")))
    file = record("2026-11-24-overheads-cpu")["large_file"]
    seconds = file["infer_seconds"]["median"] + file["read_and_split_seconds"]["median"]
    yield if_so(20 < seconds < 40, "A million rows are read and split in [half a minute]")


FIGURES: Mapping[str, Callable[[], Iterator[str]]] = {
    "README.md": readme,
    "docs/cost.md": cost,
    "docs/curve.md": curve,
    "docs/forgetting.md": forgetting,
    "docs/performance.md": performance,
    "docs/race.md": race,
    "docs/sizing.md": sizing,
    "docs/statistics.md": statistics,
    "docs/sweep.md": sweep,
    "docs/your-own-task.md": your_own_task,
}
"""The fragments of each document that quote records."""


def _accuracy(run: str, contender: str) -> float:
    return named(record(run)["contenders"], contender)["accuracy"]["value"]


def _peak(run: str) -> int:
    return max(entry["peak_resident_bytes"] for entry in record(run)["contenders"])


def _trial_seconds(run: str) -> float:
    """Seconds that a run's trials took; its planning and its forecasts aren't in its record."""
    return sum(trial["outcome"]["wall_seconds"] for trial in record(run)["trials"])


def _minutes_and_seconds(run: str) -> str:
    minutes, seconds = divmod(round(_trial_seconds(run)), 60)
    return f"{minutes} min {seconds} s"


def _seconds_of_size() -> float:
    start = record("2026-11-24-overheads-cpu")["start_seconds"]
    return start["-m advisor size Llama-3.1-70B --gpu L4"]["median"]


def _points_said(entry: Entry) -> str:
    value, _, limits = points(entry).partition(" ")
    return f"{value} points {limits}"
