"""Gradients that kernels leave to the reference."""

import pytest
import torch
from sequence_cases import RUNS, assert_same, make_tensors, run_operator, tolerance
from torch import Tensor
from torch.func import vmap
from torch.testing import assert_close

LENGTHS = torch.tensor([4, 0, 2])

on_every_kernel = pytest.mark.parametrize(
    ("form", "backend"), [run for run in RUNS if run[1] != "reference"]
)


@on_every_kernel
def test_many_gradients_at_once_equal_one_after_the_other(form: str, backend: str) -> None:
    """As ``torch.autograd.functional.jacobian(vectorize=True)`` asks for them."""
    tensors = make_tensors(form, 4, 3, dtype=torch.float32)
    used = {name: t for name, t in tensors.items() if not name.startswith("initial")}
    y, *_ = run_operator(form, tensors, backend=backend, lengths=LENGTHS)
    rows = torch.randn(2, *y.shape, generator=torch.Generator().manual_seed(1))

    def gradients(row: Tensor, **settings: bool) -> dict[str, Tensor]:
        settings |= {"retain_graph": True, "materialize_grads": True}
        found = torch.autograd.grad(y, list(used.values()), row, **settings)
        return dict(zip(used, found, strict=True))

    singles = [gradients(row) for row in rows]
    expected = {name: torch.stack([single[name] for single in singles]) for name in used}
    for got in (gradients(rows, is_grads_batched=True), vmap(gradients)(rows)):
        assert_same(got, expected, 4 * tolerance(y.dtype, 4, form))
        assert not any(gradient.requires_grad for gradient in got.values())


@on_every_kernel
def test_many_gradients_at_once_can_be_differentiated(form: str, backend: str) -> None:
    tensors = make_tensors(form, 3, 2)
    y, *_ = run_operator(form, tensors, backend=backend)
    rows = torch.randn(2, *y.shape, dtype=y.dtype)

    def second(*firsts: Tensor) -> Tensor:
        (found,) = torch.autograd.grad(
            sum(first.square().sum() for first in firsts), tensors["w_hh"], retain_graph=True
        )
        return found

    x = tensors["x"]
    (many,) = torch.autograd.grad(y, x, rows, create_graph=True, is_grads_batched=True)
    singles = [torch.autograd.grad(y, x, row, create_graph=True)[0] for row in rows]
    assert_close(second(many), second(*singles))
