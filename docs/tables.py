"""The tables of README.md and docs/*.md that quote a measurement, each made from its kept record.

python -m docs.tables            # writes the tables into the documents
python -m docs.tables --check    # exits with 1 where a document has another table

A table is found in its document by its header row. One that quotes no measurement is in
`NOT_MEASURED`, with the reason; a test rejects any table that is in neither list. Figures in sentences are
in `docs/figures.py`.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from docs.records import (
    ROOT,
    Entry,
    mib,
    named,
    points,
    record,
    share,
    spread,
    spread_in_units,
)

DOCUMENTS = ("README.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")))


@dataclass(frozen=True)
class Found:
    """A table of a document: the heading above it and its lines, the header row first."""

    document: str
    heading: str
    lines: tuple[str, ...]

    @property
    def header(self) -> str:
        """The row that names the columns."""
        return self.lines[0]


def tables_of(document: str, text: str) -> Iterator[Found]:
    """Every Markdown table of a document's text, outside of fenced blocks."""
    heading, lines, fenced = "", [], False
    for line in [*text.splitlines(), ""]:
        if line.lstrip().startswith("|") and not fenced:
            lines.append(line)
            continue
        if lines:
            yield Found(document, heading, tuple(lines))
            lines = []
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif line.startswith("#") and not fenced:
            heading = line.lstrip("# ")


def _row(cells: Iterable[str]) -> str:
    return "|" + "".join(f" {cell} |" if cell else " |" for cell in cells)


def _table(header: str, rows: Iterable[Iterable[str]]) -> list[str]:
    """A table's lines from its header row."""
    return [header, "|" + "---|" * (header.count("|") - 1), *map(_row, rows)]


# README.md, docs/race.md


def quick_results() -> list[str]:
    header = "| contender | accuracy (95% CI) | latency, p50 | set-up | peak memory |"
    return _table(header, map(_result, record("2026-11-24-quick-cpu")["contenders"]))


def race_results() -> list[str]:
    header = "| contender | accuracy (95% CI) | one request | set-up | memory |"
    return _table(header, map(_result, record("2026-11-24-race-cpu")["contenders"]))


def _result(entry: Entry) -> list[str]:
    return [
        entry["name"],
        share(entry["accuracy"], between="-"),
        f"{entry['p50_latency_ms']:.1f} ms",
        f"{entry['train_seconds']:.0f} s",
        mib(entry["peak_resident_bytes"]),
    ]


def race_forecasts() -> list[str]:
    header = "| trial | time forecast | measured | error | memory measured | error |"
    forecasts = _graded(record("2026-11-24-race-cpu"))
    return _table(header, ([*_time(entry), *_memory(entry)] for entry in forecasts))


def _graded(run: Entry) -> list[Entry]:
    """A run's forecasts that were compared with what was measured."""
    return [entry for entry in run["forecasts"] if entry["seconds"]]


def _time(entry: Entry) -> list[str]:
    low, high = (f"{entry['seconds'][key]:.0f}" for key in ("low", "high"))
    measured, error = entry["measured_seconds"], entry["seconds_error"]
    return [entry["contender"], f"{low} to {high} s", f"{measured:.0f} s", f"{error:+.0%}"]


def _memory(entry: Entry) -> list[str]:
    error = entry["peak_resident_bytes_error"]
    return [mib(entry["measured_peak_resident_bytes"]), f"{error:+.0%}"]


# docs/cost.md


def costs_of_options() -> list[str]:
    return _scenario_costs()[0]


def break_evens() -> list[str]:
    return _scenario_costs()[1]


def _scenario_costs() -> list[list[str]]:
    from benchmarks.scenario_costs import tables

    lines = tables(dict(record("2026-11-24-scenario-costs")))
    gap = lines.index("")
    return [lines[:gap], lines[gap + 1 :]]


def serving_paces() -> list[str]:
    """No record: published paces, and what the code forecasts for them now."""
    from tests.advisor.money.test_throughput import MEASURED, pace

    def cells(model, gpu, prompt, answer, at_once, measured, _source):
        value, low, high = (
            f"{pace(model, gpu, prompt, answer, at_once, end):,.0f}"
            for end in ("value", "low", "high")
        )
        what = f"{model}, {gpu}, {at_once}"
        return [what, f"{prompt} + {answer}", f"{measured:,.0f}", f"{value} ({low}-{high})"]

    header = "| model, GPU, concurrent requests | prompt + answer | published | forecast |"
    return _table(header, (cells(*case) for case in MEASURED))


