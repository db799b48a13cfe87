"""The trace: what it shows is what the layer does."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pack_sequence, pad_packed_sequence

import gatewise

KINDS = ("LSTM", "GRU", "RNN")
T, B, I, H = 6, 3, 2, 4  # noqa: E741 - the sizes' usual letters
LENGTHS = torch.tensor([4, 0, 6])
every_kind = pytest.mark.parametrize("kind", KINDS)


def make(kind: str, **options: Any) -> Any:
    torch.manual_seed(0)
    return getattr(gatewise, kind)(I, H, dtype=torch.float64, **options)


def run_trace(layer: Any, *arguments: Any, **masks: Any) -> Any:
    return gatewise.trace(layer, *arguments, **masks)


def draw(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64)


@every_kind
@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("masks", [{}, {"lengths": LENGTHS}, {"resets": "drawn"}])
def test_trace_results_equal_the_layers_forward(
    kind: str, batch_first: bool, masks: dict[str, Any]
) -> None:
    layer = make(kind, num_layers=2, bidirectional=True, batch_first=batch_first)
    x = draw(B, T, I) if batch_first else draw(T, B, I)
    if "resets" in masks:
        masks = {"resets": torch.rand(x.shape[:2]) < 0.4}
    trace = run_trace(layer, x, **masks)
    output, state = layer(x, **masks)
    states = state if kind == "LSTM" else (state, None)
    torch.testing.assert_close(trace.output, output, rtol=1e-13, atol=1e-13)
    for got, expected in zip((trace.h_n, trace.c_n), states, strict=True):
        if expected is None:
            assert got is None
        else:
            torch.testing.assert_close(got, expected, rtol=1e-13, atol=1e-13)

    top = trace.layers[1]
    joined = torch.cat([top.forward.hidden, top.reverse.hidden], -1)  # (T, B, 2H)
    y = output.transpose(0, 1) if batch_first else output
    torch.testing.assert_close(joined, y, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("reverse", [False, True])
def test_lstm_trace_obeys_the_equations(reverse: bool) -> None:
    layer, x = make("LSTM", bidirectional=True), draw(T, B, I)
    hx = (draw(2, B, H), draw(2, B, H))
    layers = run_trace(layer, x, hx).layers
    way = layers[0].reverse if reverse else layers[0].forward
    i, f, o = (way.gates[name] for name in ("input", "forget", "output"))
    given = hx[1][int(reverse)].unsqueeze(0)
    before = torch.cat([way.cell[1:], given] if reverse else [given, way.cell[:-1]])
    torch.testing.assert_close(i * way.candidate + f * before, way.cell)
    torch.testing.assert_close(o * way.cell.tanh(), way.hidden)


@pytest.mark.parametrize("reset_after", [True, False])
def test_gru_trace_obeys_the_equations(reset_after: bool) -> None:
    layer, x, h_0 = make("GRU", reset_after=reset_after), draw(T, B, I), draw(1, B, H)
    way = run_trace(layer, x, h_0).layers[0].forward
    z, before = way.gates["update"], torch.cat([h_0, way.hidden[:-1]])
    torch.testing.assert_close((1 - z) * way.candidate + z * before, way.hidden)
    assert way.cell is None
    w_r, b_r = layer.weight_ih_l0[:H], (layer.bias_ih_l0 + layer.bias_hh_l0)[:H]
    r = torch.sigmoid(x @ w_r.T + before @ layer.weight_hh_l0[:H].T + b_r)
    torch.testing.assert_close(way.gates["reset"], r)


def test_rnn_trace_has_hidden_alone() -> None:
    way = run_trace(make("RNN"), draw(T, B, I)).layers[0].forward
    assert way.gates == {}
    assert (way.cell, way.candidate, way.retention, way.half_life) == (None,) * 4


@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
@pytest.mark.parametrize("reverse", [False, True])
def test_retention_is_the_share_of_the_first_memory_that_is_left(kind: str, reverse: bool) -> None:
    """Retention, the gates' product, is the derivative of the memory when the gates stand still."""
    layer, x = make(kind, bidirectional=True), draw(T, B, I)
    for name, weight in layer.named_parameters():
        if name.startswith("weight_hh"):
            weight.data.zero_()
    c_0 = draw(2, B, H).requires_grad_()
    hx = (torch.zeros_like(c_0), c_0) if kind == "LSTM" else c_0
    traced = run_trace(layer, x, hx).layers[0]
    way = traced.reverse if reverse else traced.forward
    memory = way.cell if kind == "LSTM" else way.hidden
    for t in range(T):
        (left,) = torch.autograd.grad(memory[t].sum(), c_0, retain_graph=True)
        torch.testing.assert_close(left[int(reverse)], way.retention[t])


@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
@pytest.mark.parametrize("reverse", [False, True])
def test_retention_begins_again_at_resets_and_ends_with_lengths(kind: str, reverse: bool) -> None:
    layer, x = make(kind, bidirectional=True), draw(T, B, I)
    resets = torch.zeros(T, B, dtype=torch.bool)
    resets[2, 0] = resets[5, 0] = resets[3, 2] = True
    traced = run_trace(layer, x, lengths=LENGTHS, resets=resets).layers[0]
    way = traced.reverse if reverse else traced.forward
    keep = way.gates["forget" if kind == "LSTM" else "update"]
    expected = torch.zeros_like(keep)
    pieces = {0: [(0, 2), (2, 4)], 1: [], 2: [(0, 3), (3, 6)]}
    for row, bounds in pieces.items():
        for start, stop in bounds:
            part = keep[start:stop, row]
            product = part.flip(0).cumprod(0).flip(0) if reverse else part.cumprod(0)
            expected[start:stop, row] = product
    torch.testing.assert_close(way.retention, expected)


