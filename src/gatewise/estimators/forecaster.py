"""``Forecaster``: forecasts and quantiles of one or many series, on scikit-learn's contract."""

import os
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from gatewise.data.errors import DataError
from gatewise.data.frames import to_frame
from gatewise.data.future import gaps_before
from gatewise.data.panel import Panel
from gatewise.data.reading import Codes
from gatewise.data.slicing import extended, until
from gatewise.data.times import moment_of
from gatewise.data.windows import Ends, window_origins
from gatewise.estimators.defaults import default_lookback
from gatewise.estimators.forecast_model import ForecastModel
from gatewise.estimators.forecaster_parameters import (
    check_forecaster,
    columns_of,
    forecast_settings,
    is_wide,
    known_ahead,
    last_times,
    panel_of,
    quantile_notes,
    require_history,
    validation_start,
)
from gatewise.estimators.model_file import write_model
from gatewise.estimators.parameters import (
    execution,
    require_count,
    saved_parameters,
)
from gatewise.training import TrainingError, TrainingOptions, discard
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
        decimal: decimal mark of numbers in text files; None is the point, and the comma where
            fields end in ``;``.
        encoding: of text files, such as ``"latin-1"``; None is UTF-8.
        missing: value or values that stand for a missing one, such as ``-200``.
        timezone: zone of clock times without an offset, such as ``"Europe/Paris"``: forecasts'
            times are in UTC then, and calendar features go by its clock.
        resample: step that irregular rows are averaged to, such as ``"1 hour"``.
        precision: ``"bf16-mixed"``, or on a GPU ``"16-mixed"``; None is float32.
        compile: train through ``torch.compile``.
        checkpoint: file that a killed ``fit`` goes on from, given the same parameters and data;
            ``save`` deletes it. None keeps none.
        tensorboard: folder for TensorBoard's files (``pip install 'gatewise[tensorboard]'``).
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
        decimal: str | None = None,
        encoding: str | None = None,
        missing: Codes = None,
        timezone: str | None = None,
        resample: str | None = None,
        precision: str | None = None,
        compile: bool = False,  # noqa: A002 (torch's name for it)
        checkpoint: str | os.PathLike[str] | None = None,
        tensorboard: str | os.PathLike[str] | None = None,
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
        self.decimal = decimal
        self.encoding = encoding
        self.missing = missing
        self.timezone = timezone
        self.resample = resample
        self.precision = precision
        self.compile = compile
        self.checkpoint = checkpoint
        self.tensorboard = tensorboard
        self.progress = progress

    def fit(self, data: Any, y: None = None) -> "Forecaster":  # noqa: ARG002
        """Train on ``data``, a data frame or a path; ``y`` is ignored (the target is a column).

        Ctrl-C ends it with the best weights so far: a warning says so, and the last row of
        ``history_`` has ``interrupted``.

        Raises:
            DataError: if the data cannot be used.
            TrainingError: if a loss became NaN or infinite (the forecaster then has the best
                weights so far, if there was an evaluation), or a checkpoint is not this fit's.
        """
        check_forecaster(self)
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
        require_history(self, panel)
        ahead = known_ahead(self, future, panel)
        for line in gaps_before(panel, ahead):
            warnings.warn(line, stacklevel=2)
        whole = extended(panel, self.horizon, ahead)
        columns = columns_of(self.model_, whole, self.model_.last_origins(whole))
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
        lengths = [len(times) for times in panel.times]
        moment = None if start is None else moment_of("start", start)
        first = [0 if moment is None else int(np.searchsorted(t, moment)) for t in panel.times]
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        shape = {"lookback": self.lookback_, "horizon": self.horizon}
        origins = window_origins(offsets, first, lengths, **shape, stride=stride)
        if not len(origins):
            since = "" if start is None else f" from {start} on"
            raise DataError(
                f"{panel.name}: no forecast{since} has {self.lookback_} steps before it and "
                f"{self.horizon} steps within the data: give more rows"
            )
        return to_frame(columns_of(self.model_, panel, origins), like=panel)

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
        check_forecaster(self)
        for name, value in (("folds", folds), ("stride", 1 if stride is None else stride)):
            require_count(name, value)
        panel = self._panel(data)
        lengths = np.array([len(times) for times in panel.times])
        test = np.maximum(lengths // (3 * folds), self.horizon)
        parts: list[dict[str, np.ndarray]] = []
        for fold in range(folds):
            stop = (lengths - (folds - 1 - fold) * test).clip(min=0)
            start = (stop - test).clip(min=0)
            fresh = clone(self).set_params(checkpoint=None, tensorboard=None)
            model = fresh._fit_panel(panel, start).model_
            seen = until(panel, stop)
            offsets = np.concatenate([[0], np.cumsum(stop)])
            shape = {"lookback": model.settings.lookback, "horizon": self.horizon}
            stride = stride or self.horizon
            origins = window_origins(offsets, start, stop, **shape, stride=stride)
            columns = columns_of(model, seen, origins)
            parts.append({"fold": np.full(len(columns["step"]), fold), **columns})
        return to_frame({n: np.concatenate([p[n] for p in parts]) for n in parts[0]}, like=panel)

    def score(self, data: Any, y: None = None) -> float:  # noqa: ARG002
        """Give minus the mean absolute error over the last ``horizon`` steps of each series."""
        check_is_fitted(self, "model_")
        panel = self._panel_like_fit(data)
        shorter = until(panel, [len(times) - self.horizon for times in panel.times])
        require_history(self, shorter)
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
        header = {
            "params": saved_parameters(self),
            "train_end": self.train_end_,
            "notes": self.notes_,
            **self.model_.to_json(),
        }
        write_model(path, "forecast", header, self.model_.net.state_dict())
        discard(self.checkpoint, self.history_)

    @classmethod
    def _from_file(cls, header: dict[str, Any], weights: dict[str, Any]) -> "Forecaster":
        model = ForecastModel.from_json(header, weights)
        forecaster = cls(**{"quantiles": (), **header["params"]})
        forecaster._keep(model, header["train_end"], header["notes"])
        return forecaster

    def _fit_panel(self, panel: Panel, ends: Ends) -> "Forecaster":
        lookback = self.lookback or default_lookback(panel.frequency, self.horizon)
        train_end = validation_start(self, panel, ends)
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        failed = None
        with progress_bar(self.cell.upper(), self.progress) as on_step:
            try:
                model = ForecastModel.fit(
                    panel,
                    np.maximum(train_end, 0),
                    ends,
                    forecast_settings(self, lookback),
                    seed=seed,
                    execution=execution(self, on_step, (panel, list(ends))),
                )
            except TrainingError as error:
                if error.fitted is None:
                    raise
                failed, model = error, error.fitted
        notes = [*panel.notes, *quantile_notes(self, train_end, ends)]
        self._keep(model, last_times(panel, ends), notes)
        if failed is not None:
            raise failed
        return self

    def _keep(self, model: ForecastModel, train_end: dict[str, str], notes: list[str]) -> None:
        self.model_ = model
        self.history_ = model.history
        self.columns_ = model.columns
        self.frequency_ = str(model.frequency)
        self.lookback_ = model.settings.lookback
        self.train_end_ = train_end
        self.notes_ = list(notes)

    def _panel(self, data: Any) -> Panel:
        parts = ("time", "series", "past", "future", "static", "frequency")
        told = {part: getattr(self, part) for part in parts}
        return panel_of(self, data, self.target, told)

    def _panel_like_fit(self, data: Any) -> Panel:
        parts = {**vars(self.columns_), "frequency": self.frequency_}
        target = parts.pop("target")
        return panel_of(self, data, self.target if is_wide(self) else target, parts)
