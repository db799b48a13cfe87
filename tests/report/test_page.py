import json
import re
import shutil
from pathlib import Path

import numpy as np
import plotly.graph_objects as go
import polars as pl
import pytest
from html_page import HOSTILE, LOADING, change_result, read_page, result_of

import gatewise.report
from gatewise.report import write_report
from gatewise.report.figures import LINES, TRUTH_COLOUR, label
from gatewise.report.rendering import embedded, number, percent, size


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
    facts += ["Data (SHA-256) 0a1b2c3d", "seed 7; columns target: users", "0.00123 4.567"]
    assert [fact for fact in facts if fact not in text] == []


def test_report_shows_what_is_unknown_as_a_dash(make_run):
    run_dir = make_run()

    def forget(result):
        for test in result["tests"]:
            test |= dict.fromkeys(["low", "high", "p", "p_holm", "detectable"])
        for model in result["cells"] + result["baselines"]:
            for metric in ("mae", "rmse", "mase"):
                model[metric] |= {"low": None, "high": None}
        result["cells"][0] |= {"seed_spread": None, "step_microseconds": None, "size_bytes": None}

    change_result(run_dir, forget)
    page = read_page(write_report(run_dir))
    difference = percent(result_of(run_dir)["tests"][0]["difference"])
    assert "None" not in page.text
    assert f"LSTM against GRU {difference} – – – –" in page.text
    assert "interval" not in [trace["name"] for trace in page.plots[0]["data"]]


def test_report_shows_no_detectable_difference_beyond_the_largest(make_run):
    run_dir = make_run()
    change_result(run_dir, lambda result: result["tests"][0].update(detectable=2.8879))
    text = read_page(write_report(run_dir)).text
    assert "0.01234 0.03702 none LSTM against seasonal" in text


@pytest.mark.parametrize(
    ("metric", "title"),
    [("mae", "mean absolute error"), ("mase", "mean absolute scaled error")],
)
def test_report_names_the_error_that_decides(make_run, metric, title):
    run_dir = make_run()
    change_result(run_dir, lambda result: result.update(metric=metric))
    page = read_page(write_report(run_dir))
    assert f"the {metric.upper()} decides" in page.text
    assert f"Difference of the {metric.upper()} relative" in page.text
    assert page.plot("error by step")["layout"]["yaxis"]["title"]["text"] == title


def test_report_shows_a_metric_that_no_scale_is_known_for_as_a_dash(make_run):
    run_dir = make_run()

    def forget(result):
        for model in result["cells"] + result["baselines"]:
            model["mase"] = None

    change_result(run_dir, forget)
    text = read_page(write_report(run_dir)).text
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
    assert page.charts == plain.charts


def test_hostile_labels_are_shown_as_text(make_labels_run):
    names = list(HOSTILE.values())
    run_dir = make_labels_run(names)
    page = read_page(write_report(run_dir))
    shutil.rmtree(run_dir)
    plain = read_page(write_report(make_labels_run(list("abcdef"))))
    assert [tag for tag, _ in page.elements] == [tag for tag, _ in plain.elements]
    assert [n for n in names if " ".join(n.split()) not in page.text] == []


def test_label_of_a_plot_is_short_and_has_no_tags():
    assert label("<b>x</b> & y") == "&lt;b&gt;x&lt;/b&gt; &amp; y"
    assert label("x" * 40) == "x" * 40
    assert label("x" * 41) == "x" * 39 + "…"


def test_embedded_figure_cannot_end_its_script():
    figure = go.Figure(layout={"title": {"text": "</script>"}})
    assert "<" not in embedded(figure)
    assert json.loads(embedded(figure)) == json.loads(figure.to_json())


@pytest.mark.parametrize(
    ("windows", "kinds"),
    [(0, []), (1, ["best"]), (2, ["best", "worst"]), (3, ["best", "median", "worst"])],
)
def test_few_windows_are_shown_once_each(make_run, windows, kinds):
    run_dir = make_run()
    for path in run_dir.glob("trials/*/predictions.parquet"):
        rows = pl.read_parquet(path)
        shown = rows["origin"].unique().sort()[: windows if "-f0-" in path.parent.name else 0]
        known = pl.col("origin").is_in(shown.implode())
        rows.with_columns(truth=pl.when(known).then("truth")).write_parquet(path)
    page = read_page(write_report(run_dir))
    assert [name for name in page.charts if name.endswith("window")] == [
        f"{kind} window" for kind in kinds
    ]
    assert ("No test window has a known truth." in page.text) == (windows == 0)