def test_half_life_is_that_of_constant_gates() -> None:
    layer = make("LSTM")
    layer.weight_ih_l0.data.zero_()
    layer.weight_hh_l0.data.zero_()
    layer.bias_hh_l0.data.zero_()
    kept = torch.tensor([0.5, 0.25, 0.9, 1.0], dtype=torch.float64)
    layer.bias_ih_l0.data[H : 2 * H] = torch.logit(kept).clamp(max=1e4)
    expected = torch.tensor([1, 0.5, math.log(0.5) / math.log(0.9), math.inf]).double()
    for masks in ({}, {"lengths": LENGTHS}):
        way = run_trace(layer, draw(T, B, I), **masks).layers[0].forward
        torch.testing.assert_close(way.half_life.detach(), expected, rtol=1e-7, atol=0)


def test_half_life_averages_over_valid_steps() -> None:
    way = run_trace(make("GRU"), draw(T, B, I), lengths=LENGTHS).layers[0].forward
    valid = torch.arange(T).unsqueeze(1) < LENGTHS
    expected = math.log(2) / -way.gates["update"][valid].log().mean(0)
    torch.testing.assert_close(way.half_life, expected)


@every_kind
def test_trace_is_zero_beyond_a_length_whatever_stands_there(kind: str) -> None:
    layer, x = make(kind, num_layers=2, bidirectional=True), draw(T, B, I)
    beyond = torch.arange(T).unsqueeze(1) >= LENGTHS
    x[beyond] = float("nan")
    for traced in run_trace(layer, x, lengths=LENGTHS).layers:
        for way in (traced.forward, traced.reverse):
            sequences = [way.hidden, way.cell, way.candidate, way.retention, *way.gates.values()]
            for sequence in sequences:
                if sequence is not None:
                    assert torch.isfinite(sequence).all()
                    assert not sequence[beyond].any()


@every_kind
def test_trace_takes_packed_and_unbatched_input(kind: str) -> None:
    layer = make(kind, bidirectional=True)
    sequences = [draw(n, I) for n in (2, 5, 3)]
    packed = run_trace(layer, pack_sequence(sequences, enforce_sorted=False))
    assert isinstance(packed.output, PackedSequence)
    y, _ = pad_packed_sequence(packed.output)  # (T, B, 2H)
    way = packed.layers[0]
    assert torch.equal(torch.cat([way.forward.hidden, way.reverse.hidden], -1), y)
    for row, sequence in enumerate(sequences):
        alone = run_trace(layer, sequence)
        assert alone.output.shape == (len(sequence), 2 * H)
        hidden = alone.layers[0].forward.hidden
        assert hidden.shape == (len(sequence), 1, H)
        torch.testing.assert_close(way.forward.hidden[: len(sequence), row], hidden[:, 0])
        for name, gate in alone.layers[0].forward.gates.items():
            torch.testing.assert_close(way.forward.gates[name][: len(sequence), row], gate[:, 0])


@pytest.mark.parametrize(("steps", "batch"), [(0, 3), (4, 0)])
@every_kind
def test_trace_of_nothing_has_the_right_shapes(kind: str, steps: int, batch: int) -> None:
    way = run_trace(make(kind), draw(steps, batch, I)).layers[0].forward
    for sequence in (way.hidden, way.cell, way.retention, *way.gates.values()):
        assert sequence is None or sequence.shape == (steps, batch, H)
    assert way.half_life is None or torch.isnan(way.half_life).all()


def test_trace_shows_the_projected_hidden_state() -> None:
    way = run_trace(make("LSTM", proj_size=2), draw(T, B, I)).layers[0].forward
    assert way.hidden.shape == (T, B, 2)
    assert way.cell.shape == (T, B, H)


def test_trace_is_differentiable_when_gradients_are_on() -> None:
    layer, x = make("LSTM"), draw(T, B, I)
    way = run_trace(layer, x).layers[0].forward
    for value in (way.gates["forget"], way.retention, way.half_life):
        (gradient,) = torch.autograd.grad(value.sum(), layer.weight_ih_l0, retain_graph=True)
        assert gradient[H : 2 * H].abs().max() > 0
    with torch.no_grad():
        assert not run_trace(layer, x).layers[0].forward.hidden.requires_grad


def test_trace_runs_on_the_reference_whatever_the_layers_backend() -> None:
    layer = make("LSTM", backend="torch")
    resets = torch.zeros(T, B, dtype=torch.bool)
    assert run_trace(layer, draw(T, B, I), resets=resets).layers[0].reverse is None


def test_trace_draws_dropout_as_the_layer_does() -> None:
    layer, x = make("GRU", num_layers=2, dropout=0.5), draw(T, B, I)
    outputs = []
    for run in (lambda: run_trace(layer, x).output, lambda: layer(x)[0]):
        torch.manual_seed(4)
        outputs.append(run())
    torch.testing.assert_close(*outputs, rtol=1e-13, atol=1e-13)
