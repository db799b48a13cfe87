"""``Forecaster``: forecasts and quantiles of one or many series, on scikit-learn's contract."""

import os
import warnings
from collections.abc import Callable, Sequence
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from gatewise.data.columns import Columns
from gatewise.data.encoding import Encoder
from gatewise.data.errors import DataError
from gatewise.data.frames import to_frame
from gatewise.data.future import gaps_before, read_future
from gatewise.data.panel import Panel, make_panel
from gatewise.data.slicing import extended, until
from gatewise.data.tables import read_table
from gatewise.data.times import Frequency
from gatewise.data.wide import make_wide_panel
from gatewise.data.windows import Ends, window_origins
from gatewise.estimators.defaults import default_lookback, default_segment
from gatewise.estimators.forecast_model import ForecastModel, ForecastSettings, build_network
from gatewise.estimators.forecast_parts import (
    check_forecast_parameters,
    quantile_notes,
    require_history,
    rolling_origins,
    train_ends,
)
from gatewise.estimators.model_file import write_model
from gatewise.estimators.parameters import execution, require_count, training_options
from gatewise.training import TrainingOptions
from gatewise.training.progress import progress_bar


class Forecaster(BaseEstimator):
    """Forecast the next ``horizon`` steps of one or many series with an LSTM or a GRU.

    ``fit`` takes a data frame (pandas, Polars, Arrow) or the path of a CSV, TSV or Parquet file,
    one row a time step, several series told apart by an id column. What is not named is found, and
    said in ``notes_``. Missing targets do not count in the loss; other gaps are filled from the
    past only.

    Args:
        horizon: steps to forecast.
        target: the column to forecast; may be None if only one column is numeric. A list of
            columns of a wide table makes each a series of its own, learnt by one network.
        time: the time column, or a list of columns (year, month, day, hour).
        series: the id column when the table holds several series.
        past: columns known up to the present; None means all that are usable.
        future: columns known in the future too; ``predict`` wants them for the horizon.
        static: columns that never change within a series.
        frequency: the step, such as ``"1 hour"``; None finds it.
        lookback: steps read; None takes about a week of hours, four weeks of days, two years of
            months.
        segment: time steps that one step of the recurrence reads; None takes as few as keep the
            recurrence at 32 steps at most.
        cell: ``"lstm"``, ``"gru"`` or ``"rnn"``.
        hidden_size, num_layers, dropout: of the recurrent layers.
        cell_options: further arguments of the layer, such as ``{"reset_after": False}``.
        level: read the window's values themselves, too, beside what is relative to its last one;
            without them a forecast only moves along with the series' level.
        linear: add a linear map of the window, which starts as a naive forecast; without it
            training starts from the last value.
        calendar: read the time itself, too: the hour, the weekday and the place in the year.
        log: train on the logarithm; None decides on the training part.
        loss: what the point forecast makes small: the ``"absolute"`` or ``"squared"`` error,
            ``"huber"`` between them (all in units of each series' spread), or the ``"relative"``
            error, for sMAPE and MAPE, which wants the logarithm.
        quantiles: shares of the truth that the columns ``q10``, ``q50``, … shall lie above, each
            in 0 < q < 1; () for none. They are corrected by the validation part (split conformal).
        steps, batch_size, learning_rate, weight_decay: of the training (AdamW).
        patience: validation checks (25 in ``steps``) without progress that stop the training.
        validation: share of each series' steps, the latest, at least a horizon, that training is
            stopped by, or the time from which on they are held back, such as ``"2017-06-26"``; 0
            trains on everything, for all ``steps``, and leaves the quantiles uncorrected.
        random_state: fixes initial weights, dropout and order: same machine, threads and versions,
            same bits.
        device: ``"auto"``, ``"cpu"``, ``"cuda"``.
        progress: show a progress bar on stderr; None shows it on a terminal.

    Attributes:
        model_: the trained encoder and network.
        history_: one row for each validation check of the training.
        columns_, frequency_, lookback_: what was found or given.
        train_end_: time of the last step that ``fit`` has seen, for each series.
        notes_: what was found in the data and done to it, one line each.
    """

    def __init__(
        self,
        horizon: int,
        *,
        target: str | Sequence[str] | None = None,
        time: str | Sequence[str] | None = None,
        series: str | None = None,
        past: Sequence[str] | None = None,
        future: Sequence[str] = (),
        static: Sequence[str] = (),
        frequency: str | None = None,
        lookback: int | None = None,
        segment: int | None = None,
        cell: str = "lstm",
        hidden_size: int = 64,
        num_layers: int = 1,
        dropout: float = 0.1,
        cell_options: dict[str, Any] | None = None,
        level: bool = True,
        linear: bool = True,
        calendar: bool = True,
        log: bool | None = None,
        loss: str = "absolute",
        quantiles: Sequence[float] = (0.1, 0.5, 0.9),
        steps: int = TrainingOptions.steps,
        batch_size: int = TrainingOptions.batch_size,
        learning_rate: float = TrainingOptions.learning_rate,
        weight_decay: float = TrainingOptions.weight_decay,
        patience: int = TrainingOptions.patience,
        validation: float | str = 0.1,
        random_state: int | np.random.RandomState | None = None,
        device: str = "auto",
        progress: bool | None = None,
    ) -> None:
        self.horizon = horizon
        self.target = target
        self.time = time
        self.series = series
        self.past = past
        self.future = future
        self.static = static
        self.frequency = frequency
        self.lookback = lookback
        self.segment = segment
        self.cell = cell
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.dropout = dropout
        self.cell_options = cell_options
        self.level = level
        self.linear = linear
        self.calendar = calendar
        self.log = log
        self.loss = loss
        self.quantiles = quantiles
        self.steps = steps
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.patience = patience
        self.validation = validation
        self.random_state = random_state
        self.device = device
        self.progress = progress

    def fit(self, data: Any, y: None = None) -> "Forecaster":  # noqa: ARG002
        """Train on ``data``, a data frame or a path; ``y`` is ignored (the target is a column)."""
        check_forecast_parameters(self)
        panel = self._panel(data)
        return self._fit_panel(panel, [len(times) for times in panel.times])

    def predict(
        self, data: Any, future: Any = None, *, say: Callable[[str], None] | None = None
    ) -> Any:
        """Forecast the ``horizon`` steps behind the end of each series in ``data``.

        Args:
            data: the history, with the columns that ``fit`` saw; at least ``lookback_`` steps.
            future: rows with the known-future columns of the steps to come, when ``future=`` named
                any.
            say: called with each line about what was found in the data and done to it; None is
                silent.

        Returns:
            A frame of the caller's kind (Polars for a path) with ``series`` (the target's name
            where there is one series), ``time``, ``step``, ``forecast`` and a column for each
            quantile, such as ``q10``.

        Raises:
            DataError: too little history, a step of ``future`` is missing, or it is given to a
                model that has no use for it.
        """
        check_is_fitted(self, "model_")
        panel = self._panel_like_fit(data)
        if say is not None:
            for note in panel.notes:
                say(note)
        require_history(panel, self.lookback_)
        known = self.columns_.future
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
        ahead = read_future(read_table(future), panel, self.horizon) if known else {}
        for line in gaps_before(panel, ahead):
            warnings.warn(line, stacklevel=2)
        whole = extended(panel, self.horizon, ahead)
        columns = self.model_.columns_of(whole, self.model_.last_origins(whole))
        wanted = ("series", "time", "step", "forecast")
        quantiles = {n: v for n, v in columns.items() if n.startswith("q")}
        return to_frame({**{name: columns[name] for name in wanted}, **quantiles}, like=panel)

    def rolling(self, data: Any, start: str | None = None, stride: int = 1) -> Any:
        """Forecast from one origin after another with the fitted model, which is not fitted anew.

        Each forecast reads the data before its origin alone; known-future columns are read over
        the horizon, too.

        Args:
            data: the columns that ``fit`` saw, with what is forecast in them.
            start: the first time to forecast, such as ``"2018-01-01 00:00"``; None is the first
                that has ``lookback_`` steps before it. Every horizon lies within the data.
            stride: steps between the origins of a series.

        Returns:
            A frame as of :meth:`backtest`, without ``fold``.

        Raises:
            DataError: if there is no such origin.
        """
        check_is_fitted(self, "model_")
        require_count("stride", stride)
        panel = self._panel_like_fit(data)
        origins = rolling_origins(panel, start, stride, self.lookback_, self.horizon)
        return to_frame(self.model_.columns_of(panel, origins), like=panel)

    def backtest(self, data: Any, folds: int = 3, stride: int | None = None) -> Any:
        """Fit anew on growing parts of ``data`` and forecast the part behind each.

        Fold ``k`` is trained on everything before its test part; each test part has as many steps
        as would fit ``folds`` of them into the last third, at least ``horizon``.

        Args:
            data: as for ``fit``.
            folds: number of test parts, adjacent, the last at the end of the data.
            stride: steps between the forecasts' origins; None is the horizon.

        Returns:
            A frame with ``fold``, ``series``, ``origin`` (the last known time), ``step``, ``time``,
            ``truth``, ``forecast`` and a column for each quantile. The estimator itself stays as it
            was.
        """
        check_forecast_parameters(self)
        for name, value in (("folds", folds), ("stride", 1 if stride is None else stride)):
            require_count(name, value)
        panel = self._panel(data)
        lengths = np.array([len(times) for times in panel.times])
        test = np.maximum(lengths // (3 * folds), self.horizon)
        parts: list[dict[str, np.ndarray]] = []
        for fold in range(folds):
            stop = (lengths - (folds - 1 - fold) * test).clip(min=0)
            start = (stop - test).clip(min=0)
            model = clone(self)._fit_panel(panel, start).model_
            seen = until(panel, stop)
            offsets = np.concatenate([[0], np.cumsum(stop)])
            shape = {"lookback": model.settings.lookback, "horizon": self.horizon}
            stride = stride or self.horizon
            origins = window_origins(offsets, start, stop, **shape, stride=stride)
            columns = model.columns_of(seen, origins)
            parts.append({"fold": np.full(len(columns["step"]), fold), **columns})
        joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        return to_frame(joined, like=panel)

    def score(self, data: Any, y: None = None) -> float:  # noqa: ARG002
        """Give minus the mean absolute error over the last ``horizon`` steps of each series."""
        check_is_fitted(self, "model_")
        panel = self._panel_like_fit(data)
        shorter = until(panel, [len(times) - self.horizon for times in panel.times])
        require_history(shorter, self.lookback_)
        truth = np.stack([y[-self.horizon :] for y in panel.target])  # (S, h)
        if np.isnan(truth).all():
            raise DataError(
                f"the target is missing in the last {self.horizon} steps, so there is nothing to "
                "score the forecast by",
                name=panel.name,
                column=self.columns_.target,
            )
        ahead = {
            name: [values[-self.horizon :] for values in panel.values[name]]
            for name in self.columns_.future
        }
        forecast = self.model_.forecast(extended(shorter, self.horizon, ahead))
        return -float(np.nanmean(np.abs(forecast - truth)))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fitted model to one safetensors file."""
        check_is_fitted(self, "model_")
        params = self.get_params()
        if not isinstance(self.random_state, Integral):  # a generator's state is not kept
            params["random_state"] = None
        header = {
            "params": params,
            "train_end": self.train_end_,
            "notes": self.notes_,
            **self.model_.to_json(),
        }
        write_model(path, "forecast", header, self.model_.net.state_dict())

    @classmethod
    def _from_file(cls, header: dict[str, Any], weights: dict[str, Any]) -> "Forecaster":
        settings = ForecastSettings.from_json(header["settings"])
        columns = Columns.from_dict(header["columns"])
        frequency = Frequency.parse(header["frequency"])
        encoder = Encoder.from_json(header)
        net = build_network(columns, frequency, encoder, settings)
        net.load_state_dict(weights)
        model = ForecastModel(settings, columns, frequency, encoder, net.eval(), header["history"])
        if "corrections" in header:  # not in models of before there were quantiles
            model.corrections = np.reshape(header["corrections"], model.corrections.shape)
        forecaster = cls(**{"quantiles": (), **header["params"]})
        forecaster._keep(model, header["train_end"], header["notes"])
        return forecaster

    def _fit_panel(self, panel: Panel, ends: Ends) -> "Forecaster":
        lookback = self.lookback or default_lookback(panel.frequency, self.horizon)
        train_end = train_ends(panel, ends, self.validation, self.horizon)
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        with progress_bar(self.cell.upper(), self.progress) as on_step:
            model = ForecastModel.fit(
                panel,
                np.maximum(train_end, 0),
                ends,
                self._settings(lookback),
                seed=seed,
                execution=execution(self, on_step),
            )
        last = {
            name: str(times[end - 1])
            for name, times, end in zip(panel.series, panel.times, ends, strict=True)
            if end > 0
        }
        self._keep(model, last, [*panel.notes, *quantile_notes(self.quantiles, train_end, ends)])
        return self

    def _keep(self, model: ForecastModel, train_end: dict[str, str], notes: list[str]) -> None:
        self.model_ = model
        self.history_ = model.history
        self.columns_ = model.columns
        self.frequency_ = str(model.frequency)
        self.lookback_ = model.settings.lookback
        self.train_end_ = train_end
        self.notes_ = list(notes)

    def _settings(self, lookback: int) -> ForecastSettings:
        return ForecastSettings(
            horizon=int(self.horizon),  # NumPy's integers are welcome, the layers want Python's
            lookback=int(lookback),
            segment=int(self.segment or default_segment(lookback)),
            cell=self.cell,
            hidden_size=int(self.hidden_size),
            num_layers=int(self.num_layers),
            dropout=self.dropout,
            cell_options=dict(self.cell_options or {}),
            level=self.level,
            linear=self.linear,
            calendar=self.calendar,
            log=self.log,
            loss=self.loss,
            quantiles=tuple(float(q) for q in self.quantiles),
            training=training_options(self),
        )

    def _panel(self, data: Any) -> Panel:
        parts = ("time", "series", "past", "future", "static", "frequency")
        return self._make_panel(data, self.target, {part: getattr(self, part) for part in parts})

    def _panel_like_fit(self, data: Any) -> Panel:
        parts = {**vars(self.columns_), "frequency": self.frequency_}
        target = parts.pop("target")
        return self._make_panel(data, self.target if self._is_wide else target, parts)

    @property
    def _is_wide(self) -> bool:
        return not (self.target is None or isinstance(self.target, str))

    def _make_panel(self, data: Any, target: Any, parts: dict[str, Any]) -> Panel:
        table = read_table(data)
        if self._is_wide:
            return make_wide_panel(table, target, **parts)
        return make_panel(table, target=target, **parts)
