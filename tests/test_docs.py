"""What the documents say is checked: their commands parse, their links lead, their figures are kept."""

import json
import re
import shlex
import subprocess
import sys

import pytest

from tests.conftest import ROOT

RECORD = "2026-11-24-quick-cpu.json"
DOCUMENTS = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]


def commands():
    """Every `bench` or `advisor` command line in a fenced block of the documents."""
    found = []
    for document in DOCUMENTS:
        for block in re.findall(r"```\w*\n(.*?)```", document.read_text(encoding="utf-8"), re.S):
            for line in block.splitlines():
                line = re.sub(r"^\$ |^\.venv[\\/](?:bin|Scripts)[\\/]", "", line.strip())
                if line.startswith(("bench ", "advisor ")):
                    found.append((document.name, line))
    return found


@pytest.mark.parametrize(("document", "line"), commands())
def test_a_command_in_the_documents_is_one_that_the_product_takes(document, line):
    from advisor.cli import cli as advisor
    from bench.cli import cli as bench

    name, command_name, *arguments = shlex.split(line, comments=True)
    group = {"bench": bench, "advisor": advisor}[name]
    with group.make_context(name, [command_name]) as context:
        command = group.get_command(context, command_name)
        with command.make_context(command_name, arguments, parent=context):
            pass


def runnable_advice():
    """The documents' `advisor` commands that need neither a file of the reader's nor the reader."""
    lines = {line for _, line in commands() if line.startswith("advisor ")}
    return sorted(line for line in lines if "./" not in line and "interview" not in line)


@pytest.mark.parametrize("line", runnable_advice())
def test_advice_in_the_documents_can_be_had(line):
    _, *arguments = shlex.split(line, comments=True)
    printed(*arguments)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_between_the_documents_lead_somewhere(document):
    for target in re.findall(r"\]\(([^)#\s]+)", document.read_text(encoding="utf-8")):
        if not target.startswith(("http", "mailto:")):
            assert (document.parent / target).exists(), target


def row_of(entry):
    """A contender's line in a table of results."""
    accuracy = entry["accuracy"]
    return (
        f"| {entry['name']} | {accuracy['value']:.3f} ({accuracy['low']:.3f}-"
        f"{accuracy['high']:.3f}) | {entry['p50_latency_ms']:.1f} ms | "
        f"{entry['train_seconds']:.0f} s | {entry['peak_resident_bytes'] / 2**20:,.0f} MiB |"
    )


def worded(record):
    """A kept record's verdict, from its figures and in today's words."""
    from bench.core.plan import Plan
    from bench.record.circumstances import Circumstances
    from bench.record.verdict import make_verdict

    plan = Plan.from_json(record["plan"])
    around = Circumstances(plan.rows.counts["test"], plan.rows.counts["test groups"])
    found = make_verdict(plan, record["contenders"], record["comparisons"], around)
    parts = ("quality", "latency", "cost", "overall")
    answers = [
        [verdict[part]["answer"] for part in parts] for verdict in (found, record["verdict"])
    ]
    assert answers[0] == answers[1]
    return found


def test_the_readmes_table_is_that_of_the_kept_record():
    record = json.loads((ROOT / "docs" / "measurements" / RECORD).read_text())
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for entry in record["contenders"]:
        assert row_of(entry) in readme, entry["name"]
    text = " ".join(readme.replace("\n> ", "\n").split())
    verdict = worded(record)
    assert verdict["overall"]["sentence"] in text
    assert verdict["scope"] in text


def printed(*arguments):
    done = subprocess.run(
        [sys.executable, "-m", "advisor", *arguments], capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.rstrip("\n")


def test_the_backtests_table_is_what_the_command_prints():
    text = (ROOT / "docs" / "advice.md").read_text(encoding="utf-8")
    assert f"```\n$ advisor backtest\n{printed('backtest')}\n```" in text


def test_the_decision_record_in_the_documents_is_what_the_command_prints():
    """But for its dates."""
    kept = (ROOT / "docs" / "decision-record.md").read_text(encoding="utf-8").rstrip("\n")
    found = printed("recommend", "--scenario", "sentiment", "--format", "adr",
                    "--evidence", f"docs/measurements/{RECORD}")  # fmt: skip

    def undated(text):
        return re.sub(r"\d{4}-\d\d-\d\d", "DATE", text)

    assert undated(found) == undated(kept)


def test_the_scenarios_costs_in_the_documents_are_those_of_the_product_on_that_day():
    """The kept record, the document's tables, and what `advisor cost` says at that day's prices."""
    from advisor.money import prices
    from benchmarks.scenario_costs import costs, tables

    kept = json.loads(
        (ROOT / "docs" / "measurements" / "2026-11-24-scenario-costs.json").read_text()
    )
    document = (ROOT / "docs" / "cost.md").read_text(encoding="utf-8")
    for table in "\n".join(tables(kept)).split("\n\n"):
        assert table in document
    if prices.package_version() != kept["genai_prices"]:
        pytest.skip("another version of the price package has other prices")
    again = costs()
    for name, entry in kept["scenarios"].items():
        for option, money in entry["options"].items():
            for key, span in money.items():
                found = again["scenarios"][name]["options"][option][key]
                assert found == pytest.approx(span, rel=1e-3), (name, option, key)


def test_the_races_table_and_verdict_are_those_of_its_record():
    record = json.loads((ROOT / "docs" / "measurements" / "2026-11-24-race-cpu.json").read_text())
    text = (ROOT / "docs" / "race.md").read_text(encoding="utf-8")
    for entry in record["contenders"]:
        assert row_of(entry) in text, entry["name"]
    verdict = worded(record)
    assert f"> {verdict['overall']['sentence']}" in text
    assert f"> {verdict['scope']}" in text


def test_the_tree_of_modules_in_the_architecture_is_that_of_the_code():
    from docs import tree

    assert tree.document_with(tree.tree()) == tree.DOCUMENT.read_text(encoding="utf-8")


def test_every_module_says_in_a_first_line_what_it_knows():
    from docs import tree

    bare = [line for line in tree.tree().splitlines() if not re.search(r"`: .*\.$", line)]
    assert bare == []
