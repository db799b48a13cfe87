"""What the parameters of ``Forecaster`` come to: panels, settings, parts, columns."""

from typing import Any

import numpy as np

from gatewise.data.errors import DataError
from gatewise.data.forecasts import forecast_columns
from gatewise.data.future import read_future
from gatewise.data.panel import Panel, make_panel
from gatewise.data.reading import READING_PARAMETERS, Reading
from gatewise.data.tables import Table, read_table
from gatewise.data.times import moment_of
from gatewise.data.wide import make_wide_panel
from gatewise.data.windows import Ends
from gatewise.estimators.defaults import default_segment
from gatewise.estimators.forecast_model import ForecastModel, ForecastSettings
from gatewise.estimators.losses import LOSSES
from gatewise.estimators.parameters import check_parameters, training_options


def check_forecaster(forecaster: Any) -> None:
    """Refuse parameters out of their range."""
    check_parameters(forecaster, counts=("horizon", "lookback", "segment"))
    loss, quantiles = forecaster.loss, list(forecaster.quantiles)
    if loss not in LOSSES:
        raise ValueError(f"loss must be one of {', '.join(LOSSES)}, got {loss!r}")
    if loss == "relative" and forecaster.log is False:
        raise ValueError('loss="relative" takes the logarithm, but log=False was given')
    if quantiles != sorted(set(quantiles)) or not all(0 < q < 1 for q in quantiles):
        raise ValueError(
            f"quantiles must be rising numbers between 0 and 1, got {forecaster.quantiles!r}"
        )


def table_of(forecaster: Any, data: Any) -> Table:
    """Read a table as the parameters say."""
    told = {name: getattr(forecaster, name) for name in READING_PARAMETERS}
    return read_table(data, reading=Reading.of(**told))


def panel_of(forecaster: Any, data: Any, target: Any, parts: dict[str, Any]) -> Panel:
    """Read a table and put it on regular times; of a wide one, each target is a series."""
    table = table_of(forecaster, data)
    if is_wide(forecaster):
        return make_wide_panel(table, target, **parts)
    return make_panel(table, target=target, **parts)


def is_wide(forecaster: Any) -> bool:
    """Say whether several columns are forecast."""
    return not (forecaster.target is None or isinstance(forecaster.target, str))


def validation_start(forecaster: Any, panel: Panel, ends: Ends) -> np.ndarray:
    """Give each series' first validation step; its end where nothing is held back."""
    validation = forecaster.validation
    if isinstance(validation, str):
        moment = moment_of("validation", validation)
        firsts = [int(np.searchsorted(times, moment)) for times in panel.times]
        if all(first >= end for first, end in zip(firsts, ends, strict=True)):
            raise DataError(
                f"{panel.name}: no step from {validation} on, so there is no validation part: "
                "give an earlier time as validation, or a share"
            )
        return np.minimum(firsts, ends)
    held_back = [max(int(end * validation), forecaster.horizon) for end in ends]
    return np.asarray(ends) - (held_back if validation else 0)


def last_times(panel: Panel, ends: Ends) -> dict[str, str]:
    """Give the time of the last step before each series' end."""
    each = zip(panel.series, panel.times, ends, strict=True)
    return {name: str(times[end - 1]) for name, times, end in each if end > 0}


def forecast_settings(forecaster: Any, lookback: int) -> ForecastSettings:
    """Gather a model's settings; NumPy's integers are welcome, the layers want Python's."""
    return ForecastSettings(
        horizon=int(forecaster.horizon),
        lookback=int(lookback),
        segment=int(forecaster.segment or default_segment(lookback)),
        cell=forecaster.cell,
        hidden_size=int(forecaster.hidden_size),
        num_layers=int(forecaster.num_layers),
        dropout=forecaster.dropout,
        cell_options=dict(forecaster.cell_options or {}),
        level=forecaster.level,
        linear=forecaster.linear,
        calendar=forecaster.calendar,
        log=forecaster.log,
        loss=forecaster.loss,
        quantiles=tuple(float(q) for q in forecaster.quantiles),
        training=training_options(forecaster),
    )


def quantile_notes(forecaster: Any, train_end: np.ndarray, ends: Ends) -> list[str]:
    """Say where nothing is held back that the quantiles could be corrected by."""
    if not len(forecaster.quantiles) or not np.array_equal(train_end, ends):
        return []
    return ["the quantiles are not corrected: no validation part is held back for that"]


def columns_of(model: ForecastModel, panel: Panel, origins: np.ndarray) -> dict[str, np.ndarray]:
    """Lay forecasts from ``origins`` (n,) out as a long table, with a column a quantile."""
    point, bounds = model.forecast_with_quantiles(panel, origins)
    names = [f"q{100 * q:g}" for q in model.settings.quantiles]
    found = {name: bounds[..., number].ravel() for number, name in enumerate(names)}
    return {**forecast_columns(panel, origins, point), **found}


def known_ahead(forecaster: Any, future: Any, panel: Panel) -> dict[str, list[np.ndarray]]:
    """Read the known-future columns of the steps to come, where the model has any."""
    known = forecaster.columns_.future
    if future is not None and not known:
        raise DataError(
            "the model was trained without columns known in the future: leave out future= "
            "(on the command line: --future), or name the columns when it is trained"
        )
    if known and future is None:
        raise DataError(
            f"the model was trained with columns known in the future ({', '.join(known)}): "
            "give their next rows as future= (on the command line: --future FILE)"
        )
    if not known:
        return {}
    return read_future(table_of(forecaster, future), panel, forecaster.horizon)


def require_history(forecaster: Any, panel: Panel) -> None:
    """Refuse series shorter than what the model reads."""
    for name, times in zip(panel.series, panel.times, strict=True):
        if len(times) < forecaster.lookback_:
            which = f"series {name!r} has " if name else ""
            raise DataError(
                f"{panel.name}: {which}{len(times)} steps of history; this model reads "
                f"{forecaster.lookback_}: give more rows"
            )
