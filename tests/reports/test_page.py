"""The report is self-contained: offline, escaped, readable in a real browser."""

import json
import re
import shutil
from html import unescape
from pathlib import Path

import pytest

from bench.record.text import labels_text
from reports.blocks import Facts, Figure, Paragraph, Table, Terms, Verdict
from reports.charts import Point, quality_against_latency
from reports.page import page, write_report
from scenarios.errors import UserError
from tests.reports import records

EVIL = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"


def prose(html):
    """The page's text as it is read: without tags, entities resolved."""
    return unescape(re.sub(r"<[^>]+>", "", html))


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
    for part in ("Can&#39;t tell yet", "few-shot", "<svg", "Data, models and machine",
                 "torch 2.", "few-shot: 60.0%"):  # fmt: skip
        assert part in html
    assert record["verdict"]["scope"] in prose(html)


def test_a_contender_without_figures_is_shown_with_its_reason(record):
    record["contenders"][-1] = {
        "name": "lora", "family": "fine_tune", "status": "failed", "reason": "the loss became nan",
    }  # fmt: skip
    assert "lora failed: the loss became nan" in prose(page(record))


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
        assert all(
            isinstance(b, Paragraph | Verdict | Table | Facts | Figure | Terms) for b in blocks
        )


def test_the_chart_is_described_in_words(record):
    html = page(record)
    assert 'aria-label="Quality against latency. majority: 50.0% at' in html


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


