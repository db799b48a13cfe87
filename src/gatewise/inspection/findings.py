"""What is seen inside, in plain sentences."""

from collections.abc import Sequence

import numpy as np

from gatewise.inspection.durations import counted, duration, round_spans
from gatewise.inspection.measures import NEAR, Measures
from gatewise.inspection.names import NAMES
from gatewise.inspection.view import View

_MOST_NAMED = 8
"""So many units are named one by one; the table has all."""


def findings(view: View, measures: Measures, *, reverse: bool = False) -> list[str]:
    """Say what there is to see in one layer and direction, a sentence each."""
    if not view.axis.inputs:
        return ["There is no step to look at."]
    return [
        *_memory(view, measures, reverse),
        *_gates(view, measures),
        *_dead(measures),
        *_leaning(view),
    ]


def _memory(view: View, measures: Measures, reverse: bool) -> list[str]:
    """Say how long the units remember."""
    if measures.half_life is None:
        return ["An RNN has no gates, and no memory line that could be followed."]
    half_lives = measures.half_life[~np.isnan(measures.half_life)]
    if not half_lives.size:
        return []
    units = len(half_lives)
    middle = _lasts(view, float(np.median(half_lives)))
    said = [_holding(view, half_lives), f"Half of the median unit's memory is gone after {middle}."]
    for_ever = np.flatnonzero(np.isinf(measures.half_life))
    if for_ever.size:
        said.append(f"{_units(for_ever, units)} never forget{_s(for_ever)} anything.")
    fast, one = int((half_lives < 1).sum()), _lasts(view, 1)
    if fast:
        said.append(
            f"{fast} of {units} units forget{'s' if fast == 1 else ''} more than half in {one}: "
            "they look at the present."
        )
    if measures.retention is not None:
        left = measures.retention[0 if reverse else -1]
        said.append(
            f"Of the memory at the beginning, {_share(np.median(left))} is left at the end in the "
            f"median unit, {_share(left.max())} in the one that keeps most "
            f"(unit {int(left.argmax())})."
        )
    return said


def _holding(view: View, half_lives: np.ndarray) -> str:
    """Say how many units hold for longer than the longest round time that any of them reaches."""
    steps = len(view.axis.steps)
    step = _step_seconds(view)
    if step is None:
        span = view.axis.span
        rounds = [n for n in (1_000, 500, 200, 100, 50, 20, 10, 5, 2) if n <= 10 * steps * span]
        limits = [(_span(view, n), n / span) for n in rounds]
    else:
        limits = [(name, s / step) for name, s in round_spans(step, 10 * steps * step)]
    for name, limit in limits:
        holding = int((half_lives > limit).sum())
        if holding:
            verb = "holds" if holding == 1 else "hold"
            return f"{holding} of {len(half_lives)} units {verb} for more than {name} (half-life)."
    return "No unit holds for long: see the half-lives in the table."


def _gates(view: View, measures: Measures) -> list[str]:
    """Say which gates stand still, and which are mostly shut or open."""
    said = []
    for name in measures.gates:
        gate = NAMES[view.cell][name].said
        shut, opened = measures.near_zero[name], measures.near_one[name]
        units = len(shut)
        never_open = np.flatnonzero(measures.maps[name].max(0) < NEAR)
        never_shut = np.flatnonzero(measures.maps[name].min(0) > 1 - NEAR)
        if never_open.size:
            said.append(f"{_units(never_open, units)} never open{_s(never_open)} the {gate}.")
        if never_shut.size:
            said.append(
                f"{_units(never_shut, units)} keep{_s(never_shut)} the {gate} open all the time."
            )
        said.append(
            f"The {gate} is near 0 in {_share(shut.mean())} and near 1 in "
            f"{_share(opened.mean())} of all steps and units."
        )
    return said


def _dead(measures: Measures) -> list[str]:
    if not measures.dead.size:
        return ["No unit is dead: each one moves its hidden state."]
    width = measures.maps["hidden"].shape[1]
    return [
        f"{_units(measures.dead, width)} {'is' if measures.dead.size == 1 else 'are'} dead: "
        "the hidden state stays at 0."
    ]


def _leaning(view: View) -> list[str]:
    """Say from how far back the outputs draw half, and nine tenths, of what they lean on."""
    weights = leaning_by_distance(view)
    total = weights.sum()
    if not total:
        return ["No output leans on any input."]
    reached = np.cumsum(weights) / total
    half, most = (int(np.searchsorted(reached, share)) + 1 for share in (0.5, 0.9))
    near, far = _span(view, half), _span(view, most)
    return [f"Half of what is leant on lies within {near}, nine tenths within {far}."]


def leaning_by_distance(view: View) -> np.ndarray:
    """Sum the gradients by how many steps lie between an output and an input, (S,).

    Outputs that stand behind the end, or nowhere in time, count from the end.
    """
    values = np.asarray(view.influence.values, dtype=np.float64)
    inputs = len(view.axis.inputs)
    places = {place: number for number, place in enumerate(view.axis.inputs)}
    sums = np.zeros(inputs)
    for row, weights in zip(view.influence.rows, values, strict=True):
        at = places.get(row, inputs - 1)
        np.add.at(sums, np.abs(at - np.arange(inputs)), weights)
    return sums


def half_life_text(view: View, steps: float) -> str:
    """A half-life as the table shows it."""
    return "–" if np.isnan(steps) else _lasts(view, steps)


def _lasts(view: View, steps: float) -> str:
    """Say how long so many steps of the recurrence last."""
    return _span(view, steps * view.axis.span)


def _span(view: View, inputs: float) -> str:
    """Say how long so many input steps last: a time, where steps are time."""
    if view.axis.seconds is not None:
        return duration(inputs * view.axis.seconds)
    if np.isinf(inputs):
        return "for ever"
    return counted(inputs, view.axis.title if view.axis.title != "time" else "step")


def _step_seconds(view: View) -> float | None:
    return None if view.axis.seconds is None else view.axis.seconds * view.axis.span


def _units(units: np.ndarray | Sequence[int], of: int) -> str:
    """Say how many units of how many, and which."""
    some = ", ".join(str(int(unit)) for unit in units[:_MOST_NAMED])
    more = ", …" if len(units) > _MOST_NAMED else ""
    return f"{len(units)} of {of} units ({some}{more})"


def _s(units: np.ndarray) -> str:
    return "s" if len(units) == 1 else ""


def _share(share: float) -> str:
    percent = 100 * float(share)
    if 0 < percent < 0.1:
        return "less than 0.1 %"
    return f"{percent:.0f} %" if percent >= 1 or percent == 0 else f"{percent:.1f} %"
