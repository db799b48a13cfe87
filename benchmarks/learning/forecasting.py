"""Forecasts of five real series by one preset each, beside naive forecasts of the same windows.

    python benchmarks/learning/forecasting.py etth1 --cell gru --seed 0

trains on the training and validation part through ``Forecaster``, forecasts the test part, prints
the error, the share of the truth inside the 80 % interval, parameters and seconds, and appends
them to ``benchmarks/results/learning/``. With ``--part validation`` the test part is not looked
at: the settings were chosen so.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from gatewise import Forecaster

sys.path.insert(0, str(Path(__file__).parent))
from log import record

DATA = Path(__file__).parents[3] / "shared" / "data" / "forecasting"


@dataclass(frozen=True)
class Task:
    """A data set, how it is cut, how it is judged and what it is learnt by.

    Attributes:
        name: in the log.
        what: in words.
        read: gives the table: known rows, and how ``Forecaster`` is to read it.
        validation, test, end: the first times of the validation and the test part, and the time
            behind the test part; None where the data ends. M4's test part is the last 48 hours of
            each series, its validation part the 48 before them.
        metric: of the point forecasts.
        naive: periods whose naive forecasts are shown.
        preset: parameters of ``Forecaster``.
        by_cell: parameters that differ for a cell.
    """

    name: str
    what: str
    read: Callable[[], tuple[pl.DataFrame, dict[str, Any]]]
    validation: str | None
    test: str | None
    end: str | None
    metric: str
    naive: tuple[int, ...]
    preset: dict[str, Any]
    by_cell: dict[str, dict[str, Any]] = field(default_factory=dict)


def etth1() -> tuple[pl.DataFrame, dict[str, Any]]:
    frame = pl.read_csv(DATA / "ETTh1.csv", try_parse_dates=True)
    long = frame.unpivot(index="date", variable_name="series", value_name="value")
    return long, {"time": "date", "series": "series", "target": "value"}


def etth1_ot() -> tuple[pl.DataFrame, dict[str, Any]]:
    frame = pl.read_csv(DATA / "ETTh1.csv", try_parse_dates=True).select("date", "OT")
    return frame, {"time": "date", "target": "OT"}


def m4() -> tuple[pl.DataFrame, dict[str, Any]]:
    frame = pl.read_parquet(DATA / "m4_hourly.parquet").drop("category")
    return frame, {"time": "timestamp", "series": "series_id", "target": "value"}


def bikes() -> tuple[pl.DataFrame, dict[str, Any]]:
    frame = pl.read_csv(DATA / "bike_sharing_hourly.csv", try_parse_dates=True)
    return frame, {"time": "date_time", "target": "users", "future": BIKE_CALENDAR}


def pm25() -> tuple[pl.DataFrame, dict[str, Any]]:
    path = DATA / "beijing_pm25.csv"
    frame = pl.read_csv(path, null_values="NA", infer_schema_length=None).drop("No")
    return frame, {"time": ["year", "month", "day", "hour"], "target": "pm2.5"}


BIKE_CALENDAR = ["holiday", "workingday"]

TASKS = {
    "etth1": Task(
        name="etth1",
        what="7 columns, each by itself through one network, 96 hours ahead",
        read=etth1,
        validation="2017-06-26",
        test="2017-10-24",
        end="2018-02-21",
        metric="mse",
        naive=(1, 24),
        preset={
            "horizon": 96,
            "lookback": 336,
            "segment": 24,
            "hidden_size": 256,
            "level": False,
            "calendar": False,
            "dropout": 0.3,
            "loss": "huber",
            "batch_size": 128,
            "weight_decay": 0.1,
        },
    ),
    "etth1-ot": Task(
        name="etth1_ot",
        what="OT, 24 hours ahead",
        read=etth1_ot,
        validation="2017-06-26",
        test="2017-10-24",
        end="2018-02-21",
        metric="mse",
        naive=(1, 24),
        preset={
            "horizon": 24,
            "lookback": 336,
            "segment": 24,
            "hidden_size": 64,
            "level": False,
            "calendar": False,
            "loss": "squared",
        },
    ),
    "m4": Task(
        name="m4_hourly",
        what="414 series, the official test: the last 48 hours of each",
        read=m4,
        validation=None,
        test=None,
        end=None,
        metric="smape",
        naive=(24, 168),
        preset={
            "horizon": 48,
            "lookback": 336,
            "segment": 24,
            "hidden_size": 128,
            "validation": 0.05,
            "calendar": False,
            "loss": "relative",
            "steps": 2_000,
        },
    ),
    "bikes": Task(
        name="bike_sharing",
        what="one hour ahead over the last 60 days, the calendar known, the weather past",
        read=bikes,
        validation="2012-09-03",
        test="2012-11-02",
        end=None,
        metric="mae",
        naive=(1, 24, 168),
        preset={"horizon": 1, "lookback": 168, "segment": 6, "steps": 1_500},
    ),
    "pm25": Task(
        name="beijing_pm25",
        what="one hour ahead over 2014, where the truth is known",
        read=pm25,
        validation="2013-01-01",
        test="2014-01-01",
        end=None,
        metric="rmse",
        naive=(1, 24),
        preset={
            "horizon": 1,
            "lookback": 72,
            "hidden_size": 32,
            "linear": False,
            "log": False,
            "loss": "huber",
            "steps": 1_500,
        },
    ),
}


def parts(task: Task, frame: pl.DataFrame, names: dict[str, Any]) -> dict[str, pl.DataFrame]:
    """Give the rows up to the end of each part: of what may be trained on, and of the test."""
    if task.test is None:
        last = pl.col(names["time"]).rank("ordinal", descending=True).over(names["series"])
        return {"validation": frame.filter(last > HORIZON_M4), "test": frame}
    time_ = times_of(frame, names["time"])
    test, end = (np.datetime64(t or "9999-01-01") for t in (task.test, task.end))
    return {"validation": frame.filter(time_ < test), "test": frame.filter(time_ < end)}


def times_of(frame: pl.DataFrame, names: str | list[str]) -> np.ndarray:
    """Give each row's time."""
    if isinstance(names, str):
        return frame[names].to_numpy().astype("datetime64[us]")
    return frame.select(pl.datetime(*names)).to_series().to_numpy().astype("datetime64[us]")


