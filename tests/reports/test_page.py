"""The report is self-contained: offline, escaped, readable in a real browser."""

import json
import re
import shutil
from html import unescape
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

import pytest

from bench.record.text import labels_text
from reports.blocks import Facts, Figure, Paragraph, Table, Terms, Verdict
from reports.charts import Point, quality_against_latency
from reports.page import page, write_report
from reports.sections import (
    budget,
    canaries,
    comparisons,
    contenders,
    curve,
    forecasts,
    limits,
    ran_on,
    search,
    serving,
    stages,
    verdict,
)
from scenarios.errors import UserError
from tests.reports import records

EVIL = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"


def sections():
    """All modules of the package of sections."""
    import reports.sections as package

    return [
        import_module(f"reports.sections.{found.name}") for found in iter_modules(package.__path__)
    ]


def paragraphs(section, record):
    """The running texts of one section."""
    return [block.text for block in section.blocks(record) if isinstance(block, Paragraph)]


def tables(section, record):
    """The tables of one section."""
    return [block for block in section.blocks(record) if isinstance(block, Table)]


def facts(section, record):
    """The names and values of one section."""
    return {name: value for block in section.blocks(record) if isinstance(block, Facts)
            for name, value in block.pairs}  # fmt: skip


@pytest.fixture
def record():
    return records.finished()


def test_the_page_loads_nothing_and_runs_nothing(record):
    html = page(record)
    assert "<script" not in html
    assert not re.findall(r"""(?:src|href)\s*=\s*["']?(?:https?:)?//""", html)
    assert "default-src 'none'" in html


def test_the_verdict_has_four_answers_with_their_reasons_and_then_its_scope(record):
    *parts, scope, declared = verdict.blocks(record)
    assert [(part.on, part.answer, part.tone) for part in parts] == [
        ("Overall", "Can't tell yet", "open"), ("Quality", "Can't tell yet", "open"),
        ("Latency", "Not applicable", "none"), ("Cost", "Not applicable", "none"),
    ]  # fmt: skip
    for part in parts:
        of_record = record["verdict"][part.on.lower()]
        assert part.sentence == of_record["sentence"]
        assert of_record["would_settle"] in part.next_step
    assert scope.text == record["verdict"]["scope"]
    assert "a margin of 3 points" in declared.text


def test_contenders_are_shown_with_quality_speed_and_size(record):
    quality, speed, size = tables(contenders, record)
    assert [(row[0], row[1]) for row in quality.rows] == [
        ("majority", "baseline"), ("tf-idf", "baseline"), ("zero-shot", "prompting"),
        ("few-shot", "prompting"), ("lora", "fine-tuning"),
    ]  # fmt: skip
    shown = dict(zip(quality.columns, quality.rows[-1], strict=True))
    assert shown["accuracy"] == "65.0% (51.5 to 76.5)"
    assert shown["accuracy, validation rows"] == "65.0%"
    shown = dict(zip(speed.columns, speed.rows[-1], strict=True))
    assert (shown["p50 latency"], shown["p95 latency"]) == ("12 ms", "28.2 ms")
    assert (shown["throughput"], shown["set-up"]) == ("30.0 rows/s", "2 s")
    assert size.rows[-1] == ("lora", "1,200", "60", "9.5 MiB", "-")


def test_rows_models_and_machine_are_named(record):
    found = facts(ran_on, record)
    assert (found["rows"], found["mode, seed"]) == ("my rows", "quick, 0")
    assert found["model tiny"] == f"llama, SHA-256 {'0' * 64}"
    assert f"torch {record['environment']['versions']['torch']}" in found["versions"]


def test_the_page_shows_each_section_that_has_blocks_in_its_order(record):
    titles = [unescape(title) for title in re.findall(r"<h2>(.*?)</h2>", page(record))]
    modules = sorted(sections(), key=lambda module: module.PLACE)
    assert titles == [module.TITLE for module in modules if module.blocks(record)]
    assert titles[0] == "Verdict"


def test_a_contender_without_figures_is_shown_with_its_reason(record):
    record["contenders"][-1] = {
        "name": "lora", "family": "fine_tune", "status": "failed", "reason": "the loss became nan",
    }  # fmt: skip
    assert paragraphs(contenders, record) == ["lora failed: the loss became nan"]
    assert "lora" not in [row[0] for table in tables(contenders, record) for row in table.rows]


def test_text_from_models_and_rows_is_escaped_everywhere(record):
    text = json.dumps(record)
    for word in ("few-shot", "Small", "an odd reason", "my rows", "tiny"):
        text = text.replace(f'"{word}"', json.dumps(EVIL))
    evil = json.loads(text)
    evil["plan"]["scenario"]["title"] = EVIL
    html = page(evil)
    assert "<script" not in html
    assert "<img" not in html


