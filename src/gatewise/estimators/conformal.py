"""Split conformal correction of quantile forecasts (Romano, Patterson & Candès 2019, CQR)."""

import math
from collections.abc import Sequence

import numpy as np

OWN_ERRORS = 100
"""Windows from which on each step of the horizon is corrected by its own errors."""


def corrections(truth: np.ndarray, forecast: np.ndarray, quantiles: Sequence[float]) -> np.ndarray:
    """Find what must be added to each quantile so that it holds on data it was not fitted on.

    Each quantile is corrected by itself (the asymmetric form): with n errors (truth minus
    forecast) of a held-back part, by the ⌈(n + 1) q⌉-th smallest where q ≥ ½, by the
    ⌊(n + 1) q⌋-th where q < ½. Then, were the parts exchangeable, the truth would lie between the
    quantiles a and b with probability b − a at least. The windows overlap and time goes on, so
    this holds only about.

    Args:
        truth: (n, h), NaN where missing.
        forecast: (n, h, Q).
        quantiles: (Q,).

    Returns:
        (Q, h). A step of the horizon with fewer than 100 errors takes those of all steps.
    """
    off = truth[..., None] - forecast  # (n, h, Q)
    found = np.empty((len(quantiles), truth.shape[1]))
    counts = np.isfinite(truth).sum(0)
    for number, q in enumerate(quantiles):
        pooled = _order_statistic(off[..., number].ravel(), q)
        for step, count in enumerate(counts):
            enough = count >= OWN_ERRORS
            found[number, step] = _order_statistic(off[:, step, number], q) if enough else pooled
    return found


def _order_statistic(errors: np.ndarray, q: float) -> float:
    errors = np.sort(errors[np.isfinite(errors)])
    n = len(errors)
    rank = math.ceil((n + 1) * q) if q >= 0.5 else math.floor((n + 1) * q)
    return float(errors[min(max(rank, 1), n) - 1])
