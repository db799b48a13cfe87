"""What is looked at: one model, or one layer object, on one sequence."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gatewise.tracing import LayerTrace

Place = str | int
"""Where something stands on the time axis: a number of steps, or a time as Plotly reads it."""


@dataclass(frozen=True)
class Axis:
    """The time axis that everything is drawn over.

    Attributes:
        title: what is counted: ``"time"``, ``"step"``, ``"character"``, …
        inputs: (S,) the place of each input step.
        span: input steps that one step of the recurrence reads: its T steps end at the inputs'
            end, and the first may read fewer.
        seconds: how long an input step is; None where steps are not time.
        labels: (S,) what stands at each input step, a character or a word; None for numbers.
    """

    title: str
    inputs: Sequence[Place]
    span: int = 1
    seconds: float | None = None
    labels: Sequence[str] | None = None

    @property
    def steps(self) -> list[Place]:
        """The place of each step of the recurrence, (T,): that of the last input it reads."""
        ends = range(len(self.inputs) - 1, -1, -self.span)
        return [self.inputs[end] for end in reversed(ends)]


@dataclass(frozen=True)
class Curve:
    """A line over the time axis.

    Attributes:
        name: what it is.
        role: ``"input"``, ``"truth"``, ``"prediction"``, or ``"low"`` and ``"high"`` for the bounds
            of a prediction's interval.
        x: (n,) places, also behind the inputs' end.
        y: (n,) values in the user's own unit, NaN where not known.
    """

    name: str
    role: str
    x: Sequence[Place]
    y: np.ndarray


@dataclass(frozen=True)
class Influence:
    """Which inputs each output leans on.

    Attributes:
        values: (R, S) the norm of the gradient of output r with respect to all that is read at
            input step s.
        rows: (R,) what the outputs are: places on the time axis, or names.
        title: what ``rows`` counts: ``"forecast for"``, ``"class"``, ``"output at step"``, …
        about: in one sentence, the gradient of what with respect to what.
    """

    values: np.ndarray
    rows: Sequence[Place]
    title: str
    about: str


@dataclass(frozen=True)
class View:
    """One model on one sequence.

    Attributes:
        name: the model in a few words, such as ``"LSTM, 64 units"``.
        cell: ``"lstm"``, ``"gru"`` or ``"rnn"``.
        about: which sequence this is, and what the model said of it, in one or two sentences.
        axis: the time axis.
        curves: input and prediction.
        layers: what went on inside, each tensor (T, 1, ·), on the CPU and without gradients.
        influence: which inputs the outputs lean on.
    """

    name: str
    cell: str
    about: str
    axis: Axis
    curves: Sequence[Curve]
    layers: Sequence[LayerTrace]
    influence: Influence