def forecasts(
    task: Task, part: str, model: Forecaster, rows: pl.DataFrame, names: dict[str, Any]
) -> pl.DataFrame:
    """Forecast a part from every hour in it; of M4, once from its begin."""
    start = task.validation if part == "validation" else task.test
    if start is not None:
        return model.rolling(rows, start=start)
    last = pl.col(names["time"]).rank("ordinal", descending=True).over(names["series"])
    made = model.predict(rows.filter(last > HORIZON_M4))
    truth = rows.select(
        series=names["series"],
        time=pl.col(names["time"]).cast(pl.Datetime("us")),
        truth=names["target"],
    )
    return made.join(truth, on=["series", "time"], maintain_order="left")


def naive_forecasts(
    made: pl.DataFrame, rows: pl.DataFrame, names: dict[str, Any], period: int
) -> np.ndarray:
    """Give the value a whole number of periods before each forecast's time, before its origin."""
    hours = pl.col("time") - pl.duration(
        hours=period * ((pl.col("step") + period - 1) // period), time_unit="us"
    )
    known = pl.DataFrame(
        {
            "series": rows[names["series"]] if "series" in names else [names["target"]] * len(rows),
            "time": times_of(rows, names["time"]),
            "naive": rows[names["target"]].cast(pl.Float64),
        }
    )
    asked = made.select("series", time=hours)
    return asked.join(known, on=["series", "time"], how="left", maintain_order="left")[
        "naive"
    ].to_numpy()


def measure(task: Task, truth: np.ndarray, made: np.ndarray, scale: np.ndarray) -> float:
    """Give the task's metric where truth and forecast are there; ``scale`` (n,) divides errors."""
    off = (made - truth) / scale
    if task.metric == "smape":
        off = 200 * np.abs(made - truth) / (np.abs(made) + np.abs(truth))
    off = off[np.isfinite(off)]
    if task.metric in ("mse", "rmse"):
        return float(np.mean(off**2) ** (1.0 if task.metric == "mse" else 0.5))
    return float(np.mean(np.abs(off)))


def scales(
    task: Task, made: pl.DataFrame, frame: pl.DataFrame, names: dict[str, Any]
) -> np.ndarray:
    """Give what errors are divided by: for ETTh1 the training part's standard deviation."""
    if not task.name.startswith("etth1"):
        return np.ones(len(made))
    by = names.get("series", pl.lit(names["target"]))
    known = frame.filter(times_of(frame, names["time"]) < np.datetime64(task.validation))
    std = known.group_by(series=by).agg(pl.col(names["target"]).std(ddof=0).alias("std"))
    joined = made.select("series").join(std, on="series", how="left", maintain_order="left")
    return joined["std"].to_numpy()


HORIZON_M4 = 48


def run(task: Task, cell: str, seed: int, part: str, changes: dict[str, Any]) -> dict[str, Any]:
    """Train, forecast a part and measure it."""
    frame, names = task.read()
    known = parts(task, frame, names)
    preset = {**task.preset, **task.by_cell.get(cell, {}), **changes}
    if task.validation is not None:
        preset["validation"] = task.validation
    model = Forecaster(**names, **preset, cell=cell, random_state=seed)
    start = time.perf_counter()
    model.fit(known["validation"])
    seconds = time.perf_counter() - start
    made = forecasts(task, part, model, known[part], names)
    truth = made["truth"].to_numpy()
    scale = scales(task, made, frame, names)
    seen = np.isfinite(truth)
    inside = (made["q10"].to_numpy() <= truth) & (truth <= made["q90"].to_numpy())
    metrics = {
        task.metric: measure(task, truth, made["forecast"].to_numpy(), scale),
        "coverage": float(inside[seen].mean()),
        **{
            f"naive_{period}": measure(
                task, truth, naive_forecasts(made, known[part], names, period), scale
            )
            for period in task.naive
        },
    }
    return {
        "metrics": metrics,
        "seconds": seconds,
        "settings": {**preset, "parameters": model.model_.parameters},
        "steps_taken": model.history_[-1]["step"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dataset", choices=TASKS)
    parser.add_argument("--cell", choices=["lstm", "gru", "rnn"], default="gru")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--part", choices=["test", "validation"], default="test")
    parser.add_argument("--set", default="{}", help="JSON that changes the preset")
    arguments = parser.parse_args()
    task = TASKS[arguments.dataset]
    changes = json.loads(arguments.set)
    found = run(task, arguments.cell, arguments.seed, arguments.part, changes)
    print(json.dumps(found))
    given = "" if not changes else f" --set '{json.dumps(changes)}'"
    record(
        task.name,
        task=task.what,
        cell=arguments.cell,
        seed=arguments.seed,
        part=arguments.part,
        metrics=found["metrics"],
        seconds=found["seconds"],
        settings=found["settings"],
        command=f"python benchmarks/learning/forecasting.py {arguments.dataset} "
        f"--cell {arguments.cell} --seed {arguments.seed} --part {arguments.part}{given}",
    )


if __name__ == "__main__":
    main()
