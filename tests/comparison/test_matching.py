import numpy as np
import pytest
from tables import hourly

from gatewise.comparison.matching import match_hidden_sizes
from gatewise.data.encoding import Encoder
from gatewise.data.panel import make_panel
from gatewise.data.tables import read_table
from gatewise.estimators.forecast_model import ForecastSettings, build_network, count_parameters

PANEL = make_panel(read_table(hourly()), target="load")
ENCODER = Encoder.fit(PANEL, [600])
SETTINGS = ForecastSettings(6, 24)


def parameters(cell, hidden):
    settings = ForecastSettings(6, 24, cell=cell, hidden_size=hidden)
    return count_parameters(build_network(PANEL.columns, PANEL.frequency, ENCODER, settings))


def match(match, hidden=16, cells=("lstm", "gru", "rnn")):
    return match_hidden_sizes(cells, match, hidden, PANEL, ENCODER, SETTINGS, 1)


@pytest.mark.parametrize("hidden", [1, 7, 16, 64])
def test_matched_parameters_are_the_nearest(hidden):
    sizes = match("parameters", hidden)
    wanted = parameters("lstm", hidden)
    assert sizes["lstm"] == hidden
    for cell in ("gru", "rnn"):
        found = abs(parameters(cell, sizes[cell]) - wanted)
        for other in (sizes[cell] - 1, sizes[cell] + 1):
            if other:
                assert found <= abs(parameters(cell, other) - wanted)


def test_matched_units_are_the_same():
    assert match("units") == {"lstm": 16, "gru": 16, "rnn": 16}


def test_matched_time_gives_usable_sizes():
    sizes = match("time", cells=("lstm", "gru"))
    assert sizes["lstm"] == 16
    assert 1 <= sizes["gru"] <= 1 << 14
    assert np.isfinite(sizes["gru"])
