"""From a panel to the arrays that a model reads, fitted on the training part alone."""

import warnings
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from gatewise.data.calendar import calendar_features, calendar_names
from gatewise.data.columns import Columns
from gatewise.data.errors import DataError
from gatewise.data.panel import Panel
from gatewise.data.scaling import TargetScaler, spread_grows_with_level, unit
from gatewise.data.times import Frequency
from gatewise.data.windows import Ends, series_of
from gatewise.data.zones import to_local


@dataclass(frozen=True)
class NumberCode:
    """A numeric column: standardised by the training part; an indicator if it had gaps there."""

    mean: float
    std: float
    indicator: bool


@dataclass(frozen=True)
class TextCode:
    """A text column: one-hot over the training part's categories; others are all zeros."""

    categories: list[str]


@dataclass(frozen=True)
class Encoded:
    """A panel's series laid end to end, N steps in all, ready to be cut into windows.

    Attributes:
        offsets: (n_series + 1,) where each series starts.
        target: (N,) float64, as given, NaN where missing.
        z: (N,) float32, scaled and filled from the past.
        past: (N, P) float32, known up to the present: gaps of the target, past columns.
        known: (N, K) float32, known in the future: calendar, future and static columns.
        weight: (N,) float32, how much an error of 1 in ``z`` counts: in units of the series' own
            training spread, 0 where the target is missing.
        log_std: (N,) float32, the scaler's ``std`` where ``z`` is a logarithm; 0 where it is not.
        scalers: one for each series.
    """

    offsets: np.ndarray
    target: np.ndarray
    z: np.ndarray
    past: np.ndarray
    known: np.ndarray
    weight: np.ndarray
    log_std: np.ndarray
    scalers: list[TargetScaler]

    def unscale(self, origins: np.ndarray, z: np.ndarray) -> np.ndarray:
        """Bring forecasts ``z`` (n, h) made at ``origins`` (n,) back to the target's unit."""
        y = np.array(z, dtype=np.float64)
        series = series_of(origins, self.offsets)
        for index in np.unique(series):
            y[series == index] = self.scalers[index].unscale(y[series == index])
        return y


