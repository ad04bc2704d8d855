"""The built wheel works outside the checkout, with everything that it needs inside."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.conftest import ROOT


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built from the checkout."""
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT],
        check=True, capture_output=True,
    )  # fmt: skip
    return next(folder.glob("tune_or_prompt-*.whl"))


def test_scenarios_template_catalog_and_licence_are_inside(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    for wanted in ("scenarios/sentiment.toml", "scenarios/data_quality.toml", "bench/checks/instructions.toml", "bench/checks/general_prompts.toml", "scenarios/niche_domain.toml",
                   "reports/templates/page.html", "reports/glossary.toml", "advisor/catalog/head_to_head.csv", "advisor/catalog/gpu_prices.toml",
                   "advisor/catalog/tuning_prices.toml",
                   "bench/contenders/lora.py"):  # fmt: skip
        assert wanted in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert not any(name.startswith("tests/") for name in names)


@pytest.fixture(scope="module")
def plain(wheel, tmp_path_factory):
    """A virtual environment with only the wheel, without the extras."""
    folder = tmp_path_factory.mktemp("plain")
    subprocess.run([sys.executable, "-m", "venv", folder / "v"], check=True)
    scripts = folder / "v" / ("Scripts" if os.name == "nt" else "bin")
    subprocess.run(
        [scripts / "python", "-m", "pip", "install", "-q", "--disable-pip-version-check",
         "-c", ROOT / "constraints.txt", wheel],
        check=True, cwd=folder,
    )  # fmt: skip
    return scripts


def run(command, *arguments, cwd, **environment):
    return subprocess.run(
        [command, *map(str, arguments)], cwd=cwd, capture_output=True, text=True,
        env={**os.environ, **environment},
    )  # fmt: skip


def test_the_advisor_needs_no_torch_and_prices(plain, tmp_path):
    found = run(plain / "python", "-m", "pip", "list", cwd=tmp_path).stdout
    assert "torch" not in found
    assert "transformers" not in found
    priced = run(plain / "advisor", "cost", "--scenario", "niche-domain", cwd=tmp_path)
    assert priced.returncode == 0, priced.stderr
    assert "Break-even" in priced.stdout
    done = run(plain / "advisor", "recommend", "--scenario", "niche-domain", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Fine-tune with LoRA" in done.stdout
    again = run(plain / "python", "-m", "advisor", "scenarios", cwd=tmp_path)
    assert "niche-domain" in again.stdout


def test_the_bench_without_its_extra_says_in_a_line_how_to_get_it(plain, tmp_path):
    done = run(plain / "bench", "run", "sentiment", "--quick", cwd=tmp_path)
    assert done.returncode == 2
    (line,) = done.stderr.strip().splitlines()
    assert "(torch, transformers, peft, datasets, sklearn, altair)" in line
    assert "`pip install 'tune-or-prompt[bench]'`" in line


def test_both_commands_run_from_the_wheel_outside_the_checkout(
    wheel, tmp_path, small_scenario, tiny_model
):
    place = tmp_path / "site"
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-deps",
         "--target", place, wheel],
        check=True,
    )  # fmt: skip
    environment = {"PYTHONPATH": str(place), "TUNE_OR_PROMPT_CACHE": str(tmp_path / "cache")}
    where = run(
        sys.executable, "-c", "import bench; print(bench.__file__)", cwd=tmp_path, **environment
    )
    assert Path(where.stdout.strip()).is_relative_to(place)
    scripts = place / "bin"
    advice = run(sys.executable, scripts / "advisor", "scenarios", cwd=tmp_path, **environment)
    assert "data-privacy" in advice.stdout
    done = run(
        sys.executable, scripts / "bench", "run", small_scenario, "--quick", "--only", "zero-shot",
        "--model", tiny_model, "--out", "out", cwd=tmp_path, **environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "report.html").exists()
