import json

import numpy as np
import pytest
from tables import hourly, several

from gatewise.data import DataError, encoding
from gatewise.data.encoding import Encoder, fill_forward
from gatewise.data.panel import make_panel
from gatewise.data.slicing import extended, until
from gatewise.data.tables import read_table


def panel_of(frame, **names):
    return make_panel(read_table(frame), **{"target": "load", **names})


@pytest.mark.parametrize("block", [1, 2, 3, 100])
def test_fill_forward_never_crosses_into_another_series(block, monkeypatch):
    monkeypatch.setattr(encoding, "BLOCK", block)
    nan = np.nan
    values = np.array([nan, 1, nan, nan, nan, 2, nan, nan])
    fill_forward(values, np.array([0, 3, 8]))
    np.testing.assert_array_equal(values, [0, 1, 1, 0, 0, 2, 2, 2])


def test_blocks_change_nothing(monkeypatch):
    panel = panel_of(hourly(gaps=True), past=["temp", "sky"], future=["open"])
    encoder = Encoder.fit(panel, [300])
    whole = encoder.encode(panel)
    monkeypatch.setattr(encoding, "BLOCK", 7)
    for name in ("z", "past", "known", "seen"):
        np.testing.assert_array_equal(getattr(encoder.encode(panel), name), getattr(whole, name))


def test_encoding_of_the_past_does_not_change_with_the_future():
    panel = panel_of(hourly(gaps=True), future=["open"])
    encoder = Encoder.fit(panel, [300])
    whole, part = encoder.encode(panel), encoder.encode(until(panel, [400]))
    for name in ("z", "past", "known", "seen"):
        np.testing.assert_array_equal(getattr(whole, name)[:400], getattr(part, name))


def test_fit_sees_the_training_part_only():
    frame = hourly(gaps=True)
    spoilt = frame.with_columns(
        load=np.where(np.arange(600) < 300, frame["load"].to_numpy(), 1e6),
        temp=np.where(np.arange(600) < 300, frame["temp"].to_numpy(), -1e6),
        sky=np.where(np.arange(600) < 300, frame["sky"].to_numpy(), "snow"),
    )
    fitted = [Encoder.fit(panel_of(f, past=["temp", "sky"]), [300]) for f in (frame, spoilt)]
    assert fitted[0].to_json() == fitted[1].to_json()
    assert (
        fitted[0].to_json() != Encoder.fit(panel_of(spoilt, past=["temp", "sky"]), [301]).to_json()
    )


def test_columns_are_scaled_by_the_training_part_and_counted_right():
    panel = panel_of(hourly(gaps=True), past=["temp", "sky"], future=["open"])
    encoder = Encoder.fit(panel, [600])
    encoded = encoder.encode(panel)
    assert encoded.gaps
    widths = encoded.gaps + encoded.past.shape[1], encoded.known.shape[1]
    assert encoder.widths(panel.columns) == widths
    temp = encoded.past[:, 0]
    assert temp.mean() == pytest.approx(0, abs=1e-5)
    assert temp.std() == pytest.approx(1, abs=1e-5)
    assert (encoded.past[:, 1:].sum(1) == 1).all()  # the sky, one-hot
    assert (~encoded.seen).tolist() == np.isnan(panel.target[0]).tolist()


def test_unknown_category_is_all_zeros():
    frame = hourly()
    encoder = Encoder.fit(panel_of(frame, past=["sky"]), [600])
    later = panel_of(frame.with_columns(sky=np.full(600, "snow")), past=["sky"])
    assert (encoder.encode(later).past == 0).all()


def test_category_of_digits_is_found_where_a_later_table_holds_nothing_else():
    code = np.where(np.arange(600) % 2, "7", "x")
    encoder = Encoder.fit(panel_of(hourly().with_columns(code=code), past=["code"]), [600])
    later = panel_of(hourly().with_columns(code=np.full(600, "7")), past=["code"])
    np.testing.assert_array_equal(encoder.encode(later).past, [[1, 0]] * 600)


def test_text_where_the_training_had_numbers_is_an_error():
    encoder = Encoder.fit(panel_of(hourly(), past=["temp"]), [600])
    later = panel_of(hourly().with_columns(temp=np.full(600, "warm")), past=["temp"])
    with pytest.raises(DataError, match=r"temp.*numbers in the training data.*'warm'"):
        encoder.encode(later)


def test_each_series_has_its_own_scale_and_static_columns_are_repeated():
    panel = panel_of(several(), series="shop")
    encoder = Encoder.fit(panel, [len(t) for t in panel.times])
    encoded = encoder.encode(panel)
    means = [
        encoded.z[a:b].mean() for a, b in zip(encoded.offsets, encoded.offsets[1:], strict=False)
    ]
    np.testing.assert_allclose(means, 0, atol=1e-5)
    assert panel.columns.static == ("kind",)
    np.testing.assert_array_equal(encoded.known[:300], [[1, 0]] * 300)
    np.testing.assert_array_equal(encoded.known[300:560], [[0, 1]] * 260)


def test_unknown_series_is_scaled_by_its_own_history_and_said():
    panel = panel_of(several(), series="shop")
    encoder = Encoder.fit(panel, [300, 260, 220])
    other = panel_of(several((300,)).with_columns(shop=np.full(300, "s shop 0")), series="shop")
    with pytest.warns(UserWarning, match="1 series not in the training data.*'s shop 0'"):
        encoded = encoder.encode(other)
    assert abs(encoded.z).max() < 5


def test_encoder_survives_json():
    panel = panel_of(several(), series="shop")
    encoder = Encoder.fit(panel, [300, 260, 220])
    again = Encoder.from_json(json.loads(json.dumps(encoder.to_json())))
    assert again == encoder


def test_extended_adds_the_future_and_nothing_else():
    panel = panel_of(hourly(), past=["temp"], future=["open"])
    ahead = extended(panel, 3, {"open": [np.array([1.0, 0.0, 1.0])]})
    assert len(ahead.times[0]) == 603
    assert (np.diff(ahead.times[0]) == np.timedelta64(1, "h")).all()
    assert np.isnan(ahead.target[0][600:]).all()
    assert np.isnan(ahead.values["temp"][0][600:]).all()
    assert ahead.values["open"][0][600:].tolist() == [1, 0, 1]
    back = until(ahead, [600])
    np.testing.assert_array_equal(back.target[0], panel.target[0])
