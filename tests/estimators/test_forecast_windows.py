import numpy as np
import pytest
import torch
from tables import hourly, several

from gatewise.data import make_panel, read_table
from gatewise.data.calendar import calendar_features
from gatewise.data.encoding import Encoder
from gatewise.estimators import forecast_windows as module
from gatewise.estimators.forecast_windows import Windows, window_batches


@pytest.mark.parametrize("segment", [1, 4, 5, 10])
def test_inputs_are_the_rows_before_and_behind_the_origin(segment: int) -> None:
    panel = make_panel(read_table(hourly(200, gaps=True)), target="load", future=["open"])
    encoded = Encoder.fit(panel, [200]).encode(panel)
    features = calendar_features(panel.times[0], panel.frequency)
    windows = Windows(encoded, 10, 4, segment)
    z, past, known, calendar, ahead = windows.inputs(np.array([30, 77]))
    for row, origin in enumerate((30, 77)):
        back, front = slice(origin - 10, origin), slice(origin, origin + 4)
        assert torch.equal(z[row], torch.from_numpy(encoded.z[back]))
        gaps = np.isnan(panel.target[0][back, None])
        np.testing.assert_array_equal(past[row], np.hstack([gaps, encoded.past[back]]))
        assert torch.equal(known[row], torch.from_numpy(encoded.known[back]))
        ends = features[back][::-1][::segment][::-1]  # the last step of each segment
        np.testing.assert_array_equal(calendar[row], ends)
        expected = np.hstack([features[front], encoded.known[front]])
        np.testing.assert_array_equal(ahead[row], expected)
        truth, seen = windows.truth(np.array([origin]))
        np.testing.assert_array_equal(truth[0], encoded.z[front])
        np.testing.assert_array_equal(seen[0], encoded.seen[front])


def test_without_the_calendar_nothing_of_it_is_read() -> None:
    panel = make_panel(read_table(hourly(200)), target="load", future=["open"])
    windows = Windows(Encoder.fit(panel, [200]).encode(panel), 10, 4, 5, calendar=False)
    *_, calendar, ahead = windows.inputs(np.array([30, 77]))
    assert calendar.shape == (2, 2, 0)
    assert ahead.shape == (2, 4, 1)


@pytest.mark.parametrize("log", [False, True])
def test_weight_is_the_slope_of_each_series_unscaling(log: bool) -> None:
    panel = make_panel(read_table(several()), target="load", series="shop", past=[])
    encoded = Encoder.fit(panel, [300, 260, 220], log=log).encode(panel)
    windows, origins = Windows(encoded, 10, 4), np.array([50, 320, 600])
    z, seen = windows.truth(origins)
    y = encoded.unscale(origins, z.numpy())
    expected = [encoded.scalers[s].weight(y[s]) for s in range(3)]
    np.testing.assert_allclose(windows.weight(origins, z), expected, rtol=1e-4)
    assert seen.all()


def drawn(examples: int, batches: int, seed: int = 0) -> list[int]:
    order = window_batches(examples, 4, torch.Generator().manual_seed(seed))
    return torch.cat([order.next() for _ in range(batches)]).tolist()


@pytest.mark.parametrize("examples", [7, 8, 9, 23, 24])
def test_an_epoch_takes_each_window_once(examples: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_ORDERED_AT_ONCE", 8)
    taken = drawn(examples, 100)
    for epoch in range(3):
        assert sorted(taken[epoch * examples : (epoch + 1) * examples]) == list(range(examples))
    assert taken[:examples] != taken[examples : 2 * examples]
    assert drawn(examples, 10, seed=1) != drawn(examples, 10, seed=2)


@pytest.mark.parametrize("before", [0, 1, 5, 6, 7, 20])
def test_order_of_many_windows_goes_on_where_it_stood(
    before: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_ORDERED_AT_ONCE", 8)
    first, second = (window_batches(29, 4, torch.Generator().manual_seed(seed)) for seed in (1, 2))
    for _ in range(before):
        first.next()
    second.load_state_dict(first.state_dict())
    for _ in range(30):
        assert torch.equal(first.next(), second.next())
