"""Findings: what a run found, read from its record, and the raw answers in its folder."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from bench.api.extra import missing_packages
from bench.api.tables import ANSWERS, columns_of, markdown, markdown_of
from bench.api.text import results_lines
from bench.api.views import Comparison, Contender, Verdict
from bench.core.files import Account
from bench.core.folder import RunFolder, point_name
from bench.core.plan import Plan
from bench.record.read import read_record
from bench.record.text import budget_text, curve_text
from bench.record.types import CurveRecord, Record, SweepRecord, TrialEntry
from scenarios.errors import UserError, unknown
from scenarios.estimates import Estimate

T = TypeVar("T")
DAMAGED = (KeyError, TypeError, AttributeError, ValueError, IndexError)
"""What reading a damaged record raises."""


@dataclass(frozen=True)
class RowAnswer:
    """What one trial answered to a row: a text, and a score for each label in the task's order, if any.

    `fold` is None without cross-fitting.
    """

    text: str
    scores: tuple[float, ...]
    trial: str
    seed: int
    fold: int | None


class NoContender(UserError, KeyError):
    """No contender of that name; also a `KeyError`, as from any mapping."""

    __str__ = UserError.__str__  # that of `KeyError` would quote the sentence


class ByContender(dict[str, T]):
    """Values by contender; `[]` with an unknown name raises `UserError` with the nearest one."""

    def __missing__(self, name: str) -> T:
        raise NoContender(str(_unknown(name, self)))


def _unknown(name: str, known: Iterable[str]) -> UserError:
    return unknown("contender in this run", str(name), known)


@dataclass(frozen=True, eq=False, repr=False)
class Findings:
    """What a run, a curve or a sweep found. In a notebook it is shown as the report.

    `print` gives the text of the command.

    `record` is `record.json` as it is, `source` its file, and `folder` the run's folder, or None where
    only a record was read. Contenders are by name, estimates by contender and metric. `comparisons` are
    those of prompting with tuning (the primary one first); `side_comparisons` those with classifiers.
    """

    record: Record
    source: Path
    folder: Path | None
    verdict: Verdict
    contenders: Mapping[str, Contender]
    comparisons: tuple[Comparison, ...]
    side_comparisons: tuple[Comparison, ...]
    estimates: Mapping[str, Mapping[str, Estimate]]

    @property
    def curve(self) -> CurveRecord | None:
        """The learning curve, as in the record."""
        return self.record.get("curve")

    @property
    def sweep(self) -> SweepRecord | None:
        """What the sweep showed, as in the record."""
        return self.record.get("sweep")

    @property
    def budget(self) -> Account | None:
        """What a budget covered and what was spent of it, as in the record."""
        return self.record.get("budget")

    @property
    def report(self) -> Path | None:
        """The HTML report in the run's folder; None where there is none."""
        file = RunFolder(self.source.parent).report_file
        return file if self.folder is not None and file.exists() else None

    @property
    def all_done(self) -> bool:
        """Whether no trial failed or was skipped."""
        return all(trial["outcome"]["status"] == "done" for trial in self._trials())

    def answers(self, contender: str, size: int | None = None) -> dict[str, tuple[RowAnswer, ...]]:
        """The raw answers of a contender by the id of the test row, one of each finished trial.

        A row has as many as there are seeds. `size` asks for those at a size of the learning curve.
        Raises `UserError` where there are none.
        """
        if self.folder is None:
            raise UserError(
                f"'{self.source}' is a record without its run's folder, which holds the answers; "
                "give the folder to bench.read"
            )
        found: dict[str, tuple[RowAnswer, ...]] = {}
        for trial in self._answering(contender, size):
            for id_, answer in self._answers_of(trial, size).items():
                found[id_] = (*found.get(id_, ()), answer)
        return found

    def _answering(self, contender: str, size: int | None) -> list[TrialEntry]:
        """A contender's finished trials. Raises `UserError` where none is."""
        curve = self.curve
        trials = self.record["trials"] if size is None else curve["trials"] if curve else []
        known = dict.fromkeys(trial["name"] for trial in trials)
        if size is not None and (curve is None or size not in (0, *curve["sizes"])):
            sizes = ", ".join(map(str, curve["sizes"])) if curve else "none, as it has no curve"
            raise UserError(f"size={size} isn't a size of this run's curve; its sizes: {sizes}")
        if not known and curve:
            raise UserError(
                f"this curve has answers by size; give one of {', '.join(map(str, curve['sizes']))} "
                f"as in answers('{contender}', size={curve['sizes'][-1]})"
            )
        if contender not in known:
            raise _unknown(contender, known)
        own = [trial for trial in trials if trial["name"] == contender]
        done = [trial for trial in own if trial["outcome"]["status"] == "done"]
        if not done:
            outcome = own[0]["outcome"]
            raise UserError(
                f"{contender} was {outcome['status']} ({outcome.get('reason')}), so it has no answers; "
                "those of other contenders can be read"
            )
        return done

    def _answers_of(self, trial: TrialEntry, size: int | None) -> dict[str, RowAnswer]:
        """What a trial answered, by row id. Raises `UserError` where that can't be read."""
        assert self.folder is not None
        name = trial["slug"]
        if size is not None:
            planned = Plan.from_json(self.record["plan"]).trial(name)
            name = point_name(
                planned, size if any(planned.sizes) else 0
            )  # 0: it uses no labelled rows
        found = RunFolder(self.folder).scored_answers(name)
        if not found:
            raise UserError(
                f"the answers of {trial['slug']} in '{self.folder}' are missing or damaged; run it again"
            )
        seed, fold = trial["seed"], trial.get("fold")
        return {
            id_: RowAnswer(text, scores, trial["slug"], seed, fold)
            for id_, (text, scores) in found.items()
        }

    def _trials(self) -> list[TrialEntry]:
        return self.record["trials"] + (self.curve["trials"] if self.curve else [])

    def to_json(self) -> dict[str, Any]:
        """The results as `bench run --json` prints them; `run` and `report` are None without a folder."""
        record, report = self.record, self.report
        parts = {"curve": self.curve, "budget": self.budget, "sweep": self.sweep}
        return {
            "run": None if self.folder is None else str(self.folder),
            "record": str(self.source),
            "report": None if report is None else str(report),
            "verdict": record["verdict"],
            "comparisons": record["comparisons"],
            "contenders": record["contenders"],
            **{key: part for key, part in parts.items() if part},
        }

    def __repr__(self) -> str:
        return f"<Findings of {self.source}: {ANSWERS[self.verdict.answer]}>"

    def __str__(self) -> str:
        lines = [*results_lines(self.record)]
        if self.report is not None:
            lines.append(f"\nreport: {self.report}")
        return "\n".join(lines)

    def _repr_html_(self) -> str | None:
        """The report in a frame of its own; None where the packages that draw it aren't installed."""
        if missing_packages():
            return None
        from reports.notebook import framed

        return framed(self.record)

    def _repr_markdown_(self) -> str:
        """The verdict and the table of results."""
        return "\n\n".join(self._paragraphs())

    def _paragraphs(self) -> Iterator[str]:
        verdict = self.verdict
        title = self.record["plan"]["scenario"]["title"]
        yield f"**{markdown(title)}: {ANSWERS[verdict.answer]}.** {markdown(verdict.sentence)}"
        if verdict.would_settle:
            yield f"What would settle it: {markdown(verdict.would_settle)}."
        if self.record["contenders"]:
            yield self._table()
        if self.curve:
            yield _unchanged(curve_text(self.curve))
        if self.budget:
            yield _unchanged(budget_text(self.budget))
        if self.sweep:
            yield from (markdown(one["sentence"]) for one in self.sweep["contenders"])
            yield from (markdown(claim["sentence"]) for claim in self.sweep["claims"])
        yield markdown(verdict.scope)

    def _table(self) -> str:
        columns = columns_of(self.record)
        rows = []
        for entry in self.record["contenders"]:
            if entry["status"] == "done":
                cells = [column.cell(entry).strip() for column in columns]
            else:
                cells = [f"{entry['status']}: {entry['reason']}", *[""] * (len(columns) - 1)]
            rows.append((entry["name"], *cells))
        return markdown_of(("", *(column.head for column in columns)), rows)


