"""The forecasting benchmark's protocol: naive forecasts of its windows err as published."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
DATA = ROOT / ".." / "shared" / "data" / "forecasting"
SMALL = {"steps": 1, "hidden_size": 2, "segment": 24, "device": "cpu", "progress": False}


@pytest.fixture(scope="module")
def benchmark() -> ModuleType:
    path = ROOT / "benchmarks" / "learning" / "forecasting.py"
    spec = importlib.util.spec_from_file_location("forecasting_benchmark", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.mark.skipif(not DATA.exists(), reason="the shared data sets are not there")
@pytest.mark.parametrize(
    ("dataset", "expected"),
    [
        ("etth1-ot", {"naive_1": (0.034, 5e-4), "naive_24": (0.046, 5e-4)}),
        ("pm25", {"naive_1": (22.06, 5e-3), "naive_24": (98.71, 5e-3)}),
        ("bikes", {"naive_1": (65.3, 0.05), "naive_24": (65.5, 0.05), "naive_168": (75.3, 0.05)}),
        ("m4", {"naive_24": (13.912, 5e-4), "naive_168": (12.70, 5e-3)}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_naive_forecasts_err_as_published(
    dataset: str, expected: dict[str, Any], benchmark: ModuleType
) -> None:
    found = benchmark.run(benchmark.TASKS[dataset], "gru", 0, "test", SMALL)["metrics"]
    for name, (value, tolerance) in expected.items():
        assert found[name] == pytest.approx(value, abs=tolerance)
