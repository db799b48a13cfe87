from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import mean_pinball_loss
from tables import hourly

from gatewise.data import make_panel, read_table
from gatewise.data.encoding import Encoded, Encoder
from gatewise.estimators.forecast_windows import Windows
from gatewise.estimators.losses import LOSSES, forecast_loss, pinball

ORIGINS = np.array([60, 100])


def encoded_of(*, log: bool, **options: Any) -> Encoded:
    panel = make_panel(read_table(hourly(200, **options)), target="load", past=[])
    return Encoder.fit(panel, [200], log=log).encode(panel)


class Off(torch.nn.Linear):
    """A model that is wrong by ``off`` (2, 6) in z, and gives ``bounds`` (2, 6, Q)."""

    def __init__(self, windows: Windows, off: torch.Tensor, bounds: torch.Tensor) -> None:
        super().__init__(1, 1)
        self.made = windows.truth(ORIGINS)[0] + off, bounds

    def forward(self, *_: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.made


def loss_of(windows: Windows, off: torch.Tensor, loss: str, *rest: Any) -> float:
    bounds = rest[1] if rest else torch.zeros(2, 6, 0)
    total, count = forecast_loss(Off(windows, off, bounds), windows, ORIGINS, loss, *rest[:1])
    return float(total / count)


@pytest.mark.parametrize(
    ("loss", "log"),
    [(loss, log) for loss in LOSSES for log in (False, True) if log or loss != "relative"],
)
def test_loss_is_what_its_name_says_in_units_of_the_spread(loss: str, log: bool) -> None:
    encoded = encoded_of(log=log)
    windows, scaler = Windows(encoded, 24, 6), encoded.scalers[0]
    off = torch.linspace(-1.5, 1.5, 12).reshape(2, 6)  # in z, less than a factor of e
    ahead = ORIGINS[:, None] + np.arange(6)
    truth = encoded.unscale(ORIGINS, encoded.z[ahead])
    made = encoded.unscale(ORIGINS, encoded.z[ahead] + off.numpy())
    error = np.abs(made - truth) / scaler.spread
    if loss == "relative":
        error = np.abs(np.log(made + scaler.offset) - np.log(truth + scaler.offset))
    expected = {
        "absolute": error.mean(),
        "relative": error.mean(),
        "squared": (error**2).mean(),
        "huber": np.where(error < 1, error**2 / 2, error - 0.5).mean(),
    }
    assert loss_of(windows, off, loss) == pytest.approx(expected[loss], rel=1e-5)


def test_quantiles_add_their_mean_pinball_loss() -> None:
    windows = Windows(encoded_of(log=False), 24, 6)
    bounds = torch.randn(2, 6, 3, generator=torch.Generator().manual_seed(0)).sort().values
    quantiles = (0.1, 0.5, 0.95)
    z = windows.truth(ORIGINS)[0].numpy().ravel()
    expected = np.mean(
        [
            mean_pinball_loss(z, bounds[..., number].numpy().ravel(), alpha=q)
            for number, q in enumerate(quantiles)
        ]
    )
    off = torch.zeros(2, 6)
    assert loss_of(windows, off, "absolute", quantiles, bounds) == pytest.approx(expected, rel=1e-5)


def test_pinball_is_least_at_the_quantile() -> None:
    values = torch.arange(100.0)
    guesses = torch.arange(0.0, 100.0, 0.5)
    costs = pinball(values[:, None, None] - guesses[:, None], (0.2,)).mean((0, 2))
    assert float(guesses[costs.argmin()]) == pytest.approx(19.5, abs=1)


@pytest.mark.parametrize("log", [False, True])
def test_what_was_not_seen_counts_nothing_and_wild_errors_stay_finite(log: bool) -> None:
    encoded = encoded_of(log=log, gaps=True)
    origin = int(np.flatnonzero(~encoded.seen[70:])[0]) + 70 - 2
    windows = Windows(encoded, 24, 6)
    made = torch.full((1, 6), 80.0, requires_grad=True)

    class Wild(torch.nn.Linear):
        def forward(self, *_: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            return made, torch.zeros(1, 6, 0)

    total, count = forecast_loss(Wild(1, 1), windows, np.array([origin]), "absolute")
    total.backward()
    assert int(count) == int(encoded.seen[origin : origin + 6].sum()) < 6
    assert made.grad is not None
    assert made.grad.isfinite().all()
    assert ((made.grad != 0).numpy() == encoded.seen[origin : origin + 6]).all()
