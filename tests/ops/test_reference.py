"""The reference: derivatives of any order, and what it records."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from sequence_cases import FORMS, make_tensors, run_operator
from torch import Tensor
from torch.autograd import forward_ad

from gatewise import ops
from gatewise.cells import GRUStep, LSTMStep, RNNStep
from gatewise.ops import reference
from gatewise.ops.call import CellName

LENGTHS = torch.tensor([3, 0, 2])
RESETS = torch.tensor([[0, 0, 1], [1, 0, 0], [0, 1, 1]], dtype=torch.bool)
SITUATIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "reverse": {"reverse": True},
    "lengths": {"lengths": LENGTHS},
    "resets": {"resets": RESETS},
    "all": {"lengths": LENGTHS, "resets": RESETS, "reverse": True},
}


def as_function(
    form: str, tensors: dict[str, Tensor], situation: str
) -> Callable[..., tuple[Tensor, ...]]:
    def function(*values: Tensor) -> tuple[Tensor, ...]:
        named = dict(zip(tensors, values, strict=True))
        return run_operator(form, named, backend="reference", **SITUATIONS[situation])

    return function


@pytest.mark.parametrize("situation", SITUATIONS)
@pytest.mark.parametrize("form", FORMS)
def test_reference_gradients_match_finite_differences(form: str, situation: str) -> None:
    tensors = make_tensors(form, 3, 3, 2, 2)
    assert torch.autograd.gradcheck(
        as_function(form, tensors, situation), tuple(tensors.values()), check_forward_ad=True
    )


@pytest.mark.parametrize("situation", ["plain", "all"])
@pytest.mark.parametrize("form", FORMS)
def test_reference_second_derivatives_match_finite_differences(form: str, situation: str) -> None:
    tensors = make_tensors(form, 2 if situation == "plain" else 3, 3, 1, 2)
    assert torch.autograd.gradgradcheck(
        as_function(form, tensors, situation), tuple(tensors.values())
    )


def test_reference_projection_gradients_match_finite_differences() -> None:
    tensors = make_tensors("lstm-projection", 3, 2, 2, 3)
    function = as_function("lstm-projection", tensors, "plain")
    assert torch.autograd.gradcheck(function, tuple(tensors.values()))
    assert torch.autograd.gradgradcheck(function, tuple(tensors.values()))


def test_reference_has_forward_mode_for_float32_lstm() -> None:
    tensors = {k: v.detach() for k, v in make_tensors("lstm", 3, 2, dtype=torch.float32).items()}
    with forward_ad.dual_level():
        x = forward_ad.make_dual(tensors["x"], torch.ones_like(tensors["x"]))
        y, *_ = run_operator("lstm", tensors | {"x": x}, backend="reference")
        assert forward_ad.unpack_dual(y).tangent.abs().max() > 0


@pytest.mark.parametrize(
    ("cell", "record"), [("lstm", LSTMStep), ("gru", GRUStep), ("rnn", RNNStep)]
)
@pytest.mark.parametrize("reverse", [False, True])
def test_recorded_steps_are_those_of_the_run(cell: CellName, record: type, reverse: bool) -> None:
    tensors = make_tensors(cell, 5, 3)
    options = {"lstm": ops.LSTMOptions, "gru": ops.GRUOptions, "rnn": ops.RNNOptions}[cell]
    state = [tensors[name] for name in ("h_0", "c_0") if name in tensors]
    weights = [tensors[name] for name in ("w_ih", "w_hh", "b_ih", "b_hh")]
    rest = (ops.Extras(), None, None, None, options(reverse=reverse))
    call = ops.Call.from_arguments(cell, tensors["x"], *state, *weights, *rest)
    result, records = reference.run_recorded(call)
    assert [type(one) for one in records] == [record] * 5
    assert torch.equal(torch.stack([one.h for one in records]), result.y)
    assert torch.equal(records[0 if reverse else -1].h, result.state[0])
