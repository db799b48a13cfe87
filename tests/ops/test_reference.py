"""The reference: derivatives of any order, and what it records."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from form_choices import forms_with_two_options
from hypothesis import given, settings
from hypothesis import strategies as st
from sequence_cases import FORMS, make_tensors, run_operator
from torch import Tensor
from torch.autograd import forward_ad
from truths import run_call

from gatewise import ops
from gatewise.cells import GRUStep, LSTMStep, RNNStep
from gatewise.ops import cases, reference
from gatewise.ops.call import CellName
from gatewise.ops.cases import Form, draws

LENGTHS = torch.tensor([3, 0, 2])
RESETS = torch.tensor([[0, 0, 1], [1, 0, 0], [0, 1, 1]], dtype=torch.bool)
SITUATIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "reverse": {"reverse": True},
    "lengths": {"lengths": LENGTHS},
    "resets": {"resets": RESETS},
    "all": {"lengths": LENGTHS, "resets": RESETS, "reverse": True},
}


# Every form in every situation, and with random masks where there are any: (form, situation, seed).
CASES = [
    (name, situation, seed)
    for name, form in FORMS.items()
    for situation in SITUATIONS
    for seed in ((None, 1) if draws(form) else (None,))
]


def as_function(
    form: Form, tensors: dict[str, Tensor], situation: str, seed: int | None
) -> Callable[..., tuple[Tensor, ...]]:
    def function(*values: Tensor) -> tuple[Tensor, ...]:
        named = dict(zip(tensors, values, strict=True))
        given = SITUATIONS[situation] | {"seed": seed, "backend": "reference"}
        return run_call(cases.make_call(form, named, **given))

    return function


@pytest.mark.parametrize(("form", "situation", "seed"), CASES)
def test_reference_gradients_match_finite_differences(
    form: str, situation: str, seed: int | None
) -> None:
    tensors = make_tensors(form, 3, 3, 1, 2)
    function = as_function(FORMS[form], tensors, situation, seed)
    assert torch.autograd.gradcheck(
        function, tuple(tensors.values()), check_forward_ad=situation == "all"
    )


@pytest.mark.parametrize(("form", "seed"), [(f, s) for f, where, s in CASES if where == "all"])
def test_reference_second_derivatives_match_finite_differences(form: str, seed: int | None) -> None:
    tensors = make_tensors(form, 3, 3, 1, 2)
    function = as_function(FORMS[form], tensors, "all", seed)
    assert torch.autograd.gradgradcheck(function, tuple(tensors.values()))


def test_reference_projection_gradients_match_finite_differences() -> None:
    tensors = make_tensors("lstm-projection", 3, 2, 2, 3)
    function = as_function(FORMS["lstm-projection"], tensors, "plain", None)
    assert torch.autograd.gradcheck(function, tuple(tensors.values()))
    assert torch.autograd.gradgradcheck(function, tuple(tensors.values()))


@settings(max_examples=20, deadline=None, derandomize=True)
@given(
    form=forms_with_two_options(),
    situation=st.sampled_from(list(SITUATIONS)),
    seed=st.none() | st.integers(0, 2**32),
)
def test_two_options_have_gradients_that_match_finite_differences(
    form: Form, situation: str, seed: int | None
) -> None:
    tensors = cases.make_tensors(form, 3, 3, 1, 3)
    function = as_function(form, tensors, situation, seed)
    assert torch.autograd.gradcheck(function, tuple(tensors.values()))


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
