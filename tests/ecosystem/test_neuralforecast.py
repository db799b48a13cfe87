"""NeuralForecast's models with our layers in them: trained to the same error on real series.

What is compared: the training loss of every step, the validation loss, and the forecasts of a
cross-validation over the last two years of the AirPassengers panel, which comes with the package.
The recurrent layers are all that differs: seed, batches and first weights are the same.
"""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import gatewise

neuralforecast = pytest.importorskip("neuralforecast", reason="make test-ecosystem installs it")

from neuralforecast import NeuralForecast, models  # noqa: E402
from neuralforecast.core import MODEL_FILENAME_DICT  # noqa: E402
from neuralforecast.losses.pytorch import MAE, DistributionLoss  # noqa: E402
from neuralforecast.utils import AirPassengersPanel  # noqa: E402

pytestmark = [
    pytest.mark.ecosystem,
    pytest.mark.filterwarnings("ignore:`isinstance:FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning:pytorch_lightning"),
]

HORIZON, TEST = 12, 24  # months
PASSENGERS = AirPassengersPanel[["unique_id", "ds", "y"]]
QUIET = {
    "logger": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
    "accelerator": "cpu",
    "devices": 1,
}
ENCODER = {"encoder_hidden_size": 16, "decoder_hidden_size": 16}
TRANSFORMER = {"hidden_size": 4, "n_head": 1, "windows_batch_size": 8, "input_size": 12}
SMALL = {
    "h": HORIZON,
    "input_size": 24,
    "max_steps": 15,
    "val_check_steps": 15,
    "learning_rate": 0.01,
    "scaler_type": "standard",
    "alias": "forecast",
    **QUIET,
}
LONG = {**ENCODER, "max_steps": 100, "val_check_steps": 20, "learning_rate": 0.005}
FORMS = {  # of a model: its class and arguments
    "LSTM": ("LSTM", ENCODER),
    "GRU": ("GRU", ENCODER),
    "RNN": ("RNN", ENCODER),
    "LSTM, projected, its state handed on": ("LSTM", {**ENCODER, "recurrent": True}),
    "GRU, its state handed on": ("GRU", {**ENCODER, "recurrent": True}),
    "RNN, without biases": ("RNN", {**ENCODER, "encoder_bias": False}),
    "DeepAR": (
        "DeepAR",
        {
            "lstm_hidden_size": 16,
            "lstm_dropout": 0.0,
            "trajectory_samples": 10,
            "loss": DistributionLoss("Normal"),
            "valid_loss": MAE(),
        },
    ),
    "DilatedRNN of GRUs": ("DilatedRNN", {**ENCODER, "cell_type": "GRU"}),
    "TFT": ("TFT", TRANSFORMER),
    "TFT of GRUs": ("TFT", {**TRANSFORMER, "rnn_type": "gru"}),
}


def ours_like(layer: nn.RNNBase) -> nn.Module:
    """Give our layer for one of torch's, with the same weights."""
    names = ["input_size", "hidden_size", "num_layers", "bias", "batch_first", "dropout"]
    names += ["bidirectional"] + (["proj_size"] if layer.mode == "LSTM" else [])
    ours = getattr(gatewise, type(layer).__name__)(**{name: getattr(layer, name) for name in names})
    ours.load_state_dict(layer.state_dict())
    return ours


def swap_layers(module: nn.Module) -> int:
    """Put our layers where torch's stand, anywhere in a model; give how many."""
    found = [(parent, *child) for parent in module.modules() for child in parent.named_children()]
    layers = [item for item in found if isinstance(item[2], nn.RNNBase)]
    for parent, name, layer in layers:
        setattr(parent, name, ours_like(layer))
    return len(layers)


class GatewiseLSTM(models.LSTM):
    """NeuralForecast's LSTM around ours, with an option that torch lacks."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        layer = self.hist_encoder
        self.hist_encoder = gatewise.LSTM(
            layer.input_size, layer.hidden_size, layer.num_layers, batch_first=True, layer_norm=True
        )


def swapped(kind: str) -> type:
    """Give NeuralForecast's model of that name, with our layers in it."""
    base = getattr(models, kind)

    class Swapped(base):  # type: ignore[misc]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            assert swap_layers(self) > 0

    return Swapped


def fit(model: type, **arguments: Any) -> tuple[NeuralForecast, Any]:
    """Train, forecast the last two years; give the fitted models and the forecasts."""
    fitted = NeuralForecast(models=[model(**{**SMALL, **arguments})], freq="ME")
    return fitted, fitted.cross_validation(
        PASSENGERS, val_size=TEST, test_size=TEST, n_windows=None
    )


