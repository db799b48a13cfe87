"""Layers of every form, pairs of ours and torch's with one set of weights, runs compared."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

import gatewise
from gatewise.ops import cases
from gatewise.ops.cases import FORMS

KINDS = ("LSTM", "GRU", "RNN")
DRAWING = [name for name, form in FORMS.items() if cases.draws(form)]
STEP_FORMS = [name for name, form in FORMS.items() if "proj_size" not in form.options]
TWOFOLD: dict[str, Any] = {"num_layers": 2, "bidirectional": True}


def make_form(form: str, **options: Any) -> Any:
    """Make the layer of a form, float64, 3 features and 5 units, and draw all its weights."""
    cell, own = FORMS[form]
    torch.manual_seed(0)
    made = {"dtype": torch.float64} | own | options
    return draw_weights(getattr(gatewise, cell.upper())(3, 5, **made))


def draw_weights(module: nn.Module) -> nn.Module:
    """Move the weights that start at 0 or 1, where a fault would not show."""
    with torch.no_grad():
        for name, weight in module.named_parameters():
            if "_ln_" in name or name.startswith("initial"):
                weight += 0.3 * torch.randn_like(weight)
    return module


def draw(*shape: int) -> Tensor:
    """Draw a float64 tensor."""
    return torch.randn(*shape, dtype=torch.float64)


def as_tuple(state: Any) -> tuple[Tensor, ...]:
    """Give a state, one tensor or a pair, as a tuple."""
    return state if isinstance(state, tuple) else (state,)


def seeded(layer: nn.Module, *arguments: Any, seed: int = 1, **masks: Any) -> Any:
    """Run a layer after ``torch.manual_seed``."""
    torch.manual_seed(seed)
    return layer(*arguments, **masks)


def make_pair(
    kind: str,
    *sizes: int,
    dtype: torch.dtype = torch.float64,
    backend: str = "auto",
    **options: Any,
) -> tuple[Any, Any]:
    """Make our layer and torch's, the weights copied by ``state_dict``."""
    torch.manual_seed(0)
    theirs = getattr(torch.nn, kind)(*sizes, dtype=dtype, **options)
    mine = getattr(gatewise, kind)(*sizes, dtype=dtype, backend=backend, **options)
    with torch.no_grad():
        for parameter in mine.parameters():
            parameter.fill_(float("nan"))
    mine.load_state_dict(theirs.state_dict())
    return mine, theirs


def make_state(layer: Any, *batch: int) -> Any:
    """Draw an ``hx`` for a layer that wants gradients; no ``batch`` for unbatched input."""
    rows = layer.num_layers * (2 if layer.bidirectional else 1)
    dtype = next(layer.parameters()).dtype

    def draw(width: int) -> Tensor:
        return torch.randn(rows, *batch, width, dtype=dtype).requires_grad_()

    h = draw(getattr(layer, "proj_size", 0) or layer.hidden_size)
    is_lstm = type(layer).__name__ == "LSTM"
    return (h, draw(layer.hidden_size)) if is_lstm else h


def run_layer(
    layer: nn.Module, x: Tensor | PackedSequence, hx: Any, **masks: Any
) -> dict[str, Tensor]:
    """Run forward and backward; give every output and gradient by name."""
    output, state = layer(x, hx, **masks)
    states = state if isinstance(state, tuple) else (state,)
    y = output.data if isinstance(output, PackedSequence) else output
    results = dict(zip(("y", "h_n", "c_n"), (y, *states), strict=False))
    generator = torch.Generator().manual_seed(5)
    loss = sum(
        (v * torch.randn(v.shape, generator=generator).to(v)).sum() for v in results.values()
    )

    inputs = {"x": x.data if isinstance(x, PackedSequence) else x} | dict(layer.named_parameters())
    if hx is not None:
        given = hx if isinstance(hx, tuple) else (hx,)
        inputs |= dict(zip(("h_0", "c_0"), given, strict=False))
    gradients = torch.autograd.grad(loss, list(inputs.values()), materialize_grads=True)
    return results | {f"d{k}": g for k, g in zip(inputs, gradients, strict=True)}


def assert_same(got: dict[str, Tensor], expected: dict[str, Tensor], steps: int) -> None:
    """Compare results by name, within a few roundings a step, relative to the greatest value."""
    assert got.keys() == expected.keys()
    for name, want in expected.items():
        have = got[name]
        assert have.shape == want.shape, name
        limit = 8 * torch.finfo(want.dtype).eps * (steps + 2)
        scale = max(1.0, want.abs().max().item()) if want.numel() else 1.0
        error = (have - want).abs().max().item() / scale if want.numel() else 0.0
        assert error <= limit, f"{name}: error {error:.2e} exceeds {limit:.2e}"
