import polars as pl
from html_page import read_page, result_of

from gatewise.report import write_report
from gatewise.report.run_files import read_run
from gatewise.report.windows import choose_windows


def test_plots_draw_the_rows_of_the_window(make_run):
    run_dir = make_run()
    page = read_page(write_report(run_dir))
    forecasts = read_run(run_dir).predictions(["lstm", "gru", "seasonal"])
    for window in choose_windows(forecasts, "gru"):
        lines = {line["name"]: line for line in page.plot(f"{window.kind} window")["data"]}
        assert list(lines) == [
            *("GRU 80 % band", "LSTM 80 % band"),
            *("truth", "LSTM", "GRU", "seasonal (168 steps back)"),
        ]
        for model, name in (("lstm", "LSTM"), ("seasonal", "seasonal (168 steps back)")):
            rows = window.rows.filter(model=model)
            assert lines[name]["y"] == rows["forecast"].to_list()
            assert lines[name]["x"] == [str(time) for time in rows["time"]]
        assert lines["truth"]["y"] == window.rows.filter(model="gru")["truth"].to_list()


def test_band_is_drawn_along_its_upper_end_and_back_along_the_lower(make_run):
    run_dir = make_run()
    figure = read_page(write_report(run_dir)).plot("worst window")
    forecasts = read_run(run_dir).predictions(["lstm", "gru", "seasonal"])
    worst = choose_windows(forecasts, "gru")[-1].rows
    bands = {line["name"]: line for line in figure["data"] if "band" in line["name"]}
    for model, name in (("gru", "GRU 80 % band"), ("lstm", "LSTM 80 % band")):
        rows = worst.filter(pl.col("model") == model)
        assert bands[name]["y"] == rows["high"].to_list() + rows["low"].to_list()[::-1]
        assert bands[name]["x"][:24] == bands[name]["x"][:-25:-1]
    assert bands["GRU 80 % band"]["visible"] is True  # of the cell to take
    assert bands["LSTM 80 % band"]["visible"] == "legendonly"


def test_error_by_step_is_the_results(make_run):
    run_dir = make_run()
    lines = {
        t["name"]: t["y"] for t in read_page(write_report(run_dir)).plot("error by step")["data"]
    }
    by_horizon = result_of(run_dir)["by_horizon"]
    assert lines["GRU"] == by_horizon["gru"]
    assert lines["seasonal (168 steps back)"] == by_horizon["seasonal"]
    assert "last value" not in lines