def test_a_browser_shows_it_whole_offline_at_360_pixels_and_runs_no_text(tmp_path, record):
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
        driver.find_element("css selector", "a[href='#margin']").click()
        entry = driver.find_element("css selector", "#margin")
        top = driver.execute_script("return arguments[0].getBoundingClientRect().top", entry)
        assert -1 < top < 900
        assert not driver.get_log("browser")
        driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": 360, "height": 900, "deviceScaleFactor": 1, "mobile": False},
        )
        assert driver.execute_script("return innerWidth") == 360
        wide = driver.execute_script(
            "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        assert wide <= 0
    finally:
        driver.quit()


def test_a_gpus_memory_energy_and_state_are_shown_by_stage(record):
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


def test_without_a_gpu_there_is_no_table_for_one(record):
    html = page(record)
    assert "whole card" not in html
    assert "load the model" in html


def test_a_forecast_is_shown_with_the_measurement_and_its_error(record):
    """5 s forecast, 4 s measured: 25% too many; 400 of 500 MB: 20% too few. LoRA has none."""
    forecasts = {f["contender"]: f for f in record["forecasts"]}
    assert forecasts["few-shot"]["seconds_error"] == pytest.approx(0.25)
    assert forecasts["few-shot"]["peak_resident_bytes_error"] == pytest.approx(-0.2)
    assert forecasts["few-shot"]["seconds_held"] is True
    assert forecasts["lora"]["seconds_error"] is None
    html = page(record)
    assert "+25%" in html
    assert "-20%" in html


def test_the_search_the_checks_and_the_ways_of_serving_are_shown(record):
    html = prose(page(record))
    for part in ("few-shot: candidates", "lora: candidates", "learning rate", "0.0002",
                 "Checks of the run itself", "adapter switched off", "passed", "Ways of serving",
                 "attached", "21 ms", "4-bit", "Declared before the run: a margin of 3 points",
                 "Minimum detectable difference", "Interim analysis 1 of 1, alpha = 5%"):  # fmt: skip
        assert part in html, part


def test_a_check_that_failed_is_shown_as_failed(record):
    record["canaries"][0] |= {"passed": False, "sentence": "2 groups are in two splits"}
    html = page(record)
    assert "FAILED" in html
    assert "2 groups are in two splits" in html


def test_with_five_seeds_the_report_says_where_the_variance_comes_from():
    html = page(records.finished(seeds=(0, 1, 2, 3, 4)))
    assert "Sources of the variance of that difference: the test rows" in prose(html)
    assert "not for the methods" not in html


def test_control_characters_of_data_do_not_reach_the_page(record):
    record["plan"]["scenario"]["title"] = "a\x1b[31mb\x07"
    html = page(record)
    assert "\x1b" not in html
    assert "\x07" not in html


@pytest.mark.parametrize(("key", "value"), [("plan", 5), ("contenders", None), ("verdict", "x")])
def test_a_record_with_a_field_of_another_type_is_reported_as_damaged(tmp_path, record, key, value):
    (tmp_path / "record.json").write_text(json.dumps(record | {key: value}))
    with pytest.raises(UserError, match="is damaged"):
        write_report(tmp_path)


def test_a_run_that_was_interrupted_says_so(record):
    assert "was interrupted" not in page(record)
    del record["trials"][-1]["outcome"]["wall_seconds"]
    assert "The run was interrupted, and lora resumed" in prose(page(record))


# the learning curve


@pytest.fixture(scope="module")
def curved():
    return records.curved()


def test_a_curve_shows_crossover_chart_tables_and_how_labels_are_counted(curved):
    html = page(curved)
    crossover, text = curved["curve"]["crossovers"][0], prose(html)
    for part in (crossover["sentence"], labels_text(crossover), "nothing was run there",
                 "examined", "including those for choosing"):  # fmt: skip
        assert part in text
    assert "<h2>Learning curve</h2>" in html
    assert "<svg" in html
    assert 'aria-label="accuracy against labelled rows. ' in html
    assert "lora: 35.0% at 4, 55.0% at 8, 75.0% at 16, 95.0% at 32" in html
    assert "Tuning overtakes in the shaded range, 8 to 16." in html


def test_a_curve_alone_has_a_verdict_on_quality_and_no_empty_section(curved):
    assert curved["verdict"]["quality"]["answer"] == "fine_tune"
    assert curved["verdict"]["latency"]["answer"] == "not_applicable"
    for part in ("32 labelled rows", "60 test rows"):
        assert part in curved["verdict"]["scope"]
    assert "<h2>Contenders</h2>" not in page(curved)


def test_a_run_without_a_curve_or_a_budget_has_no_such_section(record):
    html = page(record)
    assert "<h2>Learning curve</h2>" not in html
    assert "<h2>Budget</h2>" not in html


def test_three_seeds_give_points_and_say_why_there_is_no_band():
    found = records.curved(seeds=3)
    lora = next(arm for arm in found["curve"]["arms"] if arm["name"] == "lora")
    assert {point["low"] for point in lora["points"]} == {None}
    assert lora["fit"] is not None
    assert "With 3 seeds it is unknown how much the draw" in prose(page(found))


def test_three_sizes_say_that_no_curve_is_fitted():
    found = records.curved(sizes=(4, 8, 16))
    lora = next(arm for arm in found["curve"]["arms"] if arm["name"] == "lora")
    assert f"No curve is fitted to lora: {lora['fit_reason']}." in prose(page(found))
    assert "3 sizes" in lora["fit_reason"]


def test_an_arm_that_the_budget_left_out_makes_the_verdict_say_so():
    found = records.curved(left_out="lora")
    assert found["curve"]["crossovers"] == []
    assert found["verdict"]["quality"]["answer"] == "not_applicable"
    assert "lora" in found["verdict"]["quality"]["sentence"]
    assert found["curve"]["no_crossover"] in prose(page(found))
    other = records.curved(left_out="few-shot")
    assert (
        other["verdict"]["quality"]["answer"] == "not_applicable"
    )  # zero-shot isn't the declared arm


def test_a_budget_is_shown_with_what_was_dropped(curved):
    budget = {
        "said": "20m", "seconds": 1200.0, "usd": None, "spent_seconds": 900.0, "planned": ["a", "b"],
        "planned_seconds": 1000.0, "dropped_sizes": [512], "sizes": [32], "stopped": ["b"],
        "dropped": [{"contender": EVIL, "trial": "c", "seconds": 9.0, "reason": EVIL}],
    }  # fmt: skip
    html = page(curved | {"budget": budget})
    assert "<script" not in html
    for part in (
        "budget was 20m",
        "15.0 min of 20.0 min",
        "512",
        "before these trials were done: b",
    ):
        assert part in prose(html)


def test_text_in_a_curve_is_escaped(curved):
    text = json.dumps(curved)
    for word in ("few-shot", "Small", "tiny"):
        text = text.replace(f'"{word}"', json.dumps(EVIL))
    html = page(json.loads(text))
    assert "<script" not in html
    assert "<img" not in html
