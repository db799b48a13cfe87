"""No leakage, to the bit, and the parts of a model that a forecaster is made of."""

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from tables import hourly, several

from gatewise.data import DataError, Panel, make_panel, read_table
from gatewise.data.encoding import Encoder
from gatewise.data.windows import window_origins
from gatewise.estimators.forecast_model import (
    ForecastModel,
    ForecastSettings,
    _windows_an_evaluation,
)
from gatewise.estimators.forecast_windows import Windows
from gatewise.estimators.losses import forecast_loss
from gatewise.training import Execution, TrainingOptions

TRAINING = TrainingOptions(steps=20, batch_size=16, evaluations=5)
SETTINGS = ForecastSettings(6, 24, hidden_size=4, segment=4, training=TRAINING)
TRAIN_END, VALIDATION_END = 300, 380


def mean_loss(*arguments: Any, loss: str = "absolute") -> Any:
    total, count = forecast_loss(*arguments, loss)
    return total / count


def panel_of(frame: Any = None, **parts: Any) -> Panel:
    parts = {"target": "load", "future": ["open"], **parts}
    return make_panel(read_table(hourly(450, gaps=True) if frame is None else frame), **parts)


def fitted(panel: Panel, settings: ForecastSettings = SETTINGS, **rest: Any) -> ForecastModel:
    ends = [TRAIN_END] * len(panel), [VALIDATION_END] * len(panel)
    return ForecastModel.fit(panel, *ends, settings, seed=1, execution=Execution("cpu"), **rest)


def corrupted(panel: Panel, start: int, names: tuple[str, ...]) -> Panel:
    """The panel with other target and column values from step ``start`` on."""
    changed = copy.deepcopy(panel)
    columns = {"load": changed.target, **changed.values}
    for name in names:
        for values in columns[name]:
            values[start:] = "corrupted" if values.dtype == object else 1e6
    return changed


EVERYTHING = ("load", "temp", "sky", "open")


@pytest.fixture(scope="module")
def panel() -> Panel:
    return panel_of()


@pytest.fixture(scope="module")
def model(panel: Panel) -> ForecastModel:
    return fitted(panel)


def test_fit_never_looks_behind_the_validation_end(panel: Panel, model: ForecastModel) -> None:
    other = fitted(corrupted(panel, VALIDATION_END, EVERYTHING))
    origins = np.arange(100, 440, 7)
    assert np.array_equal(model.forecast(panel, origins), other.forecast(panel, origins))
    plain = [{k: v for k, v in row.items() if k != "seconds"} for row in model.history]
    assert plain == [{k: v for k, v in row.items() if k != "seconds"} for row in other.history]


def test_fit_does_look_at_the_last_training_step(panel: Panel, model: ForecastModel) -> None:
    other = fitted(corrupted(panel, TRAIN_END - 1, ("temp",)))
    assert not np.array_equal(model.forecast(panel), other.forecast(panel))


@pytest.mark.parametrize("name", EVERYTHING)
def test_scalers_and_categories_come_from_the_training_part(
    panel: Panel, model: ForecastModel, name: str
) -> None:
    other = fitted(corrupted(panel, TRAIN_END, (name,)))
    assert other.encoder == model.encoder


def test_forecast_never_looks_behind_its_origin(panel: Panel, model: ForecastModel) -> None:
    origin = np.array([400])
    changed = corrupted(panel, 400, ("load", "temp", "sky"))
    assert np.array_equal(model.forecast(panel, origin), model.forecast(changed, origin))


@pytest.mark.parametrize("name", ["load", "temp", "sky"])
def test_forecast_does_look_at_the_step_before_its_origin(
    panel: Panel, model: ForecastModel, name: str
) -> None:
    origin = np.array([400])
    changed = corrupted(panel, 399, (name,))
    assert not np.array_equal(model.forecast(panel, origin), model.forecast(changed, origin))


