"""A forecaster on one window."""

import copy
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from gatewise.data.errors import DataError
from gatewise.data.forecasts import series_labels
from gatewise.data.panel import Panel
from gatewise.data.slicing import extended
from gatewise.data.times import SECOND, Frequency, format_time, moment_of
from gatewise.data.windows import Origins
from gatewise.estimators.forecast_model import ForecastModel, make_windows
from gatewise.estimators.forecast_windows import Inputs
from gatewise.estimators.forecaster import Forecaster
from gatewise.estimators.forecaster_parameters import is_wide
from gatewise.inspection.capture import Capture, capture, device_of, named, set_aside
from gatewise.inspection.choice import Choice, like
from gatewise.inspection.influence import gradient_rows
from gatewise.inspection.view import Axis, Curve, Influence, View

_MONTH = 30.44 * 86_400  # seconds, on average


def forecast_view(forecaster: Forecaster, data: object, choice: Choice) -> View:
    """Look at the forecast of one window.

    Args:
        forecaster: a fitted one.
        data: as for its ``backtest``.
        choice: ``series`` (None is the first) and ``at``, the time of the first step that is
            forecast; None takes the last whose horizon lies within the data with a truth in it.

    Raises:
        DataError: there is no such series or window.
    """
    every = forecaster._panel_like_fit(data)
    number = _series_number(choice.series, every)
    panel = _only(every, number)
    label = str(series_labels(every)[number])
    model = copy.copy(forecaster.model_)
    model.net = set_aside(model.net)
    origin = (
        _last_origin(panel, model, label)
        if choice.at is None
        else _origin(choice.at, panel, model, label)
    )
    horizon, lookback = model.settings.horizon, model.settings.lookback
    beyond = origin + horizon - len(panel.times[0])
    if beyond > 0:
        panel = extended(panel, beyond, {})
    times = _stamps(panel.times[0][origin - lookback : origin + horizon])
    name = label if is_wide(forecaster) else model.columns.target
    curves = _curves(panel, model, origin, times, name)
    found, influence = _run(model, panel, origin, times[lookback:])
    return View(
        name=named(model.net.rnn),
        cell=model.net.rnn.cell,
        about=_about(panel, label, model, origin, curves),
        axis=Axis(
            title="time",
            inputs=times[:lookback],
            span=model.settings.segment,
            seconds=_seconds(panel.frequency),
        ),
        curves=curves,
        layers=found.layers,
        influence=influence,
    )


def _series_number(series: str | None, panel: Panel) -> int:
    names = [str(label) for label in series_labels(panel)]
    if series is None:
        return 0
    if series not in names:
        raise DataError(f"no series {series!r}; there are {like(series, names)}", name=panel.name)
    return names.index(series)


def _only(panel: Panel, number: int) -> Panel:
    """Keep one series."""
    one = slice(number, number + 1)
    return replace(
        panel,
        series=panel.series[one],
        times=panel.times[one],
        target=panel.target[one],
        values={name: values[one] for name, values in panel.values.items()},
        static={name: values[one] for name, values in panel.static.items()},
    )


def _last_origin(panel: Panel, model: ForecastModel, label: str) -> int:
    (target,) = panel.target
    shape = {"lookback": model.settings.lookback, "horizon": model.settings.horizon}
    offsets = np.array([0, len(target)])
    origins = Origins.of(offsets, [0], [len(target)], np.isfinite(target), **shape)
    if not len(origins):
        raise DataError(
            f"series {label!r} has {len(target):,} steps, and no window of {shape['lookback']:,} "
            f"steps read and {shape['horizon']:,} forecast with a known target fits into them: "
            "give more rows, or say at (--at) which time the forecast begins",
            name=panel.name,
        )
    return int(origins.at(np.array([len(origins) - 1]))[0])


