"""Contenders' answers to the test rows, ready to be counted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bench.core.folder import RunFolder
from bench.core.outcome import Done, Outcome
from bench.core.plan import Plan, Trial
from bench.metrics import Metric, WholeMetric, texts
from scenarios.errors import UserError
from scenarios.rows import Split


@dataclass(frozen=True)
class HeldOut:
    """The test rows: their ids, correct answers (as texts) and groups, each of shape (rows,)."""

    ids: tuple[str, ...]
    gold: np.ndarray
    groups: np.ndarray

    @classmethod
    def of(cls, splits: Sequence[Split]) -> HeldOut:
        """Those of a split, or of all folds of cross-fitting."""
        rows = [example for split in splits for example in split.test]
        return cls(
            tuple(row.id for row in rows),
            texts([row.gold for row in rows]),
            np.array([row.group for row in rows]),
        )

    @property
    def count(self) -> int:
        """The number of rows."""
        return len(self.gold)

    @property
    def group_count(self) -> int:
        """The number of groups."""
        return len(np.unique(self.groups))


@dataclass(frozen=True)
class Setting:
    """What answers are counted by: the plan, one metric, and the test rows."""

    plan: Plan
    metric: Metric | WholeMetric
    test: HeldOut

    @property
    def summed(self) -> Metric:
        """The metric, where it is one of ours, which sum over rows."""
        assert isinstance(self.metric, Metric)
        return self.metric

    def value(self, predicted: np.ndarray) -> float:
        """The metric of one seed's answers, of shape (rows,)."""
        labels = self.plan.task.labels
        return float(self.metric.of(self.test.gold, predicted, labels))  # type: ignore[arg-type]

    def statistics(self, predicted: np.ndarray) -> np.ndarray:
        """Each row's part of the metric for one seed's answers, shape (rows, k)."""
        return self.summed.statistics(self.test.gold, predicted, self.plan.task.labels)


@dataclass(frozen=True)
class Results:
    """A contender's answers to the test rows, as texts of shape (seeds, rows)."""

    name: str
    family: str
    model: str | None
    predicted: np.ndarray
    validation_score: float | None


def outcomes_in(folder: RunFolder, plan: Plan) -> dict[str, Outcome]:
    """How each trial ended, by its slug. Raises `UserError` where that can't be read."""
    found = {}
    for trial in plan.all_trials:
        outcome = folder.outcome(trial)
        if outcome is None:
            raise UserError(
                f"the outcome of {trial.slug} in '{folder.path}' is missing or damaged; resume with "
                f"the same command and --out {folder.path}"
            )
        found[trial.slug] = outcome
    return found


def results_of(
    folder: RunFolder, plan: Plan, test: HeldOut, outcomes: Mapping[str, Outcome]
) -> dict[str, Results]:
    """By contender, of the seeds whose trials (one, or one a fold) are done.

    Raises `UserError` where answers are missing.
    """
    found = {}
    for name in dict.fromkeys(trial.name for trial in plan.trials):
        trials = [trial for trial in plan.trials if trial.name == name]
        done = _done_seeds(trials, outcomes)
        if not done:
            continue
        answers = [_answers(folder, own) for own in done]
        if any(said.keys() != set(test.ids) for said in answers):
            raise UserError(f"answers of {name} are missing in '{folder.path}'; start a new run")
        predicted = np.stack([texts([said[id_] for id_ in test.ids]) for said in answers])
        score = mean_score([outcomes[trial.slug] for own in done for trial in own])
        found[name] = Results(name, trials[0].family, trials[0].model, predicted, score)
    return found


def _done_seeds(trials: Sequence[Trial], outcomes: Mapping[str, Outcome]) -> list[list[Trial]]:
    """A contender's trials by seed, of the seeds of which all are done."""
    seeds = dict.fromkeys(trial.seed for trial in trials)
    by_seed = [[trial for trial in trials if trial.seed == seed] for seed in seeds]
    return [own for own in by_seed if all(isinstance(outcomes[t.slug], Done) for t in own)]


def _answers(folder: RunFolder, trials: Sequence[Trial]) -> dict[str, str]:
    """What the trials of one seed answered, by row id."""
    return {id_: text for trial in trials for id_, text in folder.answers(trial.slug).items()}


def mean_score(outcomes: Sequence[Outcome]) -> float | None:
    """On the rows that choose, over a contender's trials; None where one has no score."""
    scores = [o.notes.get("validation_score") for o in outcomes if isinstance(o, Done)]
    known = [score for score in scores if score is not None]
    return float(np.mean(known)) if len(known) == len(scores) else None
