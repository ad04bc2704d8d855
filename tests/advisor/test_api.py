"""`import advisor`: each function is its command, shows itself in a notebook, and fails by name."""

import inspect
import json
import re
import subprocess
import sys
from fractions import Fraction
from html.parser import HTMLParser
from importlib import resources
from types import SimpleNamespace

import click
import numpy as np
import pytest
from click.testing import CliRunner

import advisor
import scenarios
from advisor.cli import cli
from scenarios.errors import UserError
from tests.conftest import ROOT

RECORD = ROOT / "docs" / "measurements" / "2026-11-24-quick-cpu.json"
OWN_PRICES = (
    '[[gpu]]\ngpu = "A100"\nusd_per_gpu_hour = 1\nsource = "x"\nas_of = 2025-01-01\n'
    '[[hosted]]\nmodel = "ours"\ninput_usd_per_mtok = 2\noutput_usd_per_mtok = 8\nsource = "x"\n'
    "as_of = 2025-01-01\n"
)


def printed(*arguments):
    """What the command prints on stdout, run in this process."""
    done = CliRunner().invoke(cli, [str(each) for each in arguments], catch_exceptions=False)
    assert done.exit_code == 0
    return done.stdout


def command(*arguments):
    """What the command prints with `--json`."""
    return json.loads(printed(*arguments, "--json"))


def same(found, *arguments):
    """Whether a result is what the command prints, key by key and in the same order."""
    assert json.dumps(found.to_json(), ensure_ascii=False, indent=2) + "\n" == printed(
        *arguments, "--json"
    )


@pytest.fixture(autouse=True)
def nothing_is_printed(capfd):
    """By any test of this file: what the functions find is returned, never printed."""
    yield
    assert capfd.readouterr() == ("", "")


# --- import ---------------------------------------------------------------------------------------


def test_the_public_names_are_these():
    assert advisor.__all__ == ["UserError", "backtest", "cost", "recommend", "size"]
    assert dir(advisor) == sorted(advisor.__all__)
    assert advisor.UserError is UserError
    for name in advisor.__all__:
        if name != "UserError":
            assert f"`{name}(" in advisor.__doc__
            assert getattr(advisor, name).__name__ == name
    with pytest.raises(AttributeError, match="'recomend'"):
        _ = advisor.recomend


def imported(code):
    """The modules of a fresh process after this code."""
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\n{code}\nprint(*sys.modules)"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return set(done.stdout.split())


def test_the_import_alone_loads_nothing_but_the_package():
    loaded = imported("import advisor")
    ours = {name for name in loaded if name.split(".")[0] in ("advisor", "scenarios", "bench")}
    assert ours == {"advisor"}
    assert not loaded & {"torch", "numpy", "pydantic", "click", "json", "genai_prices"}


def test_advice_needs_neither_torch_nor_numpy_and_loads_no_other_function():
    loaded = imported("import advisor; advisor.recommend('niche-domain')._repr_html_()")
    assert not loaded & {"torch", "numpy", "advisor.api.cost", "advisor.api.size", "advisor.cli"}


@pytest.mark.parametrize(
    ("found", "shown"),
    [
        (lambda: advisor.recommend("niche-domain", labelled_examples=40),
         "<Advice on 'niche-domain': prompt, high confidence>"),
        (lambda: advisor.size("SmolLM2-135M", methods="lora"),
         "<Sizes of .*SmolLM2-135M': 134,515,008 parameters; methods: lora>"),
        (lambda: advisor.cost("niche-domain"), "<Costs of 'niche-domain': 9 options priced>"),
        (advisor.backtest, "<Backtested: 243 cases from 23 sources, 86% source-balanced agreement>"),
    ],
)  # fmt: skip
def test_the_repr_of_a_result_is_one_short_line(found, shown):
    said = repr(found())
    assert re.fullmatch(shown, said)


# --- the same as the commands ---------------------------------------------------------------------


@pytest.mark.parametrize("name", scenarios.names())
def test_advice_on_a_scenario_is_that_of_the_command(name):
    found = advisor.recommend(name)
    same(found, "recommend", "--scenario", name)
    assert f"{found}\n" == printed("recommend", "--scenario", name)
    assert f"{found.to_markdown()}\n" == printed(
        "recommend", "--scenario", name, "--format", "markdown"
    )
    assert f"{found.to_adr()}\n" == printed("recommend", "--scenario", name, "--format", "adr")