def losses(fitted: NeuralForecast, part: str = "train") -> np.ndarray:
    """Give the loss at every step of the training, or at each look at the validation part."""
    return np.array([loss for _, loss in getattr(fitted.models[0], f"{part}_trajectories")])


def error(forecasts: Any) -> float:
    """Give the mean absolute error, in thousands of passengers."""
    return float((forecasts["y"] - forecasts["forecast"]).abs().mean())


@pytest.fixture(autouse=True)
def quiet_lightning() -> Iterator[None]:
    """Lightning's notes on seeds and devices are not printed; one thread, so bits stay."""
    loggers = [logging.getLogger(name) for name in ("pytorch_lightning", "lightning_fabric")]
    levels, threads = [logger.level for logger in loggers], torch.get_num_threads()
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)


@pytest.mark.parametrize("form", FORMS)
def test_every_step_of_a_training_is_as_with_torch(form: str) -> None:
    """In float64, where two right computations can be told from a right and a wrong one."""
    kind, arguments = FORMS[form]
    theirs, expected = fit(getattr(models, kind), **arguments, precision="64-true")
    ours, forecasts = fit(swapped(kind), **arguments, precision="64-true")
    assert len(losses(ours)) == SMALL["max_steps"]
    np.testing.assert_allclose(losses(ours), losses(theirs), rtol=1e-10)
    np.testing.assert_allclose(forecasts["forecast"], expected["forecast"], rtol=1e-7)


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
def test_training_in_float32_ends_at_the_same_error(kind: str) -> None:
    theirs, expected = fit(getattr(models, kind), **LONG)
    ours, forecasts = fit(swapped(kind), **LONG)
    np.testing.assert_allclose(losses(ours)[:20], losses(theirs)[:20], rtol=1e-5)
    np.testing.assert_allclose(losses(ours, "valid"), losses(theirs, "valid"), rtol=1e-4)
    assert error(forecasts) == pytest.approx(error(expected), rel=1e-4)
    assert losses(ours)[-1] < 0.5 * losses(ours)[0]
    assert error(forecasts) < same_month_last_year()


def same_month_last_year() -> float:
    """Give the error of the seasonal naive forecast of the last two years."""
    lagged = PASSENGERS.groupby("unique_id")["y"].shift(12)
    return float(
        (PASSENGERS["y"] - lagged).abs().groupby(PASSENGERS["unique_id"]).tail(TEST).mean()
    )


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
def test_our_class_under_torchs_name_draws_the_same_weights(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs, expected = fit(getattr(models, kind), **ENCODER, precision="64-true")
    monkeypatch.setattr(nn, kind, getattr(gatewise, kind))
    ours, forecasts = fit(getattr(models, kind), **ENCODER, precision="64-true")
    assert type(ours.models[0].hist_encoder) is getattr(gatewise, kind)
    np.testing.assert_allclose(losses(ours), losses(theirs), rtol=1e-10)
    np.testing.assert_allclose(forecasts["forecast"], expected["forecast"], rtol=1e-7)


@pytest.mark.filterwarnings("ignore:.*was saved by:UserWarning")
@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
def test_each_opens_what_the_other_saved(kind: str, tmp_path: Path) -> None:
    theirs, _ = fit(getattr(models, kind), **ENCODER)
    ours, _ = fit(swapped(kind), **ENCODER, random_seed=2)
    expected = {}
    for name, fitted in (("theirs", theirs), ("ours", ours)):
        expected[name] = fitted.predict()["forecast"]
        fitted.save(str(tmp_path / name))
    opened = NeuralForecast.load(str(tmp_path / "ours"))  # which knows its own classes alone
    assert type(opened.models[0].hist_encoder) is getattr(nn, kind)
    np.testing.assert_allclose(opened.predict()["forecast"], expected["ours"], rtol=1e-5)
    ours.models = [swapped(kind).load(str(tmp_path / "theirs" / "forecast_0.safetensors"))]
    assert type(ours.models[0].hist_encoder) is getattr(gatewise, kind)
    np.testing.assert_allclose(ours.predict()["forecast"], expected["theirs"], rtol=1e-5)
    assert abs(expected["ours"] - expected["theirs"]).max() > 1


def test_model_with_an_option_that_torch_lacks_learns_and_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(MODEL_FILENAME_DICT, "gatewiselstm", GatewiseLSTM)
    ours, forecasts = fit(GatewiseLSTM, **LONG)
    assert error(forecasts) < same_month_last_year()
    expected = ours.predict()["forecast"]
    ours.save(str(tmp_path / "saved"))
    loaded = NeuralForecast.load(str(tmp_path / "saved"))
    assert loaded.models[0].hist_encoder.layer_norm
    np.testing.assert_array_equal(loaded.predict()["forecast"], expected)
