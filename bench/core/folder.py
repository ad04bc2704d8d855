"""A run's folder: the one owner of the names of its files, and of how each is read and written."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from math import isfinite
from pathlib import Path
from typing import Any

from bench.core import outcome as outcomes
from bench.core.files import Account, Dropped, Forecast, Point
from bench.core.kept import Kept
from bench.core.outcome import CurveDone, Done, Outcome
from bench.core.plan import Plan, Trial, UnreadableVersion
from scenarios.cache import write_atomically
from scenarios.errors import UserError
from scenarios.rows import Split, keep_split, kept_split

NO_ROOM = 74
"""The exit code of a trial's process that found the disk full or read-only (EX_IOERR)."""
_PARTS = ("answers", "outcomes", "fitted", "adapters", "points")


@dataclass(frozen=True)
class RunFolder:
    """A run's files. What is damaged is read as if it weren't there, so that it is made again."""

    path: Path

    @property
    def name(self) -> str:
        """The folder's own name."""
        return self.path.name

    @property
    def plan_file(self) -> Path:
        """The plan; written before anything is done."""
        return self.path / "plan.json"

    @property
    def record_file(self) -> Path:
        """The record; there once the run has finished."""
        return self.path / "record.json"

    @property
    def report_file(self) -> Path:
        """The HTML report."""
        return self.path / "report.html"

    @property
    def general(self) -> Path:
        """The folder of what the base and each tuned model say to general prompts."""
        return self.path / "general"

    def outcome_file(self, trial: Trial) -> Path:
        """How a trial ended."""
        return self.path / "outcomes" / f"{trial.slug}.json"

    def _error_file(self, trial: Trial) -> Path:
        return self.path / "errors" / f"{trial.slug}.txt"

    def answers_file(self, name: str) -> Path:
        """The raw answers of a trial by its slug, or of a curve's point by its name."""
        return self.path / "answers" / f"{name}.jsonl"

    def journal(self, name: str) -> Path:
        """The answers of a trial that hasn't finished, in the order in which they came."""
        return self.path / "answers" / f"{name}.jsonl.partial"

    def adapter(self, name: str) -> Path:
        """The folder of what a trial trained."""
        return self.path / "adapters" / name

    def kept(self, name: str) -> Kept:
        """The finished steps of a trial or a curve's point."""
        return Kept(self._fitted(name))

    def _fitted(self, name: str) -> Path:
        return self.path / "fitted" / name

    def point_file(self, trial: Trial, size: int) -> Path:
        """The figures of a curve's trial at a size."""
        return self.path / "points" / f"{point_name(trial, size)}.json"

    def _rows_file(self, fold: int | None) -> Path:
        return self.path / ("rows.json" if fold is None else f"rows-{fold + 1}.json")

    @property
    def _forecasts_file(self) -> Path:
        return self.path / "forecasts.json"

    @property
    def _account_file(self) -> Path:
        return self.path / "budget.json"

    # What the files hold.

    def plan(self) -> Plan:
        """The plan, of this version or an earlier one. Raises `UserError` where it can't be read."""
        values = read_or_none(self.plan_file)
        try:
            if values is None:
                raise ValueError("it isn't a JSON object")
            return Plan.from_json(values)
        except UnreadableVersion as error:
            raise UserError(
                f"'{self.plan_file}' has schema_version {error.version}: it was written by a newer version; "
                "upgrade tune-or-prompt, or choose another --out"
            ) from None
        except ValueError as error:
            raise UserError(
                f"'{self.plan_file}' is damaged ({error}); choose another --out, or remove that folder"
            ) from None

    def outcome(self, trial: Trial) -> Outcome | None:
        """How a trial ended; None where it hasn't."""
        values = read_or_none(self.outcome_file(trial))
        if values is None:
            return None
        if trial.sizes:
            values.setdefault("sizes", trial.sizes)
        else:
            values.pop("sizes", None)
        try:
            return outcomes.from_json(values)
        except ValueError:
            return None

    def answers(self, name: str) -> dict[str, str]:
        """What a trial or a curve's point answered, by row id."""
        return {id_: text for id_, (text, _) in self.scored_answers(name).items()}

    def scored_answers(self, name: str) -> dict[str, tuple[str, tuple[float, ...]]]:
        """Each answer with its score for each label, if it has any, by row id."""
        try:
            text = self.answers_file(name).read_text(encoding="utf-8")
            answers = map(json.loads, text.strip().split("\n"))
            return {
                answer["example_id"]: (answer["text"], tuple(answer.get("scores") or ()))
                for answer in answers
            }
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return {}

    def point(self, trial: Trial, size: int) -> Point | None:
        """The figures of a curve's trial at a size."""
        found = read_or_none(self.point_file(trial, size))
        return found if found and found.keys() >= Point.__required_keys__ else None  # type: ignore[return-value]

    def forecasts(self) -> list[Forecast]:
        """The forecast of each trial; empty where none could be made."""
        try:
            found = read_json(self._forecasts_file)
        except (OSError, ValueError, RecursionError):
            return []
        return found if _all_have(found, Forecast.__required_keys__) else []

    def account(self) -> Account | None:
        """What a budget covers and what has been spent of it; None without a budget."""
        found = read_or_none(self._account_file)
        if found is None or not found.keys() >= Account.__required_keys__:
            return None
        numbers = (found[key] for key in ("seconds", "spent_seconds", "planned_seconds"))
        lists = (found[key] for key in ("planned", "dropped_sizes", "stopped"))
        whole = (
            all(isinstance(number, int | float) and isfinite(number) for number in numbers)
            and all(isinstance(one, list) for one in lists)
            and _all_have(found["dropped"], Dropped.__required_keys__)
            and isinstance(found["sizes"], list | None)
        )
        return found if whole else None  # type: ignore[return-value]

    def split(self, fold: int | None) -> Split:
        """The rows of a fold, or of the whole run; there until the run has finished."""
        return kept_split(self._rows_file(fold))

    def finished_neighbours(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """The other runs in the folder that holds this one: their names and their records."""
        here = self.path.absolute()
        for file in sorted(here.parent.glob(f"*/{self.record_file.name}")):
            record = None if file.parent == here else read_or_none(file)
            if record is not None:
                yield file.parent.name, record

    # How far the run has come.

    def has_rows(self) -> bool:
        """Whether a run was begun here and hasn't finished."""
        return any(self._rows_file(fold).exists() for fold in (None, 0))

    def has_forecasts(self) -> bool:
        """Whether the trials have been forecast, and the forecasts can be read."""
        return bool(self.forecasts())

    def has_begun(self, trial: Trial) -> bool:
        """Whether an earlier start left steps of a trial."""
        names = [trial.slug, *(point_name(trial, size) for size in trial.sizes)]
        return bool(self.sizes_done(trial)) or any(self._fitted(name).exists() for name in names)

    def is_done(self, trial: Trial) -> bool:
        """Whether a trial's outcome and answers are complete, at each size that the budget covers."""
        return self.was_done(trial) and set(self.sizes_left(trial)) <= set(self.sizes_done(trial))

    def was_done(self, trial: Trial) -> bool:
        """Whether a trial finished, perhaps at fewer sizes of a curve than are wanted now."""
        match self.outcome(trial):
            case CurveDone(sizes=sizes):
                return set(sizes) <= set(self.sizes_done(trial))
            case Done(rows=rows):
                return len(self.answers(trial.slug)) == rows
            case _:
                return False

    def sizes_done(self, trial: Trial) -> list[int]:
        """The sizes of a curve's trial whose figures and answers are all there; none of another trial."""
        return [size for size in trial.sizes if self._size_is_done(trial, size)]

    def _size_is_done(self, trial: Trial, size: int) -> bool:
        point = self.point(trial, size)
        if point is None:
            return False
        answers = len(self.answers(point_name(trial, size)))
        return answers > 0 and answers == point.get("rows", answers)

    def sizes_left(self, trial: Trial) -> list[int]:
        """A curve trial's sizes without those that the budget dropped."""
        account = self.account()
        left = account["sizes"] if account else None
        return [size for size in trial.sizes if not size or left is None or size in left]

    # What is written.

    def keep_plan(self, plan: Plan) -> None:
        """Write the plan, or check that the one that is there does the same."""
        if not self.plan_file.exists():
            text = json.dumps(plan.to_json(), indent=1, ensure_ascii=False)
            write_atomically(self.plan_file, text)
            return
        differ = plan.differences(self.plan())
        if differ:
            raise UserError(
                f"'{self.path}' holds a run with a different plan (differing: {', '.join(differ)}); "
                "choose another --out, or repeat that run's options"
            )

    def keep_split(self, split: Split, fold: int | None) -> None:
        """Leave the rows of a fold, or of the whole run, where the trials find them."""
        keep_split(split, self._rows_file(fold))

    def drop_splits(self, plan: Plan) -> None:
        """Remove the rows; the record needs none."""
        for fold in {trial.fold for trial in plan.all_trials}:
            self._rows_file(fold).unlink(missing_ok=True)

    def keep_outcome(self, trial: Trial, outcome: Outcome) -> None:
        """Write how a trial ended."""
        text = json.dumps(outcomes.to_json(outcome), indent=1)
        write_atomically(self.outcome_file(trial), text)

    def keep_error(self, trial: Trial, text: str) -> Path:
        """Write the traceback of a fault that ended a trial; returns its file, from the run's folder on."""
        file = self._error_file(trial)
        file.parent.mkdir(exist_ok=True)
        write_atomically(file, text)
        return file.relative_to(self.path)

    def drop_error(self, trial: Trial) -> None:
        """Remove the traceback of an earlier start."""
        self._error_file(trial).unlink(missing_ok=True)

    def keep_point(self, trial: Trial, size: int, point: Point) -> None:
        """Write the figures of a curve's trial at a size, and drop the steps that led there."""
        write_atomically(self.point_file(trial, size), json.dumps(point, indent=1))
        self.drop_steps(point_name(trial, size))

    def drop_steps(self, name: str) -> None:
        """Remove what only an unfinished trial or point needs."""
        shutil.rmtree(self._fitted(name), ignore_errors=True)
        self.journal(name).unlink(missing_ok=True)

    def keep_forecasts(self, forecasts: Sequence[Forecast]) -> None:
        """Write the forecast of each trial."""
        write_atomically(self._forecasts_file, json.dumps(forecasts, indent=1))

    def keep_account(self, account: Account) -> None:
        """Write a budget's account."""
        write_atomically(self._account_file, json.dumps(account, indent=1))

    def drop_account(self) -> None:
        """Forget the budget of an earlier start."""
        self._account_file.unlink(missing_ok=True)

    def make_adapter_folder(self, trial: Trial) -> None:
        """Make the folder in which a trial leaves what it trains."""
        self.adapter(trial.slug).mkdir(exist_ok=True)

    def drop_adapter_folder_if_empty(self, trial: Trial) -> None:
        """Remove it where the trial trained nothing."""
        folder = self.adapter(trial.slug)
        if not any(folder.iterdir()):
            folder.rmdir()

    def make_parts(self) -> None:
        """Make the folder and those within it. Raises `UserError` where that can't be."""
        if self.path.exists() and not self.path.is_dir():
            raise UserError(f"'{self.path}' is a file; --out takes a folder")
        try:
            for part in (".", *_PARTS):
                (self.path / part).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(
                f"can't write to '{self.path}': {error.strerror}; choose another --out"
            ) from error

    @contextmanager
    def held(self, plan: Plan) -> Iterator[None]:
        """The folder with the plan in it, locked against a second run."""
        from filelock import FileLock, Timeout

        self.make_parts()
        holder = self.path / ".holder"
        try:
            with FileLock(self.path / ".lock", timeout=0):
                since = datetime.now().astimezone().strftime("%Y-%m-%d %H:%M:%S")
                write_atomically(holder, f"process {os.getpid()}, since {since}")
                self.keep_plan(plan)
                yield
        except Timeout:
            raise UserError(
                f"another run is using '{self.path}' ({holder.read_text(encoding='utf-8')}); "
                "wait until it has finished, or choose another --out"
            ) from None

    def remove(self) -> None:
        """Remove the folder with all that is in it."""
        shutil.rmtree(self.path, ignore_errors=True)

    def not_writable(self, reason: str) -> UserError:
        """The error of a disk that is full or read-only."""
        return UserError(
            f"can't write to '{self.path}': {reason}; free some space, then resume with the same "
            f"command and --out {self.path}; finished work is kept"
        )


def point_name(trial: Trial, size: int) -> str:
    """What the files of a curve's trial at a size are called, without their endings."""
    return f"{trial.slug}-n{size}"


def _all_have(found: object, keys: frozenset[str]) -> bool:
    """Whether this is a list of JSON objects that have some keys."""
    return isinstance(found, list) and all(isinstance(x, dict) and x.keys() >= keys for x in found)


def read_json(file: Path) -> Any:
    """A file's JSON value. Raises `OSError` or `ValueError`."""
    return json.loads(file.read_text(encoding="utf-8"))


def read_or_none(file: Path) -> dict[str, Any] | None:
    """A file's JSON object; None where there is none, or the file is damaged."""
    try:
        found = read_json(file)
    except (OSError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
