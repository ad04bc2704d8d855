"""Every metric in the folder is a formula over sums, and equals its known definition."""

import numpy as np
import pytest

from bench.metrics import as_evaluate, load_metric, texts
from scenarios.errors import UserError

LABELS = ("negative", "neutral", "positive")
RNG = np.random.default_rng(0)
GOLD, PREDICTED = (texts([LABELS[code] for code in RNG.integers(0, 3, 200)]) for _ in range(2))


def value(name, gold=GOLD, predicted=PREDICTED):
    return load_metric(name).of(gold, predicted, LABELS)


def test_metrics_of_ours_combine_in_the_evaluate_library():
    import evaluate

    both = evaluate.combine([as_evaluate(load_metric(n), LABELS) for n in ("accuracy", "macro-f1")])
    found = both.compute(predictions=PREDICTED, references=GOLD)
    assert set(found) == {"accuracy", "macro-f1"}


def test_accuracy_and_macro_f1_are_those_of_scikit_learn():
    from sklearn.metrics import accuracy_score, f1_score

    assert value("accuracy") == pytest.approx(accuracy_score(list(GOLD), list(PREDICTED)))
    assert value("macro-f1") == pytest.approx(
        f1_score(list(GOLD), list(PREDICTED), average="macro")
    )


def test_a_label_that_is_never_answered_lowers_macro_f1():
    """Always one of three balanced labels: F1 is 2 x 1/3 / (1/3 + 1) = 1/2, and 0, 0."""
    assert value("macro-f1", texts(LABELS * 10), texts(LABELS[:1] * 30)) == pytest.approx(1 / 6)


def test_extra_spaces_make_no_difference_but_case_does():
    gold, said = texts(["3 May", "3 May", "3 May"]), texts([" 3  May\n", "3 may", "3May"])
    assert load_metric("exact-match").statistics(gold, said, ())[:, 0].tolist() == [1, 0, 0]


@pytest.mark.parametrize(
    "said",
    [
        ["the cat sat on a mat", "", "x", "Ünïcode 電池"],
        ["a dog", "nothing alike", "abc", "電池"],
        ["", "", "", ""],
    ],
)
def test_chrf_is_that_of_sacrebleu_over_all_rows(said):
    from sacrebleu.metrics import CHRF

    gold = ["the cat sat on the mat", "another text", "abc", "Ünïcode 電池を"]
    published = CHRF().corpus_score(said, [gold]).score / 100
    assert load_metric("chrf").of(gold, said, ()) == pytest.approx(published, abs=1e-9)


def test_a_metric_script_of_the_evaluate_library_fits_the_same_place(tmp_path):
    script = tmp_path / "share_of_zeros.py"
    script.write_text(
        """
import datasets
import evaluate
class Zeros(evaluate.Metric):
    def _info(self):
        kinds = {"predictions": datasets.Value("int32"), "references": datasets.Value("int32")}
        return evaluate.MetricInfo(description="", citation="", features=datasets.Features(kinds))
    def _compute(self, predictions, references):
        return {"zeros": sum(p == 0 for p in predictions) / len(predictions)}
"""
    )
    metric = load_metric(f"evaluate:{script}")
    assert metric.of(["negative", "neutral"], ["negative", "neutral"], LABELS) == 0.5


def test_an_unknown_metric_names_the_nearest():
    with pytest.raises(UserError, match=r"acuracy.*did you mean 'accuracy'"):
        load_metric("acuracy")