def test_known_future_changes_the_forecast_within_the_horizon_only(
    panel: Panel, model: ForecastModel
) -> None:
    origin = np.array([400])
    before = model.forecast(panel, origin)
    assert not np.array_equal(
        before, model.forecast(corrupted(panel, 405, ("open",)), origin)
    )  # the last step of the horizon
    assert np.array_equal(before, model.forecast(corrupted(panel, 406, ("open",)), origin))


def test_series_do_not_mix() -> None:
    panel = panel_of(several(), series="shop", future=())
    ends = [200, 180, 150], [260, 220, 190]
    model = ForecastModel.fit(panel, *ends, SETTINGS, seed=1, execution=Execution("cpu"))
    together = model.forecast(panel)
    for number, name in enumerate(panel.series):
        only = slice(number, number + 1)
        alone = replace(
            panel,
            series=[name],
            times=panel.times[only],
            target=panel.target[only],
            values={k: v[only] for k, v in panel.values.items()},
            static={k: v[only] for k, v in panel.static.items()},
        )
        np.testing.assert_allclose(model.forecast(alone)[0], together[number], rtol=1e-5)


def test_forecast_of_no_origin_is_empty(panel: Panel, model: ForecastModel) -> None:
    assert model.forecast(panel, np.zeros(0, dtype=np.int64)).shape == (0, 6)


def test_missing_targets_do_not_count_in_the_loss(panel: Panel, model: ForecastModel) -> None:
    """The loss of a window is that of its observed steps, whatever stands in the others."""
    encoded = Encoder.fit(panel, [TRAIN_END]).encode(panel)
    gap = int(np.flatnonzero(~encoded.seen[60:360])[0]) + 60
    origin = np.array([gap - 2])  # the gap is its third step
    losses = []
    for value in (0.0, 1e3):
        windows = Windows(replace(encoded, z=encoded.z.copy()), 24, 6, 4)
        windows.z[gap] = value
        with torch.no_grad():
            losses.append(float(mean_loss(model.net, windows, origin)))
    assert losses[0] == losses[1] > 0


def test_same_ends_train_all_steps_without_validation(panel: Panel) -> None:
    options = replace(TRAINING, patience=1)
    settings = replace(SETTINGS, training=options)
    model = ForecastModel.fit(panel, [380], [380], settings, seed=1, execution=Execution("cpu"))
    assert model.history[-1]["step"] == options.steps
    assert all(row["validation_error"] is None for row in model.history)


def test_weights_of_the_best_validation_error_are_kept(panel: Panel) -> None:
    """At a wild rate the first evaluation is the best one, and patience ends the training."""
    wild = replace(TRAINING, learning_rate=1.0, patience=2, evaluations=20, averaging=0.0)
    model = fitted(panel, replace(SETTINGS, training=wild))
    errors = [row["validation_error"] for row in model.history]
    encoded = model.encoder.encode(panel)
    shape = {"lookback": 24, "horizon": 6}
    origins = window_origins(encoded.offsets, [TRAIN_END], [VALIDATION_END], **shape)
    with torch.no_grad():
        windows = Windows(encoded, **shape, segment=4)
        kept = float(mean_loss(model.net, windows, origins))
    assert kept == pytest.approx(min(errors), rel=1e-6)
    assert errors[-1] > 1.01 * min(errors)


@pytest.mark.parametrize(("batch_size", "windows"), [(1, 256), (100, 400)])
def test_evaluations_read_no_more_windows_than_the_training(batch_size: int, windows: int) -> None:
    options = TrainingOptions(steps=20, batch_size=batch_size, evaluations=5)
    assert _windows_an_evaluation(options) == windows


def test_json_is_plain_and_holds_all_but_the_weights(model: ForecastModel) -> None:
    state = json.loads(json.dumps(model.to_json(), allow_nan=False))
    assert ForecastSettings.from_json(state["settings"]) == SETTINGS
    assert Encoder.from_json(state) == model.encoder
    assert state["frequency"] == "1 hour"


