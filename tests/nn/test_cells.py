"""The *Cell twins: torch's numbers, and one step at a time equals the layer."""

import copy
import inspect
import pickle
from typing import Any

import pytest
import torch
from layer_cases import KINDS

import gatewise

every_kind = pytest.mark.parametrize("kind", KINDS)


def draw(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64)


def make_state(kind: str, *batch: int) -> Any:
    h = draw(*batch, 5).requires_grad_()
    return (h, draw(*batch, 5).requires_grad_()) if kind == "LSTM" else h


@every_kind
def test_cell_takes_torchs_arguments_in_torchs_order(kind: str) -> None:
    torchs = inspect.signature(getattr(torch.nn, f"{kind}Cell")).parameters
    parameters = inspect.signature(getattr(gatewise, f"{kind}Cell")).parameters.values()
    mine = [(p.name, p.default) for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    assert mine == [(p.name, p.default) for p in torchs.values()]


@every_kind
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("batch", [(3,), ()])
@pytest.mark.parametrize("with_state", [True, False])
def test_cell_matches_torch(
    kind: str, bias: bool, batch: tuple[int, ...], with_state: bool
) -> None:
    torch.manual_seed(0)
    theirs = getattr(torch.nn, f"{kind}Cell")(3, 5, bias, dtype=torch.float64)
    mine = getattr(gatewise, f"{kind}Cell")(3, 5, bias, dtype=torch.float64, init="standard")
    mine.load_state_dict(theirs.state_dict())
    x = draw(*batch, 3).requires_grad_()
    hx = make_state(kind, *batch) if with_state else None
    given = () if hx is None else hx if isinstance(hx, tuple) else (hx,)
    results = []
    for cell in (mine, theirs):
        out = cell(x, hx)
        outs = out if isinstance(out, tuple) else (out,)
        loss = sum((o * (k + 1)).pow(2).sum() for k, o in enumerate(outs))
        inputs = (x, *given, *cell.parameters())
        results.append((*outs, *torch.autograd.grad(loss, inputs)))
    for got, expected in zip(*results, strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("LSTM", {}),
        ("LSTM", {"output_activation": "identity"}),
        ("GRU", {}),
        ("GRU", {"reset_after": False}),
        ("RNN", {}),
        ("RNN", {"nonlinearity": "relu"}),
    ],
)
def test_single_steps_equal_the_layer(kind: str, options: dict[str, Any]) -> None:
    torch.manual_seed(0)
    layer = getattr(gatewise, kind)(3, 5, dtype=torch.float64, **options)
    cell = getattr(gatewise, f"{kind}Cell")(3, 5, dtype=torch.float64, **options)
    cell.load_state_dict({k.removesuffix("_l0"): v for k, v in layer.state_dict().items()})
    x = draw(7, 2, 3)
    state: Any = None
    y, final = layer(x)
    outputs = []
    for x_t in x:
        state = cell(x_t, state)
        outputs.append(state[0] if kind == "LSTM" else state)
    torch.testing.assert_close(torch.stack(outputs), y, rtol=1e-13, atol=1e-13)
    last = final if kind == "LSTM" else (final,)
    for got, expected in zip(state if kind == "LSTM" else (state,), last, strict=True):
        torch.testing.assert_close(got, expected[0], rtol=1e-13, atol=1e-13)


@every_kind
def test_cell_copies_and_shows_itself(kind: str) -> None:
    cell, x = getattr(gatewise, f"{kind}Cell")(3, 5), torch.randn(2, 3)
    for twin in (copy.deepcopy(cell), pickle.loads(pickle.dumps(cell))):
        torch.testing.assert_close(twin(x), cell(x), rtol=0, atol=0)
    assert repr(cell) == f"{kind}Cell(3, 5)"
    assert "bias=False" in repr(getattr(gatewise, f"{kind}Cell")(3, 5, False))


@pytest.mark.parametrize(
    ("kind", "given", "hx", "words"),
    [
        ("LSTM", torch.zeros(1, 1, 3), None, "LSTMCell takes input with 1 dimensions"),
        ("GRU", torch.zeros(2, 4), None, "input_size=3.*last dimension is 4"),
        ("RNN", torch.zeros(2, 3).double(), None, "input is torch.float64.*torch.float32"),
        ("LSTM", torch.zeros(2, 3), torch.zeros(2, 5), r"a pair of tensors, \(h_0, c_0\)"),
        ("GRU", torch.zeros(2, 3), (torch.zeros(2, 5),), "one tensor, h_0; got a tuple of 1"),
        ("GRU", torch.zeros(2, 3), torch.zeros(3, 5), r"h_0 must have shape \(2, 5\)"),
    ],
)
def test_wrong_step_is_refused(kind: str, given: Any, hx: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        getattr(gatewise, f"{kind}Cell")(3, 5)(given, hx)


@pytest.mark.parametrize(
    ("kind", "option"),
    [("LSTM", "output_activation"), ("GRU", "reset_after"), ("RNN", "nonlinearity")],
)
def test_unknown_cell_option_is_refused(kind: str, option: str) -> None:
    with pytest.raises(ValueError, match=f"{option} must be one of"):
        getattr(gatewise, f"{kind}Cell")(3, 5, **{option: "wrong"})
