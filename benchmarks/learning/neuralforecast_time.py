"""The same training with NeuralForecast and with Gatewise, in turn, each in a process of its own.

    python benchmarks/learning/neuralforecast_time.py --python PATH_TO_A_PYTHON_WITH_NEURALFORECAST

ETTh1's ``OT``: look-back 168, horizon 24, two recurrent layers of 128 units, batches of 32
windows, 500 steps, no validation part, then forecasts from every hour of the test part. Prints the
median wall time of each, of training and forecasts without imports and reading, and the ratio.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

DATA = Path(__file__).parents[3] / "shared" / "data" / "forecasting" / "ETTh1.csv"
TRAIN_END, VALIDATION_END, TEST_END = 8_640, 11_520, 14_400
LOOKBACK, HORIZON, UNITS, LAYERS, BATCH, STEPS = 168, 24, 128, 2, 32, 500


def gatewise(cell: str, segment: int | None) -> dict[str, Any]:
    """Train on 16 months, forecast 4; ``segment`` None is the default."""
    import numpy as np
    import polars as pl

    from gatewise import Forecaster

    frame = pl.read_csv(DATA, try_parse_dates=True).select("date", "OT")
    model = Forecaster(
        HORIZON,
        target="OT",
        lookback=LOOKBACK,
        segment=segment,
        cell=cell,
        hidden_size=UNITS,
        num_layers=LAYERS,
        batch_size=BATCH,
        steps=STEPS,
        random_state=0,
        validation=0,
        progress=False,
    )
    start = time.perf_counter()
    model.fit(frame[:VALIDATION_END])
    trained = time.perf_counter() - start
    made = model.rolling(frame[:TEST_END], start=str(frame["date"][VALIDATION_END]))
    seconds = time.perf_counter() - start
    off = (made["forecast"] - made["truth"]).to_numpy() / frame["OT"][:TRAIN_END].std(ddof=0)
    return {"seconds": seconds, "training": trained, "mse": float(np.mean(off**2))}


def neuralforecast(cell: str) -> dict[str, Any]:
    """Train on the same months, forecast the same windows."""
    import logging

    import numpy as np
    import pandas as pd
    from neuralforecast import NeuralForecast
    from neuralforecast.models import GRU, LSTM

    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    table = pd.read_csv(DATA, parse_dates=["date"])[["date", "OT"]][:TEST_END]
    scale = table["OT"][:TRAIN_END].std(ddof=0)
    frame = table.rename(columns={"date": "ds", "OT": "y"}).assign(unique_id="OT")
    model = {"lstm": LSTM, "gru": GRU}[cell](
        h=HORIZON,
        input_size=LOOKBACK,
        encoder_hidden_size=UNITS,
        encoder_n_layers=LAYERS,
        batch_size=BATCH,
        windows_batch_size=BATCH,
        max_steps=STEPS,
        scaler_type="standard",
        random_seed=0,
        enable_progress_bar=False,
        logger=False,
        enable_checkpointing=False,
        accelerator="cpu",
    )
    forecast = NeuralForecast(models=[model], freq="h")
    start = time.perf_counter()
    made = forecast.cross_validation(
        frame,
        test_size=TEST_END - VALIDATION_END,
        n_windows=None,
        step_size=1,
    )
    seconds = time.perf_counter() - start
    off = (made[cell.upper()] - made["y"]).to_numpy() / scale
    return {"seconds": seconds, "mse": float(np.mean(off**2))}


RUNS = {
    "neuralforecast": neuralforecast,
    "gatewise": lambda cell: gatewise(cell, None),
    "gatewise, a step at a time": lambda cell: gatewise(cell, 1),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", default=sys.executable, help="one that has neuralforecast")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--only", nargs=2, metavar=("RUN", "CELL"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.only:
        run, cell = arguments.only
        print(json.dumps(RUNS[run](cell)))
        return
    environment = {**os.environ, "OMP_NUM_THREADS": str(arguments.threads)}
    for cell in ("lstm", "gru"):
        found: dict[str, list[dict[str, Any]]] = {run: [] for run in RUNS}
        for _ in range(arguments.rounds):
            for run, rows in found.items():
                python = arguments.python if run == "neuralforecast" else sys.executable
                command = [python, __file__, "--only", run, cell]
                done = subprocess.run(
                    command, env=environment, capture_output=True, text=True, check=True
                )
                rows.append(json.loads(done.stdout.splitlines()[-1]))
        theirs = statistics.median(row["seconds"] for row in found["neuralforecast"])
        for run, rows in found.items():
            seconds = statistics.median(row["seconds"] for row in rows)
            print(
                f"{cell.upper()}  {run:28} {seconds:6.1f} s  ratio {seconds / theirs:.2f}  "
                f"mse {rows[0]['mse']:.4f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
