"""Layers and cells under torch.autocast on a CPU: computed in float32, the output in 16 bits."""

from typing import Any

import pytest
import torch
from layer_cases import KINDS, as_tuple
from torch import Tensor
from torch.nn.utils.rnn import PackedSequence, pack_sequence

import gatewise
from gatewise.ops import backend_names
from gatewise.ops.native_call import native

NARROW = (torch.bfloat16, torch.float16)
BACKENDS = [name for name in backend_names() if name != "cpu" or native is not None]

every_kind = pytest.mark.parametrize("kind", KINDS)


def make_layer(kind: str, **options: Any) -> Any:
    torch.manual_seed(0)
    return getattr(gatewise, kind)(3, 5, **options)


def run_narrow(layer: Any, *arguments: Any, dtype: torch.dtype = torch.bfloat16) -> Any:
    """Run a layer under autocast."""
    with torch.autocast("cpu", dtype):
        return layer(*arguments)


@every_kind
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("dtype", NARROW)
def test_layer_computes_in_float32(kind: str, backend: str, dtype: torch.dtype) -> None:
    layer = make_layer(kind, num_layers=2, bidirectional=True, backend=backend)
    for x in (torch.randn(9, 4, 3), torch.randn(9, 4, 3).to(dtype)):
        y, state = run_narrow(layer, x, dtype=dtype)
        expected, expected_state = layer(x.float())
        assert torch.equal(y, expected.to(dtype))
        for got, want in zip(as_tuple(state), as_tuple(expected_state), strict=True):
            assert torch.equal(got, want)


@every_kind
def test_gradients_have_the_types_of_their_tensors(kind: str) -> None:
    layer = make_layer(kind)
    x = torch.randn(9, 4, 3).bfloat16().requires_grad_()
    h_0 = torch.randn(1, 4, 5).bfloat16().requires_grad_()
    hx = (h_0, torch.zeros(1, 4, 5)) if kind == "LSTM" else h_0
    y, state = run_narrow(layer, x, hx)
    (y.float().sum() + as_tuple(state)[0].sum()).backward()
    wide, wide_h = (t.detach().float().requires_grad_() for t in (x, h_0))
    expected, expected_state = layer(wide, (wide_h, hx[1]) if kind == "LSTM" else wide_h)
    loss = expected.sum() + as_tuple(expected_state)[0].sum()
    dx, dh_0, *dw = torch.autograd.grad(loss, [wide, wide_h, *layer.parameters()])
    assert torch.equal(x.grad, dx.bfloat16())
    assert torch.equal(h_0.grad, dh_0.bfloat16())
    for parameter, gradient in zip(layer.parameters(), dw, strict=True):
        torch.testing.assert_close(parameter.grad, gradient)


def test_torchs_lstm_gives_its_output_in_the_same_type() -> None:
    x = torch.randn(9, 4, 3)
    theirs = run_narrow(torch.nn.LSTM(3, 5), x)[0]
    assert run_narrow(make_layer("LSTM"), x)[0].dtype == theirs.dtype == torch.bfloat16


def test_state_can_be_handed_on() -> None:
    layer, x = make_layer("LSTM"), torch.randn(20, 4, 3)  # halves that the same backend takes
    with torch.autocast("cpu", torch.bfloat16):
        whole, state = layer(x)
        first, middle = layer(x[:10])
        second, last = layer(x[10:], middle)
    assert torch.equal(torch.cat([first, second]), whole)
    assert all(torch.equal(a, b) for a, b in zip(last, state, strict=True))


def test_packed_sequences_stay_packed() -> None:
    layer = make_layer("GRU")
    packed = pack_sequence([torch.randn(5, 3), torch.randn(2, 3)]).to(torch.bfloat16)
    output, _ = run_narrow(layer, packed)
    assert isinstance(output, PackedSequence)
    expected, _ = layer(packed.to(torch.float32))
    assert torch.equal(output.data, expected.data.bfloat16())


@every_kind
def test_cells_keep_a_float32_state(kind: str) -> None:
    cell = make_layer(kind + "Cell")
    x, h = torch.randn(2, 4, 3).bfloat16(), torch.randn(4, 5)
    state: Any = (h, h) if kind == "LSTM" else h
    expected = state
    for x_t in x:
        state, expected = run_narrow(cell, x_t, state), cell(x_t.float(), expected)
    for got, want in zip(as_tuple(state), as_tuple(expected), strict=True):
        assert torch.equal(got, want)


def test_trace_runs_as_the_layer_does() -> None:
    layer, x = make_layer("LSTM", backend="reference"), torch.randn(9, 4, 3)
    trace: Any = run_narrow(lambda x: gatewise.trace(layer, x), x)
    assert torch.equal(trace.output, run_narrow(layer, x)[0])
    assert trace.layers[0].forward.cell.dtype == torch.float32


def test_double_precision_is_left_alone() -> None:
    layer, x = make_layer("GRU", dtype=torch.float64), torch.randn(9, 4, 3, dtype=torch.float64)
    assert torch.equal(run_narrow(layer, x)[0], layer(x)[0])
    with pytest.raises(ValueError, match=r"input is torch\.bfloat16, but the weights"):
        run_narrow(layer, x.bfloat16())


@pytest.mark.parametrize("kind", ["GRU", "GRUCell"])
def test_types_that_differ_are_an_error_without_autocast(kind: str) -> None:
    with pytest.raises(ValueError, match=r"input is torch\.bfloat16, but the weights"):
        make_layer(kind)(torch.randn(4, 3).bfloat16())


@pytest.mark.skipif(native is None, reason="the core was not built")
def test_compiled_layer_does_the_same() -> None:
    torch._dynamo.reset()
    layer = make_layer("LSTM", backend="cpu")
    run = torch.compile(layer, fullgraph=True, backend="aot_eager")
    x = torch.randn(9, 4, 3).bfloat16().requires_grad_()
    outputs: list[Tensor] = [run_narrow(f, x)[0] for f in (run, layer)]
    assert torch.equal(outputs[0], outputs[1])
    gradients = [torch.autograd.grad(y.float().sum(), x)[0] for y in outputs]
    assert torch.equal(gradients[0], gradients[1])
