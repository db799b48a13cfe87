import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.preprocessing import StandardScaler

from gatewise.data.channels import ChannelScaler


def sequences(seed: int, count: int = 5, channels: int = 3, gaps: float = 0.0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    found = [rng.normal(3, 2, (rng.integers(1, 9), channels)) for _ in range(count)]
    for value in found:
        value[rng.random(value.shape) < gaps] = np.nan
    return found


@given(seed=st.integers(0, 10_000), gaps=st.sampled_from([0.0, 0.1, 0.5, 0.9]))
@settings(deadline=None, max_examples=40)
def test_scale_matches_sklearn_and_pandas(seed: int, gaps: float) -> None:
    values = sequences(seed, gaps=gaps)
    values[0][0] = [1, 2, 3]  # so that every channel has a value
    values[1][0] = [-1, 1, 1]
    scaled = ChannelScaler.fit(values).scale(values)
    theirs = StandardScaler().fit(np.concatenate(values))
    wanted = [pd.DataFrame(theirs.transform(v)).ffill().fillna(0.0).to_numpy() for v in values]
    np.testing.assert_allclose(scaled[:, :3], np.concatenate(wanted), rtol=1e-5, atol=1e-6)
    missing = np.isnan(np.concatenate(values))
    np.testing.assert_array_equal(scaled[:, 3:], missing[:, missing.any(0)])
    assert scaled.dtype == np.float32


def test_indicator_stands_only_for_channels_with_gaps_in_training() -> None:
    training = sequences(0)
    training[2][0, 1] = np.nan
    scaler = ChannelScaler.fit(training)
    assert scaler.has_gaps.tolist() == [False, True, False]
    other = np.full((2, 3), np.nan)
    assert scaler.scale([other]).tolist() == [[0, 0, 0, 1]] * 2
    assert scaler.width == 4


def test_a_value_behind_a_gap_does_not_fill_it() -> None:
    scaler = ChannelScaler.fit(sequences(0, channels=1))
    a = np.array([[1.0], [np.nan], [2.0]])
    b = np.array([[1.0], [np.nan], [9.0]])
    assert np.array_equal(scaler.scale([a])[:2], scaler.scale([b])[:2])


@pytest.mark.parametrize("constant", [0.0, 7.0, 1e8, np.nan])
def test_constant_and_empty_channels_stay_finite(constant: float) -> None:
    values = [np.full((4, 1), constant)]
    assert np.abs(ChannelScaler.fit(values).scale(values)).max() <= 1
    assert np.abs(ChannelScaler.fit(values).scale([np.full((4, 1), 3.0)])).max() < 1e9


def test_scale_leaves_its_input_alone() -> None:
    values = sequences(0, gaps=0.3)
    before = [value.copy() for value in values]
    ChannelScaler.fit(values).scale(values)
    for value, kept in zip(values, before, strict=True):
        np.testing.assert_array_equal(value, kept)


def test_json_gives_the_same_scaler() -> None:
    values = sequences(1, gaps=0.3)
    scaler = ChannelScaler.fit(values)
    again = ChannelScaler.from_json(json.loads(json.dumps(scaler.to_json())))
    assert np.array_equal(again.scale(values), scaler.scale(values))