def test_facts_as_keywords_are_those_of_set():
    found = advisor.recommend(
        "niche-domain", labelled_examples=40, data_may_leave=False, vocabulary=None, quality_bar=0.9
    )
    same(found, "recommend", "--scenario", "niche-domain", "--set", "labelled_examples=40",
         "--set", "data_may_leave=false", "--set", "vocabulary=unknown", "--set", "quality_bar=0.9")  # fmt: skip
    assert "vocabulary" in found.unknown


def test_numbers_of_other_libraries_are_numbers():
    ours = advisor.recommend("niche-domain", labelled_examples=40, quality_bar=0.5)
    theirs = advisor.recommend(
        "niche-domain", labelled_examples=np.int64(40), quality_bar=Fraction(1, 2)
    )
    assert theirs.to_json() == ours.to_json()


def test_a_file_may_hold_only_facts_as_for_profile(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text(
        'task_type = "style"\nstyle_consistency = "essential"\nlabelled_examples = 900\n'
    )
    for given in (file, str(file)):
        same(advisor.recommend(given), "recommend", "--profile", file)
    file.write_text('title = "T"\n[profile]\ntask_type = "style"\n')
    for option in ("--profile", "--scenario"):
        same(advisor.recommend(file), "recommend", option, file)


def test_a_scenario_that_was_loaded_is_taken_and_not_changed():
    loaded = scenarios.load("data-privacy")
    found = advisor.recommend(loaded, labelled_examples=3)
    same(found, "recommend", "--scenario", "data-privacy", "--set", "labelled_examples=3")
    assert loaded == scenarios.load("data-privacy")


def test_without_a_scenario_only_the_facts_are_known(tmp_path):
    file = tmp_path / "profile.toml"  # as `advisor interview` writes it
    file.write_text('task_type = "style"\nlabelled_examples = 900\n')
    found = advisor.recommend(task_type="style", labelled_examples=900)
    same(found, "recommend", "--profile", file)
    file.write_text("")
    same(advisor.recommend(), "recommend", "--profile", file)


def test_evidence_may_be_a_file_a_folder_or_what_was_read(tmp_path):
    folder = tmp_path / "sentiment-run"
    folder.mkdir()
    (folder / "record.json").write_text(RECORD.read_text())
    arguments = ("recommend", "--scenario", "sentiment", "--evidence")
    same(advisor.recommend("sentiment", evidence=str(RECORD)), *arguments, RECORD)
    same(advisor.recommend("sentiment", evidence=folder), *arguments, folder)
    run = SimpleNamespace(record=json.loads(RECORD.read_text()))
    read = advisor.recommend("sentiment", evidence=run)
    assert read.evidence.evidence.place == "sentiment of 2026-11-24T21:11:43+00:00"
    assert read.scores == advisor.recommend("sentiment", evidence=folder).scores
    assert (read.choice, read.evidence.strength, read.evidence.weight) == ("lora", "strong", 12.0)


def test_what_bench_read_returns_is_evidence():
    import bench

    found = advisor.recommend("sentiment", evidence=bench.read(RECORD))
    assert (found.choice, found.evidence.strength) == ("lora", "strong")
    costs = advisor.cost("sentiment", evidence=[bench.read(RECORD)])
    assert costs.break_even.tuned == "self-hosted-lora"


def test_of_several_records_the_one_about_the_scenario_counts():
    other = json.loads(RECORD.read_text())
    other["comparisons"][0]["task"] = "tickets"
    found = advisor.recommend("sentiment", evidence=[SimpleNamespace(record=other), RECORD])
    same(found, "recommend", "--scenario", "sentiment", "--evidence", RECORD)
    none = advisor.recommend("sentiment", evidence=(SimpleNamespace(record=other),))
    assert (none.evidence.strength, none.evidence.weight) == ("set-aside", 0.0)
    assert "'tickets'" in none.evidence.because


def test_two_records_about_one_scenario_are_not_chosen_from_by_their_results():
    with pytest.raises(UserError) as raised:
        advisor.recommend("sentiment", evidence=[RECORD, str(RECORD)])
    for part in ("2 of the records", "'sentiment'", str(RECORD), "give the one"):
        assert part in str(raised.value)


SIZES = [
    ({}, ()),
    ({"gpu": "L4", "batch": 64}, ("--gpu", "L4", "--batch", "64")),
    ({"gpu": "nvidia h100 80gb", "methods": "qlora"},
     ("--gpu", "nvidia h100 80gb", "--method", "qlora")),
    ({"rank": np.int64(8), "targets": "all-linear", "seq_len": 1024, "accumulation": 2,
      "optimizer": "adamw_8bit", "gradient_checkpointing": False, "dtype": "fp16",
      "adapter_dtype": "bf16", "autocast": False, "attention": "eager", "padded": True,
      "loss": "fused-ce", "fused_kernels": True, "dropout": 0, "train_embeddings": True,
      "kbit_upcast": False, "methods": "lora"},
     ("--rank", 8, "--targets", "all-linear", "--seq-len", 1024, "--accumulation", 2,
      "--optimizer", "adamw_8bit", "--no-gradient-checkpointing", "--dtype", "fp16",
      "--adapter-dtype", "bf16", "--no-autocast", "--attention", "eager", "--padded",
      "--loss", "fused-ce", "--fused-kernels", "--dropout", 0, "--train-embeddings",
      "--no-kbit-upcast", "--method", "lora")),
    ({"master_weights": True}, ("--master-weights",)),
]  # fmt: skip


@pytest.mark.parametrize(("keywords", "options"), SIZES)
def test_sizes_are_those_of_the_command(keywords, options):
    found = advisor.size("gpt2", **keywords)
    same(found, "size", "gpt2", *options)
    assert f"{found}\n" == printed("size", "gpt2", *options)
    settings = found.to_json()["settings"]
    long = {"fp16": "float16", "bf16": "bfloat16"}
    for name, value in keywords.items():
        if name not in ("gpu", "methods"):
            name = name.removeprefix("gradient_")
            assert settings[name] == (long.get(value, value) if "dtype" in name else value)


def test_each_option_of_size_is_a_keyword_with_the_same_default():
    keywords = {
        name: each.default
        for name, each in inspect.signature(advisor.size).parameters.items()
        if each.kind is each.KEYWORD_ONLY
    }
    size = cli.commands["size"]
    values = size.make_context("size", ["gpt2"]).params
    options = {
        each.opts[0].removeprefix("--").replace("-", "_"): values[each.name]
        for each in size.params
        if isinstance(each, click.Option)
    }
    for name in ("table", "list", "json"):  # other answers, and how they are printed
        del options[name]
    assert options | {"methods": options.pop("method")} == keywords


def test_several_methods_are_sized_in_the_order_given():
    found = advisor.size("gpt2", methods=["qlora", "lora", "qlora"])
    assert list(found.methods) == ["qlora", "lora"]
    every = advisor.size("gpt2")
    assert found.methods["lora"] == every.methods["lora"]
    with pytest.raises(UserError, match=r"--master-weights applies only to full tuning"):
        advisor.size("gpt2", methods=("lora", "qlora"), master_weights=True)


def test_a_model_may_be_a_path(tmp_path):
    config = tmp_path / "config.json"
    config.write_text('{"model_type": "gpt2", "n_embd": 64, "n_head": 8, "n_layer": 2, "vocab_size": 9,'
                      ' "n_positions": 512}')  # fmt: skip
    same(advisor.size(config), "size", config)


COSTS = [
    ("niche-domain", {}, ()),
    ("niche-domain", {"requests_per_month": 10**6, "hosted_model": "gpt-6-luna", "seed": 7},
     ("--set", "requests_per_month=1000000", "--set", "hosted_model=gpt-6-luna", "--seed", "7")),
    ("sentiment", {"evidence": RECORD}, ("--evidence", RECORD)),
]  # fmt: skip


@pytest.mark.parametrize(("name", "keywords", "options"), COSTS)
def test_costs_are_those_of_the_command(name, keywords, options):
    found = advisor.cost(name, **keywords)
    assert found.seed == keywords.get("seed", 1)
    same(found, "cost", "--scenario", name, *options)
    assert f"{found}\n" == printed("cost", "--scenario", name, *options)


def test_your_own_prices_and_their_warnings_are_in_the_report(tmp_path):
    file = tmp_path / "prices.toml"
    file.write_text(OWN_PRICES)
    found = advisor.cost("niche-domain", prices=file, hosted_model="ours")
    options = ("--scenario", "niche-domain", "--prices", file, "--set", "hosted_model=ours")
    same(found, "cost", *options)
    assert any("2025-01-01" in warning for warning in found.warnings)
    assert "warning: " in found.to_markdown()


def test_a_run_that_was_read_prices_what_it_measured():
    read = SimpleNamespace(record=json.loads(RECORD.read_text()))
    assert (
        advisor.cost("sentiment", evidence=read).to_json()
        == advisor.cost("sentiment", evidence=RECORD).to_json()
    )


def test_the_backtest_is_that_of_the_command(tmp_path):
    found = advisor.backtest()
    same(found, "backtest")
    assert f"{found}\n" == printed("backtest")
    file = tmp_path / "cases.csv"
    text = (resources.files("advisor") / "catalog" / "head_to_head.csv").read_text("utf-8")
    file.write_text("".join(text.splitlines(keepends=True)[:40]))
    for given in (file, str(file)):
        same(advisor.backtest(given), "backtest", file)


# --- attributes -----------------------------------------------------------------------------------


def test_each_key_of_a_result_is_an_attribute_too():
    for found in (advisor.recommend("niche-domain"), advisor.backtest()):
        for key in found.to_json().keys() - {"schema_version", "caveats"}:
            assert hasattr(found, key), key


def test_forty_labels_are_too_few_to_tune_on():
    found = advisor.recommend("niche-domain", labelled_examples=40)
    assert (found.choice, found.family, found.confidence) == ("prompt", "prompt", "high")
    few = [v.weight for v in found.votes if v.option == "lora" and "40 labelled" in v.because]
    assert few == [-6]
    assert sum(v.weight for v in found.votes if v.option == "prompt") == found.scores["prompt"]
    assert found.lead == pytest.approx(found.scores["prompt"] - found.scores["lora"])
    flip = next(f for f in found.flips_when if f.factor == "labelled_examples")
    assert advisor.recommend("niche-domain", labelled_examples=flip.to).choice == flip.choice


def test_a_lead_with_nothing_to_lead_is_none():
    found = advisor.recommend("niche-domain", labels_may_train=False)
    assert (found.lead, found.choice) == (None, "prompt")
    assert {"lora", "qlora", "full"} <= found.ruled_out.keys()


def test_llama_has_8_030_261_248_parameters_of_which_lora_adds_13_631_488():
    found = advisor.size("Llama-3.1-8B", gpu="A100-80GB")
    assert (found.model, found.total_parameters) == ("meta-llama/Llama-3.1-8B", 8_030_261_248)
    lora = found.methods["lora"]
    assert (lora.forecast.trainable_parameters, lora.fits) == (13_631_488, "yes")
    assert found.gpu.name == "A100-80GB"


def test_a_horizon_is_the_sum_of_its_parts():
    found = advisor.cost("critical-latency")
    option = found.options["self-hosted-lora"]
    assert sum(option.breakdown.values()) == pytest.approx(option.horizon_usd.value)
    volume = found.break_even.volume
    assert volume.low < volume.value < volume.high
    assert (
        found.left_out.keys()
        == command("cost", "--scenario", "critical-latency")["left_out"].keys()
    )


# --- in a notebook --------------------------------------------------------------------------------


class Balanced(HTMLParser):
    """Reads HTML; fails on an element that isn't closed, or isn't one that we write."""

    def __init__(self, text):
        super().__init__()
        self.open, self.seen, self.words, self.attributes = [], set(), [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.open.append(tag)
        self.seen.add(tag)
        self.attributes += attributes

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)

    def handle_comment(self, data):
        raise AssertionError(data)

    handle_decl = handle_pi = unknown_decl = handle_comment


OURS = {"div", "h1", "h2", "p", "ul", "ol", "li", "table", "thead", "tbody", "tr", "th", "td",
        "strong", "code"}  # fmt: skip


def results():
    return [
        advisor.recommend("sentiment", evidence=RECORD),
        advisor.recommend(),
        advisor.size("Llama-3.1-8B", gpu="L4", seq_len=2048),
        advisor.size("gpt2", dtype="float32"),
        advisor.cost("critical-latency"),
        advisor.cost("niche-domain", data_may_leave=False),
        advisor.backtest(),
    ]


def test_each_result_is_html_that_is_balanced_and_says_what_the_markdown_says():
    for found in results():
        read = Balanced(found._repr_html_())
        assert {"h1", "table", "td"} <= read.seen <= OURS
        assert read.attributes == [("class", "tex2jax_ignore mathjax_ignore")]
        shown = "".join("".join(read.words).split())
        assert found._repr_markdown_() == found.to_markdown()
        for line in found.to_markdown().replace("\\", "").splitlines():
            for words in line.strip("#-|1234567890. ").replace("*", "").replace("`", "").split("|"):
                assert "".join(words.split()) in shown, words


def test_what_a_notebook_shows_has_every_figure_of_the_command_s_text():
    """A number of the terminal that the notebook lacks would be one that contradicts or hides."""
    for found in results():
        shown = "".join(Balanced(found._repr_html_()).words)
        for figure in re.findall(r"\d[\d,.]*\d|\d", str(found)):
            assert figure in shown, (figure, type(found))


def test_a_title_that_is_a_script_is_shown_as_text(tmp_path):
    title = "<script>alert(1)</script> & `<b>` | **x** \" ' \\"
    file = tmp_path / "a`<i>b.toml"
    file.write_text(f"title = {json.dumps(title)}\n[profile]\nrequests_per_month = 1000\n")
    for found in (advisor.recommend(file), advisor.cost(file)):
        read = Balanced(found._repr_html_())
        assert title in "".join(read.words)
        assert read.seen <= OURS
        assert "<script" not in found.to_markdown().replace("\\<", "")


def test_a_name_of_a_file_cannot_end_the_code_that_it_is_shown_in(small_scenario):
    file = small_scenario.rename(small_scenario.with_name("a`<img src=x>.toml"))
    read = Balanced(advisor.recommend(file)._repr_html_())
    assert "bench run ./a`<img src=x>.toml" in "".join(read.words)
    assert read.seen <= OURS


# --- errors ---------------------------------------------------------------------------------------


class Odd:
    """An object that is nothing we take."""

    def __repr__(self):
        return "an odd one"


ERRORS = [
    (lambda: advisor.recommend("niche-domian"), ("'niche-domian'", "did you mean 'niche-domain'?")),
    (lambda: advisor.recommend("./no.toml"), ("no file 'no.toml'",)),
    (lambda: advisor.recommend("a\0.toml"), ("can't read 'a\0.toml'", "give a TOML file")),
    (lambda: advisor.recommend(Odd()), ("scenario is an odd one", "give the name", "TOML file")),
    (lambda: advisor.recommend("niche-domain", labeled_examples=40),
     ("recommend", "'labeled_examples'", "did you mean 'labelled_examples'?")),
    (lambda: advisor.recommend("niche-domain", evidnce=RECORD), ("did you mean 'evidence'?",)),
    (lambda: advisor.recommend("niche-domain", seed=1), ("recommend", "'seed'")),
    (lambda: advisor.recommend("niche-domain", labelled_examples="many"),
     ("labelled_examples", "valid integer", "'many'")),
    (lambda: advisor.recommend("niche-domain", labelled_examples=2.5), ("labelled_examples", "2.5")),
    (lambda: advisor.recommend("niche-domain", labelled_examples=-1),
     ("labelled_examples", "greater than or equal to 0", "-1")),
    (lambda: advisor.recommend("niche-domain", labelled_examples=True),
     ("labelled_examples is True", "give a whole number")),
    (lambda: advisor.recommend("niche-domain", quality_bar=[1]), ("quality_bar is [1]", "give a number")),
    (lambda: advisor.recommend("niche-domain", quality_bar=float("nan")), ("quality_bar", "nan")),
    (lambda: advisor.recommend("niche-domain", data_may_leave=Odd()),
     ("data_may_leave is an odd one", "give True or False")),
    (lambda: advisor.recommend("niche-domain", label_quality=3),
     ("label_quality is 3", "fair or good or poor")),
    (lambda: advisor.recommend("niche-domain", classes=[2], vocabulary="odd"),
     ("classes is [2]", "vocabulary", "'specialised'", "'odd'")),
    (lambda: advisor.recommend("sentiment", evidence="nowhere"), ("no record at 'nowhere'",)),
    (lambda: advisor.recommend("sentiment", evidence=Odd()), ("evidence is an odd one", "record.json")),
    (lambda: advisor.recommend("sentiment", evidence={"schema_version": 2}), ("evidence is {", ".record")),
    (lambda: advisor.recommend("sentiment", evidence=SimpleNamespace(record=[])), ("evidence is ",)),
    (lambda: advisor.recommend("sentiment", evidence=SimpleNamespace(record={"scenario": "x"})),
     ("the record x", "no schema_version")),
    (lambda: advisor.recommend("sentiment", evidence=[RECORD, 3]), ("evidence is 3",)),
    (lambda: advisor.recommend("sentiment", evidence=[]), ("evidence is empty", "or None")),
    (lambda: advisor.size("Llama-3.1-8"), ("'Llama-3.1-8'", "did you mean 'meta-llama/Llama-3.1-8B'?")),
    (lambda: advisor.size(None), ("model is None", "config.json")),
    (lambda: advisor.size("gpt2", gpu="A100-800"), ("'A100-800'", "did you mean 'A100-80GB'?")),
    (lambda: advisor.size("gpt2", gpu=["L4"]), ("gpu is ['L4']", "give text")),
    (lambda: advisor.size("gpt2", methods="loar"), ("'loar'", "did you mean 'lora'?")),
    (lambda: advisor.size("gpt2", methods=["lora", "loar"]), ("'loar'", "did you mean 'lora'?")),
    (lambda: advisor.size("gpt2", methods=[]), ("methods is []", "'qlora'")),
    (lambda: advisor.size("gpt2", methods=3), ("methods is 3", "'qlora'")),
    (lambda: advisor.size("gpt2", method="lora"), ("size", "'method'", "did you mean 'methods'?")),
    (lambda: advisor.size("gpt2", checkpointing=True), ("did you mean 'gradient_checkpointing'?",)),
    (lambda: advisor.size("gpt2", rank="16"), ("rank is '16'", "give a whole number")),
    (lambda: advisor.size("gpt2", rank=True), ("rank is True", "give a whole number")),
    (lambda: advisor.size("gpt2", dropout=None), ("dropout is None", "give a number")),
    (lambda: advisor.size("gpt2", gradient_checkpointing=1), ("gradient_checkpointing is 1", "True or False")),
    (lambda: advisor.size("gpt2", fused_kernels="no"), ("fused_kernels is 'no'", "or None")),
    (lambda: advisor.size("gpt2", dtype=["bf16"]), ("dtype is ['bf16']", "give text")),
    (lambda: advisor.size("gpt2", batch=-2), ("batch is -2", "at least 1")),
    (lambda: advisor.size("gpt2", methods="qlora", dtype="fp32"), ("QLoRA", "16 bit", "bfloat16")),
    (lambda: advisor.cost("niche-domain", request_per_month=3),
     ("cost", "'request_per_month'", "did you mean 'requests_per_month'?")),
    (lambda: advisor.cost("niche-domain", prices="nowhere.toml"), ("'nowhere.toml'", "give a TOML file")),
    (lambda: advisor.cost("niche-domain", prices=3), ("prices is 3", "give the path")),
    (lambda: advisor.cost("niche-domain", seed=-1), ("seed is -1", "0 or more")),
    (lambda: advisor.cost("niche-domain", seed="1"), ("seed is '1'", "give a whole number")),
    (lambda: advisor.cost("niche-domain", hosted_model="gpt-6-lune"), ("did you mean 'gpt-6-luna'?",)),
    (lambda: advisor.backtest("no.csv"), ("'no.csv'", "give a CSV file of cases")),
    (lambda: advisor.backtest("a\0b"), ("'a\0b'", "give a CSV file of cases")),
    (lambda: advisor.backtest(3), ("cases is 3", "give the path of a CSV file")),
    (lambda: advisor.backtest(case="x"), ("backtest", "'case'", "did you mean 'cases'?")),
]  # fmt: skip


@pytest.mark.parametrize(("call", "parts"), ERRORS)
def test_what_a_user_can_fix_is_one_line_that_names_the_thing_and_the_way_out(call, parts):
    with pytest.raises(advisor.UserError) as raised:
        call()
    said = str(raised.value)
    assert "\n" not in said
    for part in parts:
        assert part in said
