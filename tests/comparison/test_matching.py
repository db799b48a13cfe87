import numpy as np
import pytest
from tables import hourly

from gatewise.comparison.matching import match_hidden_sizes
from gatewise.comparison.tasks import make_task
from gatewise.data.reading import Reading

COMMON = {
    "task": "forecast",
    "hidden_size": 16,
    "folds": 4,
    "metric": None,
    "steps": 3,
    "device": "cpu",
}
PARTS = {"target": "load", "horizon": 6, "lookback": 24, "segment": 1}
TASK = make_task(hourly(), Reading(), COMMON, PARTS).task


def match(match, hidden=16, cells=("lstm", "gru", "rnn")):
    return match_hidden_sizes(cells, match, hidden, TASK, 1)


@pytest.mark.parametrize("hidden", [1, 7, 16, 64])
def test_matched_parameters_are_the_nearest(hidden):
    sizes = match("parameters", hidden)
    wanted = TASK.parameters("lstm", hidden)
    assert sizes["lstm"] == hidden
    for cell in ("gru", "rnn"):
        found = abs(TASK.parameters(cell, sizes[cell]) - wanted)
        for other in (sizes[cell] - 1, sizes[cell] + 1):
            if other:
                assert found <= abs(TASK.parameters(cell, other) - wanted)


def test_matched_units_are_the_same():
    assert match("units") == {"lstm": 16, "gru": 16, "rnn": 16}


def test_matched_time_gives_usable_sizes():
    sizes = match("time", cells=("lstm", "gru"))
    assert sizes["lstm"] == 16
    assert 1 <= sizes["gru"] <= 1 << 14
    assert np.isfinite(sizes["gru"])
