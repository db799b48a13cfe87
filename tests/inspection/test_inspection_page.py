"""A trace as a page and as a figure: in Chromium, and against the trace's own numbers."""

import csv
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from browser import SIZES, opened, screenshot

import gatewise
from gatewise.inspection import Inspection
from gatewise.inspection.layer_view import view_of_trace
from gatewise.inspection.view import Curve

STEPS, UNITS = 80, 12


@pytest.fixture(scope="module")
def traced():
    torch.manual_seed(0)
    layer = gatewise.LSTM(3, UNITS, num_layers=2, bidirectional=True)
    with torch.no_grad():
        return gatewise.trace(layer, torch.randn(STEPS, 2, 3), lengths=[STEPS, 50])


def by_title(figure):
    return {trace.name: trace for trace in figure.data if trace.type == "heatmap"}


def test_plot_shows_the_numbers_of_the_trace(traced):
    forget = traced.layers[1].forward.gates["forget"][:50, 1].numpy()
    half_life = traced.layers[1].forward.half_life.numpy()
    shown = by_title(traced.plot(sequence=1))["Forget gate Γf (f)"]
    order = [int(unit) for unit in shown.y]
    assert order == np.argsort(-half_life, kind="stable").tolist()
    np.testing.assert_allclose(shown.z, forget[:, order].T, rtol=1e-6)
    assert len(shown.x) == 50


def test_long_sequences_are_averaged_for_the_screen_and_stay_small():
    torch.manual_seed(0)
    layer = gatewise.GRU(2, 100)
    with torch.no_grad():
        long = gatewise.trace(layer, torch.randn(2_000, 2))
    assert len(long.to_html().encode()) < 8e6
    shown = by_title(long.plot())["Keep gate 1 − Γu (z)"]
    update = long.layers[0].forward.gates["update"][:, 0].numpy()
    edges = np.linspace(0, 2_000, 401).round().astype(int)
    unit = int(shown.y[7])
    expected = [update[a:b, unit].mean() for a, b in pairwise(edges)]
    np.testing.assert_allclose(shown.z[7], expected, rtol=1e-5)


def test_changed_weights_and_wrong_choices_are_refused(traced):
    with pytest.raises(ValueError, match="2 sequences, counted from 0; got sequence=2"):
        traced.to_html(sequence=2)
    with pytest.raises(ValueError, match="2 layers, counted from 0; got layer=2"):
        traced.plot(2)
    layer = gatewise.GRU(2, 3)
    trace = gatewise.trace(layer, torch.randn(4, 2))
    with pytest.raises(ValueError, match="goes one way"):
        trace.plot(direction="reverse")
    with torch.no_grad():
        layer.weight_hh_l0.add_(1)
    with pytest.raises(ValueError, match="have changed since this trace was made"):
        trace.to_html()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("dark", [False, True])
def test_page_shows_layers_units_and_outputs(traced, browser, tmp_path, size, dark):
    path = tmp_path / "inside.html"
    traced.to_html(path)
    with opened(browser, path, size, dark=dark) as page:
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= SIZES[size]["width"]
        screenshot(page, f"inside-{size}-{'dark' if dark else 'light'}")
        page.locator("#block").select_option(label="layer 2, reverse")
        block = page.locator(".block:visible")
        assert block.get_attribute("data-title") == "layer 2, reverse"
        block.locator("select.unit").select_option("5")
        with page.expect_download() as download:
            block.get_by_role("button", name="unit as CSV").click()
        rows = list(csv.DictReader(Path(download.value.path()).read_text("utf-8").splitlines()))
        got = [float(row["y"]) for row in rows if row["series"] == "Forget gate Γf"]
        forget = traced.layers[1].reverse.gates["forget"][:, 0, 5].numpy()
        np.testing.assert_allclose(got, forget, atol=1e-4)
        block.locator("select.output").select_option("3")
        with page.expect_download() as download:
            block.get_by_role("button", name="gates as PNG").click()
        assert Path(download.value.path()).read_bytes().startswith(b"\x89PNG")


def test_click_on_a_row_shows_its_unit(traced, browser, tmp_path):
    path = tmp_path / "inside.html"
    traced.to_html(path)
    with opened(browser, path) as page:
        gate = page.locator(".block:visible .gates .nsewdrag[data-subplot=x2y2]")
        gate.scroll_into_view_if_needed()
        place = gate.bounding_box()
        page.mouse.click(place["x"] + 100, place["y"] + place["height"] * 2.5 / UNITS)
        order = [int(unit) for unit in by_title(traced.plot(0))["Update gate Γu (i)"].y]
        assert page.locator("select.unit").first.input_value() == str(order[2])


def test_hostile_names_are_text(browser, tmp_path):
    names = [
        "<b>bold</b>",
        "<img src=x onerror=alert(1)>",
        "x" * 10_000,
        "x" * 9_999,
        "🚲 \"'&amp;",
    ]
    steps = list(range(5))
    torch.manual_seed(0)
    trace = gatewise.trace(gatewise.GRU(2, 3), torch.randn(5, 2))
    view = view_of_trace(trace)
    influence = replace(view.influence, values=np.ones((5, 5)), rows=names, title="class")
    curves = [Curve(name, "input", steps, np.arange(5.0)) for name in names]
    hostile = replace(
        view,
        name=names[1],
        about=names[0] + names[2],
        axis=replace(view.axis, labels=names),
        curves=curves,
        influence=influence,
    )
    path = tmp_path / "hostile.html"
    Inspection([hostile]).to_html(path)
    with opened(browser, path, "phone") as page:
        assert page.evaluate("document.documentElement.scrollWidth") <= SIZES["phone"]["width"]
        assert page.locator("body img, body script + b").count() == 0
        options = page.locator("select.output option").all_inner_texts()
        assert options[0] == names[0]
        assert len(set(options)) == 5
        screenshot(page, "inside-hostile")


def test_cell_without_gates_and_sequence_without_steps_have_a_page(browser, tmp_path):
    plain = gatewise.trace(gatewise.RNN(2, 3), torch.randn(5, 2))
    empty = gatewise.trace(gatewise.LSTM(2, 3), torch.randn(0, 2))
    for trace, words in ((plain, "An RNN has no gates"), (empty, "no step to look at")):
        trace.to_html(tmp_path / "page.html")
        with opened(browser, tmp_path / "page.html") as page:
            assert words in page.locator(".findings").inner_text()
