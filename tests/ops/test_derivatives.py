"""Gradients that kernels leave to the reference."""

import pytest
import torch
from sequence_cases import RUNS, make_tensors, run_operator
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
    values = [t for name, t in tensors.items() if not name.startswith("initial")]
    y, *_ = run_operator(form, tensors, backend=backend, lengths=LENGTHS)
    rows = torch.randn(2, *y.shape)

    def gradients(row: Tensor, **settings: bool) -> tuple[Tensor, ...]:
        settings |= {"retain_graph": True, "materialize_grads": True}
        return torch.autograd.grad(y, values, row, **settings)

    expected = [torch.stack(each) for each in zip(*map(gradients, rows), strict=True)]
    for got in (gradients(rows, is_grads_batched=True), vmap(gradients)(rows)):
        for one, want in zip(got, expected, strict=True):
            assert_close(one, want, rtol=1e-4, atol=1e-5)
            assert not one.requires_grad


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
