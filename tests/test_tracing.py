"""The trace: what it shows is what the layer does."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pack_sequence, pad_packed_sequence

import gatewise
from gatewise.ops.cases import FORMS

KINDS = ("LSTM", "GRU", "RNN")
T, B, I, H = 6, 3, 2, 4  # noqa: E741 - the sizes' usual letters
LENGTHS = torch.tensor([4, 0, 6])
every_kind = pytest.mark.parametrize("kind", KINDS)
every_form = pytest.mark.parametrize("form", FORMS)
either_mode = pytest.mark.parametrize("training", [True, False])
LSTMS, GRUS = ([name for name, form in FORMS.items() if form.cell == c] for c in ("lstm", "gru"))
REMEMBERING = [
    name for name in (*LSTMS, *GRUS) if name.endswith(("coupled", "norm", "zoneout", "everything"))
]


def make_form(form: str, **options: Any) -> Any:
    """Make the layer of a form, and move the weights that start at 0 or 1."""
    cell, own = FORMS[form]
    layer = make(cell.upper(), **own, **options)
    for name, weight in layer.named_parameters():
        if "_ln_" in name or name.startswith("initial"):
            weight.data += 0.3 * draw(*weight.shape)
    return layer


def draw_state(layer: Any, batch: int) -> tuple[Tensor, ...]:
    """Draw (h_0,) or (h_0, c_0) for a layer with one layer."""
    rows = 2 if layer.bidirectional else 1
    widths = (layer.proj_size or H, H)[: 2 if isinstance(layer, gatewise.LSTM) else 1]
    return tuple(draw(rows, batch, width) for width in widths)


def as_hx(state: tuple[Tensor, ...]) -> Any:
    return state if len(state) == 2 else state[0]


def assert_near(got: Any, expected: Any) -> None:
    torch.testing.assert_close(got, expected, rtol=1e-12, atol=1e-12)


def zone(layer: Any, training: bool, old: Tensor, new: Tensor, got: Tensor, part: int) -> Tensor:
    """Give what zoneout makes of old and new; in training, units that kept the old show it."""
    zoneout = layer.zoneout
    p = zoneout[part] if isinstance(zoneout, tuple) else zoneout
    if training and p > 0:
        return torch.where(got == old, old, new)
    return p * old + (1 - p) * new


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


@every_form
@either_mode
def test_trace_of_a_form_equals_its_forward(form: str, training: bool) -> None:
    layer = make_form(form, num_layers=2, bidirectional=True, dropout=0.2).train(training)
    x, resets = draw(T, B, I), torch.rand(T, B) < 0.3
    for masks in ({}, {"lengths": LENGTHS, "resets": resets}):
        torch.manual_seed(1)
        output, state = layer(x, **masks)
        torch.manual_seed(1)
        traced = run_trace(layer, x, **masks)
        states = state if isinstance(state, tuple) else (state, None)
        assert_near(traced.output, output)
        assert_near(traced.h_n, states[0])
        assert (traced.c_n is None) == (states[1] is None)
        if states[1] is not None:
            assert_near(traced.c_n, states[1])
        top = traced.layers[1]
        assert_near(torch.cat([top.forward.hidden, top.reverse.hidden], -1), output)


@pytest.mark.parametrize("form", LSTMS)
@either_mode
def test_trace_of_every_lstm_obeys_the_equations(form: str, training: bool) -> None:
    layer, x = make_form(form).train(training), draw(T, B, I)
    h_0, c_0 = draw_state(layer, B)
    way = run_trace(layer, x, (h_0, c_0)).layers[0].forward
    h, c = torch.cat([h_0, way.hidden[:-1]]), torch.cat([c_0, way.cell[:-1]])
    i, f, o = (way.gates[name] for name in ("input", "forget", "output"))
    new_c = i * way.candidate + f * c
    out = new_c
    if layer.layer_norm:
        out = torch.nn.functional.layer_norm(
            new_c, (H,), layer.weight_ln_c_l0, layer.bias_ln_c_l0, 1e-5
        )
    new_h = o * (out.tanh() if layer.output_activation == "tanh" else out)
    if layer.proj_size:
        new_h = new_h @ layer.weight_hr_l0.T
    assert_near(way.cell, zone(layer, training, c, new_c, way.cell, 1))
    assert_near(way.hidden, zone(layer, training, h, new_h, way.hidden, 0))
    if layer.coupled:
        assert torch.equal(f, 1 - i)
    if layer.peephole and not layer.layer_norm:
        before = x @ layer.weight_ih_l0.T + h @ layer.weight_hh_l0.T
        before = before + layer.bias_ih_l0 + layer.bias_hh_l0
        peepholes = layer.weight_peephole_l0
        assert_near(i, torch.sigmoid(before[..., :H] + peepholes[:H] * c))
        assert_near(o, torch.sigmoid(before[..., -H:] + peepholes[-H:] * new_c))
        if not layer.coupled:
            assert_near(f, torch.sigmoid(before[..., H : 2 * H] + peepholes[H : 2 * H] * c))


@pytest.mark.parametrize("form", GRUS)
@either_mode
def test_trace_of_every_gru_obeys_the_equations(form: str, training: bool) -> None:
    layer, x = make_form(form).train(training), draw(T, B, I)
    (h_0,) = draw_state(layer, B)
    way = run_trace(layer, x, h_0).layers[0].forward
    h, z = torch.cat([h_0, way.hidden[:-1]]), way.gates["update"]
    new_h = (1 - z) * way.candidate + z * h
    assert_near(way.hidden, zone(layer, training, h, new_h, way.hidden, 0))
    assert way.cell is None


@pytest.mark.parametrize("form", ["lstm", "gru", *REMEMBERING])
@pytest.mark.parametrize("reverse", [False, True])
@either_mode
def test_retention_is_the_share_of_the_first_memory_that_is_left(
    form: str, reverse: bool, training: bool
) -> None:
    """Retention, the gates' product, is the derivative of the memory when the gates stand still."""
    layer, x = make_form(form, bidirectional=True).train(training), draw(T, B, I)
    for name, weight in layer.named_parameters():
        if name.startswith(("weight_hh", "weight_peephole")):
            weight.data.zero_()
    *h_0, memory_0 = draw_state(layer, B)
    traced = run_trace(layer, x, as_hx((*h_0, memory_0.requires_grad_()))).layers[0]
    way = traced.reverse if reverse else traced.forward
    memory = way.hidden if way.cell is None else way.cell
    for t in range(T):
        (left,) = torch.autograd.grad(memory[t].sum(), memory_0, retain_graph=True)
        torch.testing.assert_close(left[int(reverse)], way.retention[t])
    has_zoneout = "zoneout" in FORMS[form].options
    gate = way.gates["forget" if form.startswith("lstm") else "update"]
    assert torch.allclose(way.retention[-1 if reverse else 0], gate[-1 if reverse else 0]) == (
        not has_zoneout
    )


