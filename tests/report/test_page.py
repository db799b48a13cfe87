import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import plotly.graph_objects as go
import polars as pl
import pytest
from browser import SIZES, opened, screenshot

import gatewise.report
from gatewise.report import render_page, write_report
from gatewise.report.figures import LINES, TRUTH_COLOUR, label
from gatewise.report.page import (
    choose_windows,
    forecast_parts,
    read_predictions,
)
from gatewise.report.rendering import embedded, number, percent, size

VOID = {"meta", "br", "link", "img", "input", "hr"}
LOADING = {"src", "href", "srcset", "data", "poster", "action", "background"}
HOSTILE = {
    "html": "<script>alert(1)</script><b>bold</b>",
    "closing script": "</script><img src=x onerror=alert(1)>",
    "quotes": "\"double\" 'single' `back` & &amp; {{ 7 * 7 }}",
    "emoji": "🚲 Räder\u2028 – 数",
    "comment": "<!--<script>",
    "long": "x" * 10_000,
}


class Page(HTMLParser):
    """What a browser would see: elements with attributes, visible text, content of scripts."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.scripts: list[str] = []
        self.styles: list[str] = []
        self.figures: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, f"</{tag}> closes nothing that is open"

    def handle_data(self, data):
        element = self.open[-1] if self.open else ""
        if element == "script":
            self.scripts[-1] += data
        elif element == "style":
            self.styles.append(data)
        else:
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())

    @property
    def plots(self) -> list[dict]:
        kinds = [attributes.get("type") for tag, attributes in self.elements if tag == "script"]
        pairs = zip(kinds, self.scripts, strict=True)
        return [json.loads(script) for kind, script in pairs if kind == "application/json"]


def read_page(path) -> Page:
    page = Page(path.read_text(encoding="utf-8"))
    assert page.open == [], f"never closed: {page.open}"
    return page


def drawn(result, forecasts):
    return render_page(result, **forecast_parts(result, forecasts))


def result_of(run_dir):
    return json.loads((run_dir / "result.json").read_text())


def forecasts_of(run_dir):
    return read_predictions(run_dir, ["lstm", "gru", "seasonal"], 5)


def test_report_is_a_page_in_the_run_folder(make_run):
    run_dir = make_run()
    path = write_report(run_dir)
    assert path == run_dir / "report.html"
    assert [tag for tag, _ in read_page(path).elements].count("h1") == 1
    assert path.read_text(encoding="utf-8").startswith("<!doctype html>")
    first = path.read_bytes()
    assert write_report(run_dir).read_bytes() == first


def test_report_says_the_verdict_before_anything_else(make_run):
    run_dir = make_run()
    text = read_page(write_report(run_dir)).text
    verdict = result_of(run_dir)["verdict"]
    order = [text.index(part) for part in (verdict["sentence"], verdict["practical"], "The models")]
    assert order == sorted(order)


def test_report_holds_every_number_of_the_tables(make_run):
    run_dir = make_run()
    result, text = result_of(run_dir), read_page(write_report(run_dir)).text
    shown = []
    for model in result["cells"] + result["baselines"]:
        for metric in ("mae", "rmse", "mase"):
            error = model[metric]
            mean, low, high = (number(error[key]) for key in ("mean", "low", "high"))
            shown.append(f"{mean} ({low} to {high})")
    for cell in result["cells"]:
        keys = ("hidden", "parameters", "seed_spread", "train_seconds", "step_microseconds")
        shown += [number(cell[key]) for key in keys]
    for test in result["tests"]:
        shown += [percent(test["difference"]), f"{percent(test['low'])} to {percent(test['high'])}"]
        shown += [number(test["p"]), number(test["p_holm"]), "3.45 %"]
    for name in ("lstm", "gru", "seasonal"):
        shown += [number(error) for error in result["by_horizon"][name]]
    for fold in result["setup"]["fold_table"]:
        shown += [f"{value:,}" if isinstance(value, int) else value for value in fold.values()]
    assert [part for part in shown if part not in text] == []


def test_report_tells_how_it_was_done(make_run):
    run_dir = make_run()
    setup, text = result_of(run_dir)["setup"], read_page(write_report(run_dir)).text
    facts = [setup["command"], setup["machine"], *setup["notes"], *setup["assumptions"]]
    facts += ["Folds 5, in", "Seeds in a fold 2", "1,400 optimiser steps", "torch 2.13.0"]
    facts += ["Threads, of each trial and of the times 1 Machine", "Train end"]
    assert [fact for fact in facts if fact not in text] == []


def test_report_shows_what_is_unknown_as_a_dash(make_run):
    run_dir = make_run()
    result = result_of(run_dir)
    for test in result["tests"]:
        test |= dict.fromkeys(["low", "high", "p", "p_holm", "detectable"])
    for model in result["cells"] + result["baselines"]:
        for metric in ("mae", "rmse", "mase"):
            model[metric] |= {"low": None, "high": None}
    result["cells"][0] |= {"seed_spread": None, "step_microseconds": None, "size_bytes": None}
    text = Page(drawn(result, forecasts_of(run_dir))).text
    assert "None" not in text
    assert "LSTM against GRU +1.09 % – – – –" in text


def test_report_shows_no_detectable_difference_beyond_the_largest(make_run):
    run_dir = make_run()
    result = result_of(run_dir)
    result["tests"][0]["detectable"] = 2.8879
    text = Page(drawn(result, forecasts_of(run_dir))).text
    assert "0.01234 0.03702 none LSTM against seasonal" in text


def test_report_names_the_error_that_decides(make_run):
    run_dir = make_run()
    result = result_of(run_dir)
    for metric, title in (("mae", "mean absolute error"), ("mase", "mean absolute scaled error")):
        page = Page(drawn(result | {"metric": metric}, forecasts_of(run_dir)))
        assert f"the {metric.upper()} decides" in page.text
        assert f"Difference of the {metric.upper()} relative" in page.text
        assert page.plots[-1]["layout"]["yaxis"]["title"]["text"] == title


def test_report_shows_a_metric_that_no_scale_is_known_for_as_a_dash(make_run):
    run_dir = make_run()
    result = result_of(run_dir)
    for model in result["cells"] + result["baselines"]:
        model["mase"] = None
    text = Page(drawn(result, forecasts_of(run_dir))).text
    assert "LSTM 42.17 (36.69 to 47.65) 67.89 (59.07 to 76.72) – 1.234" in text


def test_report_loads_nothing(make_run):
    page = read_page(write_report(make_run()))
    loading = [(tag, set(attributes) & LOADING) for tag, attributes in page.elements]
    assert [found for found in loading if found[1]] == []
    assert {tag for tag, _ in page.elements} & {"link", "img", "iframe", "object", "base"} == set()
    assert not re.search(r"@import|url\(", " ".join(page.styles))
    policy = next(a["content"] for _, a in page.elements if "http-equiv" in a)
    assert policy.startswith("default-src 'none'; ")
    assert "http" not in policy


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_names_are_shown_as_text(make_run, kind):
    name = HOSTILE[kind]
    run_dir = make_run(name, name, name)
    page = read_page(write_report(run_dir))
    shutil.rmtree(run_dir)
    plain = read_page(write_report(make_run(series="one")))
    assert [tag for tag, _ in page.elements] == [tag for tag, _ in plain.elements]
    assert [a.keys() for _, a in page.elements] == [a.keys() for _, a in plain.elements]
    assert page.text.count(" ".join(name.split())) >= 5  # title, heading twice, three windows
    assert len(page.plots) == 4


def test_label_of_a_plot_is_short_and_has_no_tags():
    assert label("<b>x</b> & y") == "&lt;b&gt;x&lt;/b&gt; &amp; y"
    assert label("x" * 40) == "x" * 40
    assert label("x" * 41) == "x" * 39 + "…"


def test_embedded_figure_cannot_end_its_script():
    figure = go.Figure(layout={"title": {"text": "</script>"}})
    assert "<" not in embedded(figure)
    assert json.loads(embedded(figure)) == json.loads(figure.to_json())


def mean_errors(run_dir, model):
    """The error of every window of a model by loops: (error, fold, origin)."""
    windows = {}
    for fold in range(5):
        rows = pl.read_parquet(run_dir / "trials" / f"{model}-f{fold}-s0" / "predictions.parquet")
        for row in rows.iter_rows(named=True):
            errors = windows.setdefault((fold, row["origin"]), [])
            if row["truth"] is not None:
                errors.append(abs(row["forecast"] - row["truth"]))
    return sorted((sum(e) / len(e), *key) for key, e in windows.items() if e)


def test_windows_are_best_median_and_worst_of_the_taken_cell(make_run):
    run_dir = make_run()
    ranked = mean_errors(run_dir, "gru")
    assert len(ranked) == 25  # six windows in five folds, less one a fold without a truth
    chosen = choose_windows(forecasts_of(run_dir), "gru")
    assert [kind for kind, _, _ in chosen] == ["best", "median", "worst"]
    for (_, rows, error), (expected, fold, origin) in zip(
        chosen, (ranked[0], ranked[12], ranked[-1]), strict=True
    ):
        assert error == pytest.approx(expected, rel=1e-12)
        assert rows.select("fold", "origin").unique().rows() == [(fold, origin)]
        assert rows.group_by("model").len().sort("model").rows() == [
            ("gru", 24),
            ("lstm", 24),
            ("seasonal", 24),
        ]


def test_windows_are_told_apart_by_series():
    forecasts = pl.DataFrame(
        {
            "model": "gru",
            "fold": 0,
            "series": ["a", "b", "a", "b"],
            "origin": [1, 1, 2, 2],
            "step": 1,
            "time": [2, 2, 3, 3],
            "truth": 0.0,
            "forecast": [4.0, 1.0, 2.0, 3.0],
        }
    )
    chosen = choose_windows(forecasts, "gru")
    assert [(kind, *rows.row(0)[2:4], error) for kind, rows, error in chosen] == [
        ("best", "b", 1, 1.0),
        ("median", "a", 2, 2.0),
        ("worst", "a", 1, 4.0),
    ]


def test_truth_that_is_nan_is_not_known(make_run):
    run_dir = make_run()
    expected = forecasts_of(run_dir)
    for path in run_dir.glob("trials/*/predictions.parquet"):
        pl.read_parquet(path).with_columns(pl.col("truth").fill_null(np.nan)).write_parquet(path)
    assert forecasts_of(run_dir).equals(expected)


@pytest.mark.parametrize(
    ("windows", "kinds"),
    [(0, []), (1, ["best"]), (2, ["best", "worst"]), (3, ["best", "median", "worst"])],
)
def test_few_windows_are_shown_once_each(make_run, windows, kinds):
    run_dir = make_run()
    forecasts = forecasts_of(run_dir).filter(pl.col("fold") == 0)
    origins = forecasts["origin"].unique().sort()
    forecasts = forecasts.filter(pl.col("origin").is_in(origins[:windows].implode()))
    assert [kind for kind, _, _ in choose_windows(forecasts, "gru")] == kinds
    page = Page(drawn(result_of(run_dir), forecasts))
    assert len(page.plots) == len(kinds) + 1
    assert ("No test window has a known truth." in page.text) == (windows == 0)


def test_plots_draw_the_rows_of_the_window(make_run):
    run_dir = make_run()
    plots = read_page(write_report(run_dir)).plots
    for plot, (_, rows, _) in zip(
        plots, choose_windows(forecasts_of(run_dir), "gru"), strict=False
    ):
        truth, lstm, gru, seasonal = plot["data"]
        names = [line["name"] for line in (truth, lstm, gru, seasonal)]
        assert names == ["truth", "LSTM", "GRU", "seasonal (168 steps back)"]
        for line, model in ((lstm, "lstm"), (gru, "gru"), (seasonal, "seasonal")):
            of_model = rows.filter(pl.col("model") == model)
            assert line["y"] == of_model["forecast"].to_list()
            assert truth["y"] == of_model["truth"].to_list()
            assert line["x"] == [str(time) for time in of_model["time"]]
    lines = {line["name"]: line["y"] for line in plots[-1]["data"]}
    by_horizon = result_of(run_dir)["by_horizon"]
    assert lines["GRU"] == by_horizon["gru"]
    assert lines["seasonal (168 steps back)"] == by_horizon["seasonal"]
    assert "last value" not in lines


def luminance(colour: str) -> float:
    """Relative luminance of #rrggbb, as WCAG 2 defines it."""
    channels = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


