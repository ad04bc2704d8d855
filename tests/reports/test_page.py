"""The report stands alone: offline, escaped, readable in a real browser."""

import json
import re
import shutil
from pathlib import Path

import pytest

from reports.blocks import Facts, Figure, Paragraph, Table, Verdict
from reports.charts import Point, quality_against_latency
from reports.page import page, write_report
from scenarios.errors import UserError
from tests.reports import records

EVIL = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"


@pytest.fixture
def record():
    return records.finished()


def test_the_page_loads_nothing_and_runs_nothing(record):
    html = page(record)
    assert "<script" not in html
    assert not re.findall(r"""(?:src|href)\s*=\s*["']?(?:https?:)?//""", html)
    assert "default-src 'none'" in html


def test_verdict_scope_contenders_chart_and_machine_are_there(record):
    html = page(record)
    for part in ("Can&#39;t tell yet", "This speaks of", "few-shot", "<svg", "What ran on what",
                 "torch 2.", "few-shot: 60.0 %"):  # fmt: skip
        assert part in html


def test_a_contender_without_figures_is_shown_with_its_reason(record):
    record["contenders"][-1] = {
        "name": "lora", "family": "fine_tune", "status": "failed", "reason": "the loss became nan",
    }  # fmt: skip
    assert "lora failed: the loss became nan" in page(record)


def test_text_from_models_and_rows_is_escaped_everywhere(record):
    text = json.dumps(record)
    for word in ("few-shot", "Small", "an odd reason", "my rows", "tiny"):
        text = text.replace(f'"{word}"', json.dumps(EVIL))
    evil = json.loads(text)
    evil["plan"]["scenario"]["title"] = EVIL
    html = page(evil)
    assert "<script" not in html
    assert "<img" not in html


def test_every_section_returns_blocks_of_data(record):
    from reports.page import _sections

    for _, blocks in _sections(record):
        assert blocks
        assert all(isinstance(b, Paragraph | Verdict | Table | Facts | Figure) for b in blocks)


def test_the_chart_says_in_words_what_it_shows(record):
    html = page(record)
    assert 'aria-label="Quality against latency. majority: 50.0 % at' in html


def test_names_in_the_chart_are_escaped():
    svg = quality_against_latency([Point(EVIL, "prompt", 5.0, 0.5, 0.4, 0.6)], "accuracy")
    assert "<script" not in svg
    assert "<img" not in svg


def browser(tmp_path):
    """A headless Chromium; Selenium finds or fetches one where the system has none."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    for flag in ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
                 "--disable-background-networking", f"--user-data-dir={tmp_path / 'profile'}"):  # fmt: skip
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = webdriver.ChromeService(shutil.which("chromedriver"))
    if found := shutil.which("chromium"):
        options.binary_location = found
    return webdriver.Chrome(options=options, service=service)


def test_a_browser_shows_it_whole_offline_and_runs_no_text(tmp_path, record):
    record["plan"]["scenario"]["title"] = EVIL
    (tmp_path / "record.json").write_text(json.dumps(record))
    report = write_report(tmp_path)
    driver = browser(tmp_path)
    try:
        driver.set_window_size(1200, 900)
        driver.get(Path(report).as_uri())
        assert driver.title == f"{EVIL}: prompt or fine-tune"
        assert driver.execute_script("return performance.getEntriesByType('resource').length") == 0
        chart = driver.find_element("css selector", "figure svg")
        assert chart.size["width"] > 300
        headings = [h.text for h in driver.find_elements("css selector", "h2")]
        assert headings[0] == "Verdict"
        assert "Contenders" in headings
        assert not [e for e in driver.get_log("browser") if e["level"] == "SEVERE"]
        driver.set_window_size(400, 900)
        wide = driver.execute_script(
            "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        assert wide <= 0
    finally:
        driver.quit()


def test_a_cards_memory_energy_and_state_are_shown_by_stage(record):
    state = {
        "sm_clock_mhz": 1755.0, "lowest_sm_clock_mhz": 1410, "highest_possible_sm_clock_mhz": 1980,
        "highest_celsius": 71, "slowed_by": ["power limit"], "other_processes": 2,
        "other_processes_bytes": 2**30,
    }  # fmt: skip
    for stage in ("loading", "setup", "serving"):
        record["trials"][-1]["outcome"][stage] |= {
            "peak_gpu_bytes": 2**30, "peak_gpu_reserved_bytes": 2**31, "process_gpu_bytes": 3 * 2**30,
            "joules": 1234.0, "gpu_state": state,
        }  # fmt: skip
    record["trials"][-1]["outcome"]["device"]["not_deterministic"] = ["put_"]
    html = page(record)
    for part in ("1,024.0 MiB", "2,048.0 MiB", "3,072.0 MiB", "1,234 J", "power limit",
                 "1,755 MHz (lowest 1,410 of 1,980)", "no repeatable form on this device: put_"):  # fmt: skip
        assert part in html


def test_without_a_card_no_table_speaks_of_one(record):
    html = page(record)
    assert "whole card" not in html
    assert "load the model" in html


def test_a_forecast_stands_beside_what_was_measured_with_its_error(record):
    """5 s forecast, 4 s measured: 25 % too many; 400 of 500 MB: 20 % too few. LoRA has none."""
    forecasts = {f["contender"]: f for f in record["forecasts"]}
    assert forecasts["few-shot"]["seconds_error"] == pytest.approx(0.25)
    assert forecasts["few-shot"]["peak_resident_bytes_error"] == pytest.approx(-0.2)
    assert forecasts["few-shot"]["seconds_held"] is True
    assert forecasts["lora"]["seconds_error"] is None
    html = page(record)
    assert "+25 %" in html
    assert "-20 %" in html


def test_the_search_the_checks_and_the_ways_of_serving_are_shown(record):
    html = page(record)
    for part in ("few-shot: candidates", "lora: candidates", "learning rate", "0.0002",
                 "Checks of the run itself", "adapter off", "holds", "Ways of serving",
                 "attached", "21 ms", "4-bit", "Declared before the run: a margin of 3 points",
                 "could have shown on these rows", "Look 1 of 1 declared"):  # fmt: skip
        assert part in html, part


def test_a_check_that_failed_is_shown_as_failed(record):
    record["canaries"][0] |= {"passed": False, "sentence": "2 groups stand in two parts"}
    html = page(record)
    assert "FAILED" in html
    assert "2 groups stand in two parts" in html


def test_with_five_seeds_the_report_says_where_the_variance_comes_from():
    html = page(records.finished(seeds=(0, 1, 2, 3, 4)))
    assert "Where the variance of that difference comes from: the test rows" in html
    assert "not for the methods" not in html


def test_control_characters_of_data_do_not_reach_the_page(record):
    record["plan"]["scenario"]["title"] = "a\x1b[31mb\x07"
    html = page(record)
    assert "\x1b" not in html
    assert "\x07" not in html


@pytest.mark.parametrize(("key", "value"), [("plan", 5), ("contenders", None), ("verdict", "x")])
def test_a_record_with_a_field_of_another_kind_is_told(tmp_path, record, key, value):
    (tmp_path / "record.json").write_text(json.dumps(record | {key: value}))
    with pytest.raises(UserError, match="is damaged"):
        write_report(tmp_path)


def test_a_run_that_was_interrupted_says_so(record):
    assert "was interrupted" not in page(record)
    del record["trials"][-1]["outcome"]["wall_seconds"]
    assert "The run was interrupted, and lora went on after it" in page(record)
