import io
import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from command import Gatewise
from tables import several

from gatewise import Forecaster, load


def test_predict_prints_csv_that_equals_pythons_predict(
    gatewise: Gatewise, model: str, folder: Path
) -> None:
    done = gatewise("predict", model, "load.csv", "--future", "ahead.csv")
    printed = pl.read_csv(io.StringIO(done.out), try_parse_dates=True)
    expected = load(model).predict("load.csv", "ahead.csv")
    assert printed.equals(expected.cast(printed.schema))
    ahead = pl.read_csv(folder / "ahead.csv", try_parse_dates=True)
    assert printed["time"].to_list() == ahead["time"].to_list()
    assert done.code == 0


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_predict_writes_a_file(suffix: str, gatewise: Gatewise, model: str) -> None:
    out = f"next{suffix}"
    done = gatewise("predict", model, "load.csv", "--future", "ahead.csv", "--out", out)
    assert (done.code, done.out) == (0, "")
    assert done.err.endswith(f"6 forecasts: {out}\n")
    read = pl.read_csv(out, try_parse_dates=True) if suffix == ".csv" else pl.read_parquet(out)
    expected = load(model).predict("load.csv", "ahead.csv")
    assert read.equals(expected.cast(read.schema))
    assert not [name for name in os.listdir() if name.startswith(".")]


def test_predict_says_what_was_done_to_the_data(
    gatewise: Gatewise, model: str, folder: Path
) -> None:
    frame = pl.read_csv(folder / "load.csv")
    pl.concat([frame[:200], frame[203:]]).write_csv(folder / "load.csv")
    done = gatewise("predict", model, "load.csv", "--future", "ahead.csv")
    assert "3 missing steps inserted as missing values" in done.err
    quiet = gatewise("predict", model, "load.csv", "--future", "ahead.csv", "--quiet")
    assert (quiet.out, quiet.err) == (done.out, "")


def test_warning_is_one_line_without_the_source(gatewise: Gatewise, folder: Path) -> None:
    frame = several((100, 90))
    small = {"lookback": 24, "hidden_size": 4, "steps": 2, "device": "cpu"}
    forecaster = Forecaster(6, target="load", series="shop", **small)
    forecaster.fit(frame.with_columns(shop="shop" + pl.col("shop"))).save(folder / "m")
    frame.write_csv(folder / "shops.csv")
    done = gatewise("predict", "m", "shops.csv", "--quiet")
    assert done.err == (
        "gatewise: warning: 2 series not in the training data, scaled by the history given: "
        "'shop 0', 'shop 1'\n"
    )


def test_reader_of_stdout_that_goes_away_is_no_error(model: str, folder: Path) -> None:
    script = Path(sys.executable).with_name("gatewise")
    command = f"'{script}' predict {model} load.csv --future ahead.csv | true"
    done = subprocess.run(
        ["bash", "-c", command], cwd=folder, capture_output=True, text=True, timeout=60
    )
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