@pytest.mark.parametrize("paper", ["#ffffff", "#14171a"])
@pytest.mark.parametrize("colour", [TRUTH_COLOUR, *(line[0] for line in LINES)])
def test_lines_stand_out_on_light_and_dark_pages(paper, colour):
    template = Path(gatewise.report.__file__).parent / "assets" / "page.css"
    assert f"--paper: {paper};" in template.read_text(encoding="utf-8")
    dark, light = sorted((luminance(paper), luminance(colour)))
    assert (light + 0.05) / (dark + 0.05) >= 3  # WCAG 2.1, 1.4.11


def test_report_is_written_whole_or_not_at_all(make_run, monkeypatch):
    run_dir = make_run()
    before = write_report(run_dir).read_bytes()
    result = result_of(run_dir)
    result["data"]["name"] = "another name"
    (run_dir / "result.json").write_text(json.dumps(result))

    def fail(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(OSError, match="no space left"):
        write_report(run_dir)
    assert (run_dir / "report.html").read_bytes() == before
    assert {path.name for path in run_dir.iterdir()} == {"report.html", "result.json", "trials"}


def test_report_of_an_unfinished_run_is_refused(make_run):
    run_dir = make_run()
    (run_dir / "trials" / "seasonal-f3-s0" / "predictions.parquet").unlink()
    with pytest.raises(FileNotFoundError, match=r"seasonal-f3-s0.*run the same comparison again"):
        write_report(run_dir)
    (run_dir / "result.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"result\.json: the comparison is not finished"):
        write_report(run_dir)
    assert not (run_dir / "report.html").exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('{"format": 2}', "has format 2, this version reads 1: upgrade gatewise"),
        ("{", "not the result of a comparison"),
        ("[]", "not the result of a comparison"),
    ],
)
def test_unreadable_result_is_refused(make_run, content, words):
    run_dir = make_run()
    (run_dir / "result.json").write_text(content)
    with pytest.raises(ValueError, match=words):
        write_report(run_dir)