# docs/curve.md


def curve_points() -> list[str]:
    arms = {arm["name"]: arm["points"] for arm in record("2026-11-27-curve-cpu")["curve"]["arms"]}
    shown = [arms[name] for name in ("tf-idf", "few-shot", "embeddings", "lora")]

    def cells(at_size):
        means = [f"{point['value']:.3f}" for point in at_size]
        draws = ", ".join(f"{value:.3f}" for value in at_size[-1]["by_seed"].values())
        return [str(at_size[0]["size"]), *means, draws]

    header = "| labelled rows | TF-IDF | few-shot | embeddings | LoRA | LoRA, by draw |"
    return _table(header, map(cells, zip(*shown, strict=True)))


# docs/forgetting.md


def forgotten() -> list[str]:
    entries = [
        entry
        for entry in record("2026-11-27-replay-cpu")["contenders"]
        if entry["name"].startswith("lora[")
    ]
    found = [entry["forgetting"] for entry in entries]

    def lost(one):
        low, high = (f"{one['lost_share'][key] * 100:.0f}" for key in ("low", "high"))
        return f"{one['lost']:.0f}: {one['lost_share']['value']:.0%} ({low} to {high}%)"

    rows = [
        ["accuracy on 300 test rows", *(share(entry["accuracy"]) for entry in entries)],
        [
            "divergence from the base, nats per token",
            *(share(one["kl_per_token"]) for one in found),
        ],
        [
            "instructions that the base followed, of 100",
            *(f"{one['base_followed']:.0f}" for one in found),
        ],
        ["of these, lost", *map(lost, found)],
        ["gained", *(f"{one['gained']:.0f}" for one in found)],
    ]
    return _table("| | without replay | a fifth replayed |", rows)


# docs/sweep.md


def ranks() -> list[str]:
    found = record("2026-11-27-rank-cpu")
    differences = {entry["challenger"]: entry for entry in found["comparisons"]}

    def cells(name, values):
        entry = named(found["contenders"], name)
        difference = differences.get(name)
        return [
            *values.values(),
            share(entry["accuracy"]),
            points(difference) if difference else "",
            f"{difference['p_adjusted']:.2g}" if difference else "",
            mib(entry["adapter_bytes"], 1),
        ]

    header = (
        "| rank | targets | accuracy | difference from the first, points | p after Holm | adapter |"
    )
    variants = found["sweep"]["variants"].items()
    return _table(header, (cells(name, variant["values"]) for name, variant in variants))


SHOWN = {"tf-idf": "TF-IDF", "embeddings": "embeddings", "lora": "LoRA"}
ANSWERS = {"holds": "holds", "fails": "the contrary holds", "cant_tell": "can't tell"}
NOISES = (
    "rows=500,label-noise=0",
    "rows=5000,label-noise=0",
    "rows=5000,label-noise=0.2",
    "rows=5000,label-noise=0.4",
)


def good_or_many() -> list[str]:
    found = record("2026-11-27-data-quality-cpu")

    def cells(kind):
        names = [f"{kind}[{noise}]" for noise in NOISES]
        claims = [named(found["sweep"]["claims"], name, "worse") for name in names[2:]]
        return [
            SHOWN[kind],
            *(f"{named(found['contenders'], name)['accuracy']['value']:.3f}" for name in names),
            *(f"{points(claim)}: {ANSWERS[claim['answer']]}" for claim in claims),
        ]

    header = (
        "| accuracy | 500 clean | 5,000 clean | 5,000, 20% wrong | 5,000, 40% wrong "
        "| 500 clean compared with 20% wrong, points | with 40% wrong |"
    )
    return _table(header, map(cells, SHOWN))


# docs/statistics.md


def validation_rows() -> list[str]:
    """No record: binomial probabilities, by the sentence above the table."""
    sizes = (4, 8, 18, 30, 90)
    shares = [f"{better_is_ahead(n, better=0.175, worse=0.075):.0%}" for n in sizes]
    return _table(
        _row(["validation rows", *map(str, sizes)]), [["the better is ahead in", *shares]]
    )


