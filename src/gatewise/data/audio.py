"""Spectral features of sound: the logarithm of mel bands, and mel cepstral coefficients (MFCC)."""

import numpy as np
from scipy.fft import dct, rfft

WINDOW = 0.025
HOP = 0.0125
BANDS = 40
COEFFICIENTS = 13
FLOOR = 1e-10
"""Power below it counts as this, so that silence has a logarithm."""


def log_mel(
    samples: np.ndarray,
    rate: float,
    *,
    bands: int = BANDS,
    window: float = WINDOW,
    hop: float = HOP,
) -> np.ndarray:
    """Natural logarithm of the power in mel bands, (T, bands) float32.

    Frame t starts at sample ``t · hop · rate`` and is weighted by a periodic Hann window; a sound
    shorter than one window is filled up with zeros, a last part shorter than it is left out. The
    power spectrum (squared magnitude) of the next power of two is summed under `mel_filters`.

    Args:
        samples: (N,) numbers, full scale at 1.
        rate: samples per second.
        bands: mel bands from 0 to half the rate.
        window, hop: seconds a frame lasts, and from one to the next.
    """
    from scipy.signal.windows import hann  # slow to load: only where sound is read

    length, step = round(window * rate), round(hop * rate)
    if length < 2 or step < 1 or bands < 1:
        raise ValueError(
            f"window={window} and hop={hop} seconds at {rate} samples per second, and bands="
            f"{bands}: at least two samples, one sample and one band are needed"
        )
    samples = np.asarray(samples, dtype=np.float64)
    if samples.ndim != 1:
        raise ValueError(f"samples must be (N,), got {samples.shape}")
    samples = np.pad(samples, (0, max(0, length - len(samples))))
    frames = np.lib.stride_tricks.sliding_window_view(samples, length)[::step]  # (T, length)
    size = 1 << (length - 1).bit_length()
    power = np.abs(rfft(frames * hann(length, sym=False), size)) ** 2  # (T, size / 2 + 1)
    energy = power @ mel_filters(bands, size, rate).T
    return np.log(np.maximum(energy, FLOOR)).astype(np.float32)


def mfcc(
    samples: np.ndarray,
    rate: float,
    *,
    coefficients: int = COEFFICIENTS,
    bands: int = BANDS,
    window: float = WINDOW,
    hop: float = HOP,
) -> np.ndarray:
    """Mel-frequency cepstral coefficients, (T, coefficients) float32.

    The first coefficients of the orthonormal DCT-II of `log_mel` (Davis & Mermelstein 1980), the
    zeroth one, loudness, among them; no liftering.

    Args:
        samples, rate, bands, window, hop: as for `log_mel`.
        coefficients: how many, at most ``bands``.
    """
    if not 1 <= coefficients <= bands:
        raise ValueError(f"coefficients must be from 1 to bands={bands}, got {coefficients}")
    energy = log_mel(samples, rate, bands=bands, window=window, hop=hop)
    return dct(energy, type=2, norm="ortho", axis=1)[:, :coefficients].astype(np.float32)


def mel_filters(bands: int, size: int, rate: float) -> np.ndarray:
    """Triangular filters over the bins of a spectrum, (bands, size / 2 + 1), with peak 1.

    Edges lie evenly on the mel scale of HTK, m = 2595 log10(1 + f / 700) (O'Shaughnessy 1987; Young
    et al., The HTK Book, equation 5.13), from 0 to half the rate. Where low bands are narrower than
    the distance of two bins, one may catch no bin; it then takes the nearest one.
    """
    top = 2595 * np.log10(1 + rate / 2 / 700)
    edges = 700 * (10 ** (np.linspace(0, top, bands + 2) / 2595) - 1)  # (bands + 2,) hertz
    bins = np.arange(size // 2 + 1) * rate / size
    low, peak, high = (edges[i : i + bands, None] for i in range(3))
    rising, falling = (bins - low) / (peak - low), (high - bins) / (high - peak)
    filters = np.maximum(0, np.minimum(rising, falling))
    empty = np.flatnonzero(filters.sum(axis=1) == 0)
    filters[empty, np.abs(bins - peak[empty]).argmin(axis=1)] = 1
    return filters