@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_half_life_counts_what_zoneout_keeps(kind: str) -> None:
    """In evaluation a gate f under zoneout p keeps p + (1 − p) f; with p = 1 all is kept."""
    kept, p = torch.tensor([0.5, 0.25, 0.9, 0.0], dtype=torch.float64), 0.4
    for zoneout in (p, 1.0):
        layer = make(kind, zoneout=zoneout).eval()
        for weight in layer.parameters():
            weight.data.zero_()
        layer.bias_ih_l0.data[H : 2 * H] = torch.logit(kept).clamp(min=-1e4)
        way = run_trace(layer, draw(T, B, I)).layers[0].forward
        share = zoneout + (1 - zoneout) * kept
        expected = math.log(2) / share.log().abs()
        torch.testing.assert_close(way.half_life.detach(), expected, rtol=1e-9, atol=0)
        torch.testing.assert_close(way.retention[-1, 0].detach(), share**T, rtol=1e-9, atol=0)
    traced = run_trace(make(kind, zoneout=1.0), draw(T, B, I)).layers[0].forward
    assert torch.isposinf(traced.half_life).all()
    assert torch.equal(traced.retention, torch.ones_like(traced.retention))


@every_form
def test_trace_of_a_form_is_differentiable_with_a_finite_gradient(form: str) -> None:
    layer, x = make_form(form, bidirectional=True), draw(T, B, I)
    resets = torch.rand(T, B) < 0.3
    traced = run_trace(layer, x, lengths=LENGTHS, resets=resets).layers[0]
    for way in (traced.forward, traced.reverse):
        sequences = [way.hidden, way.cell, way.candidate, way.retention, *way.gates.values()]
        loss = sum(s.square().sum() for s in sequences if s is not None)
        gradients = torch.autograd.grad(
            loss, list(layer.parameters()), retain_graph=True, materialize_grads=True
        )
        assert all(torch.isfinite(gradient).all() for gradient in gradients)
        assert sum(bool(gradient.any()) for gradient in gradients) >= len(gradients) // 2


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
