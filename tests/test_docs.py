"""What the documents say is checked: their commands parse, their links lead, their figures are kept."""

import re
import shlex
import subprocess
import sys

import pytest

from docs import figures, tables
from docs.records import record
from tests.conftest import ROOT

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


def flat(text):
    """A document's text without line breaks and marks of quotations."""
    return " ".join(text.replace("\n> ", "\n").split())


@pytest.mark.parametrize(
    ("document", "name"), [("README.md", figures.QUICK), ("docs/race.md", figures.RACE)]
)
def test_a_documents_verdict_is_that_of_the_kept_record(document, name):
    text = flat((ROOT / document).read_text(encoding="utf-8"))
    verdict = worded(record(name))
    assert verdict["overall"]["sentence"] in text
    assert verdict["scope"] in text


@pytest.mark.parametrize("document", tables.DOCUMENTS)
def test_the_tables_of_a_document_are_those_of_the_kept_records(document):
    text = (ROOT / document).read_text(encoding="utf-8")
    for name, make in tables.HELD:
        if name == document:
            lines = "\n".join(make())
            assert f"\n{lines}\n" in text, f"run `python -m docs.tables` for {make.__name__}"


def test_every_table_is_made_from_a_record_or_declared_to_quote_none():
    """A table that is in neither list could rot, and an entry without a table checks nothing."""
    found = [
        table
        for document in tables.DOCUMENTS
        for table in tables.tables_of(document, (ROOT / document).read_text(encoding="utf-8"))
    ]
    known = [(document, make()[0]) for document, make in tables.HELD] + list(tables.NOT_MEASURED)
    undeclared = [
        f"{table.document}, under '{table.heading}': {table.header}"
        for table in found
        if (table.document, table.header) not in known
    ]
    assert undeclared == []
    assert sorted((table.document, table.header) for table in found) == sorted(known)


@pytest.mark.parametrize("document", figures.FIGURES)
def test_the_figures_in_a_documents_sentences_are_those_of_the_kept_records(document):
    text = flat((ROOT / document).read_text(encoding="utf-8"))
    missing = [each for each in figures.FIGURES[document]() if flat(each) not in text]
    assert missing == []


def test_a_table_in_a_fenced_block_is_none_and_headings_are_kept():
    text = "# A\n```\n# no\n| no |\n```\n## B `c`\n\n| x | y |\n|---|---|\n| 1 | 2 |\nend\n| z |\n"
    first, second = tables.tables_of("d.md", text)
    assert (first.heading, first.header, len(first.lines)) == ("B `c`", "| x | y |", 3)
    assert second.lines == ("| z |",)


def test_a_table_that_differs_from_its_record_is_written_anew():
    text = (ROOT / "docs" / "race.md").read_text(encoding="utf-8")
    assert "| lora | 0.800 (" in text
    wrong = text.replace("| lora | 0.800 (", "| lora | 0.801 (")
    assert tables.document_with("docs/race.md", wrong) == text


def test_a_conclusion_that_its_record_does_not_allow_is_in_no_document():
    assert figures.if_so(True, "It does.") == "It does."
    assert figures.if_so(False, "It does.") not in "It does."


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
    """Except for its dates."""
    kept = (ROOT / "docs" / "decision-record.md").read_text(encoding="utf-8").rstrip("\n")
    found = printed("recommend", "--scenario", "sentiment", "--format", "adr",
                    "--evidence", f"docs/measurements/{figures.QUICK}.json")  # fmt: skip

    def undated(text):
        return re.sub(r"\d{4}-\d\d-\d\d", "DATE", text)

    assert undated(found) == undated(kept)


def test_the_kept_costs_of_the_scenarios_are_those_of_the_product_on_that_day():
    """The kept record, and what `advisor cost` says at that day's prices."""
    from advisor.money import prices
    from benchmarks.scenario_costs import costs

    kept = record("2026-11-24-scenario-costs")
    if prices.package_version() != kept["genai_prices"]:
        pytest.skip("another version of the price package has other prices")
    again = costs()
    for name, entry in kept["scenarios"].items():
        for option, money in entry["options"].items():
            for key, span in money.items():
                found = again["scenarios"][name]["options"][option][key]
                assert found == pytest.approx(span, rel=1e-3), (name, option, key)


def test_the_tree_of_modules_in_the_architecture_is_that_of_the_code():
    from docs import tree

    assert tree.document_with(tree.tree()) == tree.DOCUMENT.read_text(encoding="utf-8")


def test_every_module_says_in_a_first_line_what_it_knows():
    from docs import tree

    bare = [line for line in tree.tree().splitlines() if not re.search(r"`: .*\.$", line)]
    assert bare == []