@pytest.mark.parametrize("section", sections(), ids=lambda section: section.TITLE)
def test_every_section_returns_blocks_of_data(section, record):
    kinds = Paragraph | Verdict | Table | Facts | Figure | Terms
    assert all(isinstance(block, kinds) for block in section.blocks(record))


def test_the_chart_is_described_in_words(record):
    [chart] = [block for block in contenders.blocks(record) if isinstance(block, Figure)]
    assert chart.alternative.startswith("Quality against latency. majority: 50.0% at 12 ms; ")
    assert "lora: 65.0% at 12 ms" in chart.alternative
    html = page(record)
    assert f'aria-label="{chart.alternative}"' in html
    assert html.count("<svg") == 1


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
    _, on_gpu = tables(stages, record)
    assert on_gpu.rows == tuple(
        ("lora", stage, "1,024.0 MiB", "2,048.0 MiB", "3,072.0 MiB", "1,234 J",
         "1,755 MHz (lowest 1,410 of 1,980)", "power limit", "2")
        for stage in ("load the model", "choose and train", "answer the test rows")
    )  # fmt: skip
    [repeatable] = paragraphs(stages, record)
    assert "no repeatable form" in repeatable
    assert "put_" in repeatable


def test_without_a_gpu_there_is_no_table_for_one(record):
    [table] = tables(stages, record)
    assert table.columns == ("contender", "stage", "time", "peak memory")
    assert table.rows[-1] == ("lora", "answer the test rows", "2 s", "476.8 MiB")


def test_a_forecast_is_shown_with_the_measurement_and_its_error(record):
    """5 s forecast, 4 s measured: 25% too many; 400 of 500 MB: 20% too few. LoRA has none."""
    graded = {f["contender"]: f for f in record["forecasts"]}
    assert graded["few-shot"]["seconds_error"] == pytest.approx(0.25)
    assert graded["few-shot"]["peak_resident_bytes_error"] == pytest.approx(-0.2)
    assert graded["few-shot"]["seconds_held"] is True
    assert graded["lora"]["seconds_error"] is None
    [table] = tables(forecasts, record)
    assert table.rows[-1] == (
        "few-shot", "4 s to 6.25 s", "4 s", "+25%", "286.1 MiB to 572.2 MiB", "476.8 MiB", "-20%",
    )  # fmt: skip


def test_what_each_arm_tried_is_shown_with_what_it_reached(record):
    few_shot, lora = tables(search, record)
    assert (few_shot.caption, lora.caption) == ("few-shot: candidates", "lora: candidates")
    shown = dict(zip(few_shot.columns, few_shot.rows[0], strict=True))
    assert (shown["demonstrations"], shown["draw"], shown["validation rows"]) == ("9", "1", "60.0%")
    assert lora.columns == ("learning rate", "rows", "validation rows")
    assert lora.rows == (("0.0002", "128", "65.0%"),)


def test_each_check_is_shown_with_its_trial_and_its_result(record):
    [table] = tables(canaries, record)
    assert [row[:3] for row in table.rows] == [
        ("no shared groups", "all rows", "passed"), ("no near-duplicates", "all rows", "passed"),
        ("adapter switched off", "05-lora-s0", "passed"),
    ]  # fmt: skip


def test_ways_of_serving_are_shown_by_their_median_latency_or_the_reason(record):
    [table] = tables(serving, record)
    assert table.rows == (
        ("lora", "attached", "21 ms", "286.1 MiB", "100.0%", "99"),
        ("lora", "merged", "21 ms", "286.1 MiB", "100.0%", "99"),
        ("lora", "4-bit", "an odd reason", "", "", ""),
    )


def test_the_primary_comparison_comes_first_and_what_it_could_have_shown_is_said(record):
    [table] = tables(comparisons, record)
    assert table.rows[0][:4] == ("lora vs few-shot", "primary", "+5.0", "-0.7 to +10.7")
    _, visible, interim = paragraphs(comparisons, record)
    assert "7.8 points" in visible
    assert "5.0% of the rows" in visible
    assert "1 of 1, alpha = 5%" in interim


def test_a_check_that_failed_is_shown_as_failed(record):
    record["canaries"][0] |= {"passed": False, "sentence": "2 groups are in two splits"}
    [table] = tables(canaries, record)
    assert table.rows[0] == ("no shared groups", "all rows", "FAILED", "2 groups are in two splits")


def test_with_five_seeds_the_report_says_where_the_variance_comes_from():
    found = records.finished(seeds=(0, 1, 2, 3, 4))
    [variance] = [text for text in paragraphs(comparisons, found) if "variance" in text]
    assert "the test rows 100%, training seeds 0%, draws of demonstrations 0%" in variance
    assert not [text for text in paragraphs(comparisons, records.finished()) if "variance" in text]


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
    assert not [text for text in paragraphs(limits, record) if "interrupted" in text]
    del record["trials"][-1]["outcome"]["wall_seconds"]
    [text] = [text for text in paragraphs(limits, record) if "interrupted" in text]
    assert "lora resumed" in text