def _unchanged(text: str) -> str:
    """A text of several lines as a block of Markdown that is shown as it is."""
    return "\n".join(f"    {line}" for line in text.splitlines())


def findings(path: Path) -> Findings:
    """Those of a run's folder, or of a record's file. Raises `UserError` where it can't be read."""
    record = read_record(path)
    source = RunFolder(path).record_file if path.is_dir() else path
    around = RunFolder(source.parent)
    of_a_run = source == around.record_file and around.plan_file.exists()
    try:
        return _viewed(record, source, source.parent if of_a_run else None)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise UserError(
            f"the record '{source}' is damaged ({place}: {first['msg'].lower()}); run it again"
        ) from None
    except KeyError as error:
        raise UserError(f"the record '{source}' lacks {error}; run it again") from None
    except DAMAGED as error:
        raise UserError(f"the record '{source}' is damaged ({error}); run it again") from None


def _viewed(record: Record, source: Path, folder: Path | None) -> Findings:
    """The findings of a record. Raises one of `DAMAGED` where a part is missing or wrong."""
    Plan.from_json(record["plan"])
    sides = record.get("side_comparisons", [])
    contenders = _read(list[Contender], record["contenders"])
    return Findings(
        record=record,
        source=source,
        folder=folder,
        verdict=_read(Verdict, {**record["verdict"]["overall"], **record["verdict"]}),
        contenders=ByContender((one.name, one) for one in contenders),
        comparisons=_read(tuple[Comparison, ...], record["comparisons"]),
        side_comparisons=_read(tuple[Comparison, ...], sides),
        estimates=ByContender(_read(dict[str, dict[str, Estimate]], record["estimates"])),
    )


def _read(kind: Any, values: Any) -> Any:
    return TypeAdapter(kind).validate_python(values)
