import pytest

from gatewise.comparison.summary import as_text, digits, headers, rows


def error(mean, low=None, high=None):
    return {"mean": mean, "low": low, "high": high}


RESULT = {
    "metric": "mae",
    "metrics": {"mae": "MAE", "rmse": "RMSE", "mase": "MASE"},
    "data": {"name": "a|b.csv", "target": "load", "horizon": 24},
    "cells": [
        {"name": "gru", "hidden": 77, "parameters": 117_750, "size_bytes": 471_000}
        | {"mae": error(54.051, 42.08, 66.02), "rmse": error(89.2), "mase": error(0.9)}
        | {"train_seconds": 8.02, "step_microseconds": 113.4, "seed_spread": 1.683},
        {"name": "lstm", "hidden": 64, "parameters": 118_305, "size_bytes": 473_220}
        | {"mae": error(53.014, 43.8, 62.21), "rmse": error(86.3), "mase": error(0.89)}
        | {"train_seconds": 5.94, "step_microseconds": 184.7, "seed_spread": 2.874},
    ],
    "baselines": [
        {"name": "last", "label": "last | value", "best": True, "mae": error(226.8)}
        | {"rmse": error(12_345.6), "mase": None},
    ],
    "verdict": {"sentence": "LSTM or GRU is not decided.", "practical": "Take the LSTM."},
    "setup": {"steps": 500, "threads": 2, "backend": "torch"},
}


def test_cells_come_first_smallest_error_on_top():
    assert [row[0] for row in rows(RESULT)] == [
        "LSTM (64 units)",
        "GRU (77 units)",
        "last | value *",
    ]
    assert all(len(row) == len(headers(RESULT)) for row in rows(RESULT))


def test_text_is_aligned_and_complete():
    assert as_text(RESULT).splitlines() == [
        "model              MAE    RMSE  MASE   MAE interval  parameters    size  train    step",
        "-" * 86,
        "LSTM (64 units)  53.01    86.3  0.89   43.8 … 62.21     118,305  473 kB  5.9 s  185 µs",
        "GRU (77 units)   54.05    89.2   0.9  42.08 … 66.02     117,750  471 kB  8.0 s  113 µs",
        "last | value *   226.8  12,346     –              –           –       –      –       –",
        "",
        "MAE spread between seeds: GRU 1.683, LSTM 2.874",
        "times: 500 optimiser steps, one step of the layer; one process, 2 threads, backend torch",
        "",
        "LSTM or GRU is not decided.",
        "Take the LSTM.",
    ]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.0, "0"),
        (0.00012345, "0.0001234"),
        (53.0149, "53.01"),
        (9999.4, "9999"),
        (12345.6, "12,346"),
    ],
)
def test_digits_shows_four(value, shown):
    assert digits(value) == shown
