"""From a panel to the arrays that a model reads, fitted on the training part alone."""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from gatewise.data.calendar import Calendar
from gatewise.data.columns import Columns
from gatewise.data.errors import DataError
from gatewise.data.panel import Panel
from gatewise.data.scaling import BLOCK, Moments, TargetScaler, spread_grows_with_level
from gatewise.data.windows import Ends, series_of


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
        z: (N,) float32, the target, scaled and filled from the past.
        seen: (N,) bool, where the target was not missing.
        gaps: whether ``~seen`` is one more column that is known up to the present.
        past: (N, P) float32, known up to the present: the past columns.
        known: (N, K) float32, known in the future: future and static columns.
        calendar: what is known of each step by its time.
        scalers: one for each series.
    """

    offsets: np.ndarray
    z: np.ndarray
    seen: np.ndarray
    gaps: bool
    past: np.ndarray
    known: np.ndarray
    calendar: Calendar
    scalers: list[TargetScaler]

    def unscale(self, origins: np.ndarray, z: np.ndarray) -> np.ndarray:
        """Bring forecasts ``z`` (n, …) made at ``origins`` (n,) back to the target's unit."""
        y = np.array(z, dtype=np.float64)
        for scaler, rows in self._by_series(origins):
            y[rows] = scaler.unscale(y[rows])
        return y

    def scale(self, origins: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Scale forecasts ``y`` (n, …) made at ``origins`` (n,): undo :meth:`unscale`."""
        z = np.array(y, dtype=np.float64)
        for scaler, rows in self._by_series(origins):
            z[rows] = scaler.scale(z[rows])
        return z

    def _by_series(self, origins: np.ndarray) -> Iterator[tuple[TargetScaler, np.ndarray]]:
        """Give each scaler that is wanted, and which of ``origins`` (n,) want it."""
        series = series_of(origins, self.offsets)
        order = np.argsort(series, kind="stable")
        starts = np.flatnonzero(np.diff(series[order], prepend=-1))
        for rows in np.split(order, starts[1:]) if len(order) else []:
            yield self.scalers[series[rows[0]]], rows


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
            encoder._fit_column(name, parts)
        for name in panel.columns.static:
            encoder._fit_column(name, [np.asarray(panel.static[name])])
        return encoder

    def _fit_column(self, name: str, parts: Sequence[np.ndarray]) -> None:
        if all(part.dtype.kind in "fiub" for part in parts):
            seen = Moments.of(parts)
            gaps = seen.count < sum(map(len, parts))
            mean, std = (seen.mean, seen.unit) if seen.count else (0.0, 1.0)
            self.numbers[name] = NumberCode(mean, std, indicator=gaps)
        else:
            known = {str(value) for part in parts for value in part if value is not None}
            self.texts[name] = TextCode(sorted(known))

    def encode(self, panel: Panel) -> Encoded:
        """Encode a panel with the same columns; gaps are filled from each series' own past."""
        lengths = [len(y) for y in panel.target]
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        scalers, columns = self._scalers_of(panel), panel.columns
        past_width, known_width = self.widths(columns)
        z = np.empty(offsets[-1], dtype=np.float32)
        seen = np.empty(offsets[-1], dtype=bool)
        past = np.empty((offsets[-1], past_width - self.target_gaps), dtype=np.float32)
        known = np.empty((offsets[-1], known_width), dtype=np.float32)
        for start, scaler, y in zip(offsets, scalers, panel.target, strict=False):
            for part, values in _blocks(y, start):
                z[part] = scaler.scale(values)
                seen[part] = np.isfinite(values)
        fill_forward(z, offsets)
        at = 0
        for name in columns.past:
            at = self._fill(past, at, name, panel.values[name], offsets)
        at = 0
        for name in columns.future:
            at = self._fill(known, at, name, panel.values[name], offsets)
        for name in columns.static:
            at = self._fill_static(known, at, name, panel.static[name], offsets)
        calendar = Calendar(panel.times, offsets, panel.frequency, panel.zone)
        return Encoded(offsets, z, seen, self.target_gaps, past, known, calendar, scalers)

    def widths(self, columns: Columns) -> tuple[int, int]:
        """Count the columns known up to the present, gaps among them, and in the future, too."""
        past = int(self.target_gaps) + sum(map(self._width, columns.past))
        return past, sum(map(self._width, (*columns.future, *columns.static)))

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

    def _fill(
        self,
        into: np.ndarray,
        at: int,
        name: str,
        arrays: Sequence[np.ndarray],
        offsets: np.ndarray,
    ) -> int:
        """Encode a column into ``into`` (N, …) from its column ``at`` on; give where it ends."""
        end = at + self._width(name)
        start = 0
        for values in arrays:
            for part, block in _blocks(values, start):
                into[part, at:end] = self._encoded(name, block)
            start += len(values)
        if name in self.numbers:
            fill_forward(into[:, at], offsets)
        return end

    def _fill_static(
        self, into: np.ndarray, at: int, name: str, values: list[Any], offsets: np.ndarray
    ) -> int:
        rows = np.empty((len(values), self._width(name)), dtype=np.float32)
        self._fill(rows, 0, name, [np.asarray(values)], np.arange(len(values) + 1))
        end = at + rows.shape[1]
        for row, (first, behind) in zip(rows, pairwise(offsets), strict=True):
            into[first:behind, at:end] = row
        return end

    def _encoded(self, name: str, values: np.ndarray) -> np.ndarray:
        """Encode a few values (n,) of a column: (n, width); missing numbers stay NaN."""
        if name in self.texts:
            return self._one_hot(name, values)
        code = self.numbers[name]
        if values.dtype.kind not in "fiub":
            example = next(value for value in values if value is not None)
            raise DataError(
                f"numbers in the training data, but now text such as {example!r}", column=name
            )
        scaled = (values.astype(np.float64)[:, None] - code.mean) / code.std
        return np.hstack([scaled, np.isnan(scaled)]) if code.indicator else scaled

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


def fill_forward(values: np.ndarray, offsets: np.ndarray) -> None:
    """Fill NaN in ``values`` (N,), in place, by the last value before it in its series.

    A series starts at each of ``offsets`` but the last; what precedes its first value becomes 0,
    the mean of what is scaled.
    """
    for start, end in pairwise(offsets):
        last = 0.0
        for part, block in _blocks(values[start:end], start):
            missing = np.isnan(block)
            if missing.any():
                index = np.where(missing, -1, np.arange(len(block)))
                index = np.maximum.accumulate(index)
                values[part] = np.where(index >= 0, block[index], last)
            last = values[part][-1]


def _blocks(values: np.ndarray, start: int) -> Iterator[tuple[slice, np.ndarray]]:
    """Cut ``values`` (n,) into blocks, each with its place among rows that begin at ``start``."""
    for first in range(0, len(values), BLOCK):
        block = values[first : first + BLOCK]
        yield slice(int(start) + first, int(start) + first + len(block)), block
