"""Torch's kernels, and what they lack: transforms and second derivatives."""

import pytest
import torch
from sequence_cases import RUNS, assert_same, make_tensors, run_operator, tolerance
from torch import Tensor
from torch.autograd.graph import save_on_cpu

import gatewise
from gatewise.ops import cases, torch_backend
from gatewise.ops.cases import FORMS

LENGTHS = torch.tensor([4, 0, 2])

every_torch_form = pytest.mark.parametrize(
    "form", [form for form, backend in RUNS if backend == "torch"]
)


def second_derivatives(form: str, backend: str, dtype: torch.dtype) -> dict[str, Tensor]:
    """Give all gradients of a norm of the first gradients."""
    tensors = make_tensors(form, 4, 3, dtype=dtype)
    outputs = run_operator(form, tensors, backend=backend, lengths=LENGTHS)
    loss = sum(o.square().sum() for o in outputs)
    values = list(tensors.values())
    first = torch.autograd.grad(loss, values, create_graph=True, materialize_grads=True)
    norm = sum(g.square().sum() for g in first)
    second = torch.autograd.grad(norm, values, materialize_grads=True)
    return dict(zip(tensors, second, strict=True))


@every_torch_form
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_second_derivatives_match_reference(form: str, dtype: torch.dtype) -> None:
    got, expected = (second_derivatives(form, backend, dtype) for backend in ("torch", "reference"))
    assert_same(got, expected, 16 * tolerance(dtype, 4))


def test_second_derivatives_of_a_reverse_run_are_right() -> None:
    tensors = make_tensors("lstm", 2, 2, 2, 2)

    def function(*values: Tensor) -> tuple[Tensor, ...]:
        given = dict(zip(tensors, values, strict=True))
        return run_operator("lstm", given, backend="torch", reverse=True)

    assert torch.autograd.gradgradcheck(function, tuple(tensors.values()))


def test_output_can_be_changed_in_place() -> None:
    """As torch's own; what a kernel still needs is watched by autograd."""
    tensors = make_tensors("gru", 4, 3)
    y = run_operator("gru", tensors, backend="torch")[0]
    y.mul_(2)
    got = torch.autograd.grad(y.sum(), tensors["x"])[0]
    y = run_operator("gru", tensors, backend="torch")[0]
    assert torch.equal(got, torch.autograd.grad(2 * y.sum(), tensors["x"])[0])


def test_lengths_changed_before_second_derivatives_are_refused() -> None:
    tensors, lengths = make_tensors("gru", 4, 3), LENGTHS.clone()
    y = run_operator("gru", tensors, backend="torch", lengths=lengths)[0]
    lengths.fill_(4)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        torch.autograd.grad(y.sum(), tensors["x"], create_graph=True)


def test_saved_tensors_can_be_moved_away() -> None:
    tensors = make_tensors("gru", 4, 3)
    gradients = []
    for hooks in (
        save_on_cpu(),
        torch.autograd.graph.saved_tensors_hooks(Tensor.clone, Tensor.neg),
    ):
        with hooks:
            y = run_operator("gru", tensors, backend="torch")[0]
        gradients.append(torch.autograd.grad(y.sum(), tensors["x"])[0])
    assert not torch.equal(*gradients)


@every_torch_form
def test_transforms_go_past_the_kernels(form: str) -> None:
    tensors = {k: t.detach() for k, t in make_tensors(form, 4, 3).items()}
    call = cases.make_call(FORMS[form], tensors, backend="torch")
    assert torch_backend.unsupported(call) is None

    def reason(x: Tensor) -> Tensor:
        assert "torch.func" in str(torch_backend.unsupported(call._replace(x=x)))
        return x

    torch.func.vmap(reason)(tensors["x"])
    with torch.autograd.forward_ad.dual_level():
        assert "forward-mode" in str(torch_backend.unsupported(call))


def test_packing_on_the_meta_device_is_left_to_the_reference() -> None:
    tensors = {k: t.detach().to("meta") for k, t in make_tensors("gru", 4, 3).items()}
    assert run_operator("gru", tensors, backend="torch")[0].is_meta
    lengths = LENGTHS.to("meta")
    assert run_operator("gru", tensors, lengths=lengths)[0].shape == (4, 3, 4)
    with pytest.raises(ValueError, match="packing looks at lengths, and here they have no values"):
        run_operator("gru", tensors, backend="torch", lengths=lengths)


@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_compiled_16_bit_layer_trains_with_lengths_and_without(kind: str) -> None:
    """Where torch's kernels cannot go into a graph, the reference does."""
    torch._dynamo.reset()
    layer = getattr(gatewise, kind)(3, 4, dtype=torch.bfloat16)
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
    x = torch.randn(4, 3, 3).bfloat16()
    for masks in ({}, {"lengths": LENGTHS}):
        found, expected = (run(x, **masks)[0] for run in (compiled, layer))
        torch.testing.assert_close(found, expected, rtol=0, atol=0.05)
        found.sum().backward()
    assert layer.weight_hh_l0.grad.isfinite().all()
