"""The backtest: the protocol, the baselines that it must beat, and files of cases."""

import csv
import io
import json
from importlib import resources

import pytest

from advisor.evidence.backtest import backtest, fit
from advisor.evidence.cases import COLUMNS, Case, effort, parse, profile_of, shipped_cases
from advisor.evidence.quality import PRIOR
from scenarios.errors import UserError
from scenarios.schema import Profile
from tests.conftest import run_command

LINE = {
    "id": "X-1", "source": "A paper", "year": "2025", "url": "", "task": "t",
    "task_type": "classification", "domain": "news", "n_labels": "4", "n_train": "800",
    "ft_model": "Llama-3.1-8B", "ft_params_b": "8.03", "ft_method": "LoRA", "metric": "accuracy",
    "ft_score": "0.9", "prompt_model": "GPT-4o", "prompt_params_b": "", "prompt_method": "5-shot",
    "prompt_score": "0.8", "winner": "fine_tune",
}  # fmt: skip


def as_csv(*lines, columns=COLUMNS):
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, extrasaction="ignore")
    writer.writeheader()
    writer.writerows(lines)
    return out.getvalue()


@pytest.fixture(scope="module")
def shipped():
    return backtest(shipped_cases(), shipped=True)


def test_the_baselines_are_as_others_computed_them(shipped):
    """Always tune 72%, always prompt 44%, by type 76%, the type's majority 69%, by source."""
    found = {name: rule["source_balanced_agreement"] for name, rule in shipped.baselines.items()}
    assert [round(100 * share) for share in found.values()] == [72, 44, 76, 69]


def test_the_advice_beats_every_simple_rule_on_sources_that_it_was_not_fitted_to(shipped):
    balanced = shipped.source_balanced_agreement
    assert (shipped.cases, shipped.sources) == (243, 23)
    assert balanced.low < 0.85 < balanced.value
    assert all(rule["source_balanced_agreement"] < balanced.value - 0.05
               for rule in shipped.baselines.values())  # fmt: skip
    assert shipped.brier < 0.19 < 0.25


def test_the_probabilities_mean_what_they_say(shipped):
    """In each of three bins tuning won about as often as was predicted."""
    assert len(shipped.reliability) == 3
    for row in shipped.reliability:
        assert abs(row["predicted"] - row["tuning_won"]) < 0.12
    assert sum(row["cases"] for row in shipped.reliability) == 243


def test_a_left_out_source_does_not_teach_its_own_prediction():
    """Of two sources that contradict each other, each is predicted by the other: wrongly, every time."""
    cases = [
        Case(f"{source}-{i}", source, "generation", Profile(), outcome)
        for source, outcome in (("A", 1.0), ("B", 0.0))
        for i in range(3)
    ]
    assert backtest(cases, shipped=True, strength=1e-9).agreement == 0


def test_the_prior_holds_without_cases_and_yields_to_many():
    """One trait, cases without end: log-odds go from the prior's 0.8 to ln(0.2 / 0.8) = -1.386."""

    def cases(count):
        return [Case(f"S{i}-1", f"S{i}", "generation", Profile(), 0.2) for i in range(count)]

    few = dict(zip(PRIOR, fit(cases(1)).values, strict=True))
    many = fit(cases(1), strength=1e-9)
    from advisor.evidence.quality import p_tuning_better

    assert few["constant"] == pytest.approx(0.8, abs=0.1)
    assert p_tuning_better(Profile(), many).value == pytest.approx(0.2, abs=1e-3)


def test_a_source_counts_once_however_many_cases_it_has():
    one = [Case("A-1", "A", "style", Profile(task_type="style"), 1.0)]
    many = [
        Case(f"B-{i}", "B", "reasoning", Profile(task_type="reasoning"), 1.0) for i in range(99)
    ]
    found = backtest(one + many, shipped=False)
    assert found.agreement == pytest.approx(0.01)
    assert found.source_balanced_agreement.value == pytest.approx(0.5)


def test_a_tie_counts_as_right_either_way():
    cases = [Case(f"{s}-1", s, kind, Profile(task_type=kind), 0.5)
             for s, kind in (("A", "style"), ("B", "reasoning"))]  # fmt: skip
    found = backtest(cases, shipped=False)
    assert found.agreement == 1
    assert found.source_balanced_agreement.low is None
    assert "same share" in found.source_balanced_agreement.reason