def test_parameters_are_counted(model: ForecastModel) -> None:
    inputs = model.net.rnn.input_size
    recurrent = 4 * 4 * (inputs + 4 + 2)
    context, known = 16 * 6, model.net.join.in_features - 16
    decoder = 4 * context + context + 32 * (16 + known) + 32 + 32 + 1
    head, linear = 6 * 4 + 6, 6 * 24
    assert model.parameters == recurrent + decoder + head + linear


@pytest.mark.parametrize(
    ("ends", "part"), [((29, 100), "training"), ((300, 305), "validation")], ids=str
)
def test_too_few_rows_name_the_part(panel: Panel, ends: tuple[int, int], part: str) -> None:
    with pytest.raises(DataError, match=rf"data frame: too few rows: the {part} part has"):
        ForecastModel.fit(panel, [ends[0]], [ends[1]], SETTINGS, seed=1, execution=Execution("cpu"))


def test_each_setting_changes_the_forecast(panel: Panel, model: ForecastModel) -> None:
    changes: list[Callable[[ForecastSettings], ForecastSettings]] = [
        lambda s: replace(s, cell="gru"),
        lambda s: replace(s, hidden_size=5),
        lambda s: replace(s, segment=3),
        lambda s: replace(s, num_layers=2),
        lambda s: replace(s, dropout=0.4),
        lambda s: replace(s, log=not model.encoder.log),
        lambda s: replace(s, calendar=False),
        lambda s: replace(s, linear=False),
        lambda s: replace(s, level=False),
        lambda s: replace(s, loss="squared"),
        lambda s: replace(s, quantiles=(0.5,)),
        lambda s: replace(s, training=replace(TRAINING, batch_size=8)),
        lambda s: replace(s, training=replace(TRAINING, learning_rate=1e-3)),
        lambda s: replace(s, training=replace(TRAINING, weight_decay=0.5)),
        lambda s: replace(s, training=replace(TRAINING, clip=0.01)),
    ]
    before = model.forecast(panel)
    for number, change in enumerate(changes):
        other = fitted(panel, change(SETTINGS)).forecast(panel)
        assert not np.array_equal(before, other), number


QUANTILES = replace(SETTINGS, quantiles=(0.1, 0.9))


def test_quantiles_are_corrected_by_the_validation_part_alone(panel: Panel) -> None:
    """Another validation part, no other weights: the patience and the steps are the same."""
    whole = replace(QUANTILES, training=replace(TRAINING, evaluations=1))
    first = fitted(panel, whole)
    changed = copy.deepcopy(panel)
    changed.target[0][TRAIN_END:] += 50.0
    other = fitted(changed, whole)
    assert torch.equal(first.net.linear, other.net.linear)
    assert first.corrections.shape == (2, 6)
    assert (other.corrections > first.corrections).all()


def test_corrected_quantiles_hold_their_share_of_the_validation_part(panel: Panel) -> None:
    model = fitted(panel, QUANTILES)
    offsets = np.array([0, 450])
    shape = {"lookback": 24, "horizon": 6}
    origins = window_origins(offsets, [TRAIN_END], [VALIDATION_END], **shape)
    point, bounds = model.forecast_with_quantiles(panel, origins)
    truth = panel.target[0][origins[:, None] + np.arange(6)]
    seen = np.isfinite(truth)
    assert np.array_equal(point, model.forecast(panel, origins))
    assert (bounds[..., 0] <= bounds[..., 1]).all()
    below = [(truth <= bounds[..., number])[seen].mean() for number in range(2)]
    assert below == pytest.approx([0.1, 0.9], abs=0.02)


def test_relative_loss_takes_the_logarithm(panel: Panel) -> None:
    assert fitted(panel, replace(SETTINGS, loss="relative")).encoder.log
