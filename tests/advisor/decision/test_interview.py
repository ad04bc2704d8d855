"""The interview asks what could still change the outcome, most informative first, and loses nothing."""

import signal
import subprocess
import sys
import tomllib

import pytest

import scenarios
from advisor.decision.decide import MONEY, decide
from advisor.decision.flips import nearest_first
from advisor.decision.interview import interview, next_question, question, to_toml
from advisor.decision.recommend import recommend
from scenarios.schema import Profile
from tests.conftest import run_command


def talk(answers, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "advisor", "interview", *map(str, arguments)],
        input=answers, capture_output=True, text=True,
    )  # fmt: skip


def test_a_decided_profile_is_asked_only_what_could_change_the_choice():
    profile = scenarios.load("niche-domain").profile
    choice = decide(profile).choice
    asked = set()
    while (found := next_question(profile, asked)) is not None:
        others = [decide(profile.model_copy(update={found.fact: value})).choice
                  for value in nearest_first(found.fact, None)]  # fmt: skip
        assert set(others) - {choice}, found.fact
        asked.add(found.fact)
    assert asked
    for fact in set(Profile.model_fields) - asked - set(MONEY):
        if getattr(profile, fact) is None:
            for value in nearest_first(fact, None):
                assert decide(profile.model_copy(update={fact: value})).choice == choice


def test_the_first_question_is_the_one_whose_answers_make_the_largest_difference():
    first = next_question(Profile()).fact
    assert first in ("task_type", "labelled_examples", "labels_may_train", "base_licence_fits")


def test_every_question_names_what_may_be_answered():
    for fact in Profile.model_fields:
        found = question(fact)
        assert found.asks.endswith("?")
        assert found.answers


def test_an_interview_ends_by_itself_whatever_is_answered():
    for pick in (0, -1):
        seen = []

        def ask(found, wrong, pick=pick, seen=seen):
            assert wrong is None
            seen.append(found.fact)
            return str(nearest_first(found.fact, None)[pick])

        profile, finished = interview(Profile(), ask, lambda profile: None)
        assert finished
        assert len(seen) == len(set(seen)) <= len(Profile.model_fields)
        assert next_question(profile, seen) is None


def test_a_wrong_answer_is_explained_and_asked_again(tmp_path):
    out = tmp_path / "p.toml"
    done = talk("nonsense\nstop\n", "--out", out)
    assert done.returncode == 0
    assert "not 'nonsense'" in done.stderr
    assert not out.exists()  # nothing was answered


def test_the_profile_that_it_writes_is_read_back_and_advised_on(tmp_path):
    out = tmp_path / "mine.toml"
    known = tmp_path / "known.toml"
    known.write_text('task_type = "style"\nstyle_consistency = "essential"\n')
    first = next_question(Profile(task_type="style", style_consistency="essential")).fact
    answer = str(nearest_first(first, None)[-1]).lower()
    done = talk(f"{answer}\nstop\n", "--profile", known, "--out", out)
    assert done.returncode == 0
    kept = tomllib.loads(out.read_text())["profile"]
    assert set(kept) == {"task_type", "style_consistency", first}
    again = run_command("advisor", "recommend", "--profile", out)
    assert again.stdout.splitlines()[2] in done.stdout


def test_each_answer_is_kept_as_it_is_given(tmp_path):
    out = tmp_path / "mine.toml"
    process = subprocess.Popen(
        [sys.executable, "-m", "advisor", "interview", "--out", out],
        stdin=subprocess.PIPE, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
    )  # fmt: skip
    first = next_question(Profile()).fact
    process.stdin.write(f"{str(nearest_first(first, None)[0]).lower()}\n")
    process.stdin.flush()
    seen = ""
    while seen.count("?") < 2:  # the second question is on the screen, so the first answer is kept
        seen += process.stderr.read(1)
    process.kill()
    process.wait()
    assert first in tomllib.loads(out.read_text())["profile"]


def test_it_does_not_overwrite_another_file(tmp_path):
    out = tmp_path / "mine.toml"
    out.write_text("task_type = 'style'\n")
    done = talk("", "--out", out)
    assert done.returncode == 2
    assert "exists" in done.stderr
    assert "--profile" in done.stderr
    assert out.read_text() == "task_type = 'style'\n"
    assert talk("stop\n", "--profile", out, "--out", out).returncode == 0


def test_it_takes_nothing_from_a_scenario(tmp_path):
    """Its rows and summary would be lost, since only facts are written."""
    out = tmp_path / "mine.toml"
    text = 'title = "Mine"\nsummary = "Of mine"\n[profile]\ntask_type = "code"\n'
    out.write_text(text)
    done = talk("stop\n", "--profile", out, "--out", out)
    assert (done.returncode, out.read_text()) == (2, text)
    assert "more than facts" in done.stderr
    assert "--out" in done.stderr


def test_an_interruption_says_where_the_answers_are(tmp_path):
    out = tmp_path / "mine.toml"
    process = subprocess.Popen(
        [sys.executable, "-m", "advisor", "interview", "--out", out],
        stdin=subprocess.PIPE, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    while process.stderr.read(1) != "?":
        pass
    process.send_signal(signal.SIGINT)
    _, printed = process.communicate()
    assert process.returncode == 130
    assert "interrupted" in printed
    assert "nothing was answered" in printed


@pytest.mark.parametrize("text", ['quote " here', "back\\slash", "tab\tx", "é\x7f"])
def test_texts_survive_the_way_into_toml_and_back(text):
    found = tomllib.loads(to_toml(text, Profile(hosted_model=text, classes=3, erasure_duty=True)))
    assert found["title"] == text
    assert found["profile"] == {"classes": 3, "hosted_model": text, "erasure_duty": True}


def test_what_was_answered_gives_the_same_advice_as_the_facts_themselves():
    scenario = scenarios.load("critical-latency")
    facts = dict(scenario.profile)

    def ask(found, wrong):
        value = facts[found.fact]
        return (
            "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
        )

    profile, _ = interview(Profile(), ask, lambda profile: None)
    answered = scenario.model_copy(update={"profile": profile})
    assert recommend(answered).family == recommend(scenario).family
