import gzip
import os
from pathlib import Path

import polars as pl
import pytest
from command import FIT, Gatewise
from tables import ODD, write_odd

from gatewise import Forecaster, load

GOLDEN = Path(__file__).parent / "golden"


def test_fit_writes_the_model_that_python_fits(gatewise: Gatewise, folder: Path) -> None:
    done = gatewise("fit", "load.csv", *FIT, "--seed", 3, "--cell", "gru", "--out", "m")
    assert (done.code, done.out) == (0, "")
    python = Forecaster(
        *(6,),
        **{"target": "load", "lookback": 24, "hidden_size": 4, "steps": 5},
        **{"cell": "gru", "random_state": 3},
    ).fit(folder / "load.csv")
    assert load("m").predict("load.csv").equals(python.predict("load.csv"))


def test_fit_says_what_was_found_and_done(gatewise: Gatewise, folder: Path) -> None:
    """Rows out of order, twice, and missing; a date in four columns; a compressed file."""
    frame = pl.read_csv(folder / "load.csv", try_parse_dates=True)
    time = pl.col("time")
    parts = {"year": time.dt.year(), "month": time.dt.month(), "day": time.dt.day()}
    frame = frame.with_columns(**parts, hour=time.dt.hour(), site=pl.lit("A")).drop("time")
    frame = pl.concat([frame[50:100], frame[:50], frame[104:], frame[200:201]])
    (folder / "odd.tsv.gz").write_bytes(gzip.compress(frame.write_csv(separator="\t").encode()))
    done = gatewise("fit", "odd.tsv.gz", *FIT, "--out", "m.safetensors")
    assert done.err == (GOLDEN / "fit_notes.txt").read_text()
    assert (done.code, done.out) == (0, "")


def test_quiet_fit_says_nothing(gatewise: Gatewise) -> None:
    done = gatewise("fit", "load.csv", *FIT, "--out", "m", "--quiet")
    assert (done.code, done.out, done.err) == (0, "", "")
    assert os.path.exists("m")


def test_lists_of_columns_may_be_written_either_way(gatewise: Gatewise) -> None:
    for number, past in enumerate((("--past", "temp, sky"), ("--past", "temp", "--past", "sky"))):
        done = gatewise("fit", "load.csv", *FIT, *past, "--out", f"m{number}", "--quiet")
        assert done.code == 0, done.err
        assert load(f"m{number}").columns_.past == ("temp", "sky")
    gatewise("fit", "load.csv", *FIT, "--past", "", "--out", "m2", "--quiet")
    assert load("m2").columns_.past == ()


@pytest.mark.parametrize(
    ("option", "name", "value"),
    [
        (("--segment", 3), "segment", 3),
        (("--frequency", "2 hours"), "frequency", "2 hours"),
        (("--static", "site"), "static", ["site"]),
        (("--series", "site"), "series", "site"),
        (("--time", "time"), "time", ["time"]),
        (("--hidden", 3), "hidden_size", 3),
        (("--steps", 2), "steps", 2),
        (("--device", "cpu"), "device", "cpu"),
        (("--seed", 9), "random_state", 9),
    ],
    ids=str,
)
def test_option_reaches_the_forecaster(
    option: tuple[object, ...], name: str, value: object, gatewise: Gatewise, folder: Path
) -> None:
    frame = pl.read_csv(folder / "load.csv").with_columns(site=pl.lit("A"))
    if name == "frequency":
        frame = frame.gather_every(2)
    frame.write_csv(folder / "load.csv")
    done = gatewise("fit", "load.csv", *FIT, *option, "--out", "m", "--quiet")
    assert done.code == 0, done.err
    assert load("m").get_params()[name] == value


def test_failed_fit_leaves_the_old_model(gatewise: Gatewise, model: str) -> None:
    before = Path(model).read_bytes()
    assert gatewise("fit", "ahead.csv", *FIT, "--out", model).code == 2
    assert Path(model).read_bytes() == before


def test_odd_table_is_fitted_as_told_and_predicted_without_a_word(
    gatewise: Gatewise, folder: Path
) -> None:
    write_odd(folder / "odd.csv")
    told = [word for name, value in ODD.items() for word in (f"--{name}", value)]
    done = gatewise("fit", "odd.csv", *FIT, *told, "--out", "m")
    assert done.code == 0, done.err
    assert done.err == (GOLDEN / "fit_odd_notes.txt").read_text()
    python = load("m")
    assert {name: getattr(python, name) for name in ODD} == {**ODD, "missing": ["-99"]}
    done = gatewise("predict", "m", "odd.csv", "--quiet")
    assert done.out == python.predict("odd.csv").write_csv()
