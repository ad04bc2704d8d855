"""The report within a notebook's page, in a browser."""

import bench
from tests.conftest import ROOT
from tests.reports.test_page import browser


def test_the_frame_shows_the_report_and_its_links_stay_within_it(tmp_path):
    """A link to the glossary moves the frame to that term, and not the notebook."""
    found = bench.read(ROOT / "docs" / "measurements" / "2026-11-24-quick-cpu.json")
    (tmp_path / "notebook.html").write_text(
        f"<!doctype html><meta charset=utf-8><h1>Notebook</h1>{found._repr_html_()}"
    )
    driver = browser(tmp_path)
    try:
        driver.get((tmp_path / "notebook.html").as_uri())
        driver.switch_to.frame(driver.find_element("css selector", "iframe"))
        assert driver.find_elements("css selector", "h2")[0].text == "Verdict"
        driver.find_element("css selector", "a[href='#margin']").click()
        entry = driver.find_element("css selector", "#margin")
        top = driver.execute_script("return arguments[0].getBoundingClientRect().top", entry)
        assert -1 < top < 720
        assert not driver.get_log("browser")
    finally:
        driver.quit()