def test_a_profile_holds_what_was_known_before_and_never_a_score():
    one = profile_of(LINE)
    other = profile_of(LINE | {"ft_score": "0.1", "prompt_score": "0.99", "winner": "prompt",
                               "metric": "f1", "source": "Another", "url": "x"})  # fmt: skip
    assert one == other
    assert (one.classes, one.labelled_examples, one.prompting_effort) == (4, 800, "few-shot")
    assert (one.largest_own_model_billion_parameters, one.prompted_model_billion_parameters) == (
        8.03,
        1000,
    )


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("zero-shot", "zero-shot"), ("zero/one-shot, no prompt tuning", "zero-shot"),
        ("5-shot CoT", "few-shot"), ("in-context prompting with passages", "few-shot"),
        ("20 retrieved similar demos (RAG)", "optimised"), ("1000-shot ICL, random demos", "optimised"),
        ("GEPA prompt optimisation", "optimised"), ("as it came", None),
    ],
)  # fmt: skip
def test_how_the_prompt_was_made_is_read_from_the_papers_words(method, expected):
    assert effort(method) == expected


@pytest.mark.parametrize(
    ("model", "given", "billions"),
    [("GPT-4 (8k)", "", 1000), ("GPT-3.5-turbo", "", 175), ("PaLM 540B", "", 540),
     ("RoBERTa-large", "", 0.355), ("Llama-2-7B", "6.74", 6.74), ("a model of ours", "", None)],
)  # fmt: skip
def test_a_models_size_is_given_or_read_from_its_name(model, given, billions):
    found = profile_of(LINE | {"ft_model": model, "ft_params_b": given})
    assert found.largest_own_model_billion_parameters == billions


def test_the_same_model_on_both_sides_has_the_same_size():
    found = profile_of(LINE | {"prompt_model": "Llama-3.1-8B (same model)"})
    assert found.prompted_model_billion_parameters == 8.03


def test_a_missing_column_is_one_line_that_names_all_of_them():
    columns = [c for c in COLUMNS if c not in ("winner", "n_train")]
    with pytest.raises(UserError, match=r"'x\.csv'.*n_train, winner"):
        parse(as_csv(LINE, columns=columns), "x.csv")


def test_all_faulty_cells_are_reported_together():
    bad = LINE | {"winner": "both", "task_type": "poetry", "n_train": "many", "n_labels": "0"}
    with pytest.raises(UserError) as raised:
        parse(as_csv(LINE, bad), "x.csv")
    for part in (
        "line 3, task_type: 'poetry'",
        "winner: 'both'",
        "n_train: 'many'",
        "id 'X-1'",
    ):
        assert part in str(raised.value)


@pytest.mark.parametrize("text", ["", "id,winner\n", 'id,"\n'])
def test_a_file_without_cases_is_reported(text):
    with pytest.raises(UserError, match=r"'x\.csv'"):
        parse(text, "x.csv")


def test_thousands_and_unknowns_are_read_as_people_write_them():
    (case,) = parse(
        as_csv(LINE | {"n_train": "12,500", "n_labels": "n/a", "task_type": "Tool_Use"}), "x"
    )
    assert (case.profile.labelled_examples, case.profile.classes) == (12500, None)
    assert case.task_type == "tool-use"


def test_the_command_judges_a_file_by_the_shipped_weights(tmp_path):
    file = tmp_path / "blind.csv"
    file.write_text(as_csv(LINE, LINE | {"id": "Y-1", "winner": "prompt"}))
    found = json.loads(run_command("advisor", "backtest", file, "--json").stdout)
    assert (found["cases"], found["sources"], found["agreement"]) == (2, 2, 0.5)
    assert found["protocol"] == "shipped weights, not refitted"
    assert set(found["source_balanced_agreement"]) >= {
        "value",
        "low",
        "high",
        "level",
        "n",
        "method",
    }
    assert {"brier", "by_task_type", "baselines"} <= set(found)
    text = run_command("advisor", "backtest", file).stdout
    assert "always tune" in text


def test_the_shipped_file_has_its_sources():
    text = (resources.files("advisor") / "catalog" / "head_to_head.csv").read_text("utf-8")
    assert all(line["source"] and line["url"] for line in csv.DictReader(io.StringIO(text)))