def test_every_plot_of_a_run_of_forecasts_is_there_and_has_another_name(make_run):
    assert read_page(write_report(make_run())).charts == [
        "differences",
        "best window",
        "median window",
        "worst window",
        "error by step",
        "learning curves",
        "error against parameters",
        "error against training time",
        "error against step latency",
    ]


def test_coverage_is_told_beside_what_the_bands_ask_for(make_run):
    run_dir = make_run()
    inside = truths = 0
    for fold in range(5):
        rows = pl.read_parquet(run_dir / "trials" / f"gru-f{fold}-s0" / "predictions.parquet")
        for row in rows.drop_nulls("truth").iter_rows(named=True):
            inside += row["low"] <= row["truth"] <= row["high"]
            truths += 1
    assert 0 < inside < truths
    text = read_page(write_report(run_dir)).text
    assert f"GRU {100 * inside / truths:.1f} % {truths} " in text
    assert "asks for 80 % of the truths" in text


def test_heat_of_a_confusion_is_the_share_of_the_true_label(make_labels_run):
    run_dir = make_labels_run(["a", "b", "c"])
    frames = [pl.read_parquet(p) for p in run_dir.glob("trials/gru-f*-s0/predictions.parquet")]
    rows = pl.concat(frames)
    page = read_page(write_report(run_dir))
    shades = [a["style"] for tag, a in page.elements if tag == "td" and "style" in a]
    shares = [
        len(rows.filter(truth=truth, predicted=told)) / len(rows.filter(truth=truth))
        for truth in "abc"
        for told in "abc"
    ]
    assert shades == [f"--share: {share:.3f}" for share in shares]
    right = 100 * shares[0]
    counts = [len(rows.filter(truth="a", predicted=told)) for told in "abc"]
    assert f"a {counts[0]} {counts[1]} {counts[2]} {right:.0f} %" in page.text


def test_run_of_an_earlier_version_has_a_report_that_names_what_it_lacks(make_run):
    run_dir = make_run()
    for path in run_dir.glob("trials/*/predictions.parquet"):
        pl.read_parquet(path).drop("low", "high").write_parquet(path)
    for path in run_dir.glob("trials/*/history.parquet"):
        path.unlink()
    change_result(run_dir, lambda result: result["data"].pop("band"))
    (run_dir / "run.json").unlink()
    page = read_page(write_report(run_dir))
    assert "What cannot be shown" in page.text
    assert "Learning curves: the trials kept no histories." in page.text
    assert "Bands around the forecasts: the trials did not keep them" in page.text
    assert "learning curves" not in page.charts
    assert not [t["name"] for t in page.plot("best window")["data"] if "band" in t["name"]]


def test_labels_of_an_earlier_version_have_a_report_without_their_lengths(make_labels_run):
    run_dir = make_labels_run(["a", "b"])
    assert "error by length" in read_page(write_report(run_dir)).charts
    for path in run_dir.glob("trials/*/predictions.parquet"):
        pl.read_parquet(path).drop("length").write_parquet(path)
    page = read_page(write_report(run_dir))
    assert "error by length" not in page.charts
    assert "Error by length: the trials did not keep it" in page.text


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
    assert {path.name for path in run_dir.iterdir()} == {
        "report.html",
        "result.json",
        "run.json",
        "trials",
    }


def test_numbers_are_shown_with_four_digits():
    shown = [number(value) for value in (None, 0, 0.0, 0.012345, 1.5, 999.96, 12_345.6, 12_345)]
    assert shown == ["–", "0", "0", "0.01235", "1.5", "1000", "12,346", "12,345"]
    assert [size(value) for value in (None, 999, 123_456, 1_234_567)] == [
        "–",
        "999 B",
        "123 kB",
        "1.2 MB",
    ]
