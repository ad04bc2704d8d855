"""Scoring and training on a laptop: ours compared with the usual tools and the arithmetic floor.

Ours, lm-evaluation-harness and TRL take turns over the same tokens of `sentiment` with the default
model, after loading and tokenising, each in a persistent process. Ratios are of pairs in one run; the
arithmetic floor is the time for the tokens that must be computed, at the matrix-product speed measured
between the turns. Answers are compared with an unbatched, uncached float32 pass per row. Run it on a
quiet machine; without --peers, ours is compared only with the floor:

    make benchmark
    python benchmarks/laptop.py --peers .venv-peers/bin/python --out docs/measurements/laptop-cpu.json
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench.core.variables import VARIABLES

os.environ.update(VARIABLES | os.environ)  # as the command does

import torch

import scenarios
from bench.engine import models, training
from bench.engine.prompts import Renderer
from bench.engine.scoring import LabelScorer
from bench.models import local
from bench.record.environment import processor
from bench.trial.process import import_ahead, quiet_libraries
from benchmarks import laptop_text
from benchmarks.floor import FORWARD_GFLOP_A_TOKEN, TRAIN_GFLOP_A_TOKEN, matrix_speed
from scenarios.rows import balanced_sample, load_split

SHOTS = 9
LORA = training.LoraSettings(1e-3, 1, 16, 1, 0.1, 0, 8, 16, 0.0, "all-linear")


def main() -> None:
    """Measure, print the table, and save the figures where --out says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peers", type=Path, help="a Python with benchmarks/peers.txt installed")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--rows", type=int, default=300, help="test rows to score")
    parser.add_argument("--train-rows", type=int, default=512)
    parser.add_argument(
        "--peer-train-rows",
        type=int,
        default=128,
        help="training rows of the peers; rates are compared",
    )
    parser.add_argument(
        "--reference-rows", type=int, default=100, help="rows of the float32 reference"
    )
    parser.add_argument("--scale", type=int, nargs="*", default=[300, 3000], help="rows, repeated")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    quiet_libraries()
    import_ahead()
    bench = Bench(options)
    found = bench.facts()
    found["loading_seconds"] = bench.loading()
    found["starting"] = [_help(command) for command in ("advisor", "bench")]
    found["scale"] = [bench.scale(count) for count in options.scale]
    works = bench.works()
    for number in range(options.repeats + 1):  # the first turn is the warm-up
        for work in works:
            print(f"turn {number} of {options.repeats}: {work.name}", file=sys.stderr)
            bench.turn(work, warm_up=number == 0)
    for work in works:
        if work.loss_of_peers_rows:
            work.losses["ours"] = work.loss_of_peers_rows()
    found["peak_gflop_per_s"] = _spread(bench.peaks)
    found["work"] = {work.name: work.summary(found["peak_gflop_per_s"]["median"]) for work in works}
    found["answers"] = {work.name: bench.agreement(work) for work in works if work.prefix}
    found["peak_resident_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(laptop_text.text(found))
    if options.out:
        options.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


@dataclass
class Work:
    """A piece of work: ours as a function, the peers' as jobs by the tool's name."""

    name: str
    ours: Callable[[], object]
    jobs: dict[str, dict]
    gflop: float
    tokens: int
    peer_tokens: int
    prefix: list[int] | None = None
    values: object = None
    loss_of_peers_rows: Callable[[], float] | None = None

    def __post_init__(self):
        self.seconds: list[float] = []
        self.peers: dict[str, list[float]] = {tool: [] for tool in self.jobs}
        self.losses: dict[str, float] = {}

    def summary(self, peak: float) -> dict:
        """Seconds, the peers' ratios (for the same number of tokens), and the share of the floor."""
        floor = self.gflop / peak
        ours = statistics.median(self.seconds)
        found = {
            "ours_seconds": _spread(self.seconds),
            "ours_tokens_per_s": self.tokens / ours,
            "floor_seconds": floor,
            "share_of_floor": floor / ours,
            "losses": self.losses,
            "peers": {},
        }
        for tool, seconds in self.peers.items():
            if seconds:
                each = self.tokens / self.peer_tokens
                ratios = [each * p / o for o, p in zip(self.seconds, seconds, strict=True)]
                found["peers"][tool] = {"seconds": _spread(seconds), "ratio": _spread(ratios)}
        return found


class Bench:
    """The model, the rows, and the peers' process."""

    def __init__(self, options):
        self.options = options
        self.task = scenarios.load("sentiment").task
        self.split = load_split(self.task, seed=0)
        self.device = models.best_device()
        self.folder = local.folder_of(local.DEFAULT_MODEL)
        self.model = self._load()
        self.renderer = Renderer(self.model.tokenizer, self.task)
        self.labels = self.renderer.scored_answers()
        self.rows = [self.renderer.row(row.text) for row in self.split.test[: options.rows]]
        self.peaks: list[float] = []
        self._peer = None

    def _load(self):
        return models.load(local.DEFAULT_MODEL, self.folder, self.device)

    def facts(self) -> dict:
        """Where this runs."""
        return {
            "date": time.strftime("%Y-%m-%d"),
            "processor": processor(),
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
            "python": platform.python_version(),
            "device": f"{self.device.kind} {self.device.dtype}",
            "rows": len(self.rows),
            "repeats": self.options.repeats,
            "command": ["benchmarks/laptop.py", *sys.argv[1:]],
            "oneDNN may use": os.environ.get("ONEDNN_MAX_CPU_ISA", "all that the processor has"),
        }

    def loading(self) -> dict:
        """Seconds to load a cached model, in processes that have finished their imports."""
        code = (
            "import time; from bench.engine import models; from bench.models import local; from bench.trial import process; process.quiet_libraries(); "
            "process.import_ahead(); d = models.best_device(); f = local.folder_of(local.DEFAULT_MODEL); "
            "s = time.perf_counter(); models.load(local.DEFAULT_MODEL, f, d); "
            "print(time.perf_counter() - s)"
        )
        command = [sys.executable, "-c", code]
        said = [
            subprocess.run(command, check=True, capture_output=True, text=True).stdout
            for _ in range(5)
        ]
        return _spread([float(text) for text in said])

    def works(self) -> list[Work]:
        """Zero-shot, few-shot and training."""
        shots = balanced_sample(self.split.train, SHOTS, self.task.labels)
        return [
            self._scoring("score, zero-shot", ()),
            self._scoring(f"score, {SHOTS}-shot", shots),
            self._training(),
        ]

    def _scoring(self, name: str, demonstrations) -> Work:
        prefix = self.renderer.prefix(demonstrations)
        own = len(prefix) + sum(map(len, self.rows))
        job = {
            "model": str(self.folder),
            "dtype": self.device.dtype,
            "prompts": [prefix + row for row in self.rows],
            "labels": self.labels,
        }
        return Work(
            name, lambda: self.score(prefix, self.rows), {"lm-eval": {"score": job}},
            own * FORWARD_GFLOP_A_TOKEN, own, own, prefix,
        )  # fmt: skip

    def score(self, prefix, rows) -> list[list[float]]:
        """Log-likelihoods (rows, labels), a fresh scorer each time."""
        scorer = LabelScorer(self.model.lm, prefix, self.labels)
        found = {s.index: s.log_likelihoods for batch in scorer.score(rows) for s in batch}
        return [found[i] for i in range(len(rows))]

    def _training(self) -> Work:
        prefix = self.renderer.prefix()
        rows = [
            training.Row(self.renderer.row(row.text), self.renderer.answer(row.gold))
            for row in self.split.train[: self.options.train_rows]
        ]
        some = rows[: self.options.peer_train_rows]

        def tokens(rows) -> int:
            return sum(len(prefix) + len(row.tokens) + len(row.answer) for row in rows)

        def ours(rows=rows) -> float:
            tuned, notes = training.train(
                self.model, prefix, rows, LORA, 0, lambda: (1.0, 0.0), None, ""
            )
            tuned.remove()
            return notes["epochs"][0]["loss"]

        def job(checkpoints) -> dict:
            return {
                "train": {
                    "model": str(self.folder),
                    "dtype": self.device.dtype,
                    "rows": [(prefix + row.tokens, row.answer) for row in some],
                    "settings": {
                        "batch": LORA.rows_an_update,
                        "learning_rate": LORA.learning_rate,
                        "warmup_steps": round(len(some) / LORA.rows_an_update * LORA.warmup_share),
                        "rank": LORA.rank,
                        "alpha": LORA.alpha,
                        "checkpoints": checkpoints,
                    },
                }
            }

        jobs = {"TRL": job(None), "TRL, no checkpointing": job(False)}
        gflop = tokens(rows) * TRAIN_GFLOP_A_TOKEN
        return Work(
            "train LoRA", ours, jobs, gflop, tokens(rows), tokens(some),
            loss_of_peers_rows=lambda: ours(some),
        )  # fmt: skip

    def turn(self, work: Work, warm_up: bool) -> None:
        """Ours, then each peer; warm-ups aren't recorded, and the peers' training needs none."""
        self.peaks.append(matrix_speed(self.model.lm))
        start = time.perf_counter()
        values = work.ours()
        seconds = time.perf_counter() - start
        work.values = values
        if not warm_up:
            work.seconds.append(seconds)
        for tool, job in work.jobs.items():
            if self.options.peers and not (warm_up and "train" in job):
                small = job
                if warm_up:
                    small = {"score": job["score"] | {"prompts": job["score"]["prompts"][:16]}}
                found = self._ask(small)
                if not warm_up:
                    work.peers[tool].append(found["seconds"])
                    if "losses" in found:
                        work.losses[tool] = statistics.mean(found["losses"])

    def _ask(self, job: dict) -> dict:
        if self._peer is None:
            script = Path(__file__).with_name("peers.py")
            self._peer = subprocess.Popen(
                [str(self.options.peers), str(script)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                env={name: value for name, value in os.environ.items() if name not in VARIABLES},
            )  # fmt: skip
        self._peer.stdin.write(json.dumps(job) + "\n")
        self._peer.stdin.flush()
        line = self._peer.stdout.readline()
        if not line:
            sys.exit("the peers' process ended (see its messages above)")
        return json.loads(line)

    def scale(self, count: int) -> dict:
        """Milliseconds per row and growth of peak memory, for a number of rows without demonstrations."""
        prefix = self.renderer.prefix()
        rows = [self.rows[i % len(self.rows)] for i in range(count)]
        self.score(prefix, self.rows[:32])
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        start = time.perf_counter()
        scorer = LabelScorer(self.model.lm, prefix, self.labels)
        for _ in scorer.score(rows):
            pass
        seconds = time.perf_counter() - start
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        return {"rows": count, "ms_per_row": 1000 * seconds / count, "grown_mib": grown // 1024}

    def agreement(self, work: Work) -> dict:
        """Our answers compared with those of one plain float32 pass per row."""
        exact = models.load(
            local.DEFAULT_MODEL, self.folder, models.Device("cpu", "float32", "the reference")
        )
        most = gap = 0.0
        alike = unsure = changed = 0
        rows = self.rows[: self.options.reference_rows]
        for row, ours in zip(rows, work.values, strict=False):
            with torch.inference_mode():
                logits = exact.lm(torch.tensor([work.prefix + row]), logits_to_keep=1).logits[0, -1]
            true = logits.log_softmax(-1)[[label[0] for label in self.labels]].tolist()
            most = max(most, *(abs(a - b) for a, b in zip(true, ours, strict=True)))
            same = true.index(max(true)) == ours.index(max(ours))
            first, second = sorted(true, reverse=True)[:2]
            gap = first - second
            alike += same
            unsure += gap <= laptop_text.SURE
            changed += not same and gap > laptop_text.SURE
        return {
            "rows": len(rows),
            "same_answer": alike,
            "rows_within_rounding": unsure,
            "changed_beyond_rounding": changed,
            "largest_deviation_nats": most,
        }


def _help(command: str) -> dict:
    """Seconds of a command's help, including Python's start."""
    seconds = []
    for _ in range(8):
        start = time.perf_counter()
        subprocess.run(
            [str(Path(sys.executable).with_name(command)), "--help"],
            check=True, capture_output=True,
        )  # fmt: skip
        seconds.append(time.perf_counter() - start)
    return {"command": f"{command} --help", "seconds": _spread(seconds[1:])}


def _spread(values: list[float]) -> dict:
    return {"median": statistics.median(values), "low": min(values), "high": max(values)}


if __name__ == "__main__":
    main()
