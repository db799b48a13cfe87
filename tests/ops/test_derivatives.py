"""Gradients that are asked for twice, many at once, or to be differentiated in turn."""

import pytest
import torch
from sequence_cases import CORE_FORMS, RUNS, assert_same, make_tensors, run_operator, tolerance
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
def test_graph_can_be_walked_twice(form: str, backend: str) -> None:
    tensors = make_tensors(form, 4, 3)
    y = run_operator(form, tensors, backend=backend)[0]
    first, second = (
        torch.autograd.grad(y.sum(), tensors["w_hh"], retain_graph=True)[0] for _ in range(2)
    )
    assert torch.equal(first, second)


@pytest.mark.parametrize("steps", [0, 3])
@pytest.mark.parametrize("form", CORE_FORMS)
def test_second_derivatives_of_a_state_alone_after_any_number_of_steps(
    form: str, steps: int
) -> None:
    tensors = make_tensors(form, steps, 2)
    tensors["h_0"] = tensors["h_0"].detach()
    state = run_operator(form, tensors, backend="cpu")[1]
    settings = {"retain_graph": True, "materialize_grads": True}
    values = [tensors[name] for name in ("x", "w_ih", "w_hh")]
    once, twice = (
        torch.autograd.grad(state.sum(), values, create_graph=is_twice, **settings)
        for is_twice in (False, True)
    )
    assert_close(twice, once)


@pytest.mark.parametrize("backend", ["cpu", "torch", "reference"])
def test_lengths_made_in_inference_mode_can_be_trained_with(backend: str) -> None:
    if backend == "cpu":
        pytest.importorskip("gatewise.ops._native")
    with torch.inference_mode():
        lengths = LENGTHS.clone()
    tensors = make_tensors("gru", 4, 3)
    outputs = [
        run_operator("gru", tensors, backend=backend, lengths=ends)[0]
        for ends in (lengths, LENGTHS)
    ]
    assert_close(*(torch.autograd.grad(y.sum(), tensors["x"]) for y in outputs))


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