def better_is_ahead(n: int, better: float, worse: float) -> float:
    """How often the better of two candidates is ahead on n rows; ties count as half.

    `better` is the share of rows that only the better one answers correctly, `worse` the reverse.
    """
    ahead = 0.0
    for won in range(n + 1):
        for lost in range(min(won, n - won) + 1):
            ways = math.comb(n, won) * math.comb(n - won, lost)
            chance = ways * better**won * worse**lost * (1 - better - worse) ** (n - won - lost)
            ahead += chance * (0.5 if won == lost else 1)
    return ahead


COVERAGE = "2026-11-24-coverage"
ROWS = (30, 100, 300, 2000)


def wilson() -> list[str]:
    cells = {(entry["n"], entry["share"]): entry["wilson"] for entry in record(COVERAGE)["shares"]}
    rows = ([f"{n:,}", *(f"{cells[n, share]:.1%}" for share in (0.5, 0.8, 0.95))] for n in ROWS)
    return _table("| rows | share 0.5 | 0.8 | 0.95 |", rows)


def paired_differences() -> list[str]:
    def cells(n):
        entries = [entry for entry in record(COVERAGE)["differences"] if entry["n"] == n]
        found = [f"{n:,}"]
        for method in ("newcombe", "tango"):
            covered = [entry[method] for entry in entries]
            above = max(entry[f"{method}_above"] for entry in entries)
            found += [f"{min(covered) * 100:.1f} to {max(covered):.1%}", f"{above:.1%}"]
        return found

    header = (
        "| rows | Newcombe | entirely above the truth, at most "
        "| Tango | entirely above the truth, at most |"
    )
    return _table(header, map(cells, ROWS))


def groups() -> list[str]:
    header = "| rows in groups | a share | a difference | false alarms of the sign-flip test |"
    rows = (
        [
            f"{entry['groups']} groups",
            *(f"{entry[key]:.1%}" for key in ("share", "difference", "alarms")),
        ]
        for entry in record(COVERAGE)["groups"]
    )
    return _table(header, rows)


def methods() -> list[str]:
    header = (
        "| two equally good methods | rows and seeds | only rows, as one would with one adapter |"
    )
    rows = (
        [f"{entry['seeds']} seeds each", *(f"{entry[key]:.1%}" for key in keys)]
        for entry in record(COVERAGE)["methods"]
        for keys in [("rows_and_seeds", "rows_alone")]
    )
    return _table(header, rows)


def macro_f1() -> list[str]:
    by_cell = {
        (entry["n"], entry["accuracy"], entry["paired"]): entry
        for entry in record(COVERAGE)["macro_f1"]
    }

    def cells(n, accuracy):
        found = [f"{n:,}", f"{accuracy}"]
        for paired in (False, True):
            entry = by_cell[n, accuracy, paired]
            few = entry["refused"] > 0.9  # the coverage of a handful of runs says nothing
            found.append("-" if few else f"{entry['covered']:.1%}")
            found.append(f"{entry['refused']:.1%}" if entry["refused"] else "0%")
        return found

    header = "| rows | accuracy | one arm | no interval | difference of two | no interval |"
    return _table(header, (cells(n, accuracy) for n in ROWS for accuracy in (0.5, 0.8, 0.95)))


def false_alarms() -> list[str]:
    header = (
        "| rows | disagreement | McNemar, no true difference "
        '| "fine-tune", the truth on the margin | "prompt", the truth on the margin |'
    )
    rows = (
        [
            f"{entry['n']:,}",
            f"{entry['discordant']:.0%}",
            *(f"{entry[key]:.1%}" for key in ("mcnemar", "fine_tune", "prompt")),
        ]
        for entry in record(COVERAGE)["primary"]
    )
    return _table(header, rows)


# docs/performance.md


def laptop() -> list[str]:
    from benchmarks.laptop_text import table

    return table(record("2026-11-27-laptop-amx-cpu"))


