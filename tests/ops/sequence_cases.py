"""Cells, weights and inputs for the operators' tests, and how far two results are apart."""

from typing import Any

import torch
from torch import Tensor

from gatewise import ops

GATES = {"lstm": 4, "gru": 3, "rnn": 1}
OPERATORS: dict[str, Any] = {"lstm": ops.lstm, "gru": ops.gru, "rnn": ops.rnn}
OPTIONS: dict[str, Any] = {"lstm": ops.LSTMOptions, "gru": ops.GRUOptions, "rnn": ops.RNNOptions}

# Every cell in every form: name -> (cell, options).
FORMS: dict[str, tuple[str, dict[str, Any]]] = {
    "lstm": ("lstm", {}),
    "lstm-identity": ("lstm", {"output_activation": "identity"}),
    "gru": ("gru", {}),
    "gru-reset-before": ("gru", {"reset_after": False}),
    "rnn": ("rnn", {}),
    "rnn-relu": ("rnn", {"nonlinearity": "relu"}),
}
TORCH_FORMS = ("lstm", "gru", "rnn", "rnn-relu")

# Every form on every backend that has it: (form, backend).
RUNS = [
    *((form, "reference") for form in FORMS),
    *((form, "torch") for form in TORCH_FORMS),
]


def make_tensors(
    cell: str,
    steps: int,
    batch: int,
    features: int = 3,
    hidden: int = 4,
    *,
    dtype: torch.dtype = torch.float64,
    proj: int = 0,
    bias: bool = True,
    seed: int = 0,
) -> dict[str, Tensor]:
    """Draw an operator's tensors by name, each wanting gradients."""
    generator = torch.Generator().manual_seed(seed)
    rows, width = GATES[cell] * hidden, proj or hidden
    shapes = {"x": (steps, batch, features), "h_0": (batch, width)}
    if cell == "lstm":
        shapes["c_0"] = (batch, hidden)
    shapes |= {"w_ih": (rows, features), "w_hh": (rows, width)}
    if bias:
        shapes |= {"b_ih": (rows,), "b_hh": (rows,)}
    if proj:
        shapes["w_hr"] = (proj, hidden)
    scale = {"x": 1.0, "h_0": 0.5, "c_0": 0.5}
    return {
        name: (
            torch.randn(shape, generator=generator, dtype=torch.float64)
            * scale.get(name, hidden**-0.5)
        )
        .to(dtype)
        .requires_grad_()
        for name, shape in shapes.items()
    }


def run_operator(
    form: str,
    tensors: dict[str, Tensor],
    *,
    lengths: Tensor | None = None,
    resets: Tensor | None = None,
    **options: Any,
) -> tuple[Tensor, ...]:
    """Run the operator of a form; give (y, h_n) or (y, h_n, c_n)."""
    cell, form_options = FORMS[form]
    state = [tensors[name] for name in ("h_0", "c_0") if name in tensors]
    biases = [tensors.get("b_ih"), tensors.get("b_hh")]
    return OPERATORS[cell](
        tensors["x"],
        *state,
        tensors["w_ih"],
        tensors["w_hh"],
        *biases,
        ops.Extras(w_hr=tensors.get("w_hr")),
        lengths,
        resets,
        None,
        OPTIONS[cell](**form_options, **options),
    )


def with_gradients(outputs: tuple[Tensor, ...], tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Give outputs and, for a fixed random weighting of them, every gradient, all by name."""
    results = dict(zip(("y", "h_n", "c_n"), outputs, strict=False))
    generator = torch.Generator().manual_seed(7)
    loss: Any = sum(
        (out * torch.randn(out.shape, generator=generator, dtype=torch.float64).to(out)).sum()
        for out in outputs
    )
    gradients = torch.autograd.grad(loss, list(tensors.values()), materialize_grads=True)
    names = (f"d{name}" for name in tensors)
    return results | dict(zip(names, gradients, strict=True))


def scaled_error(got: Tensor, expected: Tensor) -> float:
    """Give the greatest difference, relative to the greatest expected value or to 1."""
    assert got.shape == expected.shape, f"{tuple(got.shape)} is not {tuple(expected.shape)}"
    if not expected.numel():
        return 0.0
    scale = max(1.0, expected.abs().max().item())
    return (got.double() - expected.double()).abs().max().item() / scale


def tolerance(dtype: torch.dtype, steps: int) -> float:
    """Give the error that rounding may leave after so many steps: a few ulp a step."""
    return 4 * torch.finfo(dtype).eps * (steps + 2)


def assert_same(got: dict[str, Tensor], expected: dict[str, Tensor], limit: float) -> None:
    """Compare results by name."""
    assert got.keys() == expected.keys()
    for name in expected:
        error = scaled_error(got[name], expected[name])
        assert error <= limit, f"{name}: error {error:.2e} exceeds {limit:.2e}"
