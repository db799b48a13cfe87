"""Runs of the operators by form and backend, and how far two results are apart."""

from typing import Any

import pytest
import torch
from torch import Tensor

from gatewise import ops
from gatewise.ops import cases, dispatch
from gatewise.ops.cases import FORMS
from gatewise.ops.native_call import native

OPERATORS: dict[str, Any] = {"lstm": ops.lstm, "gru": ops.gru, "rnn": ops.rnn}

# Every form on every backend that has it: (form, backend).
RUNS = [
    (name, backend.name)
    for name, form in FORMS.items()
    for backend in dispatch.BACKENDS
    if backend.unsupported(cases.make_call(form, cases.make_tensors(form, 2, 2))) is None
]

CORE_FORMS = [form for form, backend in RUNS if backend == "cpu"]

every_core_form = pytest.mark.parametrize("form", CORE_FORMS)
on_every_target = pytest.mark.usefixtures("target")
TARGETS = native.available_targets() if native else []  # instruction sets that this machine has


def make_tensors(form: str, *sizes: int, **options: Any) -> dict[str, Tensor]:
    """Draw a form's tensors by name, (T, B) or (T, B, I, H), each wanting gradients."""
    return cases.make_tensors(FORMS[form], *sizes, **options)


def run_operator(form: str, tensors: dict[str, Tensor], **arguments: Any) -> tuple[Tensor, ...]:
    """Run the operator of a form; give (y, h_n) or (y, h_n, c_n).

    ``arguments`` are lengths, resets, seed and options of the operator.
    """
    cell, x, state, *rest = cases.make_call(FORMS[form], tensors, **arguments)
    return OPERATORS[cell](x, *state, *rest)


def both_ways(form: str, tensors: dict[str, Tensor], **options: Any) -> list[dict[str, Tensor]]:
    """Give outputs and gradients of the core, then of the reference."""
    return [
        with_gradients(run_operator(form, tensors, backend=backend, **options), tensors)
        for backend in ("cpu", "reference")
    ]


def with_gradients(outputs: tuple[Tensor, ...], tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Give outputs and, for a fixed random weighting of them, every gradient, all by name."""
    results = dict(zip(("y", "h_n", "c_n"), outputs, strict=False))
    pairs = zip(outputs, loss_weights(outputs), strict=True)
    loss: Any = sum((out * weight).sum() for out, weight in pairs)
    gradients = torch.autograd.grad(loss, list(tensors.values()), materialize_grads=True)
    names = (f"d{name}" for name in tensors)
    return results | dict(zip(names, gradients, strict=True))


def loss_weights(outputs: tuple[Tensor, ...]) -> list[Tensor]:
    """Draw the weighting of the outputs whose sum is differentiated."""
    generator = torch.Generator().manual_seed(7)
    return [
        torch.randn(out.shape, generator=generator, dtype=torch.float64).to(out) for out in outputs
    ]


def scaled_error(got: Tensor, expected: Tensor) -> float:
    """Give the greatest difference, relative to the greatest expected value or to 1."""
    assert got.shape == expected.shape, f"{tuple(got.shape)} is not {tuple(expected.shape)}"
    if not expected.numel():
        return 0.0
    scale = max(1.0, expected.abs().max().item())
    return (got.double() - expected.double()).abs().max().item() / scale


def tolerance(dtype: torch.dtype, steps: int, form: str = "") -> float:
    """Give the error that rounding may leave after so many steps: a few ulp a step.

    Layer norm divides by a standard deviation, of few small numbers in these cases, and makes
    roundings so much greater.
    """
    has_norm = form in FORMS and FORMS[form].options.get("layer_norm", False)
    return (32 if has_norm else 4) * torch.finfo(dtype).eps * (steps + 2)


def assert_same(got: dict[str, Tensor], expected: dict[str, Tensor], limit: float) -> None:
    """Compare results by name."""
    assert got.keys() == expected.keys()
    for name in expected:
        error = scaled_error(got[name], expected[name])
        assert error <= limit, f"{name}: error {error:.2e} exceeds {limit:.2e}"


def cast(tensors: dict[str, Tensor], dtype: torch.dtype) -> dict[str, Tensor]:
    """Give the same numbers in a type that can hold them."""
    return {name: t.detach().to(dtype).requires_grad_() for name, t in tensors.items()}
