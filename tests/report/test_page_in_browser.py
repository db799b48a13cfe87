"""The report in Chromium: drawn, quiet, saved as files, printed."""

import csv
import io
import shutil
import subprocess

import pytest
from browser import SIZES, opened, screenshot
from html_page import HOSTILE, Page, read_page

from gatewise.report import write_report


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_every_plot_is_drawn_and_the_page_is_not_wider_than_the_window(
    make_run, browser, size, dark
):
    path = write_report(make_run())
    with opened(browser, path, size, dark=dark) as page:
        charts = read_page(path).charts
        assert page.locator(".chart .main-svg").count() >= len(charts)
        for chart in page.locator(".chart").all():
            box = chart.locator(".main-svg").first.bounding_box()
            assert box["height"] > 150
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= SIZES[size]["width"]
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= SIZES[size]["width"]
        paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert paper == ("rgb(20, 23, 26)" if dark else "rgb(255, 255, 255)")
        screenshot(page, f"report-{size}-{'dark' if dark else 'light'}")


@pytest.mark.parametrize("size", SIZES)
def test_hostile_names_are_shown_as_text(make_run, browser, size):
    """No name is run as code or shown as markup, in the page or in a plot."""
    name = HOSTILE["emoji"] + HOSTILE["comment"] + HOSTILE["long"]
    target, series = "<i>a & b</i><img src=x>", HOSTILE["closing script"] + HOSTILE["quotes"]
    path = write_report(make_run(name, target, series))
    with opened(browser, path, size) as page:
        shown = Page(page.content())
        wide = page.evaluate("document.documentElement.scrollWidth")
        screenshot(page, f"report-hostile-{size}", whole=False)
    assert wide <= SIZES[size]["width"]
    assert shown.text.count(target) >= 5  # title, heading and three plots
    assert [tag for tag, _ in shown.elements if tag in {"i", "img", "b"}] == []
    assert [a for _, a in shown.elements if any(key.startswith("on") for key in a)] == []


@pytest.mark.parametrize("size", SIZES)
def test_hostile_labels_leave_the_page_as_wide_as_the_window(make_labels_run, browser, size):
    path = write_report(make_labels_run(list(HOSTILE.values())))
    with opened(browser, path, size) as page:
        assert page.evaluate("document.documentElement.scrollWidth") <= SIZES[size]["width"]
        assert page.locator(".heat td[style]").count() == 36
        screenshot(page, f"report-labels-{size}", whole=False)


def until(page, condition):
    """Wait for a condition; Playwright's own waiting would evaluate text, which pages forbid."""
    for _ in range(50):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(100)
    pytest.fail(f"never came true: {condition}")


def saved_numbers(page, name):
    """The rows of a plot's CSV: series, x and y."""
    with page.expect_download() as waiting:
        page.get_by_role("button", name=f"Save {name} as CSV", exact=True).click()
    text = waiting.value.path().read_text(encoding="utf-8")
    assert waiting.value.suggested_filename == f"{name}.csv"
    return [row[:3] for row in csv.reader(io.StringIO(text))][1:]


def test_saved_numbers_are_those_of_the_plots(make_run, browser):
    path = write_report(make_run())
    shown = read_page(path)
    with opened(browser, path) as page:
        for name in shown.charts:
            expected = [
                [trace["name"], str(x), y]
                for trace in shown.plot(name)["data"]
                if trace.get("visible", True) is True
                for x, y in zip(trace["x"], trace["y"], strict=True)
            ]
            found = saved_numbers(page, name)
            assert len(found) == len(expected) > 0
            for (series, x, y), (name_of, x_of, y_of) in zip(found, expected, strict=True):
                assert series == name_of
                assert x == x_of or float(x) == float(x_of)
                assert same(y, y_of)


def same(text, value):
    if value is None:
        return text == ""
    return text == value if isinstance(value, str) else float(text) == value


def test_band_that_is_shown_by_its_name_is_saved_too(make_run, browser):
    path = write_report(make_run())
    with opened(browser, path) as page:
        before = {row[0] for row in saved_numbers(page, "best window")}
        legend = page.locator('.chart[data-name="best window"] .legendtoggle')
        names = page.locator('.chart[data-name="best window"] .legendtext').all_text_contents()
        legend.nth(names.index("LSTM 80 % band")).click()
        chart = "document.querySelector('.chart[data-name=\"best window\"]')"
        until(page, f"{chart}.data.every((trace) => trace.visible !== 'legendonly')")
        after = {row[0] for row in saved_numbers(page, "best window")}
    assert after - before == {"LSTM 80 % band"}


def test_plots_are_saved_as_pictures(make_run, browser):
    path = write_report(make_run())
    with opened(browser, path) as page:
        for name in ("differences", "error against parameters"):
            with page.expect_download() as waiting:
                page.get_by_role("button", name=f"Save {name} as PNG", exact=True).click()
            data = waiting.value.path().read_bytes()
            assert data.startswith(b"\x89PNG\r\n")
            assert waiting.value.suggested_filename == f"{name}.png"


def test_tables_can_be_scrolled_and_opened_by_the_keyboard(make_run, browser):
    path = write_report(make_run())
    with opened(browser, path, "phone") as page:
        summary = page.get_by_text("The difference in each fold")
        summary.focus()
        page.keyboard.press("Enter")
        table = page.locator("details[open] .wide").first
        assert table.is_visible()
        table.focus()
        page.keyboard.press("ArrowRight")
        until(page, "document.querySelector('details[open] .wide').scrollLeft > 0")


@pytest.mark.parametrize("kind", ["forecasts", "labels"])
def test_nothing_is_wider_than_the_paper(make_run, make_labels_run, browser, kind):
    """On A4 what stands out to the right would be lost: no table can be scrolled there."""
    labels = [f"label {number}" for number in range(22)]
    path = write_report(make_run() if kind == "forecasts" else make_labels_run(labels))
    with opened(browser, path, dark=True) as page:
        page.set_viewport_size({"width": 718, "height": 1000})
        page.emulate_media(media="print")
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        page.wait_for_timeout(300)
        assert page.evaluate("document.documentElement.scrollWidth") <= 718
        ends = page.evaluate(
            "[...document.querySelectorAll('table, .main-svg')]"
            ".map((each) => each.getBoundingClientRect().right)"
        )
        assert max(ends) <= 718
        assert page.locator("details:not([open])").count() == 0
        screenshot(page, f"report-paper-{kind}")


def test_print_has_the_whole_story(make_run, browser, tmp_path):
    run_dir = make_run()
    path = write_report(run_dir)
    with opened(browser, path, dark=True) as page:
        data = page.pdf(format="A4", path=tmp_path / "report.pdf")
        folded = page.locator("details:not([open])").count()
        shown = page.evaluate(
            """() => {
              document.querySelectorAll(".chart, .save").forEach((element) => element.remove());
              document.querySelectorAll("details").forEach((details) => { details.open = true; });
              return document.body.innerText;
            }"""
        )
    assert data.startswith(b"%PDF")
    assert folded == 3  # as before
    if shutil.which("pdftotext") is None:
        pytest.skip(
            "no pdftotext, which reads what was printed; on Debian: apt-get install poppler-utils"
        )
    text = subprocess.run(
        ["pdftotext", "-layout", tmp_path / "report.pdf", "-"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    words = set(text.lower().split())  # the style sheet writes some first letters large
    assert len(shown.split()) > 300
    assert [word for word in shown.lower().split() if word not in words] == []
