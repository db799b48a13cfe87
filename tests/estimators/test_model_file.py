import json
import os
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from small import quick
from tables import several

from gatewise import DataError, Forecaster, load
from gatewise.estimators.model_file import plain


def header_of(path: Path) -> dict[str, Any]:
    """The JSON under the key ``gatewise``, read without the package."""
    data = path.read_bytes()
    (size,) = struct.unpack("<Q", data[:8])
    return json.loads(json.loads(data[8 : 8 + size])["__metadata__"]["gatewise"])


@pytest.fixture
def path(fitted: Forecaster, tmp_path: Path) -> Path:
    fitted.save(tmp_path / "model.safetensors")
    return tmp_path / "model.safetensors"


def changed(path: Path, change: Callable[[dict[str, Any]], Any]) -> Path:
    """The same model with another header."""
    header = header_of(path)
    change(header)
    with safe_open(path, framework="pt") as file:
        weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    save_file(weights, path, metadata={"gatewise": json.dumps(header)})
    return path


def test_model_is_one_file_readable_by_whoever_reads_its_folder(path: Path) -> None:
    assert os.listdir(path.parent) == [path.name]
    beside = path.with_name("plain.txt")
    beside.touch()
    assert path.stat().st_mode == beside.stat().st_mode


def test_model_file_is_safetensors_with_a_json_header(path: Path, fitted: Forecaster) -> None:
    header = header_of(path)
    assert (header["format"], header["task"]) == (1, "forecast")
    wanted = {"params", "columns", "frequency", "scaler", "categories", "settings"}
    wanted |= {"train_end", "history"}
    assert wanted <= set(header)
    assert header["frequency"] == "1 hour"
    assert header["params"]["random_state"] == 0
    data = path.read_bytes()
    (size,) = struct.unpack("<Q", data[:8])
    tensors = json.loads(data[8 : 8 + size])
    numbers = sum(np.prod(t["shape"]) for n, t in tensors.items() if n != "__metadata__")
    assert len(data) == 8 + size + 4 * numbers  # nothing but the header and float32 weights
    assert numbers == fitted.model_.parameters


def test_loading_gives_the_same_forecasts_and_attributes(
    path: Path, fitted: Forecaster, table: pl.DataFrame, ahead: pl.DataFrame
) -> None:
    again = load(path)
    assert again.predict(table, ahead).equals(fitted.predict(table, ahead))
    for name in ("history_", "columns_", "frequency_", "lookback_", "train_end_", "notes_"):
        assert getattr(again, name) == getattr(fitted, name)
    names = ("future", "static", "quantiles")
    tuples = {name: list(getattr(fitted, name)) for name in names}
    assert again.get_params() == {**fitted.get_params(), **tuples}
    assert again.score(table) == fitted.score(table)


def test_model_of_before_there_were_quantiles_still_forecasts(
    table: pl.DataFrame, tmp_path: Path
) -> None:
    model = quick(quantiles=()).fit(table)
    model.save(tmp_path / "m")

    def older(header: dict[str, Any]) -> None:
        del header["corrections"]
        for name in ("loss", "quantiles", "calendar", "linear", "level"):
            del header["settings"][name], header["params"][name]

    again = load(changed(tmp_path / "m", older))
    assert again.predict(table).equals(model.predict(table))
    assert again.quantiles == ()


def test_loaded_model_can_be_fitted_again(path: Path, table: pl.DataFrame) -> None:
    again = load(path)
    before = again.score(table)
    assert again.fit(table).score(table) == before  # the same seed, so the same bits


def test_a_fresh_process_gives_the_same_forecasts(
    path: Path, fitted: Forecaster, table: pl.DataFrame, ahead: pl.DataFrame
) -> None:
    table.write_parquet(path.with_name("table.parquet"))
    ahead.write_parquet(path.with_name("ahead.parquet"))
    code = (
        "import gatewise\n"
        "model = gatewise.load('model.safetensors')\n"
        "got = model.predict('table.parquet', 'ahead.parquet')\n"
        "print([value.hex() for value in got['forecast']])"
    )
    threads = {"OMP_NUM_THREADS": str(torch.get_num_threads())}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=path.parent,
        env={**os.environ, **threads},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    expected = [value.hex() for value in fitted.predict(table, ahead)["forecast"]]
    assert done.stdout.strip() == str(expected)