# the learning curve


@pytest.fixture(scope="module")
def curved():
    return records.curved()


def test_a_curve_shows_crossover_chart_tables_and_how_labels_are_counted(curved):
    crossover, labels, choices, _ = paragraphs(curve, curved)
    found = curved["curve"]["crossovers"][0]
    assert crossover == found["sentence"]
    assert labels.startswith(labels_text(found))
    assert choices == curved["curve"]["choices"]
    places, points, fits = tables(curve, curved)
    assert places.rows == (("lora", "above 8 and up to 16", "100.0%"),)
    shown = dict(zip(points.columns, points.rows[-1], strict=True))
    assert (shown["arm"], shown["labelled rows"], shown["mean"]) == ("lora", "32", "95.0%")
    assert (shown["for choosing"], shown["examined"]) == ("0", "64")
    assert [row[0] for row in fits.rows] == ["tf-idf", "few-shot", "lora"]
    [chart] = [block for block in curve.blocks(curved) if isinstance(block, Figure)]
    assert chart.alternative.startswith("accuracy against labelled rows. ")
    assert "lora: 35.0% at 4, 55.0% at 8, 75.0% at 16, 95.0% at 32" in chart.alternative
    assert "overtakes in the shaded range, 8 to 16" in chart.alternative


def test_a_curve_alone_has_a_verdict_on_quality_and_no_empty_section(curved):
    assert curved["verdict"]["quality"]["answer"] == "fine_tune"
    assert curved["verdict"]["latency"]["answer"] == "not_applicable"
    for part in ("32 labelled rows", "60 test rows"):
        assert part in curved["verdict"]["scope"]
    assert contenders.blocks(curved) == []


def test_a_run_without_a_curve_or_a_budget_has_no_such_section(record):
    assert curve.blocks(record) == budget.blocks(record) == []


def test_three_seeds_give_points_and_say_why_there_is_no_band():
    found = records.curved(seeds=3)
    lora = next(arm for arm in found["curve"]["arms"] if arm["name"] == "lora")
    assert {point["low"] for point in lora["points"]} == {None}
    assert lora["fit"] is not None
    assert "With 3 seeds" in paragraphs(curve, found)[-1]
    assert "seeds it is unknown" not in paragraphs(curve, records.curved())[-1]


def test_three_sizes_say_that_no_curve_is_fitted():
    found = records.curved(sizes=(4, 8, 16))
    lora = next(arm for arm in found["curve"]["arms"] if arm["name"] == "lora")
    assert "3 sizes" in lora["fit_reason"]
    [said] = [text for text in paragraphs(curve, found) if "lora" in text and "fitted" in text]
    assert lora["fit_reason"] in said


def test_an_arm_that_the_budget_left_out_makes_the_verdict_say_so():
    found = records.curved(left_out="lora")
    assert found["curve"]["crossovers"] == []
    assert found["verdict"]["quality"]["answer"] == "not_applicable"
    assert "lora" in found["verdict"]["quality"]["sentence"]
    assert found["curve"]["no_crossover"] in paragraphs(curve, found)[0]
    other = records.curved(left_out="few-shot")
    assert (
        other["verdict"]["quality"]["answer"] == "not_applicable"
    )  # zero-shot isn't the declared arm


def test_a_budget_is_shown_with_what_was_dropped(curved):
    account = {
        "said": "20m", "seconds": 1200.0, "usd": None, "spent_seconds": 900.0, "planned": ["a", "b"],
        "planned_seconds": 1000.0, "dropped_sizes": [512], "sizes": [32], "stopped": ["b"],
        "dropped": [{"contender": EVIL, "trial": "c", "seconds": 9.0, "reason": EVIL}],
    }  # fmt: skip
    found = curved | {"budget": account}
    spent, sizes, stopped = paragraphs(budget, found)
    assert all(part in spent for part in ("20m", "2 trials", "15.0 min of 20.0 min"))
    assert "512" in sizes
    assert stopped.startswith("It ran out before these trials were done: b.")
    [dropped] = tables(budget, found)
    assert dropped.rows == ((EVIL, "c", EVIL),)
    assert "<script" not in page(found)


def test_text_in_a_curve_is_escaped(curved):
    text = json.dumps(curved)
    for word in ("few-shot", "Small", "tiny"):
        text = text.replace(f'"{word}"', json.dumps(EVIL))
    html = page(json.loads(text))
    assert "<script" not in html
    assert "<img" not in html
