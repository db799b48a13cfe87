"""What a training needs in memory beside the series: measured in a process of its own."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

CODE = """
import gc, json, re, sys
from pathlib import Path

import numpy as np
import torch

from gatewise.data.columns import Columns
from gatewise.data.panel import Panel
from gatewise.data.times import Frequency
from gatewise.estimators.forecast_model import ForecastModel, ForecastSettings
from gatewise.training import Execution, TrainingOptions

torch.set_num_threads(1)


def panel_of(rows):
    minute = Frequency.parse("1 minute")
    random = np.random.default_rng(0)
    target, past = random.normal(size=(2, rows))
    target[::5003] = np.nan
    columns = Columns("y", ("t",), None, ("x",), (), ())
    times = [minute.range(np.datetime64("1900-01-01", "us"), rows)]
    return Panel("", columns, minute, [""], times, [target], {"x": [past]}, {})


def fit(panel):
    rows = len(panel.target[0])
    options = TrainingOptions(steps=5)
    settings = ForecastSettings(24, 168, hidden_size=8, segment=12, training=options)
    ends = [rows * 9 // 10], [rows]
    return ForecastModel.fit(panel, *ends, settings, seed=0, execution=Execution("cpu"))


def status(name):
    text = Path("/proc/self/status").read_text()
    return 1024 * int(re.search(name + r":\\s+(\\d+)", text)[1])


fit(panel_of(10_000))  # loads what is loaded once
panel = panel_of(int(sys.argv[1]))
gc.collect()
Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
before = status("VmRSS")
model = fit(panel)
print(json.dumps({"grown": status("VmHWM") - before, "steps": model.history[-1]["step"]}))
"""


FRAME = """
import gc, json, re, sys
from pathlib import Path

import numpy as np
import polars as pl
import torch

from gatewise import Forecaster

torch.set_num_threads(1)


def frame_of(rows):
    random = np.random.default_rng(0)
    times = np.datetime64("1950-01-01", "us") + np.arange(rows) * np.timedelta64(60, "s")
    values = {name: random.standard_normal(rows).astype(sys.argv[2]) for name in "yx"}
    return pl.DataFrame({"t": times, **values})


def fit(frame):
    small = {"lookback": 168, "segment": 12, "hidden_size": 8, "steps": 5, "log": False}
    return Forecaster(24, target="y", **small, random_state=0, device="cpu").fit(frame)


def status(name):
    text = Path("/proc/self/status").read_text()
    return 1024 * int(re.search(name + r":\\s+(\\d+)", text)[1])


fit(frame_of(10_000))  # loads what is loaded once
frame = frame_of(int(sys.argv[1]))
gc.collect()
Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
before = status("VmRSS")
model = fit(frame)
print(json.dumps({"grown": status("VmHWM") - before, "steps": model.history_[-1]["step"]}))
"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not Path("/proc/self/clear_refs").exists(), reason="the peak is read from /proc"
    ),
]


def measured(code: str, *arguments: object) -> dict[str, float]:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


@pytest.mark.parametrize("rows", [2_000_000, 20_000_000])
def test_training_needs_at_most_one_and_a_half_times_the_float32_size(rows: int) -> None:
    found = measured(CODE, rows)
    assert found["steps"] == 5
    assert found["grown"] < 1.5 * 4 * 2 * rows + 12e6  # two columns; the model and a batch


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rows", [2_000_000, 20_000_000])
def test_fitting_a_table_needs_at_most_one_and_a_half_times_its_float32_size(
    rows: int, dtype: str
) -> None:
    found = measured(FRAME, rows, dtype)
    assert found["steps"] == 5
    assert found["grown"] < 1.5 * 4 * 3 * rows + 12e6  # three columns; the model and a batch
