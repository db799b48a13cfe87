"""Numbers about the units of one layer in one direction, from what went on in its steps."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gatewise.tracing import DirectionTrace

NEAR = 0.1
"""A gate is near 0 below this, and near 1 above 1 − this (Karpathy et al. 2015, section 4.2)."""

SILENT = 0.01
"""A unit is dead where its hidden state stays closer to 0 than this in every step."""

Numbers = NDArray[np.floating]


@dataclass(frozen=True)
class Measures:
    """What is told of H units over T steps of one sequence.

    Attributes:
        maps: by name, (T, H): each gate, then ``"candidate"``, ``"cell"`` and ``"hidden"``, where
            the cell has them (``"hidden"`` is (T, P) with a projection).
        retention: (T, H) how much of the memory at the beginning is still there; None for an RNN.
        half_life: (H,) in steps of the recurrence; None for an RNN.
        order: (H,) the units, the longest memory first; an RNN's as they are numbered.
        near_zero, near_one: for each gate, (H,) the share of steps in which it is near 0, near 1.
        dead: the units of ``"hidden"`` that stay silent.
    """

    maps: Mapping[str, Numbers]
    retention: Numbers | None
    half_life: Numbers | None
    order: NDArray[np.integer]
    near_zero: Mapping[str, Numbers]
    near_one: Mapping[str, Numbers]
    dead: NDArray[np.integer]

    @property
    def gates(self) -> list[str]:
        """The names of the gates."""
        return list(self.near_zero)

    def order_of(self, name: str) -> NDArray[np.integer]:
        """The order of a map's units; projected ones have no memory of their own to go by."""
        width = self.maps[name].shape[1]
        return self.order if width == len(self.order) else np.arange(width)


def measure(direction: DirectionTrace) -> Measures:
    """Measure the first sequence of what went on in one direction of a layer."""
    gates = {name: _first(tensor) for name, tensor in direction.gates.items()}
    others = {
        "candidate": direction.candidate,
        "cell": direction.cell,
        "hidden": direction.hidden,
    }
    maps = gates | {name: _first(t) for name, t in others.items() if t is not None}
    hidden = maps["hidden"]
    half_life = None if direction.half_life is None else direction.half_life.double().numpy()
    units = np.arange(hidden.shape[1] if half_life is None else len(half_life))
    if half_life is not None:  # NaN, where there is no step, goes last
        units = np.argsort(-np.nan_to_num(half_life, nan=-1.0), kind="stable")
    steps = max(len(hidden), 1)
    return Measures(
        maps=maps,
        retention=None if direction.retention is None else _first(direction.retention),
        half_life=half_life,
        order=units,
        near_zero={name: (gate < NEAR).sum(0) / steps for name, gate in gates.items()},
        near_one={name: (gate > 1 - NEAR).sum(0) / steps for name, gate in gates.items()},
        dead=np.flatnonzero((np.abs(hidden) < SILENT).all(0)) if len(hidden) else np.arange(0),
    )


def _first(tensor: object) -> Numbers:
    return tensor[:, 0].double().numpy()  # type: ignore[index]