@pytest.mark.parametrize(
    "parameters",
    [
        {"cell": "gru", "cell_options": {"reset_after": False, "bidirectional": True}},
        {"num_layers": 2, "cell_options": {"proj_size": 3}},
        {"hidden_size": np.int64(3), "dropout": np.float64(0.2), "lookback": np.int32(20)},
        {"random_state": np.random.RandomState(1)},
        {"random_state": np.int64(7), "past": np.array(["temp"])},
        {"static": ("kind",), "time": ["time"], "log": True},
        {
            "loss": "huber",
            "quantiles": (0.2, 0.6),
            "calendar": False,
            "linear": False,
            "level": False,
        },
    ],
    ids=lambda parameters: ", ".join(parameters),
)
@pytest.mark.filterwarnings("ignore:LSTM with projections")
def test_every_parameter_survives(parameters: dict[str, Any], tmp_path: Path) -> None:
    frame = several((100, 90))
    model = quick(steps=2, series="shop", **parameters).fit(frame)
    model.save(tmp_path / "m")
    again = load(tmp_path / "m")
    assert again.predict(frame).equals(model.predict(frame))
    for name, value in parameters.items():
        kept = None if name == "random_state" and not np.isscalar(value) else plain(value)
        assert getattr(again, name) == kept


def test_plain_reaches_every_depth() -> None:
    value = {"a": (np.int64(1), [np.float32(0.5)]), 2: {"b": np.array([True])}, "c": None}
    expected = {"a": [1, [0.5]], "2": {"b": [True]}, "c": None}
    assert json.loads(json.dumps(plain(value))) == expected


def test_newer_format_is_refused_with_the_way_out(path: Path) -> None:
    newer = changed(path, lambda header: header.update(format=2, version="9.1"))
    with pytest.raises(
        DataError, match=r"written by gatewise 9\.1 in format 2; .* format 1: upgrade gatewise"
    ):
        load(newer)


def foreign(path: Path) -> None:
    save_file({"w": torch.zeros(2)}, path)


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-50])


def headless(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:100])


def text(path: Path) -> None:
    path.write_text("time,load\n2024-01-01,3\n" * 9)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def pickled(path: Path) -> None:
    torch.save({"w": torch.zeros(2)}, path)


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


DAMAGES: dict[Callable[[Path], Any], str] = {
    foreign: "safetensors file, but not one of Gatewise's",
    truncated: "not a model file, or a damaged one",
    headless: "not a model file, or a damaged one",
    text: "not a model file, or a damaged one",
    empty: "not a model file, or a damaged one",
    pickled: "not a model file, or a damaged one",
    folder: "a directory, not a model file",
    Path.unlink: "no such model file",
    lambda path: changed(path, lambda h: h.pop("settings")): "damaged model file: KeyError",
    lambda path: changed(path, lambda h: h["settings"].update(hidden_size=9)): "damaged model file",
    lambda path: changed(path, lambda h: h.update(columns=[])): "damaged model file",
    lambda path: changed(path, lambda h: h.update(task="sing")): "the task 'sing', unknown here",
    lambda path: changed(path, lambda h: h.pop("task")): "unknown here",
    lambda path: changed(path, lambda h: h.update(format="one")): "not one of Gatewise's",
}


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda d: getattr(d, "__name__", "header"))
def test_file_that_is_no_model_is_refused(damage: Callable[[Path], Any], path: Path) -> None:
    damage(path)
    with pytest.raises(DataError, match=DAMAGES[damage]) as caught:
        load(path)
    assert str(caught.value).startswith(str(path))


def test_saving_into_a_missing_folder_leaves_nothing(fitted: Forecaster, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        fitted.save(tmp_path / "no" / "model.safetensors")
    assert os.listdir(tmp_path) == []