def test_numbers_are_shown_with_four_digits():
    shown = [number(value) for value in (None, 0, 0.0, 0.012345, 1.5, 999.96, 12_345.6, 12_345)]
    assert shown == ["–", "0", "0", "0.01235", "1.5", "1000", "12,346", "12,345"]
    assert [size(value) for value in (None, 999, 123_456, 1_234_567)] == [
        "–",
        "999 B",
        "123 kB",
        "1.2 MB",
    ]


@pytest.mark.parametrize("size", SIZES)
def test_page_runs_in_a_browser_without_errors(make_run, browser, size):
    """Every plot is drawn, no name is run as code or shown as markup, nothing is complained of."""
    name = HOSTILE["emoji"] + HOSTILE["comment"] + HOSTILE["long"]
    target, series = "<i>a & b</i><img src=x>", HOSTILE["closing script"] + HOSTILE["quotes"]
    path = write_report(make_run(name, target, series))
    with opened(browser, path, size) as page:
        assert page.locator(".ytitle").count() == 4
        shown = Page(page.content())
        screenshot(page, f"report-hostile-{size}", whole=False)
    assert shown.text.count(target) >= 5  # title, heading and three plots
    assert [tag for tag, _ in shown.elements if tag in {"i", "img", "b"}] == []
    assert [a for _, a in shown.elements if any(key.startswith("on") for key in a)] == []
