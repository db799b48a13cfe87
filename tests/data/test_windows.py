import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gatewise.data.windows import Origins, window_origins, with_truth


@given(
    st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40), st.integers(0, 40)), max_size=4),
    st.integers(1, 8),
    st.integers(1, 8),
    st.integers(1, 5),
)
def test_windows_stay_inside_their_part_and_series(series, lookback, horizon, stride):
    bounds = [sorted(s) for s in series]
    lengths = [end for *_, end in bounds]
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    start, stop = [b[0] for b in bounds], [b[1] for b in bounds]
    found = window_origins(offsets, start, stop, lookback=lookback, horizon=horizon, stride=stride)
    expected = [
        base + t
        for base, a, b in zip(offsets[:-1], start, stop, strict=True)
        for t in range(max(a, lookback), b - horizon + 1, stride)
    ]
    assert found.tolist() == expected


def test_with_truth_leaves_out_windows_whose_whole_horizon_is_missing():
    target = np.array([1.0, np.nan, np.nan, 2.0, np.nan, np.nan, np.nan])
    kept = with_truth(np.arange(6), target, horizon=2)
    assert kept.tolist() == [0, 2, 3]


@given(
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30), st.integers(0, 30)), max_size=4),
    st.integers(1, 6),
    st.integers(1, 6),
    st.integers(0, 2**32 - 1),
    st.sampled_from([0.0, 0.2, 0.6, 0.9, 1.0]),
)
def test_runs_of_origins_are_the_windows_with_a_truth(series, lookback, horizon, seed, missing):
    bounds = [sorted(s) for s in series]
    lengths = [end for *_, end in bounds]
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    start, stop = [b[0] for b in bounds], [b[1] for b in bounds]
    seen = np.random.default_rng(seed).random(offsets[-1]) >= missing
    shape = {"lookback": lookback, "horizon": horizon}
    origins = Origins.of(offsets, start, stop, seen, **shape)
    listed = window_origins(offsets, start, stop, **shape)
    expected = with_truth(listed, np.where(seen, 1.0, np.nan), horizon)
    assert len(origins) == len(expected)
    assert origins.at(np.arange(len(origins))).tolist() == expected.tolist()
    assert set(origins.evenly(3)) <= set(expected)
    assert len(origins.evenly(3)) == min(3, len(expected))