@dataclass
class Encoder:
    """Scalers and categories fitted on the training part of a panel; ``asdict`` is plain JSON."""

    log: bool
    target_gaps: bool
    scalers: dict[str, TargetScaler]
    numbers: dict[str, NumberCode] = field(default_factory=dict)
    texts: dict[str, TextCode] = field(default_factory=dict)

    @classmethod
    def fit(cls, panel: Panel, train_end: Ends, *, log: bool | None = None) -> "Encoder":
        """Fit on the first ``train_end[s]`` steps of each series ``s``.

        Args:
            panel: the series.
            train_end: for each series, how many of its steps are the training part.
            log: take the logarithm of the target; None decides by the training part
                (:func:`spread_grows_with_level`).
        """
        seen = [y[:end] for y, end in zip(panel.target, train_end, strict=True)]
        seen_any = [y for y in seen if np.isfinite(y).any()]
        if log is None:
            log = spread_grows_with_level(seen_any, panel.frequency.seasons[0])
        encoder = cls(
            log=log,
            target_gaps=any(bool(np.isnan(y).any()) for y in seen),
            scalers={
                name: TargetScaler.fit(y, log=log)
                for name, y in zip(panel.series, seen, strict=True)
            },
        )
        for name in (*panel.columns.past, *panel.columns.future):
            parts = [v[:end] for v, end in zip(panel.values[name], train_end, strict=True)]
            encoder._fit_column(name, np.concatenate(parts))
        for name in panel.columns.static:
            encoder._fit_column(name, np.asarray(panel.static[name]))
        return encoder

    def _fit_column(self, name: str, values: np.ndarray) -> None:
        if values.dtype.kind in "fiub":
            values = values.astype(np.float64)
            seen = values[np.isfinite(values)]
            mean, std = (float(seen.mean()), unit(seen)) if seen.size else (0.0, 1.0)
            self.numbers[name] = NumberCode(mean, std, indicator=seen.size < values.size)
        else:
            self.texts[name] = TextCode(sorted({str(v) for v in values if v is not None}))

    def encode(self, panel: Panel) -> Encoded:
        """Encode a panel with the same columns; gaps are filled from each series' own past."""
        lengths = [len(y) for y in panel.target]
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        target = np.concatenate(panel.target)
        scalers = self._scalers_of(panel)
        scaled = [s.scale(y) for s, y in zip(scalers, panel.target, strict=True)]
        weights = [s.weight(y) for s, y in zip(scalers, panel.target, strict=True)]
        columns = panel.columns
        gaps = [np.isnan(target)[:, None]] if self.target_gaps else []
        past = [*gaps, *(self._column(c, panel.values[c], offsets) for c in columns.past)]
        times = np.concatenate(panel.times)
        clock = to_local(times, panel.zone) if panel.zone else times
        known = [
            calendar_features(clock, panel.frequency),
            *(self._column(c, panel.values[c], offsets) for c in columns.future),
            *(self._static(c, panel.static[c], lengths) for c in columns.static),
        ]
        return Encoded(
            offsets=offsets,
            target=target,
            z=np.nan_to_num(forward_fill(np.concatenate(scaled), offsets)).astype(np.float32),
            past=_beside(past, len(target)),
            known=_beside(known, len(target)),
            weight=np.nan_to_num(np.concatenate(weights)).astype(np.float32),
            log_std=np.repeat(
                np.array([s.std if self.log else 0.0 for s in scalers], dtype=np.float32), lengths
            ),
            scalers=scalers,
        )

    def widths(self, columns: Columns, frequency: Frequency) -> tuple[int, int]:
        """Count the columns of ``Encoded.past`` and ``Encoded.known``."""
        past = int(self.target_gaps) + sum(map(self._width, columns.past))
        known = len(calendar_names(frequency))
        return past, known + sum(map(self._width, (*columns.future, *columns.static)))

    def _width(self, name: str) -> int:
        if name in self.texts:
            return len(self.texts[name].categories)
        return 1 + self.numbers[name].indicator

    def _scalers_of(self, panel: Panel) -> list[TargetScaler]:
        new = [name for name in panel.series if name not in self.scalers]
        if new:
            listed = ", ".join(map(repr, new[:3])) + (", …" if len(new) > 3 else "")
            warnings.warn(
                f"{len(new):,} series not in the training data, scaled by the history given: "
                f"{listed}",
                stacklevel=5,
            )
        return [
            self.scalers.get(name) or TargetScaler.fit(y, log=self.log)
            for name, y in zip(panel.series, panel.target, strict=True)
        ]

    def _column(self, name: str, values: list[np.ndarray], offsets: np.ndarray) -> np.ndarray:
        flat = np.concatenate(values)
        if name in self.texts:
            return self._one_hot(name, flat)
        code = self.numbers[name]
        if flat.dtype.kind not in "fiub":
            example = next(value for value in flat if value is not None)
            raise DataError(
                f"numbers in the training data, but now text such as {example!r}", column=name
            )
        filled = forward_fill((flat.astype(np.float64) - code.mean) / code.std, offsets)
        column = np.nan_to_num(filled)[:, None]  # (N, 1)
        return np.hstack([column, np.isnan(flat)[:, None]]) if code.indicator else column

    def _static(self, name: str, values: list[Any], lengths: list[int]) -> np.ndarray:
        one_each = np.asarray(values)
        column = self._column(name, [one_each], np.arange(len(values) + 1))
        return np.repeat(column, lengths, axis=0)

    def _one_hot(self, name: str, values: np.ndarray) -> np.ndarray:
        categories = np.asarray(self.texts[name].categories, dtype=object)
        if values.dtype.kind == "f":  # a table may hold only those categories that are digits
            values = np.array([f"{value:.15g}" for value in values], dtype=object)
        return (values.astype(object)[:, None] == categories[None, :]).astype(np.float32)

    def to_json(self) -> dict[str, Any]:
        """Give the fitted state as plain JSON values: ``scaler`` and ``categories``."""
        state = asdict(self)
        categories = {name: code["categories"] for name, code in state.pop("texts").items()}
        return {"scaler": state, "categories": categories}

    @classmethod
    def from_json(cls, state: dict[str, Any]) -> "Encoder":
        """Rebuild an encoder from ``to_json``'s values, whatever else stands beside them."""
        scaler = state["scaler"]
        return cls(
            log=scaler["log"],
            target_gaps=scaler["target_gaps"],
            scalers={k: TargetScaler(**v) for k, v in scaler["scalers"].items()},
            numbers={k: NumberCode(**v) for k, v in scaler["numbers"].items()},
            texts={k: TextCode(v) for k, v in state["categories"].items()},
        )


def forward_fill(values: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Fill NaN in ``values`` (N,) by the last value before it in the same series.

    A series starts at each of ``offsets`` but the last; what precedes its first value stays NaN.
    """
    index = np.where(np.isnan(values), -1, np.arange(len(values)))
    last = np.maximum.accumulate(index) if len(values) else index
    starts = np.repeat(offsets[:-1], np.diff(offsets))
    known = last >= starts
    return np.where(known, values[np.where(known, last, 0)], np.nan)


def _beside(parts: list[np.ndarray], rows: int) -> np.ndarray:
    columns = [np.zeros((rows, 0), dtype=np.float32), *parts]
    return np.concatenate(columns, axis=1).astype(np.float32)
