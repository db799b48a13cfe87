import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gatewise.data.audio import log_mel, mel_filters, mfcc


def slow_log_mel(samples: np.ndarray, rate: int, bands: int, window: float, hop: float):
    """The formulas once more, frame by frame and band by band, with sums for the transform."""
    length, step = round(window * rate), round(hop * rate)
    size = 2 ** int(np.ceil(np.log2(length)))
    frames = max(0, len(samples) - length) // step + 1
    mel = [2595 * np.log10(1 + f / 700) for f in (0.0, rate / 2)]
    corners = [
        700 * (10 ** ((mel[0] + (mel[1] - mel[0]) * k / (bands + 1)) / 2595) - 1)
        for k in range(bands + 2)
    ]
    out = np.zeros((frames, bands))
    hann = [0.5 - 0.5 * np.cos(2 * np.pi * n / length) for n in range(length)]
    for t in range(frames):
        piece = np.zeros(length)
        got = samples[t * step : t * step + length]
        piece[: len(got)] = got
        power = []
        for k in range(size // 2 + 1):
            turn = np.exp(-2j * np.pi * k * np.arange(length) / size)
            power.append(abs((piece * hann * turn).sum()) ** 2)
        for band in range(bands):
            low, peak, high = corners[band : band + 3]
            energy = weight = 0.0
            for k, p in enumerate(power):
                f = k * rate / size
                if low < f <= peak:
                    w = (f - low) / (peak - low)
                elif peak < f < high:
                    w = (high - f) / (high - peak)
                else:
                    continue
                energy, weight = energy + w * p, weight + w
            if not weight:
                energy = power[
                    int(np.argmin([abs(k * rate / size - peak) for k in range(len(power))]))
                ]
            out[t, band] = np.log(max(energy, 1e-10))
    return out


def slow_mfcc(energy: np.ndarray, count: int) -> np.ndarray:
    bands = energy.shape[1]
    basis = [
        [
            np.sqrt((1 if k == 0 else 2) / bands) * np.cos(np.pi * k * (2 * m + 1) / (2 * bands))
            for m in range(bands)
        ]
        for k in range(count)
    ]
    return energy @ np.array(basis).T


@settings(max_examples=15, deadline=None)
@given(
    st.integers(1, 900),
    st.sampled_from([8000, 11025, 16000]),
    st.integers(4, 40),
    st.sampled_from([(0.025, 0.0125), (0.02, 0.01), (0.01, 0.013)]),
    st.integers(0, 99),
)
def test_features_match_the_formulas(
    count: int, rate: int, bands: int, sizes: tuple[float, float], seed: int
) -> None:
    window, hop = sizes
    samples = np.random.default_rng(seed).normal(0, 0.1, count)
    want = slow_log_mel(samples, rate, bands, window, hop)
    got = log_mel(samples, rate, bands=bands, window=window, hop=hop)
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-4)
    number = min(13, bands)
    got = mfcc(samples, rate, coefficients=number, bands=bands, window=window, hop=hop)
    np.testing.assert_allclose(got, slow_mfcc(want, number), rtol=1e-4, atol=1e-3)


def test_a_tone_is_loudest_in_the_band_around_it() -> None:
    rate = 16_000
    energy = log_mel(np.sin(2 * np.pi * 1000 * np.arange(rate) / rate), rate)
    assert energy.shape == (1 + (rate - 400) // 200, 40)
    mel = 2595 * np.log10(1 + 1000 / 700)  # 1,000 mel: HTK's scale is made so
    assert mel == pytest.approx(1000, abs=0.1)
    band = mel / (2595 * np.log10(1 + rate / 2 / 700)) * 41 - 1
    assert abs(energy.argmax(axis=1) - band).max() <= 0.5


def test_silence_has_the_floor_and_no_band_is_empty() -> None:
    assert np.unique(log_mel(np.zeros(500), 8000)).tolist() == [np.float32(np.log(1e-10))]
    assert (mel_filters(40, 256, 8000).sum(axis=1) > 0).all()
    assert (mel_filters(80, 256, 8000).sum(axis=1) > 0).all()


def test_features_refuse_what_makes_no_sense() -> None:
    with pytest.raises(ValueError, match="coefficients must be from 1 to bands=10, got 11"):
        mfcc(np.zeros(900), 8000, bands=10, coefficients=11)
    with pytest.raises(ValueError, match="at least two samples"):
        log_mel(np.zeros(900), 50)
    with pytest.raises(ValueError, match=r"samples must be \(N,\), got \(2, 9\)"):
        log_mel(np.zeros((2, 9)), 8000)