def without_amx() -> list[str]:
    work = record("2026-11-27-laptop-avx512-cpu")["work"]
    medians = {name: entry["ours_seconds"]["median"] for name, entry in work.items()}
    ratio = medians["score, 9-shot"] / medians["score, zero-shot"]
    labels = {
        "score, zero-shot": "score, zero-shot",
        "score, 9-shot": f"score, 9-shot ({ratio:.2f} times zero-shot)",
        "train LoRA": "train LoRA, 128 rows",
    }
    rows = (
        [
            label,
            spread(work[name]["ours_seconds"], 1, " s"),
            f"{work[name]['floor_seconds']:.1f} s",
            f"{work[name]['share_of_floor']:.0%}",
        ]
        for name, label in labels.items()
    )
    return _table("| work | ours | floor | share of the floor |", rows)


def shared_prefix() -> list[str]:
    labels = {"train one epoch": "train, one epoch of LoRA r=8 on all linear layers"}

    def cells(name, entry):
        ratio, low, high = (f"{entry[key]:.1f}" for key in ("ratio", "ratio_low", "ratio_high"))
        return [
            labels.get(name, name),
            f"{entry['ours_seconds']:.2f} s",
            f"{entry['plain_seconds']:.2f} s",
            f"{ratio} ({low} to {high})",
            f"{entry['share_of_floor']:.0%}",
        ]

    header = "| work | ours | plain | ratio (lowest to highest) | share of the arithmetic floor |"
    work = record("2026-11-24-shared-prefix-cpu")["work"]
    return _table(header, (cells(name, entry) for name, entry in work.items()))


GPU = "2026-11-27-gpu-h200"


def on_a_gpu() -> list[str]:
    labels = {
        "8B-lora": "8B LoRA, one sequence per update",
        "8B-lora-checkpointing": "the same, activations recomputed",
        "8B-qlora": "8B QLoRA, one sequence",
        "1B-lora": "1B LoRA, four sequences",
        "0.1B-lora": "0.1B LoRA, eight sequences",
    }

    def cells(case, label):
        found = [named(record(GPU)["cases"], f"{who}-{case}", "case") for who in ("train", "trl")]
        ours, theirs = (one["tokens_per_s"]["median"] for one in found)
        measured = [
            text
            for one in found
            for text in (spread(one["tokens_per_s"], 0), f"{one['share_of_peak']['median']:.1%}")
        ]
        return [label, *measured, f"{ours / theirs:.2f}"]

    header = (
        "| adapters of rank 16 on all linear layers | ours | of the peak at 4N "
        "| TRL's SFTTrainer | of the peak | ours to TRL |"
    )
    return _table(header, (cells(case, label) for case, label in labels.items()))


def overheads() -> list[str]:
    found = record("2026-11-24-overheads-cpu")
    file, resume, start = found["large_file"], found["resume"], found["start_seconds"]
    helps = [spread_in_units(start[f"-m {name} --help"], 2, "s") for name in ("advisor", "bench")]
    size = f"{file['bytes'] / 1e6:.0f} MB"
    rows = [
        [
            f"inferring a task from {file['rows']:,} rows of JSON lines ({size})",
            spread_in_units(file["infer_seconds"], 1, "s"),
        ],
        [
            "reading, cleaning and splitting them",
            spread_in_units(file["read_and_split_seconds"], 1, "s"),
        ],
        [
            "peak memory of both",
            spread_in_units(file["peak_resident_bytes"], 0, "MiB", 1 / 2**20),
        ],
        [
            "from `bench run --out` until a killed training resumes",
            spread_in_units(resume["until_training_goes_on_seconds"], 1, "s"),
        ],
        [
            "starting any trial: imports, and loading the model",
            spread_in_units(resume["any_trials_start_seconds"], 1, "s"),
        ],
        [
            "`advisor size Llama-3.1-70B --gpu L4`, including Python's start",
            spread_in_units(start["-m advisor size Llama-3.1-70B --gpu L4"], 2, "s"),
        ],
        ["`advisor --help`, `bench --help`", ", ".join(helps)],
        [
            "a meter around any stage of a trial",
            spread_in_units(found["meter_seconds"], 2, "ms", 1000),
        ],
    ]
    return _table("| what | median (lowest to highest) |", rows)