def _origin(at: str, panel: Panel, model: ForecastModel, label: str) -> int:
    """Find the step at a time, which may be the one behind the data's end."""
    try:
        moment = moment_of("at", at)
    except ValueError as error:
        raise DataError(str(error)) from None
    (times,), lookback, horizon = panel.times, model.settings.lookback, model.settings.horizon
    last = len(times) - horizon if model.columns.future else len(times)
    grid = panel.frequency.range(times[0], len(times) + 1)
    origin = int(panel.frequency.index(times[0], np.array([moment]))[0])
    if lookback <= origin <= last:
        return origin
    known = ""
    if lookback <= last:
        known = f": a time from {format_time(grid[lookback])} to {format_time(grid[last])}"
    if origin < 0 and grid[0] <= moment <= grid[-1]:
        behind = int(np.searchsorted(grid, moment))
        near = " and ".join(format_time(time) for time in grid[behind - 1 : behind + 1])
        why = f"is no step of series {label!r}, every {panel.frequency}; the nearest are {near}"
    elif origin < lookback and moment <= grid[-1]:
        why = f"has not the {lookback:,} steps before it that the model reads{known}"
    elif model.columns.future:
        listed = ", ".join(model.columns.future)
        why = f"has not the {horizon:,} steps from it on for which the model reads {listed}{known}"
    else:
        why = f"lies behind the step after the end of series {label!r}{known}"
    raise DataError(f"at (--at): {at} {why}", name=panel.name)


def _run(
    model: ForecastModel, panel: Panel, origin: int, ahead: Sequence[str]
) -> tuple[Capture, Influence]:
    """Run the network on one window, and lay all that it reads of a step side by side."""
    windows = make_windows(model.encoder.encode(panel), model.settings)
    inputs = windows.inputs(np.array([origin])).to(device_of(model.net))
    columns = torch.cat([inputs.z[..., None], inputs.past, inputs.known], -1)[0]  # (L, 1 + P + K)
    columns = columns.detach().requires_grad_()
    widths = [1, inputs.past.shape[-1], inputs.known.shape[-1]]
    z, past, known = columns[None].split(widths, dim=-1)
    found = capture(model.net, *Inputs(z.squeeze(-1), past, known, inputs.calendar, inputs.ahead))
    point, _ = found.outputs
    also = ", by the linear map too" if model.settings.linear else ""
    return found, Influence(
        values=gradient_rows(point[0], columns),
        rows=ahead,
        title="forecast for",
        about="Norm of the gradient of each step's forecast, scaled as the network gives it, with "
        f"respect to all columns read at each step{also}.",
    )


def _curves(
    panel: Panel, model: ForecastModel, origin: int, times: list[str], name: str
) -> list[Curve]:
    lookback, quantiles = model.settings.lookback, model.settings.quantiles
    (target,), ahead = panel.target, times[lookback:]
    window = target[origin - lookback : origin + model.settings.horizon].astype(np.float64)
    point, bounds = model.forecast_with_quantiles(panel, np.array([origin]))
    curves = [Curve(name, "input", times[:lookback], window[:lookback])]
    if np.isfinite(window[lookback:]).any():
        curves.append(Curve("truth", "truth", ahead, window[lookback:]))
    curves.append(Curve("forecast", "prediction", ahead, point[0]))
    if len(quantiles) > 1:
        share = f"{100 * (quantiles[-1] - quantiles[0]):.3g} % interval"
        curves.append(Curve(share, "low", ahead, bounds[0, :, 0]))
        curves.append(Curve(share, "high", ahead, bounds[0, :, -1]))
    return curves


def _about(
    panel: Panel, label: str, model: ForecastModel, origin: int, curves: Sequence[Curve]
) -> str:
    horizon, lookback = model.settings.horizon, model.settings.lookback
    steps = f"{horizon:,} steps" if horizon > 1 else "one step"
    said = (
        f"{panel.name}, series {label!r}: {steps} of {panel.frequency} forecast from "
        f"{format_time(panel.times[0][origin])} on, with {lookback:,} steps read before."
    )
    by_role = {curve.role: curve.y for curve in curves}
    if "truth" not in by_role:
        return f"{said} What came is not known."
    error = float(np.nanmean(np.abs(by_role["prediction"] - by_role["truth"])))
    return f"{said} The forecast is off by {error:.4g} on average."


def _seconds(frequency: Frequency) -> float:
    """Give a step's length; months are taken as 30.44 days, their mean."""
    return frequency.microseconds / SECOND or frequency.months * _MONTH


def _stamps(times: np.ndarray) -> list[str]:
    """Write times as Plotly reads them, with fractions of a second where there are any."""
    whole = (times == times.astype("datetime64[s]")).all()
    stamps = np.datetime_as_string(times, unit="s" if whole else "us")
    return [str(stamp).replace("T", " ") for stamp in stamps]
