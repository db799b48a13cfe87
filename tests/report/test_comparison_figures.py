"""The plots' numbers are those of the run's files."""

import numpy as np
import polars as pl
import pytest
from html_page import change_result, read_page, result_of

from gatewise.report import write_report
from gatewise.report.comparison_figures import median_curve
from gatewise.report.run_files import read_run
from gatewise.report.tables import fold_differences


def by_name(figure, axis="x"):
    """The traces of a figure's panel by name."""
    return {t["name"]: t for t in figure["data"] if t.get("xaxis", "x") == axis}


def leave_one(result):
    """Leave the GRU alone with the baseline."""
    result["cells"] = result["cells"][1:]
    result["tests"] = result["tests"][2:]


def test_dots_are_the_relative_differences_of_each_fold(make_run):
    run_dir = make_run()
    result = result_of(run_dir)
    figure = read_page(write_report(run_dir)).plot("differences")
    models = {m["name"]: m for m in result["cells"] + result["baselines"]}
    for axis, tests in (("x", result["tests"][:1]), ("x2", result["tests"][1:])):
        shown = by_name(figure, axis)
        for fold in range(5):
            expected = [
                100 * (a - b) / ((a + b) / 2)
                for a, b in (
                    (models[t["a"]]["mae"]["folds"][fold], models[t["b"]]["mae"]["folds"][fold])
                    for t in tests
                )
            ]
            assert shown[f"fold {fold}"]["x"] == pytest.approx(expected, rel=1e-12)
        means = [100 * test["difference"] for test in tests]
        assert shown["mean of the folds"]["x"] == pytest.approx(means)
        dots = [shown[f"fold {fold}"]["x"] for fold in range(5)]
        assert np.mean(dots, axis=0) == pytest.approx(means)  # the test's own number
        bars = [t for t in figure["data"] if t["name"] == "95 % interval" and t["xaxis"] == axis]
        ends = [[100 * test["low"], 100 * test["high"]] for test in tests]
        assert [bar["x"] for bar in bars] == [pytest.approx(pair) for pair in ends]
    bands = [s for s in figure["layout"]["shapes"] if s["type"] == "rect"]
    assert [(s["x0"], s["x1"]) for s in bands] == [(-1, 1), (-1, 1)]
    assert [s["x0"] for s in figure["layout"]["shapes"] if s["type"] == "line"] == [0, 0]


def test_every_dot_bar_and_margin_lies_inside_its_panel(make_run):
    figure = read_page(write_report(make_run())).plot("differences")
    for axis, key in (("x", "xaxis"), ("x2", "xaxis2")):
        low, high = figure["layout"][key]["range"]
        x = [v for t in figure["data"] if t.get("xaxis", "x") == axis for v in t["x"]]
        assert low < min(x)
        assert max(x) < high
        assert low < -1
        assert high > 1


def test_one_cell_alone_is_tested_against_the_baseline(make_run):
    run_dir = make_run()

    change_result(run_dir, leave_one)
    figure = read_page(write_report(run_dir)).plot("differences")
    assert [a["text"] for a in figure["layout"]["annotations"]] == [
        "<b>GRU against seasonal (168 steps back)</b>"
    ]


def test_errors_of_nothing_differ_by_nothing(make_run):
    run = read_run(make_run())
    for model in run.result["cells"]:
        model["mae"]["folds"] = [0.0, 0.0, 1.0, 2.0, 3.0]
    run.result["cells"][0]["mae"]["folds"][1] = 4.0
    assert fold_differences(run, run.result["tests"][0]) == [0.0, 2.0, 0.0, 0.0, 0.0]


def test_learning_curves_are_the_histories(make_run):
    run_dir = make_run()
    figure = read_page(write_report(run_dir)).plot("learning curves")
    top, bottom = by_name(figure, "x"), by_name(figure, "x2")
    for model, seen in (("lstm", "LSTM"), ("gru", "GRU")):
        for fold, seed in ((0, 0), (4, 1)):
            folder = run_dir / "trials" / f"{model}-f{fold}-s{seed}"
            rows = pl.read_parquet(folder / "history.parquet")
            name = f"{seen}, fold {fold}, seed {seed}"
            line = top[f"{name}, validation error"]
            assert line["x"] == rows["step"].to_list()
            assert line["y"] == rows["validation_error"].to_list()
            assert bottom[f"{name}, train loss"]["y"] == rows["train_loss"].to_list()


def test_step_kept_is_marked_on_its_own_curve(make_run):
    run_dir = make_run()
    figure = read_page(write_report(run_dir)).plot("learning curves")
    kept = by_name(figure)["GRU, step kept"]
    for place, (fold, seed) in enumerate((f, s) for f in range(5) for s in range(2)):
        rows = pl.read_parquet(run_dir / "trials" / f"gru-f{fold}-s{seed}" / "history.parquet")
        least = rows.sort("validation_error").row(0, named=True)
        assert kept["x"][place] == least["step"]
        assert kept["y"][place] == least["validation_error"]


def test_median_goes_as_far_as_half_of_the_trials():
    rows = pl.DataFrame(
        {
            "fold": [0, 0, 0, 1, 1, 2],
            "seed": 0,
            "step": [1, 2, 3, 1, 2, 1],
            "train_loss": [1.0, 2.0, 9.0, 5.0, 4.0, 2.0],
        }
    )
    median = median_curve(rows, "train_loss")
    assert median.select("step", "train_loss").rows() == [(1, 2.0), (2, 3.0)]


def test_trainings_without_a_validation_part_show_their_loss(make_run):
    run_dir = make_run()
    for path in run_dir.glob("trials/*/history.parquet"):
        rows = pl.read_parquet(path).with_columns(validation_error=pl.lit(None))
        rows.write_parquet(path)
    figure = read_page(write_report(run_dir)).plot("learning curves")
    assert figure["layout"]["yaxis"]["title"]["text"] == "training loss"
    assert "yaxis2" not in figure["layout"]
    assert "GRU, step kept" in by_name(figure)


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("parameters", "parameters"),
        ("training time", "train_seconds"),
        ("step latency", "step_microseconds"),
    ],
)
def test_costs_are_the_results(make_run, name, key):
    run_dir = make_run()
    result = result_of(run_dir)
    shown = by_name(read_page(write_report(run_dir)).plot(f"error against {name}"))
    for cell in result["cells"]:
        point = shown[cell["name"].upper()]
        assert (point["x"], point["y"]) == ([cell[key]], [cell["mae"]["mean"]])
        bar = shown[f"{cell['name'].upper()}, interval"]
        assert bar["x"] == [cell[key]] * 2
        assert bar["y"] == [cell["mae"]["low"], cell["mae"]["high"]]
    assert shown["seasonal (168 steps back)"]["y"] == [61.93, 61.93]


def test_cost_that_was_not_measured_is_not_drawn(make_run):
    run_dir = make_run()

    def forget(result):
        result["cells"][0]["train_seconds"] = None
        for cell in result["cells"]:
            cell["step_microseconds"] = None

    change_result(run_dir, forget)
    page = read_page(write_report(run_dir))
    assert "error against step latency" not in page.charts
    assert "LSTM" not in by_name(page.plot("error against training time"))


def test_costs_of_one_cell_are_drawn_in_the_middle(make_run):
    run_dir = make_run()

    change_result(run_dir, leave_one)
    figure = read_page(write_report(run_dir)).plot("error against parameters")
    low, high = figure["layout"]["xaxis"]["range"]
    assert low < 23_999 < high