def graded_forecasts() -> list[str]:
    def cells(run, entry):
        low, high = (f"{entry['peak_resident_bytes'][key] / 2**20:,.0f}" for key in ("low", "high"))
        return [run, *_time(entry), f"{low} to {high} MiB", *_memory(entry)]

    header = (
        "| run | trial | time forecast | measured | error | memory forecast | measured | error |"
    )
    runs = {"sentiment": "2026-11-24-quick-cpu", "dates": "2026-11-24-dates-cpu"}
    rows = (cells(run, entry) for run, name in runs.items() for entry in _graded(record(name)))
    return _table(header, rows)


HELD: tuple[tuple[str, Callable[[], list[str]]], ...] = (
    ("README.md", quick_results),
    ("docs/cost.md", costs_of_options),
    ("docs/cost.md", break_evens),
    ("docs/cost.md", serving_paces),
    ("docs/curve.md", curve_points),
    ("docs/forgetting.md", forgotten),
    ("docs/performance.md", laptop),
    ("docs/performance.md", without_amx),
    ("docs/performance.md", shared_prefix),
    ("docs/performance.md", on_a_gpu),
    ("docs/performance.md", overheads),
    ("docs/performance.md", graded_forecasts),
    ("docs/race.md", race_results),
    ("docs/race.md", race_forecasts),
    ("docs/statistics.md", validation_rows),
    ("docs/statistics.md", wilson),
    ("docs/statistics.md", paired_differences),
    ("docs/statistics.md", groups),
    ("docs/statistics.md", methods),
    ("docs/statistics.md", macro_f1),
    ("docs/statistics.md", false_alarms),
    ("docs/sweep.md", ranks),
    ("docs/sweep.md", good_or_many),
)
"""The document of each table that is made from a record, and the function that makes its lines."""

PRINTED = "printed by `advisor recommend`; the tests compare the whole document with it"
NOT_MEASURED = {
    ("README.md", "| contender | what it is |"): "a list of contenders",
    ("README.md", "| platform | build |"): "builds of torch",
    ("docs/architecture.md", "| type | where | what it is |"): "a list of types",
    ("docs/architecture.md", "| a new ... | is one file |"): "where new things go",
    ("docs/architecture.md", "| to change ... | open |"): "a list of files",
    ("docs/curve.md", "| arm | at n labelled rows |"): "which rows each arm uses",
    ("docs/decision-record.md", "| fact | value |"): PRINTED,
    ("docs/decision-record.md", "| threshold | value |"): PRINTED,
    ("docs/decision-record.md", "| setting | value | because | source |"): PRINTED,
    ("docs/decision-record.md", "| option | sum | ruled out because |"): PRINTED,
    ("docs/decision-record.md", "| fact | now | would have to be | choice |"): PRINTED,
    (
        "docs/performance.md",
        "| what | where |",
    ): "a list of optimisations; its one figure is in docs/figures.py",
    (
        "docs/sizing.md",
        "| constant | fitted on | checked on |",
    ): "sources of constants; its figures are in docs/figures.py",
    ("docs/statistics.md", "| question | method | paper |"): "a list of methods",
    ("docs/sweep.md", "| what can be varied | how |"): "a list of options",
    (
        "docs/your-own-task.md",
        "| mode | training rows | seeds | prompts | LoRA |",
    ): "settings of the modes",
}
"""The tables that quote no measurement of a record, by document and header row, each with what it is."""


def document_with(document: str, text: str) -> str:
    """A document's text with its tables as their records have them."""
    shown = {found.header: found for found in tables_of(document, text)}
    for name, make in HELD:
        if name == document:
            lines = make()
            text = text.replace("\n".join(shown[lines[0]].lines), "\n".join(lines))
    return text


def main() -> int:
    """Write the tables, or compare them with the documents."""
    outdated = []
    for document in DOCUMENTS:
        text = (ROOT / document).read_text(encoding="utf-8")
        wanted = document_with(document, text)
        if wanted != text:
            outdated.append(document)
            if "--check" not in sys.argv[1:]:
                (ROOT / document).write_text(wanted, encoding="utf-8")
    if outdated and "--check" in sys.argv[1:]:
        names = ", ".join(outdated)
        print(f"outdated tables in {names}; run `python -m docs.tables`", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
