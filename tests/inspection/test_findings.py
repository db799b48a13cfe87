"""What is said of gates that are set by hand."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import gatewise
from gatewise.inspection.durations import counted, duration, round_spans
from gatewise.inspection.findings import findings, leaning_by_distance
from gatewise.inspection.layer_view import view_of_trace
from gatewise.inspection.measures import measure
from gatewise.inspection.view import Influence

T, H = 48, 4
HOUR = 3_600.0


def shown(forget_bias, seconds=None, input_bias=0.0, output_bias=0.0):
    """An LSTM whose gates are what their biases make them, on T steps."""
    layer = gatewise.LSTM(1, H, dtype=torch.float64)
    with torch.no_grad():
        layer.weight_ih_l0.zero_()
        layer.weight_hh_l0.zero_()
        layer.bias_hh_l0.zero_()
        gates = [torch.full((H,), input_bias), torch.tensor(forget_bias), torch.ones(H)]
        layer.bias_ih_l0.copy_(torch.cat([*gates, torch.full((H,), output_bias)]))
        trace = gatewise.trace(layer, torch.zeros(T, 1, dtype=torch.float64))
    view = view_of_trace(trace)
    return replace(view, axis=replace(view.axis, seconds=seconds))


def said(view):
    return "\n".join(findings(view, measure(view.layers[0].forward)))


def logit(share):
    return float(np.log(share) - np.log1p(-share))


def forgetting(half_life):
    """The bias of a gate that forgets half in so many steps."""
    return logit(0.5 ** (1 / half_life))


def test_memory_is_told_in_the_longest_round_time():
    view = shown([forgetting(h) for h in (30.0, 26.0, 5.0, 0.5)], seconds=HOUR)
    text = said(view)
    assert "2 of 4 units hold for more than a day (half-life)." in text
    assert "Half of the median unit's memory is gone after 16 hours." in text
    assert "1 of 4 units forgets more than half in 1 hour: they look at the present." in text
    left = 0.5 ** (T / 30)
    assert f"{100 * left:.0f} % in the one that keeps most (unit 0)" in text


def test_memory_without_times_is_told_in_steps():
    text = said(shown([forgetting(h) for h in (30.0, 26.0, 5.0, 1_000.0)]))
    assert "1 of 4 units holds for more than 200 steps (half-life)." in text
    assert "gone after 28 steps" in text


def test_gates_that_stand_still_are_named():
    text = said(shown([50.0] * 4, input_bias=-5.0, output_bias=5.0))
    assert "4 of 4 units (0, 1, 2, 3) never open the update gate." in text
    assert "4 of 4 units (0, 1, 2, 3) keep the forget gate open all the time." in text
    assert "The output gate is near 0 in 0 % and near 1 in 100 % of all steps and units." in text


def test_gate_that_never_forgets_and_dead_units_are_named():
    view = shown([1_000.0] * 4, output_bias=-1_000.0)
    text = said(view)
    assert "4 of 4 units (0, 1, 2, 3) never forget anything." in text
    assert "4 of 4 units (0, 1, 2, 3) are dead: the hidden state stays at 0." in text


def test_leaning_is_summed_by_the_distance_of_output_and_input():
    view = shown([1.0] * 4)
    values = np.zeros((2, T))
    values[0, 3], values[0, 5], values[1, 10] = 2.0, 1.0, 4.0
    at_steps = replace(view, influence=Influence(values, [5, 12], "output at", ""))
    sums = leaning_by_distance(at_steps)
    assert {int(d): float(sums[d]) for d in np.flatnonzero(sums)} == {0: 1.0, 2: 6.0}
    ahead = replace(view, influence=Influence(values, ["a", "b"], "class", ""))
    sums = leaning_by_distance(ahead)
    assert {int(d): float(sums[d]) for d in np.flatnonzero(sums)} == {37: 4.0, 42: 1.0, 44: 2.0}
    assert "Half of what is leant on lies within 3 steps, nine tenths within 3 steps." in said(
        at_steps
    )


def test_retention_of_a_reverse_walk_is_read_at_its_own_end():
    layer = gatewise.GRU(1, H, bidirectional=True)
    with torch.no_grad():
        trace = gatewise.trace(layer, torch.zeros(T, 1))
    view = view_of_trace(trace)
    reverse = measure(view.layers[0].reverse)
    text = "\n".join(findings(view, reverse, reverse=True))
    assert f"(unit {int(reverse.retention[0].argmax())})" in text
    assert "less than 0.1 %" in text


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.5, "0.5 seconds"),
        (1, "1 second"),
        (90, "1.5 minutes"),
        (86_400, "1 day"),
        (129_600, "1.5 days"),
        (86_400 * 70, "10 weeks"),
        (float("inf"), "for ever"),
    ],
)
def test_durations_are_told_in_the_unit_that_they_reach(seconds, words):
    assert duration(seconds) == words


def test_counts_have_their_plural():
    assert [counted(n, "step") for n in (1, 2, 2.345, 12.3, 1_234)] == [
        "1 step",
        "2 steps",
        "2.3 steps",
        "12 steps",
        "1,234 steps",
    ]
    assert round_spans(60, 86_400) == [("a day", 86_400), ("an hour", 3_600)]
